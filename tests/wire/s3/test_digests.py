"""Laws of `gateway.wire.s3.digests`."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import pytest

from gateway.wire.s3.digests import repr_digest, whole_sha256

DIGEST = sha256(b"hello").digest()
GIVEN = b64encode(DIGEST).decode()


def test_a_whole_objects_digest_is_told() -> None:
    """To programs as RFC 9530 has it."""
    headers = {"x-amz-checksum-sha256": GIVEN}
    assert DIGEST == whole_sha256(headers) == whole_sha256(headers | {"x-amz-checksum-type": "FULL_OBJECT"})
    assert (("Repr-Digest", f"sha-256=:{GIVEN}:"),) == repr_digest(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-amz-checksum-sha1": GIVEN},
        {"x-amz-checksum-sha256": GIVEN, "x-amz-checksum-type": "COMPOSITE"},
        {"x-amz-checksum-sha256": f"{GIVEN}-3"},
        {"x-amz-checksum-sha256": "AAAA"},
        {"x-amz-checksum-sha256": GIVEN + "\r\nX: y"},
        {"x-amz-checksum-sha256": "é"},
    ],
)
def test_nothing_else_is(headers: dict[str, str]) -> None:
    """A digest of parts matches no tool's, and what is none is not passed on."""
    assert None is whole_sha256(headers)
    assert () == repr_digest(headers)
