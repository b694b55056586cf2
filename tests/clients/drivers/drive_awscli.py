"""The aws command, configured by environment variables alone."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from steps import BIG, BUCKET, COUNT, MANY, PREFIX, SMALL, UNICODE, WORK, digest, report

PLACE = f"s3://{BUCKET}/{PREFIX}"


def aws(*arguments):
    command = [str(Path(sys.executable).with_name("aws")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def put():
    aws("s3", "cp", SMALL, PLACE + "put.bin")


def get():
    assert aws("s3", "cp", PLACE + "put.bin", "-") == SMALL.read_bytes()


def ranged():
    target = ("--bucket", BUCKET, "--key", PREFIX + "put.bin", "--range", "bytes=10-19", WORK / "part.bin")
    aws("s3api", "get-object", *target)
    assert (WORK / "part.bin").read_bytes() == SMALL.read_bytes()[10:20]


def listed():
    assert len(set(aws("s3", "ls", "--recursive", f"s3://{BUCKET}/{MANY}").splitlines())) == COUNT


def multipart():
    aws("s3", "cp", "--quiet", BIG, PLACE + "big.bin")
    aws("s3", "cp", "--quiet", PLACE + "big.bin", WORK / "back.bin")
    assert digest(WORK / "back.bin") == digest(BIG)


def copied():
    aws("s3", "cp", PLACE + "put.bin", PLACE + "copy.bin")


def batch():
    keys = [f"{PREFIX}batch/{number}" for number in range(3)]
    for key in keys:
        aws("s3api", "put-object", "--bucket", BUCKET, "--key", key)
    wanted = json.dumps({"Objects": [{"Key": key} for key in keys]})
    aws("s3api", "delete-objects", "--bucket", BUCKET, "--delete", wanted)


def unicode():
    aws("s3", "cp", SMALL, PLACE + UNICODE)
    assert aws("s3", "cp", PLACE + UNICODE, "-") == SMALL.read_bytes()
    assert aws("s3", "ls", "--recursive", PLACE + "ünï").decode().rstrip().endswith(UNICODE)


report(
    version("awscli"),
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
