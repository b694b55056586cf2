"""A page asks by the API's own rows: the same guard, models and answers."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.control.caller import Access, Admitted
from gateway.control.console.ask import Asker
from gateway.control.rows import ROWS
from gateway.core.attempt import Principal
from gateway.core.grant import GrantKind
from gateway.core.request import RawRequest
from tests.control.desk import ADMIN, APP, Desk


def asker(desk: Desk, token: str) -> Asker:
    async def admit(access: Access) -> Admitted:
        raw = RawRequest("GET", "/", "", (("authorization", f"Bearer {token}"),))
        return await desk.api.guard.admit(access, raw, None, {}, private=True)

    return Asker(desk.api, "0" * 24, None, admit)


ASKED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("listLinks", "/v1/links?limit=2", {"query": {"limit": "2"}}),
    ("listLinks", "/v1/links?limit=x", {"query": {"limit": "x"}}),
    ("listLinks", "/v1/links?colour=red", {"query": {"colour": "red"}}),
    ("showLink", "/v1/links/l_never", {"values": {"id": "l_never"}}),
    ("showLink", "/v1/links/a%20b", {"values": {"id": "a b"}}),
    ("readTrail", "/v1/audit", {}),
    ("showPolicy", "/v1/policy", {}),
    ("whoami", "/v1/whoami", {}),
)


@pytest.mark.parametrize("token", [ADMIN, APP])
@pytest.mark.parametrize(("name", "path", "how"), ASKED)
async def test_the_answer_is_the_apis(name: str, path: str, how: dict[str, Any], token: str, desk: Desk) -> None:
    """Status and members, whoever asks and whatever is wrong; but for the words of what is wrong with a query."""
    await desk.link()
    desk.token = token
    there, here = await desk.ask("GET", path), await asker(desk, token).ask(name, **how)
    assert there.status == here.status
    for member in ("reason", "detail") if there.status >= 400 and there.status != 422 else ():
        assert there.json[member] == here.said[member]
    if there.status < 400:
        assert there.json == here.said


async def test_bodies_are_judged_by_the_rows_own_model(desk: Desk) -> None:
    """Each fault by the name of its field."""
    answer = await asker(desk, ADMIN).ask("createLink", body={"bucket": "reports", "uses": "x", "colour": "red"})
    assert (422, False) == (answer.status, answer.ok)
    assert {"uses", "colour", "key"} == answer.faults.keys()
    made = await asker(desk, ADMIN).ask("createLink", body={"bucket": "reports", "key": "a"})
    assert 201 == made.status
    assert made.said["token"] not in repr(made)
    assert (
        Principal("admin", "ops")
        == (await desk.api.links.inspect(_reach(desk), GrantKind.LINK, made.said["id"])).grant.owner
    )


def _reach(desk: Desk) -> Any:
    from gateway.control.caller import EVERYTHING  # noqa: PLC0415

    return EVERYTHING


def test_every_row_has_one_name() -> None:
    """By which pages ask for it."""
    assert len(ROWS) == len({row.name for row in ROWS})
