"""Many links at once: what is shown before, and what is done then."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.control.deps import Transfer
from tests.control.console.seat import Seat
from tests.control.desk import ADMIN, APP, serving


async def states(seat: Seat) -> dict[str, str]:
    return {link["id"]: link["state"] for link in (await seat.desk.ask("GET", "/v1/links")).json["links"]}


async def test_the_chosen_links_are_shown_before_they_are_hit() -> None:
    """With what runs; looking changes nothing, and what is done is done to those very links."""
    running: list[Transfer] = []

    async def transfers() -> list[Transfer]:
        return running

    async with serving(transfers=transfers) as desk:
        seat = Seat(desk)
        ids = [(await desk.link(label=f"L{number}"))["id"] for number in range(4)]
        running.append(Transfer("r1", "admin:ops", f"link:{ids[0]}", "GetObject", "reports", "a.pdf", "", 0.0, 5))
        await seat.sign_in()
        await seat.get("links")
        chosen = [("act", "revoke"), ("id", ids[0]), ("id", ids[1]), ("id", "l_never")]
        page = await seat.post("links/selected", chosen)
        assert (200, True, True) == (page.status, "Links that will be hit: 2." in page.text, "1 of those" in page.text)
        assert "L0" in page.text
        assert '<td class="size">1</td>' in page.text
        assert f"{ids[0]} {ids[1]}" == page.value("ids")
        assert {"active"} == set((await states(seat)).values())
        done = await seat.post("links/done", {"act": "revoke", "ids": f"{ids[0]} {ids[1]} l_never", "reason": "leak"})
        assert "Revoke, links: 2." in done.text
        assert "l_never" in done.text
        found = await states(seat)
        assert ["revoked", "revoked", "active", "active"] == [found[one] for one in ids]


async def test_suspend_and_resume_go_the_same_way(seat: Seat) -> None:
    """And nothing chosen, or nothing to do, does nothing."""
    await seat.sign_in()
    ids = [(await seat.desk.link())["id"] for _ in range(2)]
    await seat.get("links")
    for act, state in (("suspend", "suspended"), ("resume", "active")):
        await seat.post("links/done", {"act": act, "ids": " ".join(ids)})
        assert {state} == set((await states(seat)).values())
    assert "Links that will be hit: 0." in (await seat.post("links/selected", {"act": "revoke"})).text
    assert 422 == (await seat.post("links/done", {"act": "dance", "ids": ids[0]})).status
    many = " ".join(f"l_{n}" for n in range(1001))
    assert 422 == (await seat.post("links/done", {"act": "revoke", "ids": many})).status


@pytest.mark.parametrize("many", ["links", "keys"])
async def test_all_that_the_filters_match_are_hit_and_nothing_that_came_since(seat: Seat, many: str) -> None:
    """What was shown is: how many, whose, the first of them. What came to match in between is not among them."""

    async def make(label: str, token: str = ADMIN) -> str:
        seat.desk.token = token
        body: dict[str, Any] = {"bucket": "reports", "prefix": "invoices/"}
        body |= {"expires_in": "1h", "uses": 1} if many == "links" else {"app": "billing"}
        made = await seat.desk.ask("POST", f"/v1/{many}", body | {"label": label})
        seat.desk.token = ADMIN
        return str(made.json["id"])

    async def labels() -> list[str]:
        found = (await seat.desk.ask("GET", f"/v1/{many}?state=active&limit=1000")).json[many]
        return sorted(one["label"] for one in found)

    old = [await make("old", APP if number < 3 else ADMIN) for number in range(60)]
    await make("new")
    await seat.desk.ask("DELETE", f"/v1/{many}/{old[0]}")
    await seat.sign_in()
    page = await seat.get(f"{many}?label=old")
    assert ("old", False) == (page.value("filter_label"), "filter_state" in page.text)
    preview = await seat.post(f"{many}/selected", {"act": "revoke", "which": "matching", "filter_label": "old"})
    assert f"{many.capitalize()} that will be hit: 59." in preview.text
    assert "And 9 more." in preview.text
    assert (2 if many == "links" else 59) == int(re.findall(r"app:billing \((\d+)\)", preview.text)[0])
    assert 61 - 1 == len(await labels())
    await make("old")
    done = await seat.post(f"{many}/done", preview.filled())
    assert f"Revoke, {many}: 59." in done.text
    assert ["new", "old"] == await labels()


async def test_what_is_left_is_the_next_step(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step is bounded, and the next one begins where it ended, so that none is hit twice and none left out."""
    monkeypatch.setattr("gateway.control.console.bulk._MOST", 3)
    monkeypatch.setattr("gateway.control.console.bulk._A_PAGE", 2)
    for number in range(7):
        await seat.desk.link(label="old" if number else "other")
    await seat.sign_in()
    await seat.get("links")
    form: Any = {"act": "label", "which": "matching", "filter_bucket": "reports"}
    hits = []
    for step in range(3):
        preview = await seat.post("links/selected", form)
        hits.append(len(preview.value("ids").split()))
        done = await seat.post("links/done", preview.filled(label=f"step {step}"))
        form = done.filled()
    assert ([3, 3, 1], False) == (hits, "Go on" in done.text)
    found = (await seat.desk.ask("GET", "/v1/links")).json["links"]
    assert ["step 0"] * 3 + ["step 1"] * 3 + ["step 2"] == sorted(link["label"] for link in found)


