"""Step 6: one call for one request, but for the one that has to be asked again."""

from __future__ import annotations

from gateway.core.request import Operation
from gateway.data.call import LinkAnswer
from gateway.data.steps.open import LINK_ANSWERS, S3_ANSWERS
from gateway.wire import parse
from tests.data.harness import Rig

BODY = b"0123456789"


async def test_if_range_that_holds_is_a_part(rig: Rig) -> None:
    """One call, with the range made conditional."""
    rig.store.hold("inside/a.txt", BODY)
    etag = rig.store.objects["real", "inside/a.txt"][1]["etag"]
    got = await rig.fetch(await rig.link(), Range="bytes=2-4", If_Range=etag)
    assert (206, b"234") == (got.status, got.body)
    assert 1 == len(rig.store.seen)


async def test_if_range_that_does_not_hold_is_the_whole(rig: Rig) -> None:
    """RFC 9110, 13.1.5: the changed object from its beginning, never a 412 and never a mixed file."""
    rig.store.hold("inside/a.txt", BODY)
    got = await rig.fetch(await rig.link(), Range="bytes=2-4", If_Range='"old"')
    assert (200, BODY) == (got.status, got.body)
    assert 2 == len(rig.store.calls("GET"))
    assert 0 == rig.store.open_now


async def test_the_callers_own_condition_is_not_asked_again(app: Rig) -> None:
    """A 412 that was asked for is the answer."""
    app.store.hold("inside/a", BODY)
    assert 412 == (await app.ask("GET", "/reports/a", {"If-Match": '"old"'})).status
    assert 1 == len(app.store.seen)


async def test_what_a_caller_sends_is_not_what_a_store_gets(app: Rig) -> None:
    """Built anew from parsed parts: no foreign header passes."""
    app.store.hold("inside/a", BODY)
    sent = {"Cookie": "c=1", "X-Forwarded-For": "1.2.3.4", "X-Internal": "yes", "Range": "bytes=0-1"}
    await app.ask("GET", "/reports/a", sent)
    [seen] = app.store.seen
    assert {"range"} == {name for name, _ in seen.call.headers}
    assert "lab" == seen.call.backend


async def test_a_delete_is_one_call_and_an_empty_answer(app: Rig) -> None:
    """204."""
    app.store.hold("inside/a", BODY)
    got = await app.ask("DELETE", "/reports/a")
    assert (204, None) == (got.status, app.store.stored("inside/a"))


def test_every_operation_of_the_s3_face_has_a_row() -> None:
    """What is parsed is answered; a preflight is answered before, and credentials and passes are had by links alone."""
    of_links = {Operation.CREATE_SESSION, Operation.PROVE_HOLDER}
    assert set(Operation) - {Operation.PREFLIGHT, *of_links} == S3_ANSWERS.keys()


def test_all_that_a_link_may_get_has_a_row() -> None:
    """Every page, the archive, and every operation that a link's path or a step of an upload means."""
    paths = {parse._link_operation(method, path) for method in parse.LINK_METHODS for path in (None, "", "a")}
    assert {*LinkAnswer, *paths, *parse._STEPS.values()} == LINK_ANSWERS.keys()
