"""How pages of the console are made."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

from gateway import pages
from gateway.control.bodies import EditLink, NewLink
from gateway.control.console import forms, keys, links
from gateway.control.console.sessions import SignedInBy
from gateway.control.key_bodies import EditKey, NewKey
from gateway.core.duty import Duty
from gateway.core.finding import Finding
from gateway.core.grant import GrantState
from gateway.core.holders import ProvedBy
from gateway.core.record import Act, Outcome
from gateway.core.request import Action, Operation
from gateway.core.revocation_target import REVOKING
from gateway.core.rule import Effect
from gateway.core.said import phrase
from gateway.pages.assets import Asset, stored_assets
from gateway.pages.branding import Branding
from gateway.pages.languages import languages
from tests.control.console.seat import Seat
from tests.control.desk import CONSOLE, serving

TEMPLATES = Path(pages.__file__).parent / "templates" / "console"


def names_of(room: str) -> set[str]:
    return {key.removeprefix(f"{room}.") for key in languages()["en"].texts if key.startswith(f"{room}.")}


def test_every_word_of_a_list_has_a_text_and_no_other() -> None:
    """States, actions, groups of a form; and each field that a template or a model names."""
    models = (
        (NewLink, forms.LINK_FIELDS),
        (EditLink, forms.LINK_FIELDS),
        (NewKey, forms.KEY_FIELDS),
        (EditKey, forms.KEY_FIELDS),
    )
    fields = [field for model, known in models for field in forms.fields_of(model, known)]
    written = "".join(path.read_text() for path in TEMPLATES.glob("*.html"))
    named = set(re.findall(r'(?:input|area|flag)\("(\w+)"', written)) | set(re.findall(r'"fields\.(\w+)"', written))
    named |= {*links._LINKS.filters, *keys._KEYS.filters}
    words = {field.name: set(map(str, field.choices)) for field in fields if field.name in {"on_conflict", "shows"}}
    words["holders_by"] = {str(way) for way in ProvedBy}
    named.add("holders_by")
    assert words == {name: names_of(name) for name in words}
    assert {str(state) for state in GrantState} == names_of("states")
    assert {str(action) for action in Action} == names_of("actions")
    assert {str(operation) for operation in Operation} == names_of("operations")
    assert {str(kind) for kind in REVOKING} == names_of("kinds")
    assert {str(outcome) for outcome in Outcome} == names_of("outcomes")
    assert {str(effect) for effect in Effect} == names_of("effects")
    assert {str(duty) for duty in Duty} == names_of("duties")
    assert {str(act) for act in Act} == names_of("trail")
    assert {str(way) for way in SignedInBy} == names_of("signed_in_by")
    assert {field.group for field in fields} | {"more"} == names_of("groups")
    assert {field.name for field in forms.LINK_FIELDS + forms.KEY_FIELDS} <= names_of("fields")
    assert names_of("fields") <= {field.name for field in fields} | named
    assert named <= names_of("fields")
    assert names_of("hints") <= names_of("fields")
    assert {"edit", "extend", "label", "rotate", "suspend", "resume", "revoke", "approve", "reject"} == names_of("acts")


async def test_a_page_speaks_the_visitors_language(seat: Seat) -> None:
    """German where it is asked for, English where nothing else is."""
    page = await seat.get("sign-in", headers={"Accept-Language": "de-AT,de;q=0.9"})
    assert ("de", True) == (page.headers["Content-Language"], "Anmelden" in page.text)
    assert "Sign in" in (await seat.get("sign-in")).text


async def test_what_is_wrong_is_told_in_the_visitors_language(seat: Seat) -> None:
    """Faults of fields, what the rules object to, why something was refused, what `doctor` and `explain` find; the API
    itself goes on speaking English."""
    seat.headers["Accept-Language"] = "de"
    await seat.sign_in()
    form = {"place": "reports/a.pdf", "expires_in": "bald", "uses": "viele", "blind": "yes"}
    page = await seat.get("links/new")
    wrong = await seat.post("links/new", page.filled(**form))
    assert all(text in unescape(wrong.text) for text in ("'bald' ist keine Dauer", "Schreiben Sie eine ganze Zahl."))
    assert "is not a duration" not in wrong.text
    assert ("Endet nach: 'bald' ist" in unescape(wrong.text), "expires_in:" in wrong.text) == (True, False)
    past = await seat.post("links/new", page.filled(place="reports/a.pdf", expires_at="2020-01-01"))
    assert "Der Link wäre schon zu Ende." in past.text
    denied = await seat.post("links/new", page.filled(place="reports/payroll/a"))
    assert "Die Regel 'nobody touches payroll' verbietet es" in unescape(denied.text)
    link = await seat.desk.link()
    await seat.desk.ask("DELETE", f"/v1/links/{link['id']}")
    assert "Ein widerrufener Link bleibt widerrufen" in (await seat.post(f"links/{link['id']}/resume")).text
    explained = await seat.get("explain?who=app:billing&do=GetObject&on=reports/payroll/a")
    assert all(text in unescape(explained.text) for text in ("verbietet es", "gilt für andere Namen", "herunterladen"))
    old = await seat.post("links", {"form_token": "old", "text": "x"})
    assert "Das Formular ist zu alt" in old.text
    answer = await seat.desk.ask("POST", "/v1/links", {"bucket": "reports", "key": "a", "expires_in": "bald"})
    assert "'bald' is not a duration: write seconds or a text like 90s, 15m, 12h, 30d, 2w" in answer.text


async def test_what_a_store_said_is_told_in_the_visitors_language() -> None:
    """The trials of `gateway doctor` by their names, and what was found."""

    async def examined(name: str) -> list[Finding]:
        listed = phrase("bucket_listed", "can be listed")
        return [
            Finding(name, phrase("try_bucket", "bucket {name}", name="a"), True, listed),
            Finding(name, "clock", None, "raw"),
        ]

    async with serving(examine=examined) as desk:
        seat = Seat(desk, {"Accept-Language": "de"})
        await seat.sign_in()
        page = await seat.post("backends/archive/examination")
        assert all(text in page.text for text in ("Bucket a", "lässt sich auflisten", "Uhr", "raw"))


async def test_what_was_done_is_told_in_the_visitors_language(seat: Seat) -> None:
    """Acts of the trail and their details, by what a session was begun, and what keeps a process from being ready; an
    act's own name stands beside it, as it is in the log and in exports."""
    seat.headers["Accept-Language"] = "de"
    await seat.sign_in()
    await seat.desk.link()
    trail = (await seat.get("audit")).text
    assert all(text in trail for text in ("Link angelegt", "link.create", "Besitzer: admin:ops"))
    assert "ein Token" in (await seat.get("sessions")).text
    seat.desk.faults[phrase("check_audit", "audit")] = phrase("no_records", "records cannot be written")
    for page in ("", "backends"):
        assert "Aufzeichnungen: Es kann nicht aufgezeichnet werden." in (await seat.get(page)).text


