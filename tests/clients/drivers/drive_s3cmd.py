"""s3cmd, which takes its endpoint from options."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from steps import BIG, BUCKET, COUNT, HOST, MANY, PREFIX, SECURE, SMALL, UNICODE, WORK, digest, report

PLACE = f"s3://{BUCKET}/{PREFIX}"
KEYS = (f"--access_key={os.environ['AWS_ACCESS_KEY_ID']}", f"--secret_key={os.environ['AWS_SECRET_ACCESS_KEY']}")
TLS = ("--ssl", f"--ca-certs={os.environ['SSL_CERT_FILE']}") if SECURE else ("--no-ssl",)
OPTIONS = ("--config=/dev/null", *TLS, f"--host={HOST}", f"--host-bucket={HOST}", "--no-progress", *KEYS)


def s3cmd(*arguments):
    command = [sys.executable, str(Path(sys.executable).with_name("s3cmd")), *OPTIONS, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def put():
    s3cmd("put", SMALL, PLACE + "put.bin")


def get():
    s3cmd("get", "--force", PLACE + "put.bin", WORK / "got.bin")
    assert (WORK / "got.bin").read_bytes() == SMALL.read_bytes()


def ranged():
    (WORK / "begun.bin").write_bytes(SMALL.read_bytes()[:10])
    s3cmd("get", "--continue", PLACE + "put.bin", WORK / "begun.bin")
    assert (WORK / "begun.bin").read_bytes() == SMALL.read_bytes()
    return "resumes"


def listed():
    assert len(set(s3cmd("ls", "--recursive", f"s3://{BUCKET}/{MANY}").splitlines())) == COUNT


def multipart():
    s3cmd("put", BIG, PLACE + "big.bin")
    s3cmd("get", "--force", PLACE + "big.bin", WORK / "back.bin")
    assert digest(WORK / "back.bin") == digest(BIG)


def copied():
    s3cmd("cp", PLACE + "put.bin", PLACE + "copy.bin")


def batch():
    for number in range(3):
        s3cmd("put", SMALL, f"{PLACE}batch/{number}")
    s3cmd("del", "--recursive", "--force", PLACE + "batch/")


def unicode():
    s3cmd("put", SMALL, PLACE + UNICODE)
    s3cmd("get", "--force", PLACE + UNICODE, WORK / "unicode.bin")
    assert (WORK / "unicode.bin").read_bytes() == SMALL.read_bytes()
    assert s3cmd("ls", "--recursive", PLACE + "ünï").decode().rstrip().endswith(UNICODE)


report(
    version("s3cmd"),
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
