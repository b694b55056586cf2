"""What an upload is by now, and a creation whose answer was lost."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.intake import Intake
from gateway.core.reasons import Reason, Refused
from gateway.data.tus.store import TusStore
from tests.data.harness import NOW, Rig
from tests.data.parts_store import PartsStore
from tests.data.uploading import (
    BODY,
    PART,
    WRITE,
    create,
    created,
    later,
    metadata,
    offset,
    patch,
    store_of,
)

KEY = f"{int(NOW)}-{'0a' * 16}"
NAMED = metadata(filename="a.txt")


@pytest.fixture
async def rig(uploads: Rig) -> Rig:
    return uploads


@pytest.mark.parametrize("rename", [False, True])
@pytest.mark.parametrize("length", [0, 6])
async def test_a_creation_that_is_asked_for_again_is_the_same(rig: Rig, length: int, rename: bool) -> None:
    """Who did not get the answer gets it: the same address, one use, one file and one object, an empty one as well."""
    intake = Intake(max_files=1, rename=rename)
    token, grant = await rig.granted(prefix="in/", actions=WRITE, uses=1, intake=intake)
    told = {"Upload_Metadata": NAMED, "Upload_Key": KEY}
    first, second = [await create(rig, f"/s/{token}", length, **told) for _ in "ab"]
    assert (201, 201) == (first.status, second.status)
    assert first.header("location") == second.header("location")
    if length:
        assert 204 == (await patch(rig, first.header("location") or "", 0, b"abc")).status
        third = await create(rig, f"/s/{token}", length, **told)
        assert "3" == third.header("upload-offset")
        assert 204 == (await patch(rig, third.header("location") or "", 3, b"def")).status
    assert b"abcdef"[:length] == rig.store.stored("inside/in/a.txt")
    assert 1 == sum(".gateway" not in key for _, key in rig.store.objects)
    assert 1 == await rig.used(grant)
    assert 410 == (await create(rig, f"/s/{token}", 1, Upload_Metadata=NAMED)).status


async def test_a_key_is_for_one_upload(rig: Rig) -> None:
    """Of one link, with one length and metadata; another link's uploads are not found by it."""
    token = await rig.link(prefix="in/", actions=WRITE)
    got = await create(rig, f"/s/{token}", 6, Upload_Metadata=NAMED, Upload_Key=KEY)
    assert 201 == got.status
    for length, name in ((7, "a.txt"), (6, "b.txt")):
        again = await create(rig, f"/s/{token}", length, Upload_Metadata=metadata(filename=name), Upload_Key=KEY)
        assert 400 == again.status
    other = await create(
        rig, f"/s/{await rig.link(prefix='in/', actions=WRITE)}", 6, Upload_Metadata=NAMED, Upload_Key=KEY
    )
    assert got.header("location").partition("=")[2] != other.header("location").partition("=")[2]


def listed(rig: Rig) -> list[str]:
    """Behind which parts the store was asked for parts, in order."""
    queries = [dict(seen.call.query) for seen in rig.store.seen if seen.call.method == "GET"]
    return [query.get("part-number-marker", "") for query in queries if "uploadId" in query]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("heeded", [True, False])
