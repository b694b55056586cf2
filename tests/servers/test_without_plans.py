"""What `pytest --without-plans` changes, tried in runs without it."""

from __future__ import annotations

import subprocess
import sys

_TWICE = """
from gateway.backends.head import read_head
from gateway.server.head import HeadReader, KnownHeads
from tests.servers import without_plans

request = b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"

def is_known(length):
    answer = memoryview(b"HTTP/1.1 200 OK\\r\\nContent-Length: %b\\r\\n\\r\\n" % length)
    reader = HeadReader(KnownHeads())
    reader.keep(reader.read_head(request)[0])
    return read_head(answer)[0] is read_head(answer)[0], reader.recall(request) is not None

print(is_known(b'3'))
without_plans.forget()
print(is_known(b'44'))
"""


def test_no_head_is_remembered() -> None:
    """Neither of requests nor of a store's answers, which are known again otherwise."""
    done = subprocess.run([sys.executable, "-c", _TWICE], capture_output=True, text=True, check=False)
    assert ["(True, True)", "(False, False)"] == done.stdout.splitlines(), done.stderr
