"""The end of what one person may do by links that are for certain people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gateway.control.usecases import exclusions as room
from gateway.core.grant import Grant
from gateway.core.trail import entry_fields
from tests.control.desk import ADMIN, APP, Desk

ANN = "ann@acme.example"


async def linked(desk: Desk, owner: str = "app:billing", **holders: Any) -> str:
    """The path of a link of this owner, for these people."""
    body = {"bucket": "reports", "key": "invoices/a", "owner": owner, "uses": 1, "expires_in": 3600}
    body["holders"] = holders or None
    made = await desk.ask("POST", "/v1/links", body)
    assert 201 == made.status, made.text
    return f"/v1/links/{made.json['id']}"


async def excluded(desk: Desk, *paths: str) -> list[list[str]]:
    shown = [(await desk.ask("GET", path)).json["holders"] for path in paths]
    return [] if None in shown else [one["excluded"] for one in shown]


async def revoke(desk: Desk, holder: str = ANN, **more: Any) -> dict[str, Any]:
    done = await desk.ask("POST", "/v1/revocations", {"holder": holder, **more})
    assert 200 == done.status, done.text
    return done.json


async def test_one_person_is_excluded_from_all_that_may_be_for_them(desk: Desk) -> None:
    """By address, domain or group, in any letters; no link of others is touched, nor one for everybody. A dry run says
    as many and changes nothing; twice is as good as once. What is made later is another link."""
    meant = [
        await linked(desk, emails=["Ann@acme.example", "bob@acme.example"]),
        await linked(desk, domains=["acme.example"]),
        await linked(desk, groups=["finance"], by="oidc"),
    ]
    others = [await linked(desk, emails=["bob@acme.example"]), await linked(desk, domains=["b.example"])]
    everybody = await linked(desk)
    dry = await revoke(desk, dry_run=True)
    assert (3, True, None) == (dry["revoked"], dry["known"], dry["serial"])
    assert [[]] * 5 == await excluded(desk, *meant, *others)
    assert 3 == (await revoke(desk, "ANN@acme.example"))["revoked"]
    assert [["ANN@acme.example"]] * 3 + [[]] * 2 == await excluded(desk, *meant, *others)
    assert (await desk.ask("GET", everybody)).json["holders"] is None
    again = await revoke(desk)
    assert (0, True) == (again["revoked"], again["known"])
    later = await linked(desk, domains=["acme.example"])
    assert [[]] == await excluded(desk, later)


async def test_a_stranger_is_told_as_unknown(desk: Desk) -> None:
    """No link may be for them, so it was mistyped."""
    await linked(desk, domains=["acme.example"])
    stranger = await revoke(desk, "ann@acme.exampel")
    assert (0, False) == (stranger["revoked"], stranger["known"])


async def test_it_is_narrowed_to_a_link_an_owner_or_a_time(desk: Desk) -> None:
    """Each leaves the others alone; a link by its id, and one that is none is not found."""
    one, two = await linked(desk, domains=["acme.example"]), await linked(desk, "admin:ops", domains=["acme.example"])
    assert 0 == (await revoke(desk, issued_before="2027-01-15T08:00:00Z"))["revoked"]
    assert 1 == (await revoke(desk, owner="admin:ops"))["revoked"]
    assert [[], [ANN]] == await excluded(desk, one, two)
    assert 1 == (await revoke(desk, link=one.rpartition("/")[2]))["revoked"]
    assert [[ANN], [ANN]] == await excluded(desk, one, two)
    missing = await desk.ask("POST", "/v1/revocations", {"holder": ANN, "link": "l_11111111111111111"})
    assert 404 == missing.status


async def test_an_owner_excludes_from_their_own_alone(desk: Desk) -> None:
    """And is told nothing of the others."""
    own, foreign = (
        await linked(desk, domains=["acme.example"]),
        await linked(desk, "admin:ops", domains=["acme.example"]),
    )
    desk.token = APP
    assert 1 == (await revoke(desk))["revoked"]
    for more in ({"owner": "admin:ops", "dry_run": True}, {"link": foreign.rpartition("/")[2]}):
        assert 404 == (await desk.ask("POST", "/v1/revocations", {"holder": ANN, **more})).status
    desk.token = ADMIN
    assert [[ANN], []] == await excluded(desk, own, foreign)


async def test_it_is_audited_per_link_and_taken_back_by_an_edit_alone(desk: Desk) -> None:
    """With why and whose; the trail holds no address. An edit that does not speak of them keeps them."""
    path = await linked(desk, domains=["acme.example"])
    await revoke(desk, reason="left the firm")
    *_, last = [entry_fields(entry) for entry in desk.state.ledger._trail]
    assert ("link.exclude", path.rpartition("/")[2]) == (last["act"], last["target"])
    assert {"reason": "left the firm", "owner": "app:billing"} == last["detail"]
    for holders, expected in (
        ({"domains": ["acme.example", "b.example"]}, [ANN]),
        ({"domains": ["acme.example"], "excluded": []}, []),
    ):
        assert 200 == (await desk.ask("PATCH", path, {"holders": holders})).status
        assert [expected] == await excluded(desk, path)


async def test_a_revoked_link_is_left_as_it_is(desk: Desk) -> None:
    """An expired one is not: it can be revived."""
    gone, over = await linked(desk, domains=["acme.example"]), await linked(desk, domains=["acme.example"])
    await desk.ask("DELETE", gone)
    await desk.ask("PATCH", over, {"expires_in": 60})
    desk.clock.now += 120
    assert 1 == (await revoke(desk))["revoked"]
    assert [[], [ANN]] == await excluded(desk, gone, over)


async def test_a_link_that_excludes_as_many_as_it_can_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its id, once all others are done: nobody takes it for done."""
    monkeypatch.setattr(room, "MOST_EXCLUDED", 1)
    full, other = (
        await linked(desk, domains=["acme.example"], excluded=["x@acme.example"]),
        await linked(desk, emails=[ANN]),
    )
    told = await desk.ask("POST", "/v1/revocations", {"holder": ANN})
    assert (422, True) == (told.status, full.rpartition("/")[2] in told.text)
    assert [["x@acme.example"], [ANN]] == await excluded(desk, full, other)


