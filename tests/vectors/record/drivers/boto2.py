"""boto 2, the client of its time, with both signature versions."""

import os

import old_python  # noqa: F401

os.environ["S3_USE_SIGV4"] = ""
import boto.auth
from boto.s3.connection import OrdinaryCallingFormat, S3Connection
from steps import BIG, BUCKET, PREFIX, SMALL, UNICODE, report


def connect(version):
    os.environ.pop("S3_USE_SIGV4", None)
    if version == 4:
        os.environ["S3_USE_SIGV4"] = "True"
    boto.config.add_section("Boto") if not boto.config.has_section("Boto") else None
    boto.config.set("Boto", "ca_certificates_file", os.environ["CA_FILE"])
    boto.config.set("Boto", "num_retries", "0")
    boto.auth.S3HmacAuthV4Handler.determine_region_name = lambda self, host: "us-east-1"
    boto.auth.S3HmacAuthV4Handler.host_header = lambda self, host, request: f"127.0.0.1:{os.environ['PORT']}"
    return S3Connection(
        os.environ["AWS_ACCESS_KEY_ID"],
        os.environ["AWS_SECRET_ACCESS_KEY"],
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        is_secure=os.environ["OVER"] == "https",
        calling_format=OrdinaryCallingFormat(),
    )


def everything(version):
    def run():
        connection = connect(version)
        bucket = connection.get_bucket(BUCKET)
        for name in (PREFIX + "plain.txt", PREFIX + "a b+c.txt", PREFIX + UNICODE):
            key = bucket.new_key(name)
            key.set_metadata("under_score", "1")
            key.set_metadata("dot.ted", "2")
            key.set_contents_from_filename(str(SMALL), headers={"Content-Type": "text/plain"})
            assert key.get_contents_as_string() == SMALL.read_bytes()
            key.get_contents_as_string(headers={"Range": "bytes=0-9"})
        list(bucket.list(PREFIX, "/"))
        bucket.copy_key(PREFIX + "copy", BUCKET, PREFIX + "plain.txt")
        bucket.get_key(PREFIX + "copy")
        upload = bucket.initiate_multipart_upload(PREFIX + "big.bin")
        with BIG.open("rb") as file:
            upload.upload_part_from_file(file, 1, size=5 * 1024 * 1024)
            upload.upload_part_from_file(file, 2)
        list(upload)
        upload.complete_upload()
        bucket.initiate_multipart_upload(PREFIX + "none").cancel_upload()
        bucket.delete_keys([PREFIX + "plain.txt", PREFIX + UNICODE])
        bucket.delete_key(PREFIX + "copy")
        connection.get_all_buckets()

    return run


report(boto.__version__, {"v2": everything(2), "v4": everything(4)})
