"""S3 clients that know nothing of a gateway, with keys that it issued."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sys
import zlib
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.e2e.conftest import Run
from tests.e2e.place import Place, noise
from tests.servers import over_tls


def _client(place: Place, **changes: Any) -> Any:
    """boto3 as it comes, pointed at the gateway with a key of its own."""
    key = place.gateway.api("POST", "/v1/keys", {"app": "tests", "expires_in": 3600})
    return boto3.client(
        "s3",
        endpoint_url=place.gateway.data,
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
        region_name="us-east-1",
        config=Config(**({"signature_version": "s3v4", "retries": {"total_max_attempts": 1}} | changes)),
    )


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_boto3_keeps_and_finds_objects(place: Place, version: str) -> None:
    """Put, head, get, range, list, copy and delete work with both signature versions, under the gateway's names."""
    client = _client(place, signature_version=version)
    body, key = noise(100_000), "sdk/ä b+c.bin"
    client.put_object(Bucket=place.bucket, Key=key, Body=body, Metadata={"colour": "blue"}, ContentType="text/x-test")
    assert body == place.stored(key)
    head = client.head_object(Bucket=place.bucket, Key=key)
    assert ({"colour": "blue"}, "text/x-test", 100_000) == (
        head["Metadata"],
        head["ContentType"],
        head["ContentLength"],
    )
    assert body == client.get_object(Bucket=place.bucket, Key=key)["Body"].read()
    assert body[10:20] == client.get_object(Bucket=place.bucket, Key=key, Range="bytes=10-19")["Body"].read()
    client.copy_object(Bucket=place.bucket, Key="sdk/copy.bin", CopySource={"Bucket": place.bucket, "Key": key})
    listed = client.list_objects_v2(Bucket=place.bucket, Prefix="sdk/")
    assert {key, "sdk/copy.bin"} <= {entry["Key"] for entry in listed["Contents"]}
    assert place.bucket == listed["Name"]
    client.delete_object(Bucket=place.bucket, Key=key)
    assert place.stored(key) is None
    assert body == place.stored("sdk/copy.bin")


def test_a_tab_in_metadata_is_a_blank(place: Place) -> None:
    """Stores refuse a signature over one; blanks in a row come back as they were sent."""
    client = _client(place)
    client.put_object(Bucket=place.bucket, Key="sdk/tab", Body=b"x", Metadata={"colour": "light\tblue  green"})
    answered = client.head_object(Bucket=place.bucket, Key="sdk/tab")["Metadata"]
    assert {"colour": "light blue  green"} == answered


def test_boto3_uploads_in_parts(place: Place) -> None:
    """A managed upload of 12 MiB goes up in parts and comes down whole; the answers show no real name."""
    client = _client(place)
    body = noise(12 * 1024 * 1024)
    created = client.create_multipart_upload(Bucket=place.bucket, Key="parts.bin")
    parts = []
    for number in range(1, 4):
        piece = body[(number - 1) * 5 * 1024 * 1024 : number * 5 * 1024 * 1024]
        etag = client.upload_part(
            Bucket=place.bucket, Key="parts.bin", UploadId=created["UploadId"], PartNumber=number, Body=piece
        )["ETag"]
        parts.append({"ETag": etag, "PartNumber": number})
    done = client.complete_multipart_upload(
        Bucket=place.bucket, Key="parts.bin", UploadId=created["UploadId"], MultipartUpload={"Parts": parts}
    )
    assert ("parts.bin", place.bucket) == (done["Key"], done["Bucket"])
    assert place.real_bucket not in json.dumps(done, default=str)
    assert body == place.stored("parts.bin")


