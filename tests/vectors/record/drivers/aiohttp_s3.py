"""aiohttp-s3-client: a signer of its own over aiohttp; bodies of unknown length too."""

import asyncio
import os
import ssl

from aiohttp import ClientSession, TCPConnector
from aiohttp_s3_client import S3Client
from steps import BIG, BUCKET, PREFIX, SMALL, WORK, report


def run(step):
    async def inner():
        context = ssl.create_default_context(cafile=os.environ["CA_FILE"])
        async with ClientSession(connector=TCPConnector(ssl=context), raise_for_status=False) as session:
            client = S3Client(
                url=f"{os.environ['ENDPOINT']}/{BUCKET}/",
                session=session,
                access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
                secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
                region="us-east-1",
            )
            await step(client)

    return lambda: asyncio.run(inner())


async def objects(client):
    async with client.put(PREFIX + "a.txt", "text") as answer:
        assert answer.status == 200
    async with client.put(PREFIX + "a b+c é", b"x", headers={"Content-Type": "a/b"}) as answer:
        assert answer.status == 200
    async with client.get(PREFIX + "a.txt", headers={"Range": "bytes=0-1"}) as answer:
        await answer.read()
    async with client.head(PREFIX + "a.txt") as answer:
        assert answer.status == 200
    await client.put_file(PREFIX + "file", str(SMALL))


async def parts(client):
    await client.put_file_multipart(PREFIX + "big", str(BIG))
    await client.get_file_parallel(PREFIX + "big", str(WORK / "back"))


async def lists(client):
    async for _ in client.list_objects_v2(prefix=PREFIX):
        pass


async def gone(client):
    async with client.delete(PREFIX + "a.txt"):
        pass


report("?", {s.__name__: run(s) for s in (objects, parts, lists, gone)})