@pytest.mark.parametrize(
    "body",
    [{"holder": "ann"}, {"holder": ANN, "role": "x"}, {"holder": ANN, "link": "l_1", "owner": "app:billing"}],
)
async def test_what_names_nobody_or_too_much_is_no_target(desk: Desk, body: dict[str, str]) -> None:
    """422, before anything is looked for."""
    assert 422 == (await desk.ask("POST", "/v1/revocations", body)).status


async def test_many_are_excluded_from_by_few_writes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many links at once, and what is audited of them as well: an event for each."""
    monkeypatch.setattr(room, "_AT_ONCE", 3)
    paths = [await linked(desk, domains=["acme.example"]) for _ in range(7)]
    grants, ledger = desk.state.grants, desk.state.ledger
    saves, audits = [], []
    real, written = grants.save_all, ledger.audit
    monkeypatch.setattr(grants, "save_all", lambda given: saves.append(len(given)) or real(given))
    monkeypatch.setattr(ledger, "audit", lambda *events: audits.append(len(events)) or written(*events))
    assert 7 == (await revoke(desk))["revoked"]
    assert ([3, 3, 1], [3, 3, 1]) == (saves, audits)
    assert [[ANN]] * 7 == await excluded(desk, *paths)
    entries = [entry_fields(entry) for entry in desk.state.ledger._trail]
    told = [entry["target"] for entry in entries if entry["act"] == "link.exclude"]
    assert sorted(path.rpartition("/")[2] for path in paths) == sorted(told)


async def test_a_link_that_is_edited_meanwhile_is_excluded_from_as_well(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody else wrote in between stays, and its event tells of the exclusion once."""
    one, two = await linked(desk, domains=["acme.example"]), await linked(desk, domains=["acme.example"])
    grants = desk.state.grants
    real = grants.save_all

    async def save_all(given: Sequence[Grant]) -> Sequence[Grant | None]:
        theirs = await grants.get(one.rpartition("/")[2])
        assert theirs is not None
        await grants.save(replace(theirs, filename="theirs.pdf"))
        return await real(given)

    monkeypatch.setattr(grants, "save_all", save_all)
    assert 2 == (await revoke(desk))["revoked"]
    assert [[ANN], [ANN]] == await excluded(desk, one, two)
    assert "theirs.pdf" == (await desk.ask("GET", one)).json["filename"]
    acts = [entry_fields(entry)["act"] for entry in desk.state.ledger._trail]
    assert 2 == acts.count("link.exclude")
