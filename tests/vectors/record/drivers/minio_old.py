"""minio-py of the years before 7: positional arguments and other names."""

import io
import os

import old_python  # noqa: F401
import minio
import urllib3
from steps import BIG, BUCKET, PREFIX, SMALL, UNICODE, WORK, report

client = minio.Minio(
    f"127.0.0.1:{os.environ['PORT']}",
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    secure=os.environ["OVER"] == "https",
)
client._http = urllib3.PoolManager(ca_certs=os.environ["CA_FILE"], cert_reqs="CERT_REQUIRED")


def objects():
    data = SMALL.read_bytes()
    for name in ("put.bin", "a b+c", UNICODE):
        client.put_object(BUCKET, PREFIX + name, io.BytesIO(data), len(data), "text/plain")
        client.get_object(BUCKET, PREFIX + name).read()
        client.stat_object(BUCKET, PREFIX + name)


def metadata():
    client.put_object(
        BUCKET, PREFIX + "meta", io.BytesIO(b"x"), 1, "text/plain", {"x-amz-meta-a_b": "c", "X-Amz-Meta-D.e": "f"}
    )


def ranged():
    client.get_partial_object(BUCKET, PREFIX + "put.bin", 1, 9).read()


def listed():
    list(client.list_objects(BUCKET, PREFIX, recursive=True))
    list(client.list_objects(BUCKET, PREFIX))
    client.bucket_exists(BUCKET)


def copied():
    client.copy_object(BUCKET, PREFIX + "copy", f"/{BUCKET}/{PREFIX}put.bin")


def removed():
    list(client.remove_objects(BUCKET, [PREFIX + "put.bin", PREFIX + UNICODE]))
    client.remove_object(BUCKET, PREFIX + "copy")


def parts():
    client.fput_object(BUCKET, PREFIX + "big.bin", str(BIG))
    client.fget_object(BUCKET, PREFIX + "big.bin", str(WORK / "back.bin"))


def presigned():
    pool = urllib3.PoolManager(ca_certs=os.environ["CA_FILE"])
    pool.request("GET", client.presigned_get_object(BUCKET, PREFIX + UNICODE))
    pool.request("PUT", client.presigned_put_object(BUCKET, PREFIX + "by url"), body=b"x")


report(
    minio.__version__,
    {
        "objects": objects,
        "metadata": metadata,
        "range": ranged,
        "list": listed,
        "copy": copied,
        "parts": parts if "EARLY" not in os.environ else "it names them in no order, which S3 refuses",
        "presigned": presigned,
        "remove": removed,
    },
)
