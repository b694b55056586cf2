"""OpenDAL, whose signer (reqsign) is one of its own, in Rust."""

import os

import opendal
from steps import BIG, BUCKET, PREFIX, SMALL, UNICODE, report

place = opendal.Operator(
    "s3", bucket=BUCKET, endpoint=os.environ["ENDPOINT"], region="us-east-1", root="/" + PREFIX,
    access_key_id=os.environ["AWS_ACCESS_KEY_ID"], secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
)  # fmt: skip


def objects():
    for name in ("a.txt", "a b+c", UNICODE):
        place.write(name, SMALL.read_bytes())
        place.read(name)
        place.stat(name)
    with place.open("a.txt", "rb") as file:
        file.seek(5)
        file.read(5)


def listed():
    list(place.list("/"))
    list(place.scan("/"))


def changed():
    place.copy("a.txt", "copy")
    place.create_dir("folder/")
    place.delete("copy")
    place.remove_all("folder/")


def parts():
    with place.open("big", "wb") as file:
        data = BIG.read_bytes()
        file.write(data[: 5 << 20])
        file.write(data[5 << 20 :])


report("?", {"objects": objects, "list": listed, "change": changed, "parts": parts})