async def test_many_are_extended_and_labelled(seat: Seat) -> None:
    """By one field, whose fault is told beside it before anything is done; an emptied label is none."""
    ids = [(await seat.desk.link(label="a", expires_in="1h"))["id"] for _ in range(2)]
    await seat.sign_in()
    await seat.get("links")
    preview = await seat.post("links/selected", [("act", "extend"), *(("id", one) for one in ids)])
    assert "30d" == preview.value("expires_in")
    for text in ("soon", ""):
        wrong = await seat.post("links/done", preview.filled(expires_in=text))
        assert (422, text) == (wrong.status, wrong.value("expires_in"))
        assert 'aria-invalid="true"' in wrong.text
    assert "Extend, links: 2." in (await seat.post("links/done", wrong.filled(expires_in="9d"))).text
    await seat.post("links/done", {"act": "label", "ids": " ".join(ids), "label": ""})
    found = (await seat.desk.ask("GET", "/v1/links")).json["links"]
    assert [(True, None)] * 2 == [(link["expires_at"] > "2027-01-23", link["label"]) for link in found]


async def test_a_filter_that_cannot_be_read_hits_nothing(seat: Seat) -> None:
    """And what is done with already is not counted among what will be hit."""
    link = await seat.desk.link()
    await seat.sign_in()
    await seat.get("links")
    form = {"act": "revoke", "which": "matching", "filter_ends_within": "soon"}
    assert 422 == (await seat.post("links/selected", form)).status
    hits = []
    for state, act in (("active", "resume"), ("active", "suspend"), ("suspended", "suspend"), ("suspended", "resume")):
        await seat.desk.ask("POST", f"/v1/links/{link['id']}/{'suspend' if state == 'suspended' else 'resume'}")
        page = await seat.post("links/selected", {"act": act, "which": "matching"})
        hits.append(int(re.findall(r"Links that will be hit: (\d+)", page.text)[0]))
    assert [0, 1, 0, 1] == hits


async def test_anothers_links_are_not_hit(seat: Seat) -> None:
    """They are among those that are not there."""
    link = await seat.desk.link()
    await seat.sign_in(APP)
    await seat.get("links")
    page = await seat.post("links/selected", {"act": "revoke", "id": link["id"]})
    assert "Links that will be hit: 0." in page.text
    await seat.post("links/done", {"act": "revoke", "ids": link["id"]})
    assert "active" == (await states(seat))[link["id"]]


async def test_one_person_is_counted_before_they_are_excluded(seat: Seat) -> None:
    """From all that may be for them, or from one link; the links stay as they are for everybody else."""
    await seat.sign_in()
    one, two = [await seat.desk.link(holders={"domains": ["acme.example"]}) for _ in range(2)]

    async def excluded() -> list[list[str]]:
        shown = [await seat.desk.ask("GET", f"/v1/links/{link['id']}") for link in (one, two)]
        return [link.json["holders"]["excluded"] for link in shown]

    await seat.get("revocations")
    ann = {"holder": "ann@acme.example"}
    page = await seat.post("revocations/preview", ann)
    assert ("exclude this person from 2 links" in page.text, [[], []]) == (True, await excluded())
    done = await seat.post("revocations/done", ann | {"link": one["id"], "reason": "left"})
    assert ("excluded from 1 links" in done.text, [[ann["holder"]], []]) == (True, await excluded())
    await seat.post("revocations/done", ann)
    assert ([[ann["holder"]]] * 2, {"active"}) == (await excluded(), set((await states(seat)).values()))
    assert 422 == (await seat.post("revocations/preview", {"holder": "ann"})).status


async def test_a_target_is_counted_before_it_is_revoked(seat: Seat) -> None:
    """All of an owner, a bucket, a rule; a name that is none, and two at once, are told."""
    await seat.sign_in()
    for _ in range(3):
        await seat.desk.link()
    await seat.get("revocations")
    page = await seat.post("revocations/preview", {"bucket": "reports"})
    assert "This would end 3" in page.text
    assert {"active"} == set((await states(seat)).values())
    assert "neither" in (await seat.post("revocations/preview", {"owner": "app:nobody"})).text.lower()
    assert 422 == (await seat.post("revocations/preview", {"owner": "app:a", "backend": "lab"})).status
    done = await seat.post("revocations/done", {"bucket": "reports", "prefix": "", "reason": "leak"})
    assert "This ended 3" in done.text
    assert {"revoked"} == set((await states(seat)).values())
    assert "leak" in (await seat.get("revocations")).text