@pytest.mark.parametrize("algorithm", ["SHA512", "XXHASH64", "XXHASH3", "XXHASH128"])
def test_boto3_has_its_uploads_checked_by_later_algorithms(place: Place, algorithm: str) -> None:
    """Objects and parts are stored on stores that know none of them, and what does not match is not."""
    client, key = _client(place), f"sums/{algorithm}"
    client.put_object(Bucket=place.bucket, Key=key, Body=b"whole", ChecksumAlgorithm=algorithm)
    assert b"whole" == client.get_object(Bucket=place.bucket, Key=key, ChecksumMode="ENABLED")["Body"].read()
    own = {"Bucket": place.bucket, "Key": key + "-parts"}
    upload = client.create_multipart_upload(**own, ChecksumAlgorithm=algorithm)["UploadId"]
    part = client.upload_part(**own, UploadId=upload, PartNumber=1, Body=b"part", ChecksumAlgorithm=algorithm)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], f"Checksum{algorithm}": "AAAA"}]}
    client.complete_multipart_upload(**own, UploadId=upload, MultipartUpload=parts)
    assert b"part" == client.get_object(**own)["Body"].read()
    size = {"SHA512": 64, "XXHASH128": 16}.get(algorithm, 8)
    wrong = {f"Checksum{algorithm}": base64.b64encode(bytes(size)).decode()}
    with pytest.raises(ClientError, match="BadDigest"):
        client.put_object(Bucket=place.bucket, Key=key, Body=b"other", **wrong)
    assert b"whole" == client.get_object(Bucket=place.bucket, Key=key)["Body"].read()


def test_a_batch_delete_deletes_what_it_names(place: Place) -> None:
    """DeleteObjects removes the named keys and answers with the gateway's names."""
    client = _client(place)
    for name in ("batch/a", "batch/b", "batch/keep"):
        place.put(name, b"x")
    wanted = {"Objects": [{"Key": "batch/a"}, {"Key": "batch/b"}]}
    done = client.delete_objects(Bucket=place.bucket, Delete=wanted)
    assert {"batch/a", "batch/b"} == {entry["Key"] for entry in done["Deleted"]}
    assert (None, None, b"x") == tuple(place.stored(f"batch/{name}") for name in ("a", "b", "keep"))


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_url_presigned_with_a_gateways_key_works(place: Place, run: Run, tmp_path: Path, version: str) -> None:
    """An app presigns offline with its gateway-issued key; curl uses it; a changed URL is refused."""
    place.put("pre.txt", b"presigned")
    client = _client(place, signature_version=version)
    url = client.generate_presigned_url("get_object", {"Bucket": place.bucket, "Key": "pre.txt"}, ExpiresIn=600)
    assert "presigned" == run("curl", "-sSf", url).stdout
    spoilt = url.replace("pre.txt", "prf.txt")
    assert "403" == run("curl", "-sS", "-o", "x", "-w", "%{http_code}", spoilt).stdout


def test_a_revoked_key_opens_nothing(weed: Place) -> None:
    """The next request after a key's revocation is refused as an unknown key."""
    key = weed.gateway.api("POST", "/v1/keys", {"app": "tests"})
    client = boto3.client(
        "s3",
        endpoint_url=weed.gateway.data,
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
        region_name="us-east-1",
        config=Config(signature_version="s3v4", retries={"total_max_attempts": 1}),
    )
    client.list_objects_v2(Bucket=weed.bucket)
    weed.gateway.api("DELETE", f"/v1/keys/{key['id']}")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client.list_objects_v2(Bucket=weed.bucket)


def test_the_stores_own_key_is_worth_nothing_here(weed: Place) -> None:
    """The real credentials are not accepted by the gateway."""
    client = boto3.client(
        "s3",
        endpoint_url=weed.gateway.data,
        aws_access_key_id=weed.store.access_key,
        aws_secret_access_key=weed.store.secret_key,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", retries={"total_max_attempts": 1}),
    )
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client.list_buckets()


