"""obstore, configured by environment variables alone."""

import obstore
from obstore.store import S3Store
from steps import BIG, BUCKET, COUNT, MANY, PREFIX, SMALL, UNICODE, WORK, digest, report

store = S3Store(BUCKET)


def put():
    obstore.put(store, PREFIX + "put.bin", SMALL.read_bytes())


def get():
    assert bytes(obstore.get(store, PREFIX + "put.bin").bytes()) == SMALL.read_bytes()


def ranged():
    assert bytes(obstore.get_range(store, PREFIX + "put.bin", start=10, end=20)) == SMALL.read_bytes()[10:20]


def listed():
    assert len({entry["path"] for page in obstore.list(store, MANY) for entry in page}) == COUNT


def multipart():
    obstore.put(store, PREFIX + "big.bin", BIG, use_multipart=True)
    with (WORK / "back.bin").open("wb") as target:
        for piece in obstore.get(store, PREFIX + "big.bin").stream():
            target.write(piece)
    assert digest(WORK / "back.bin") == digest(BIG)


def copied():
    obstore.copy(store, PREFIX + "put.bin", PREFIX + "copy.bin")


def batch():
    keys = [f"{PREFIX}batch/{number}" for number in range(3)]
    for key in keys:
        obstore.put(store, key, b"x")
    obstore.delete(store, keys)


def unicode():
    obstore.put(store, PREFIX + UNICODE, SMALL.read_bytes())
    assert bytes(obstore.get(store, PREFIX + UNICODE).bytes()) == SMALL.read_bytes()
    found = [entry["path"] for page in obstore.list(store, PREFIX + "ünïcode") for entry in page]
    assert found == [PREFIX + UNICODE]


report(
    obstore.__version__,
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
