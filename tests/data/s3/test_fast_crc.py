"""Fast checksums, loaded when a body has one."""

from __future__ import annotations

import subprocess
import sys

_CODE = """
import sys
from gateway.data.s3.fast_crc import register_fast_checksums
from gateway.wire.sig.checksums import _crc
register_fast_checksums()
before = "awscrt" in sys.modules
print(before, hex(_crc("crc32c")(b"123456789", 0)), hex(_crc("crc64nvme")(b"123456789", 0)), "awscrt" in sys.modules)
"""


def test_the_library_is_loaded_with_the_first_body_that_needs_it() -> None:
    """And gives the check values of both algorithms."""
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True, timeout=60)
    assert "False 0xe3069283 0xae8b14860a799888 True" == done.stdout.strip()