def test_rclone_copies_a_tree(place: Place, run: Run, tmp_path: Path) -> None:
    """rclone, told only endpoint and key, copies a folder up and finds nothing different."""
    key = place.gateway.api("POST", "/v1/keys", {"app": "tests"})
    program = shutil.which("rclone", path=str(Path(sys.executable).parent)) or "rclone"
    for name in ("a.txt", "sub/b b.bin", "sub/ü.txt"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(noise(50_000))
    (tmp_path / "rclone.conf").touch()
    remote = (
        f":s3,provider=Other,access_key_id={key['access_key_id']},secret_access_key={key['secret_access_key']}"
        f",endpoint='{place.gateway.data}':{place.bucket}/tree"
    )
    run(program, "--config", "rclone.conf", "copy", "tree", remote)
    run(program, "--config", "rclone.conf", "check", "tree", remote)
    assert noise(50_000) == place.stored("tree/sub/b b.bin")


def test_s3cmd_puts_lists_and_gets(place: Place, run: Run, tmp_path: Path) -> None:
    """s3cmd, which asks for the bucket's location first, works with path-style names."""
    key = place.gateway.api("POST", "/v1/keys", {"app": "tests"})
    host = urlsplit(place.gateway.data).netloc
    options = (f"--host={host}", f"--host-bucket={host}", "--config=/dev/null")
    options += ("--no-ssl",) if over_tls.trust() is None else ("--ssl",)
    secrets = (f"--access_key={key['access_key_id']}", f"--secret_key={key['secret_access_key']}")
    (tmp_path / "up.bin").write_bytes(noise(30_000))
    run("s3cmd", *options, *secrets, "put", "up.bin", f"s3://{place.bucket}/cmd/up.bin")
    assert "cmd/up.bin" in run("s3cmd", *options, *secrets, "ls", f"s3://{place.bucket}/cmd/").stdout
    run("s3cmd", *options, *secrets, "get", f"s3://{place.bucket}/cmd/up.bin", "down.bin")
    assert noise(30_000) == (tmp_path / "down.bin").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_five_gibibytes_in_chunks_with_a_trailer_and_flat_memory(weed: Place) -> None:
    """5 GiB through aws-chunked with a CRC-32 trailer: stored whole, and the process never above 150 MiB."""
    key = weed.gateway.api("POST", "/v1/keys", {"app": "tests", "expires_in": 3600})
    piece, pieces = noise(1024**2), 5 * 1024
    place = urlsplit(f"{weed.gateway.data}/{weed.bucket}/chunked.bin")
    request = AWSRequest(
        "PUT",
        place.geturl(),
        headers={
            "Host": place.netloc,
            "Content-Encoding": "aws-chunked",
            "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "X-Amz-Decoded-Content-Length": str(len(piece) * pieces),
            "X-Amz-Trailer": "x-amz-checksum-crc32",
        },
    )
    SigV4Auth(Credentials(key["access_key_id"], key["secret_access_key"]), "s3", "us-east-1").add_auth(request)
    checksum, sent = 0, hashlib.sha256()
    weed.gateway.forget_peak()
    client = HTTPConnection(place.netloc, timeout=300)
    client.putrequest("PUT", place.path, skip_host=True, skip_accept_encoding=True)
    for name, value in [*request.headers.items(), ("Transfer-Encoding", "chunked")]:
        client.putheader(name, value)
    client.endheaders()

    def send(data: bytes) -> None:
        client.send(b"%x\r\n%b\r\n" % (len(data), data))

    for _ in range(pieces):
        send(b"%x\r\n%b\r\n" % (len(piece), piece))
        checksum = zlib.crc32(piece, checksum)
        sent.update(piece)
    send(b"0\r\nx-amz-checksum-crc32:%b\r\n\r\n" % base64.b64encode(checksum.to_bytes(4, "big")))
    client.send(b"0\r\n\r\n")
    with closing(client):
        assert 200 == client.getresponse().status
    assert weed.gateway.peak() < 150 * 1024**2
    stored = hashlib.sha256()
    body = weed.store.client().get_object(Bucket=weed.real_bucket, Key="inside/chunked.bin")["Body"]
    for chunk in body.iter_chunks(1024**2):
        stored.update(chunk)
    assert sent.digest() == stored.digest()