async def test_assets_are_kept_and_nothing_else_is_served(seat: Seat) -> None:
    """By names that change with their bytes."""
    name = stored_assets()["console.js"].served_as
    page = await seat.ask("GET", f"assets/{name}")
    assert (200, "public, max-age=31536000, immutable") == (page.status, page.headers["Cache-Control"])
    assert 1 == len(page.headers.getall("Cache-Control"))
    for other in ("console.js", "../render.py", "%2e%2e/render.py"):
        assert 200 != (await seat.ask("GET", f"assets/{other}")).status
    assert stored_assets()["console.js"].served_as in (await seat.get("sign-in")).text


async def test_every_address_in_a_page_is_relative(seat: Seat) -> None:
    """So that whatever a proxy puts before the path stays there."""
    await seat.sign_in()
    link = await seat.desk.link()
    for path in (
        "",
        "links",
        "links/new",
        f"links/{link['id']}",
        f"links/{link['id']}/edit",
        "keys",
        "explain",
        "audit",
    ):
        page = await seat.get(path)
        found = re.findall(r'(?:href|action|src|data-live)="([^"]*)"', page.text)
        assert found
        assert [] == [one for one in found if not one.startswith((".", "?", "#"))], path


async def test_an_operators_branding_is_shown() -> None:
    """Name, colours and logo are those of the pages at links; the picture is served here, too."""
    branding = Branding(
        name="Acme Files", accent="#7a1f5c", logo=Asset("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    )
    async with serving(console=lambda: replace(CONSOLE, branding=branding)) as desk:
        seat = Seat(desk)
        page = await seat.get("sign-in")
        assert "Acme Files" in page.text
        assert "--accent:#7a1f5c" in page.text
        assert branding.logo is not None
        assert 200 == (await seat.ask("GET", f"assets/{branding.logo.served_as}")).status
