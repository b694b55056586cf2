"""Copies between two buckets on different stores, by clients that ask the server to copy."""

from __future__ import annotations

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.clients.install import program
from tests.e2e.place import Place, noise
from tests.flows.actor import Actor
from tests.servers.gateway import RunningGateway
from tests.servers.store import RunningStore

_LARGE = 10 * 1024 * 1024 + 7
_NAME = "copies/ä b+c%.bin"


@pytest.fixture
def other(actor: Actor, gateway: RunningGateway, seaweedfs: RunningStore, swift: RunningStore) -> Place:
    """The bucket on the other store than the actor's."""
    store = swift if actor.place.store is seaweedfs else seaweedfs
    return Place.before(gateway, store)


def test_aws_cp_from_bucket_to_bucket(actor: Actor, other: Place) -> None:
    """`aws s3 cp s3://a/x s3://b/x`, in parts and whole, moves the bytes; whole, it keeps type and metadata too."""
    for size in (_LARGE, 1000):  # this client describes no object that it copies in parts
        actor.place.put(_NAME, noise(size), ContentType="text/x", Metadata={"colour": "red"})
        actor.aws("s3", "cp", f"s3://{actor.place.bucket}/{_NAME}", f"s3://{other.bucket}/{_NAME}")
        assert noise(size) == other.stored(_NAME)
    found = actor.client().head_object(Bucket=other.bucket, Key=_NAME)
    assert ("text/x", {"colour": "red"}) == (found["ContentType"], found["Metadata"])


def test_boto3_copies_in_parts(actor: Actor, other: Place) -> None:
    """`client.copy` above its threshold uses UploadPartCopy with ranges; below it CopyObject, with its conditions."""
    actor.place.put("copies/large", noise(_LARGE))
    parts = TransferConfig(multipart_threshold=5 * 1024**2, multipart_chunksize=5 * 1024**2)
    source = {"Bucket": actor.place.bucket, "Key": "copies/large"}
    client = actor.client()
    client.copy(source, other.bucket, "copies/parts", Config=parts)
    assert noise(_LARGE) == other.stored("copies/parts")
    etag = client.head_object(**source)["ETag"]
    copied = client.copy_object(CopySource=source, Bucket=other.bucket, Key="copies/whole", CopySourceIfMatch=etag)
    assert copied["CopyObjectResult"]["ETag"] == client.head_object(Bucket=other.bucket, Key="copies/whole")["ETag"]
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.copy_object(CopySource=source, Bucket=other.bucket, Key="copies/not", CopySourceIfNoneMatch=etag)
    assert other.stored("copies/not") is None


def test_rclone_copies_on_the_server(actor: Actor, other: Place) -> None:
    """`rclone copyto` between two buckets of one remote asks us to copy, and moves no byte itself."""
    actor.place.put(_NAME, noise(_LARGE))
    settings = {
        "RCLONE_CONFIG": str(actor.home / "none.conf"),
        "RCLONE_CONFIG_GW_TYPE": "s3",
        "RCLONE_CONFIG_GW_PROVIDER": "Other",
        "RCLONE_CONFIG_GW_ENV_AUTH": "true",
        "RCLONE_CONFIG_GW_ENDPOINT": actor.place.gateway.data,
        "RCLONE_CONFIG_GW_FORCE_PATH_STYLE": "true",
    }
    paths = (f"gw:{actor.place.bucket}/{_NAME}", f"gw:{other.bucket}/{_NAME}.2")
    said = actor.run(program("core", "rclone"), "-v", "copyto", *paths, **settings).stderr
    assert "server-side copy" in said
    assert noise(_LARGE) == other.stored(f"{_NAME}.2")
