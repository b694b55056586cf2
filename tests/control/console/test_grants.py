"""What the pages of links and of keys have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.core.grant import Scope
from gateway.core.rule import LinkLimits
from gateway.pages.languages import languages
from gateway.stores import lists
from tests.contract import sample
from tests.control.console.seat import Seat
from tests.control.desk import POLICY, rule, serving


@pytest.fixture
async def wide() -> AsyncIterator[Seat]:
    """Where whoever takes files may have them taken back."""
    taking = rule("admins take back", "admin:*", "read write delete share", "reports/**", links=LinkLimits())
    async with serving(policy=lambda: replace(POLICY, rules=(*POLICY.rules, taking))) as desk:
        yield Seat(desk)


async def test_a_password_is_not_lost_unseen(wide: Seat) -> None:
    """What is wrong elsewhere has the form come again without it, open and saying so: else a link would be made that
    anybody may open. Where none was typed, nothing is asked for."""
    await wide.sign_in()
    form = await wide.get("links/new")
    for password, asked in (("sesame", True), ("", False)):
        again = await wide.post("links/new", form.filled(place="reports/a.pdf", expires_in="soon", password=password))
        assert asked is ("type it again" in again.text)
        assert "sesame" not in again.text
        assert '<details class="group" open>' in again.text
        assert '<details class="group">' not in again.text


async def test_every_option_of_a_link_can_be_chosen_and_is_shown(wide: Seat) -> None:
    """In the form that makes it; its page then tells each of them, and its form has them again."""
    seat = wide
    await seat.sign_in()
    form = (await seat.get("links/new")).filled(
        place="reports/in/", label="all", expires_in="7d", uses="9", bytes="1GiB", rate="10/s", password="sesame",
        cidrs="192.0.2.0/24", terms="Be kind.\nAlways.", message="Send <all>.", max_files="3", total_bytes="5MiB",
        holders="ann@acme.example\n@b.example\ngroup:staff\nnot:eve@b.example", holders_by="oidc",
        types="image/*", names="{date}/{name}", undo="10m", on_conflict="rename", max_size="1MiB",
    )  # fmt: skip
    form = [pair for pair in form if pair[0] not in {"actions", "credentials"}]
    form += [("actions", "write"), ("shows", "sender"), ("shows", "page"), ("blind", "yes"), ("confirm", "yes")]
    made = await seat.post("links/new", form)
    assert 201 == made.status, made.text
    [link] = (await seat.desk.ask("GET", "/v1/links")).json["links"]
    expected = {
        "terms": "Be kind.\nAlways.", "message": "Send <all>.", "max_files": 3, "total_bytes": 5 << 20, "undo": 600.0,
        "types": ["image/*"], "names": "{date}/{name}", "on_conflict": "rename", "blind": True, "confirm": True,
        "holders": {
            "emails": ["ann@acme.example"], "domains": ["b.example"], "groups": ["staff"], "by": "oidc",
            "excluded": ["eve@b.example"],
        },
        "credentials": False, "shows": ["page", "sender"], "actions": ["write"], "cidrs": ["192.0.2.0/24"],
    }  # fmt: skip
    assert expected == {name: link[name] for name in expected}
    page = await seat.get(f"links/{link['id']}")
    for text in (
        "Be kind.",
        "Send &lt;all&gt;.",
        "image/*",
        "{date}/{name}",
        "10m",
        "5.0 MiB",
        "0 / 3",
        "who sends",
        "@b.example",
    ):
        assert text in page.text, text
    again = await seat.get(f"links/{link['id']}/edit")
    kept = [*again.filled(label="other"), ("actions", "write"), ("shows", "sender"), ("shows", "page")]
    assert 303 == (await seat.post(f"links/{link['id']}/edit", kept)).status
    [after] = (await seat.desk.ask("GET", "/v1/links")).json["links"]
    changed = {"label": "other", "version": after["version"]}
    assert link | changed == after


async def test_a_box_that_stands_for_a_default_is_ticked(seat: Seat) -> None:
    """So that it can be taken away."""
    await seat.sign_in()
    page = await seat.get("links/new")
    assert ("credentials", "yes") in page.filled()
    assert 201 == (await seat.post("links/new", page.filled(place="reports/a.pdf"))).status
    [link] = (await seat.desk.ask("GET", "/v1/links")).json["links"]
    assert link["credentials"]


@pytest.mark.parametrize("many", ["links", "keys"])
async def test_what_is_wrong_says_what_one_can_do(many: str, seat: Seat) -> None:
    """Beside the fields, with what was typed into them; and no answer of the API is shown as it is."""
    await seat.sign_in()
    await seat.get(f"{many}/new")
    page = await seat.post(f"{many}/new", {"place": "reports/a/", "app": "billing", "expires_in": "soon", "label": "x"})
    assert (422, "x") == (page.status, page.value("label"))
    assert "Correct what is named" in page.text
    assert "application/problem" not in page.text
    refused = await seat.post("links/new", {"place": "reports/payroll/a", "actions": "read"})
    assert (403, True) == (refused.status, "Change what the rules object to" in refused.text)
    german = await seat.post("links/new", {"place": "reports/payroll/a"}, headers={"Accept-Language": "de"})
    assert languages()["de"].text("reasons.denied_by_rule") in german.text


async def test_a_list_that_was_looked_through_in_part_says_so(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found among the newest, and the list goes on; a full page and the last one do not say so."""
    monkeypatch.setattr(lists, "READ_AT_ONCE", 10)
    monkeypatch.setattr(lists.page_steps, "__defaults__", (10,))
    await seat.sign_in()
    for number in range(120):
        await seat.desk.state.grants.create(sample.link(f"l_{number:05}", scope=Scope("reports", key=f"a/{number}")))
    part = "Only part of the list"
    for query, says, goes_on in (("?prefix=b/", True, True), ("", False, True), ("?label=none", False, False)):
        page = await seat.get(f"links{query}")
        assert (200, says, goes_on) == (page.status, part in page.text, 'rel="next"' in page.text), query
