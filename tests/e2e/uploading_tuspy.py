"""tuspy, unmodified: uploads FILE to ENDPOINT in pieces of CHUNK bytes, from URL on if that is given."""

import os
import sys

from tusclient.client import TusClient  # type: ignore[import-not-found]

uploader = TusClient(os.environ["ENDPOINT"]).uploader(
    os.environ["FILE"],
    url=os.environ.get("URL"),
    chunk_size=int(os.environ["CHUNK"]),
    metadata={"filename": os.environ["NAME"]},
    upload_checksum=bool(os.environ.get("CHECKSUM")),
)
uploader.upload(stop_at=int(os.environ["STOP"]) if "STOP" in os.environ else None)
sys.stdout.write(uploader.url)
