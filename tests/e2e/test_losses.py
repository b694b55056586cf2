"""What a store loses by itself is never taken by the gateway as if it were kept, whichever store it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.e2e.place import Place

BODY = b"some content"


@pytest.fixture(autouse=True)
def _uploads_end(place: Place) -> Iterator[None]:
    """The store is shared with tests that count what is left in it."""
    yield
    client, bucket = place.store.client(), place.real_bucket
    for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def _client(place: Place) -> Any:
    key = place.gateway.api("POST", "/v1/keys", {"app": "tests", "expires_in": 3600})
    return boto3.client(
        "s3",
        endpoint_url=place.gateway.data,
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
        region_name="us-east-1",
        config=Config(signature_version="s3v4", retries={"total_max_attempts": 1}),
    )


def _accepted(ask: Any, **asked: Any) -> bool:
    """Whether it was; what was refused was refused in S3's words, and not by an accident."""
    try:
        ask(**asked)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"InvalidURI", "NotImplemented", "KeyTooLongError"}:
            raise
        return False
    return True


@pytest.mark.parametrize(
    "key", ["folder/", "deep/er/", "a//b", "/lead", "back\\slash", "dot.", "blank ", "e\u0301", "x" * 300]
)
def test_what_is_accepted_comes_back(place: Place, key: str) -> None:
    """Under every odd name: the same bytes, by another request, and no other object has changed."""
    client, bucket = _client(place), place.bucket
    others = {
        f"odd/{name}": name.encode() for name in ("folder", "deep/er", "a/b", "lead", "back/slash", "dot", "blank")
    }
    for name, body in others.items():
        client.put_object(Bucket=bucket, Key=name, Body=body)
    if _accepted(client.put_object, Bucket=bucket, Key=f"odd/{key}", Body=BODY):
        assert BODY == client.get_object(Bucket=bucket, Key=f"odd/{key}")["Body"].read()
        client.delete_object(Bucket=bucket, Key=f"odd/{key}")
    assert others == {name: client.get_object(Bucket=bucket, Key=name)["Body"].read() for name in others}


@pytest.mark.parametrize("way", ["copy", "parts"])
def test_no_other_way_loses_content_under_a_folders_name(place: Place, way: str) -> None:
    """A copy and an upload in parts, too, come back whole or are refused."""
    client, bucket, key = _client(place), place.bucket, f"ways/{way}/"
    client.put_object(Bucket=bucket, Key="ways-source", Body=BODY)
    source = {"Bucket": bucket, "Key": "ways-source"}
    if way == "copy":
        done = _accepted(client.copy_object, Bucket=bucket, Key=key, CopySource=source)
    elif done := _accepted(client.create_multipart_upload, Bucket=bucket, Key=key):
        upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        part = client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=BODY)
        parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
        client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    if done:
        assert BODY == client.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_folders_are_made_as_clients_make_them(place: Place) -> None:
    """An empty object with a slash at its end, where names are kept apart; what lies below is untouched by it."""
    client, bucket = _client(place), place.bucket
    client.put_object(Bucket=bucket, Key="made/below", Body=BODY)
    if place.store.profile == "rclone":
        assert not _accepted(client.put_object, Bucket=bucket, Key="made/", Body=b"")
    else:
        client.put_object(Bucket=bucket, Key="made/", Body=b"")
    listed = client.list_objects_v2(Bucket=bucket, Prefix="made/")["Contents"]
    assert "made/below" in {entry["Key"] for entry in listed}
    assert BODY == client.get_object(Bucket=bucket, Key="made/below")["Body"].read()


@pytest.mark.parametrize("page", [2, 3])
def test_every_running_upload_is_on_some_page(place: Place, page: int) -> None:
    """Pages follow each other as the store itself goes on, by names, by ids or by both: none is lost, none repeated."""
    client, bucket = _client(place), place.bucket
    prefix = f"running-{page}/"
    begun = [
        client.create_multipart_upload(Bucket=bucket, Key=f"{prefix}{name}")["UploadId"]
        for name in ("a", "a", "b", "c/d", "e")
    ]
    pages = client.get_paginator("list_multipart_uploads").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": page}
    )
    found = [upload["UploadId"] for shown in pages for upload in shown.get("Uploads", [])]
    assert sorted(begun) == sorted(found)
