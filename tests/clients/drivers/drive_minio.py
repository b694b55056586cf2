"""minio-py, which is told its endpoint and keys."""

import io
import os

import minio
import urllib3
from minio.commonconfig import CopySource
from minio.deleteobjects import DeleteObject
from steps import BIG, BUCKET, COUNT, HOST, MANY, PREFIX, SECURE, SMALL, UNICODE, WORK, digest, report

client = minio.Minio(
    HOST,
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    secure=SECURE,
    http_client=urllib3.PoolManager(ca_certs=os.environ.get("SSL_CERT_FILE")),
)


def write(key, data):
    client.put_object(BUCKET, key, io.BytesIO(data), len(data))


def read(key, **more):
    answer = client.get_object(BUCKET, key, **more)
    try:
        return answer.read()
    finally:
        answer.close()


def put():
    write(PREFIX + "put.bin", SMALL.read_bytes())


def get():
    assert read(PREFIX + "put.bin") == SMALL.read_bytes()


def ranged():
    assert read(PREFIX + "put.bin", offset=10, length=10) == SMALL.read_bytes()[10:20]


def listed():
    assert len({entry.object_name for entry in client.list_objects(BUCKET, MANY, recursive=True)}) == COUNT


def multipart():
    client.fput_object(BUCKET, PREFIX + "big.bin", str(BIG), part_size=8 * 1024 * 1024)
    client.fget_object(BUCKET, PREFIX + "big.bin", str(WORK / "back.bin"))
    assert digest(WORK / "back.bin") == digest(BIG)


def copied():
    client.copy_object(BUCKET, PREFIX + "copy.bin", CopySource(BUCKET, PREFIX + "put.bin"))


def batch():
    keys = [f"{PREFIX}batch/{number}" for number in range(3)]
    for key in keys:
        write(key, b"x")
    assert not list(client.remove_objects(BUCKET, [DeleteObject(key) for key in keys]))


def unicode():
    write(PREFIX + UNICODE, SMALL.read_bytes())
    assert read(PREFIX + UNICODE) == SMALL.read_bytes()
    found = client.list_objects(BUCKET, PREFIX + "ünï", recursive=True)
    assert [entry.object_name for entry in found] == [PREFIX + UNICODE]


report(
    minio.__version__,
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
