"""The body of a step: bounded by what is left of its upload, and checked."""

from __future__ import annotations

import pytest

from tests.data.harness import Rig
from tests.data.uploading import BODY, PART, WRITE, checksum, created, offset, patch

pytestmark = pytest.mark.usefixtures("small_parts")


@pytest.mark.parametrize("framing", ["sized", "chunked"])
async def test_no_more_comes_in_than_is_left(uploads: Rig, framing: str) -> None:
    """413 before a byte where the length is said, and at the byte too many where it is not; what fits is taken."""
    token = await uploads.link("a.bin", actions=WRITE)
    address = await created(uploads, token, 10)
    more = {} if framing == "sized" else {"Transfer_Encoding": "chunked"}

    def framed(body: bytes) -> bytes:
        return body if framing == "sized" else b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    assert 413 == (await patch(uploads, address, 0, framed(b"x" * 11), **more)).status
    assert 204 == (await patch(uploads, address, await offset(uploads, address), framed(b"x" * 10), **more)).status
    assert b"x" * 10 == uploads.store.stored("inside/a.bin")


@pytest.mark.parametrize("size", [PART - 1, 3 * PART])
async def test_a_checksum_is_held_against_the_body(uploads: Rig, size: int) -> None:
    """Small or large: with a wrong one nothing counts, with the right one all of it."""
    address = await created(uploads, await uploads.link("a.bin", actions=WRITE), len(BODY))
    wrong = checksum("sha256", b"")
    assert 460 == (await patch(uploads, address, 0, BODY[:size], Upload_Checksum=wrong)).status
    assert 0 == await offset(uploads, address)
    right = checksum("sha256", BODY[:size])
    assert 204 == (await patch(uploads, address, 0, BODY[:size], Upload_Checksum=right)).status
    assert size == await offset(uploads, address)


async def test_a_checked_body_without_a_length_is_small(uploads: Rig) -> None:
    """411 for one that is not: nobody would hold it until its checksum is known."""
    address = await created(uploads, await uploads.link("a.bin", actions=WRITE), len(BODY))
    body, more = (
        BODY[: PART + 1],
        {"Transfer_Encoding": "chunked", "Upload_Checksum": checksum("sha1", BODY[: PART + 1])},
    )
    got = await patch(uploads, address, 0, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), **more)
    assert 411 == got.status
    assert 0 == await offset(uploads, address)
