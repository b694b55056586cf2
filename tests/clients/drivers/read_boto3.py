"""`read` writes an object to standard output: boto3, by client arguments in a file."""

import json
import sys
from pathlib import Path

import boto3

arguments, _, place = sys.argv[1:]
bucket, _, key = place.removeprefix("s3://").partition("/")
client = boto3.client("s3", region_name="us-east-1", **json.loads(Path(arguments).read_text()))
for chunk in client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(1024 * 1024):
    sys.stdout.buffer.write(chunk)
