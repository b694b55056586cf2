"""Fast checksums, loaded when a body has one."""

from __future__ import annotations

import subprocess
import sys

_CODE = """
import sys
from gateway.data.s3.fast_crc import register_fast_checksums
from gateway.wire.sig.checksums import _crc, _digest
register_fast_checksums()
before = "awscrt" in sys.modules
print(before, hex(_crc("crc32c")(b"123456789", 0)), hex(_crc("crc64nvme")(b"123456789", 0)), "awscrt" in sys.modules)
for name in ("xxhash64", "xxhash3", "xxhash128"):
    digest = _digest(f"x-amz-checksum-{name}")
    digest.update(memoryview(b"1234"))
    digest.update(b"56789")
    print(digest.digest().hex())
"""


def test_the_library_is_loaded_with_the_first_body_that_needs_it() -> None:
    """And gives the check values of all algorithms."""
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True, timeout=60)
    crcs = "False 0xe3069283 0xae8b14860a799888 True"
    hashes = ["8cb841db40e6ae83", "72dcb18b67a17dff", "33119477ede5dcd5e9716427681d5860"]
    assert [crcs, *hashes] == done.stdout.splitlines()
