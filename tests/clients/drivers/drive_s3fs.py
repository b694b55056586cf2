"""s3fs, configured by environment variables alone."""

import s3fs
from steps import BIG, BUCKET, COUNT, MANY, PREFIX, SMALL, UNICODE, WORK, digest, report

PLACE = f"{BUCKET}/{PREFIX}"
files = s3fs.S3FileSystem()


def put():
    files.pipe_file(PLACE + "put.bin", SMALL.read_bytes())


def get():
    assert files.cat_file(PLACE + "put.bin") == SMALL.read_bytes()


def ranged():
    assert files.cat_file(PLACE + "put.bin", start=10, end=20) == SMALL.read_bytes()[10:20]


def listed():
    assert len(set(files.find(f"{BUCKET}/{MANY}"))) == COUNT


def multipart():
    files.put_file(str(BIG), PLACE + "big.bin")
    files.get_file(PLACE + "big.bin", str(WORK / "back.bin"))
    assert digest(WORK / "back.bin") == digest(BIG)


def copied():
    files.cp_file(PLACE + "put.bin", PLACE + "copy.bin")


def batch():
    for number in range(3):
        files.pipe_file(f"{PLACE}batch/{number}", b"x")
    files.rm(PLACE + "batch", recursive=True)


def unicode():
    files.pipe_file(PLACE + UNICODE, SMALL.read_bytes())
    assert files.cat_file(PLACE + UNICODE) == SMALL.read_bytes()
    files.invalidate_cache()
    assert files.find(PLACE + "ünïcode") == [PLACE + UNICODE]


report(
    s3fs.__version__,
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
