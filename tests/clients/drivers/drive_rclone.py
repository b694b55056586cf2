"""rclone, whose remote is made of environment variables; keys and endpoint are the usual AWS ones."""

import os
import subprocess
import sys
from pathlib import Path

from steps import BIG, BUCKET, COUNT, MANY, PREFIX, SMALL, UNICODE, WORK, digest, report

PLACE = f"gw:{BUCKET}/{PREFIX}"
REMOTE = {"RCLONE_CONFIG_GW_TYPE": "s3", "RCLONE_CONFIG_GW_PROVIDER": "Other", "RCLONE_CONFIG_GW_ENV_AUTH": "true"}
NEEDED = {"RCLONE_CONFIG": "/dev/null", "RCLONE_S3_UPLOAD_CUTOFF": "8Mi"}


def rclone(*arguments):
    command = [str(Path(sys.executable).with_name("rclone")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False, env=os.environ | REMOTE | NEEDED)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def put():
    rclone("copyto", SMALL, PLACE + "put.bin")


def get():
    assert rclone("cat", PLACE + "put.bin") == SMALL.read_bytes()


def ranged():
    assert rclone("cat", "--offset", 10, "--count", 10, PLACE + "put.bin") == SMALL.read_bytes()[10:20]


def listed():
    assert len(set(rclone("lsf", "--recursive", f"gw:{BUCKET}/{MANY}").splitlines())) == COUNT


def multipart():
    rclone("copyto", BIG, PLACE + "big.bin")
    rclone("copyto", PLACE + "big.bin", WORK / "back.bin")
    assert digest(WORK / "back.bin") == digest(BIG)


def copied():
    rclone("copyto", PLACE + "put.bin", PLACE + "copy.bin")


def batch():
    for number in range(3):
        rclone("copyto", SMALL, f"{PLACE}batch/{number}")
    rclone("delete", PLACE + "batch/")
    return "one by one"


def unicode():
    rclone("copyto", SMALL, PLACE + UNICODE)
    assert rclone("cat", PLACE + UNICODE) == SMALL.read_bytes()
    folder, _, name = UNICODE.partition("/")
    assert rclone("lsf", PLACE + folder).decode().rstrip("\n") == name


report(
    rclone("version").decode().split()[1].removeprefix("v"),
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
