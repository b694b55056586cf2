"""boto3, configured by environment variables alone."""

import boto3
from steps import BIG, BUCKET, COUNT, MANY, PREFIX, SMALL, UNICODE, WORK, digest, report

client = boto3.client("s3")


def put():
    client.put_object(Bucket=BUCKET, Key=PREFIX + "put.bin", Body=SMALL.read_bytes())


def get():
    assert client.get_object(Bucket=BUCKET, Key=PREFIX + "put.bin")["Body"].read() == SMALL.read_bytes()


def ranged():
    answer = client.get_object(Bucket=BUCKET, Key=PREFIX + "put.bin", Range="bytes=10-19")
    assert answer["Body"].read() == SMALL.read_bytes()[10:20]


def listed():
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=MANY)
    assert len({entry["Key"] for page in pages for entry in page["Contents"]}) == COUNT


def multipart():
    client.upload_file(str(BIG), BUCKET, PREFIX + "big.bin")
    client.download_file(BUCKET, PREFIX + "big.bin", str(WORK / "back.bin"))
    assert digest(WORK / "back.bin") == digest(BIG)


def copied():
    client.copy({"Bucket": BUCKET, "Key": PREFIX + "put.bin"}, BUCKET, PREFIX + "copy.bin")


def batch():
    keys = [f"{PREFIX}batch/{number}" for number in range(3)]
    for key in keys:
        client.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    done = client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})
    assert {entry["Key"] for entry in done["Deleted"]} == set(keys)


def unicode():
    client.put_object(Bucket=BUCKET, Key=PREFIX + UNICODE, Body=SMALL.read_bytes())
    assert client.get_object(Bucket=BUCKET, Key=PREFIX + UNICODE)["Body"].read() == SMALL.read_bytes()
    found = client.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX + "ünï")
    assert [entry["Key"] for entry in found["Contents"]] == [PREFIX + UNICODE]


report(
    boto3.__version__,
    {
        "put": put,
        "get": get,
        "range": ranged,
        "list": listed,
        "multipart": multipart,
        "copy": copied,
        "batch delete": batch,
        "unicode": unicode,
    },
)
