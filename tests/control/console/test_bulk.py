"""Many links at once: what is shown before, and what is done then."""

from __future__ import annotations

from gateway.control.deps import Transfer
from tests.control.console.seat import Seat
from tests.control.desk import APP, serving


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
        assert (200, True, True) == (page.status, "2 links will be hit" in page.text, "1 of those" in page.text)
        assert "L0" in page.text
        assert '<td class="size">1</td>' in page.text
        assert {"active"} == set((await states(seat)).values())
        done = await seat.post("links/done", [*chosen, ("reason", "leak")])
        assert "Revoke: 2 links." in done.text
        assert "l_never" in done.text
        found = await states(seat)
        assert ["revoked", "revoked", "active", "active"] == [found[one] for one in ids]


async def test_suspend_and_resume_go_the_same_way(seat: Seat) -> None:
    """And nothing chosen, or nothing to do, does nothing."""
    await seat.sign_in()
    ids = [(await seat.desk.link())["id"] for _ in range(2)]
    await seat.get("links")
    for act, state in (("suspend", "suspended"), ("resume", "active")):
        await seat.post("links/done", [("act", act), *(("id", one) for one in ids)])
        assert {state} == set((await states(seat)).values())
    assert 303 == (await seat.post("links/selected", {"act": "revoke"})).status
    assert 422 == (await seat.post("links/done", [("act", "dance"), ("id", ids[0])])).status
    assert 422 == (await seat.post("links/done", [("act", "revoke"), *(("id", f"l_{n}") for n in range(201))])).status


async def test_anothers_links_are_not_hit(seat: Seat) -> None:
    """They are among those that are not there."""
    link = await seat.desk.link()
    await seat.sign_in(APP)
    await seat.get("links")
    page = await seat.post("links/selected", {"act": "revoke", "id": link["id"]})
    assert "0 links will be hit" in page.text
    await seat.post("links/done", {"act": "revoke", "id": link["id"]})
    assert "active" == (await states(seat))[link["id"]]


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
