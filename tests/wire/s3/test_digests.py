"""Laws of `gateway.wire.s3.digests`."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import pytest

from gateway.wire.s3.digests import repr_digest, wants_digest, whole_sha256

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


def test_a_part_has_it_where_the_store_says_that_it_is_of_the_whole() -> None:
    """A store that says nothing of the kind may mean the part."""
    headers = {"x-amz-checksum-sha256": GIVEN}
    assert () == repr_digest(headers, partial=True)
    full = headers | {"x-amz-checksum-type": "FULL_OBJECT"}
    assert repr_digest(headers) == repr_digest(full, partial=True)
    assert () == repr_digest(headers | {"x-amz-checksum-type": "COMPOSITE"}, partial=True)


@pytest.mark.parametrize(
    ("field", "wants"),
    [
        ("sha-256=1", True),
        ("sha-512=3, sha-256=10, unixsum=0", True),
        ("SHA-256 = 5", True),
        ("sha-256=0", False),
        ("sha-512=1", False),
        ("sha-256", False),
        ("sha-256=11", False),
        ("xsha-256=1", False),
        ("", False),
        (None, False),
    ],
)
def test_who_wants_it_says_how_much(field: str | None, wants: bool) -> None:
    """From 1 to 10; 0 is how one says no (RFC 9530, 4)."""
    assert wants is wants_digest(field)
