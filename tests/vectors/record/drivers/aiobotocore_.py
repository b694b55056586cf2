"""aiobotocore, in both its generations."""

import asyncio
import os

import old_python  # noqa: F401
import aiobotocore
from aiobotocore.session import get_session
from steps import BUCKET, PREFIX, SMALL, UNICODE, report


def run(step):
    async def inner():
        settings = {"endpoint_url": os.environ["ENDPOINT"], "region_name": "us-east-1", "verify": os.environ["CA_FILE"]}
        async with get_session().create_client("s3", **settings) as client:
            await step(client)

    return lambda: asyncio.run(inner())


async def objects(s3):
    for name in ("a.txt", "a b+c", UNICODE):
        await s3.put_object(Bucket=BUCKET, Key=PREFIX + name, Body=SMALL.read_bytes(), Metadata={"a_b": "c"})
        async with (await s3.get_object(Bucket=BUCKET, Key=PREFIX + name))["Body"] as stream:
            await stream.read()
    await s3.head_object(Bucket=BUCKET, Key=PREFIX + "a.txt")
    await s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX)
    await s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": PREFIX + "a.txt"}]})


async def parts(s3):
    upload = (await s3.create_multipart_upload(Bucket=BUCKET, Key=PREFIX + "parts"))["UploadId"]
    place = {"Bucket": BUCKET, "Key": PREFIX + "parts", "UploadId": upload}
    etag = (await s3.upload_part(**place, PartNumber=1, Body=b"part"))["ETag"]
    await s3.complete_multipart_upload(**place, MultipartUpload={"Parts": [{"ETag": etag, "PartNumber": 1}]})


report(aiobotocore.__version__, {"objects": run(objects), "parts": run(parts)})
