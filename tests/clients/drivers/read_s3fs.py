"""`read` writes an object to standard output, `list` the names below a folder: s3fs, by its arguments in a file."""

import json
import sys
from pathlib import Path

import s3fs

arguments, act, place = sys.argv[1:]
files = s3fs.S3FileSystem(**json.loads(Path(arguments).read_text()))
if act == "read":
    with files.open(place) as file:
        while chunk := file.read(1024 * 1024):
            sys.stdout.buffer.write(chunk)
else:
    sys.stdout.write("\n".join(files.find(place)))
