"""Requests signed by hand, as libraries beside an HTTP client do it: requests-aws4auth."""

import os

import requests
import requests_aws4auth
from requests_aws4auth import AWS4Auth
from steps import BUCKET, PREFIX, SMALL, UNICODE, report

auth = AWS4Auth(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], "us-east-1", "s3")
URL = f"{os.environ['ENDPOINT']}/{BUCKET}"


def call(method, path, **more):
    requests.request(method, URL + path, auth=auth, verify=os.environ["CA_FILE"], **more).raise_for_status()


def objects():
    call("PUT", f"/{PREFIX}a", data=b"hello", headers={"Content-Type": "text/plain"})
    call("PUT", f"/{PREFIX}b", data="text", headers={"x-amz-meta-a.b": "c  d", "X-Amz-Acl": "private"})
    call("PUT", f"/{PREFIX}a%20b%2Bc", data=b"x")
    call("PUT", f"/{PREFIX}{UNICODE}", data=b"x")
    call("GET", f"/{PREFIX}a", headers={"Range": "bytes=0-1"})
    call("HEAD", f"/{PREFIX}a")
    call("PUT", f"/{PREFIX}c", headers={"x-amz-copy-source": f"/{BUCKET}/{PREFIX}a"})
    call("DELETE", f"/{PREFIX}a")


def lists():
    call("GET", "", params={"list-type": "2", "prefix": PREFIX, "delimiter": "/"})
    call("GET", "/", params={"prefix": PREFIX + "a b", "max-keys": "5"})
    call("GET", "?location")


def streamed():
    with SMALL.open("rb") as file:
        call("PUT", f"/{PREFIX}file", data=file)


report(requests_aws4auth.__version__, {"objects": objects, "lists": lists, "streamed": streamed})
