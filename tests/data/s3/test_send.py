"""Sending to a store: at once or in parts, and what a store heeds of either."""

from __future__ import annotations

import pytest

from gateway.core.request import Action
from gateway.core.route import Capability
from tests.data.harness import EVERY, Rig, policy, request

WRITE = frozenset({Action.WRITE})


CHUNKED = {"Transfer-Encoding": "chunked"}


NEW = b"3\r\nnew\r\n0\r\n\r\n"


HALF = EVERY - {Capability.CONDITIONAL_COMPLETE}


async def test_above_the_stores_limit_it_goes_in_parts(app: Rig) -> None:
    """Without the client knowing."""
    app.use(policy(single_put_limit=10))
    assert 200 == (await app.ask("PUT", "/reports/a", body=b"x" * 11)).status
    assert b"x" * 11 == app.store.stored("inside/a")
    assert None is app.store.calls("PUT")[0].call.body_length


@pytest.mark.parametrize(("capabilities", "status"), [(EVERY, 200), (HALF, 501)])
async def test_a_condition_that_would_be_ignored_is_refused(app: Rig, capabilities, status: int) -> None:
    """The S3 face's own conditions, too, hold in parts or are not promised."""
    app.use(policy(capabilities=capabilities))
    assert status == (await app.ask("PUT", "/reports/a", CHUNKED | {"If-None-Match": "*"}, NEW)).status
    assert 200 == (await app.ask("PUT", "/reports/b", {"If-None-Match": "*"}, b"new")).status


async def test_a_part_needs_a_length(app: Rig) -> None:
    """A part of a multipart upload cannot itself be cut into parts."""
    chunked = b"5\r\nhello\r\n0\r\n\r\n"
    got = await app.ask("PUT", "/reports/a?partNumber=1&uploadId=u", {"Transfer-Encoding": "chunked"}, chunked)
    assert 411 == got.status


async def test_uploads_of_unknown_length_have_a_bound_together(rig: Rig) -> None:
    """A part of each is kept in memory: what finds no room is refused, and the room is given back."""
    token = await rig.link(actions=[Action.WRITE], overwrite=True)
    chunked = request("PUT", f"/s/{token}", {"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n")
    room, part = rig.plane.part_memory.room, 8 * 1024**2
    for free, status in ((room, 201), (part, 201), (part - 1, 503)):
        rig.plane.part_memory.room = free
        async with rig.client() as client:
            await client.send(chunked)
            assert status == (await client.answer()).status
        await rig.settled()
        assert free == rig.plane.part_memory.room
    assert 201 == (await rig.ask("PUT", f"/s/{token}", body=b"of known length")).status


async def test_a_small_form_needs_a_small_room(rig: Rig) -> None:
    """Its file is no longer than itself."""
    token = await rig.link(actions=[Action.WRITE])
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = head + b"hello\r\n--b--\r\n"
    rig.plane.part_memory.room = len(body)
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    assert 201 == (await rig.ask("POST", f"/s/{token}", form, body)).status
    assert b"hello" == rig.store.stored("inside/a.txt")
