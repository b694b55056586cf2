"""pyarrow's own S3 file system, which reads keys and region from the environment and is told the endpoint."""

import pyarrow as pa
from pyarrow import fs
from steps import BIG, BUCKET, COUNT, HOST, MANY, PREFIX, SECURE, SMALL, UNICODE, WORK, digest, report

PLACE = f"{BUCKET}/{PREFIX}"
PIECE = 16 * 1024 * 1024
files = fs.S3FileSystem(endpoint_override=HOST, scheme="https" if SECURE else "http")


def write(path, data):
    with files.open_output_stream(path) as stream:
        stream.write(data)


def read(path):
    with files.open_input_stream(path) as stream:
        return stream.read()


def put():
    write(PLACE + "put.bin", SMALL.read_bytes())


def get():
    assert read(PLACE + "put.bin") == SMALL.read_bytes()


def ranged():
    with files.open_input_file(PLACE + "put.bin") as file:
        assert file.read_at(10, 10) == SMALL.read_bytes()[10:20]


def listed():
    found = files.get_file_info(fs.FileSelector(f"{BUCKET}/{MANY}", recursive=True))
    assert len({entry.path for entry in found if entry.type == fs.FileType.File}) == COUNT


def multipart():
    with BIG.open("rb") as source, files.open_output_stream(PLACE + "big.bin") as stream:
        while piece := source.read(PIECE):
            stream.write(piece)
    with files.open_input_stream(PLACE + "big.bin") as stream, (WORK / "back.bin").open("wb") as target:
        while piece := stream.read(PIECE):
            target.write(piece)
    assert digest(WORK / "back.bin") == digest(BIG)


def copied():
    files.copy_file(PLACE + "put.bin", PLACE + "copy.bin")


def batch():
    for number in range(3):
        write(f"{PLACE}batch/{number}", b"x")
    files.delete_dir_contents(PLACE + "batch")


def unicode():
    write(PLACE + UNICODE, SMALL.read_bytes())
    assert read(PLACE + UNICODE) == SMALL.read_bytes()
    found = files.get_file_info(fs.FileSelector(PLACE + "ünïcode"))
    assert [entry.path for entry in found] == [PLACE + UNICODE]


report(
    pa.__version__,
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