async def test_a_step_lists_the_parts_behind_those_that_are_known(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, heeded: bool
) -> None:
    """What it was told before is not told again, however long the upload; a store that tells all the same does no
    harm. What another gateway has stored meanwhile counts."""
    if not heeded:
        told = PartsStore._list_parts
        monkeypatch.setattr(PartsStore, "_list_parts", lambda store, parts, after: told(store, parts, 0))
    address = await created(rig, await rig.link(actions=WRITE), len(BODY))
    for at in range(0, 3 * PART, PART):
        assert 204 == (await patch(rig, address, at, BODY[at : at + PART])).status
    [(_, parts)] = store_of(rig).uploads.values()
    parts[4] = BODY[3 * PART : 4 * PART]
    assert 4 * PART == await offset(rig, address)
    assert 204 == (await patch(rig, address, 4 * PART, BODY[4 * PART :])).status
    assert ["", "", "1", "2", "3", "4"][-len(listed(rig)) :] == listed(rig)
    assert BODY == rig.store.stored("inside/a.txt")


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [PART, PART - 1])
async def test_a_part_that_was_sent_again_elsewhere_is_found_at_the_end(rig: Rig, size: int) -> None:
    """The object has what the store holds by then; one of another size than was known makes no object."""
    address = await created(rig, await rig.link(actions=WRITE), len(BODY))
    for at in range(0, 2 * PART, PART):
        assert 204 == (await patch(rig, address, at, BODY[at : at + PART])).status
    [(_, parts)] = store_of(rig).uploads.values()
    parts[1] = b"x" * size
    got = await patch(rig, address, 2 * PART, BODY[2 * PART :])
    whole = size == PART
    assert (204 if whole else 502) == got.status
    assert (b"x" * size + BODY[PART:] if whole else None) == rig.store.stored("inside/a.txt")
    assert len(BODY) - PART + size == await offset(rig, address)


@pytest.mark.usefixtures("small_parts")
async def test_a_refusal_that_no_part_explains_is_not_asked_for_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that holds the parts as they were named is asked to join them once."""
    asked: list[str] = []

    async def refuse(_: TusStore, parts_id: str, *__: object, **___: object) -> str:
        asked.append(parts_id)
        raise Refused(Reason.UPSTREAM_REFUSED, "it will not")

    monkeypatch.setattr(TusStore, "complete", refuse)
    address = await created(rig, await rig.link(actions=WRITE), len(BODY))
    for at in range(0, 2 * PART, PART):
        assert 204 == (await patch(rig, address, at, BODY[at : at + PART])).status
    assert 502 == (await patch(rig, address, 2 * PART, BODY[2 * PART :])).status
    assert 1 == len(asked)


@pytest.mark.parametrize("key", ["", "x", "1-0a", f"{int(NOW)}-XY", f"{int(NOW)}-{'0a' * 15}", "0a" * 20])
async def test_a_key_that_could_be_guessed_is_refused(rig: Rig, key: str) -> None:
    """400, before anything is written down."""
    token = await rig.link(prefix="in/", actions=WRITE)
    assert 400 == (await create(rig, f"/s/{token}", 6, Upload_Metadata=NAMED, Upload_Key=key)).status
    assert {} == rig.store.objects


@pytest.mark.parametrize("began", [100_000_000, 99_999_999_999])
async def test_a_clock_that_is_wrong_is_no_obstacle(rig: Rig, began: int) -> None:
    """The upload goes on as any other, and its record is none that is never swept."""
    token = await rig.link(prefix="in/", actions=WRITE)
    got = await create(rig, f"/s/{token}", 3, Upload_Metadata=NAMED, Upload_Key=f"{began}-{'0a' * 16}")
    assert "upload=000000000000" in (got.header("location") or "")
    assert 0 == await offset(rig, got.header("location") or "")
    assert 204 == (await patch(rig, got.header("location") or "", 0, b"abc")).status


async def test_two_at_once_are_one(rig: Rig) -> None:
    """The one that comes while the other runs is told to come again."""
    token = await rig.link(prefix="in/", actions=WRITE)
    told = {"Upload_Metadata": NAMED, "Upload_Key": KEY}
    got = await asyncio.gather(*(create(rig, f"/s/{token}", 3, **told) for _ in range(5)))
    assert {201, 423} >= {one.status for one in got}
    assert 1 == len({one.header("location") for one in got if one.status == 201})
    assert 1 == len(rig.store.objects)


async def test_an_upload_that_has_expired_is_thrown_away(rig: Rig) -> None:
    """By who looks at it first, who is told that it was there."""
    token = await rig.link(prefix="in/", actions=WRITE)
    got = await create(rig, f"/s/{token}", 3, Upload_Metadata=NAMED)
    await later(rig, 25 * 3600)
    for status in (410, 404):
        assert status == (await rig.ask("HEAD", got.header("location") or "", {"Tus-Resumable": "1.0.0"})).status
    assert {} == rig.store.objects
