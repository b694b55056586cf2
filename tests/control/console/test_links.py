"""The pages of links, as a browser without scripts sees them."""

from __future__ import annotations

import re

import pytest

from gateway.control.bodies import EditLink, NewLink
from gateway.control.console.forms import LINK_FIELDS, fields_of
from tests.control.console.seat import Seat
from tests.control.desk import APP


async def made_links(seat: Seat) -> list[dict[str, object]]:
    return list((await seat.desk.ask("GET", "/v1/links")).json["links"])


async def test_a_link_is_made_with_every_option(seat: Seat) -> None:
    """What the form says is what the API makes; its address is shown once, with its code, and is in no address."""
    await seat.sign_in()
    page = await seat.get("links/new")
    form = {
        "place": "reports/2027/a b.pdf",
        "actions": "read",
        "expires_in": "30d",
        "not_before": "2027-01-15T08:00:00Z",
        "uses": "3",
        "bytes": "1GiB",
        "max_size": "5MiB",
        "rate": "10/s",
        "password": " open sesame ",
        "cidrs": "10.0.0.0/8\n192.0.2.0/24",
        "owner": "admin:ops",
        "label": "for <b>Ann</b>",
        "filename": "a.pdf",
        "content_type": "application/pdf",
        "confirm": "yes",
        "once_key": page.value("once_key"),
    }
    shown = await seat.post("links/new", form)
    assert 201 == shown.status, shown.text
    assert 1 == shown.text.count("https://files.example/s/gl_")
    assert "<svg" in shown.text
    [link] = await made_links(seat)
    expected = {
        "bucket": "reports",
        "key": "2027/a b.pdf",
        "actions": ["read"],
        "uses": 3,
        "bytes": 2**30,
        "max_size": 5 * 2**20,
        "rate": "10/1s",
        "password": True,
        "cidrs": ["10.0.0.0/8", "192.0.2.0/24"],
        "label": "for <b>Ann</b>",
        "confirm": True,
        "once": False,
    }
    assert expected == {name: link[name] for name in expected}
    detail = await seat.get(f"links/{link['id']}")
    assert "for &lt;b&gt;Ann&lt;/b&gt;" in detail.text
    assert "gl_" not in detail.text
    again = await seat.post("links/new", form)
    assert (200, True) == (again.status, "had made the link before" in again.text)
    assert 1 == len(await made_links(seat))


async def test_a_folder_is_a_place_that_ends_with_a_slash(seat: Seat) -> None:
    """As the command line has it; and a bucket alone is all of it."""
    await seat.sign_in()
    await seat.get("links/new")
    for place, actions in (("reports/2027/", ("read", "list")), ("drafts/", ("read",))):
        form = [("place", place), *(("actions", action) for action in actions)]
        made = await seat.post("links/new", form)
        assert 201 == made.status, made.text
    assert [("", None), ("2027/", None)] == [(link["prefix"], link["key"]) for link in await made_links(seat)]


@pytest.mark.parametrize(
    ("place", "ticked"), [("reports/", ["read", "list"]), ("reports/a.pdf", ["read"]), ("", ["read"])]
)
async def test_a_link_to_a_folder_lists_it(seat: Seat, place: str, ticked: list[str]) -> None:
    """Unless one chooses otherwise: without, who opens it finds nothing at its address. One file has no list."""
    await seat.sign_in()
    page = await seat.get(f"links/new?place={place}")
    assert ticked == re.findall(r'name="actions" value="(\w+)" checked', page.text)


async def test_what_is_wrong_is_said_at_its_field(seat: Seat) -> None:
    """With all that was typed still there; the password is asked for again; and policy's objections one by one."""
    await seat.sign_in()
    await seat.get("links/new")
    form = {"place": "reports/a.pdf", "uses": "many", "expires_in": "soon", "password": "sesame", "label": "L"}
    page = await seat.post("links/new", form)
    assert 422 == page.status
    assert 3 == page.text.count('aria-invalid="true"')
    assert ("many", "L") == (page.value("uses"), page.value("label"))
    assert "sesame" not in page.text
    page = await seat.post("links/new", {"place": "reports/payroll/a.pdf", "actions": "read"})
    assert 403 == page.status
    assert "nobody touches payroll" in page.text


def test_every_field_of_the_api_is_in_the_form() -> None:
    """Whatever a body gains is in its form, too: the three of a place stand in one, and `on_conflict` says what
    `overwrite` does."""
    for model in (NewLink, EditLink):
        names = {field.alias or name for name, field in model.model_fields.items()}
        assert names - {"bucket", "key", "prefix", "overwrite"} == {
            field.name for field in fields_of(model, LINK_FIELDS)
        }


async def test_a_link_is_edited_by_what_was_changed(seat: Seat) -> None:
    """Nothing else is sent; what was emptied is gone; and who was slower changes nothing."""
    await seat.sign_in()
    link = await seat.desk.link(uses=3, label="old", password="sesame", expires_in="30d")
    page = await seat.get(f"links/{link['id']}/edit")
    form = page.filled(label="new", uses="")
    assert 303 == (await seat.post(f"links/{link['id']}/edit", form)).status
    [after] = await made_links(seat)
    assert ("new", None, True, link["expires_at"]) == tuple(
        after[name] for name in ("label", "uses", "password", "expires_at")
    )
    late = await seat.post(f"links/{link['id']}/edit", form)
    assert 412 == late.status
    page = await seat.get(f"links/{link['id']}/edit")
    moved = [*page.filled(place="reports/b.pdf", label=""), ("remove_password", "yes")]
    assert 303 == (await seat.post(f"links/{link['id']}/edit", moved)).status
    [after] = await made_links(seat)
    assert ("b.pdf", False, None) == (after["key"], after["password"], after["label"])


async def test_a_page_that_is_loaded_again_does_not_end_the_address_it_showed(seat: Seat) -> None:
    """A new address is made of the link that was looked at, and not once more of what that came to."""
    await seat.sign_in()
    made = (await seat.desk.ask("POST", "/v1/links", {"bucket": "reports", "key": "a.pdf"})).json
    path = f"links/{made['id']}"
    form = {"version": (await seat.get(path)).value("version")}
    assert 200 == (await seat.post(f"{path}/rotate", form)).status
    rotated = (await seat.desk.ask("GET", f"/v1/{path}")).json["version"]
    again = await seat.post(f"{path}/rotate", form)
    assert (412, False) == (again.status, "/s/gl_" in again.text)
    assert rotated == (await seat.desk.ask("GET", f"/v1/{path}")).json["version"]
    assert 200 == (await seat.post(f"{path}/rotate", {"version": again.value("version")})).status


async def test_one_link_is_extended_rotated_suspended_resumed_and_revoked(seat: Seat) -> None:
    """Each by a button that posts; a new address is shown once."""
    await seat.sign_in()
    link = await seat.desk.link()
    path = f"links/{link['id']}"
    await seat.get(path)
    assert 303 == (await seat.post(f"{path}/extend", {"expires_in": "7d"})).status
    rotated = await seat.post(f"{path}/rotate")
    assert (200, True) == (rotated.status, "https://files.example/s/gl_" in rotated.text)
    assert link["url"] not in rotated.text
    for act, state in (("suspend", "suspended"), ("resume", "active"), ("revoke", "revoked")):
        assert 303 == (await seat.post(f"{path}/{act}", {"reason": "why"})).status
        [found] = await made_links(seat)
        assert state == found["state"]
    assert 409 == (await seat.post(f"{path}/extend", {"expires_in": "7d"})).status
    assert 404 == (await seat.post(f"{path}/dance")).status
    assert 422 == (await seat.post(f"links/{(await seat.desk.link())['id']}/extend", {"expires_in": "x"})).status


async def test_links_are_filtered_and_paged(seat: Seat) -> None:
    """By state, owner, place, label and end; the next page keeps the filters; a wrong filter says so at its field."""
    await seat.sign_in()
    for number in range(60):
        await seat.desk.link(key=f"n/{number}.pdf", label="many", expires_in="30d" if number % 2 else "2d")
    await seat.desk.link(key="else.pdf", label="one")
    assert 50 == (await seat.get("links")).text.count('name="id"')
    first = await seat.get("links?label=many")
    following = re.search(r'rel="next" href="\./([^"]*)"', first.text)
    assert following is not None
    assert 10 == (await seat.get(following[1].replace("&amp;", "&"))).text.count('name="id"')
    for query, count in (
        ("label=one", 1),
        ("prefix=n/&bucket=reports&ends_within=7d", 30),
        ("state=revoked", 0),
        ("owner=app:nobody", 0),
    ):
        assert count == (await seat.get(f"links?{query}")).text.count('name="id"'), query
    wrong = await seat.get("links?ends_within=soon")
    assert (422, 1) == (wrong.status, wrong.text.count('aria-invalid="true"'))


async def test_a_link_is_found_by_its_address(seat: Seat) -> None:
    """Which is posted and never in an address; by its id, its label and its place, too. Another's is not there."""
    await seat.sign_in()
    link = await seat.desk.link(label="mine")
    for text in (link["url"], link["token"], f"{link['url']}/a/b?download=1", link["id"]):
        page = await seat.post("links", {"text": text})
        assert (303, f"./links/{link['id']}") == (page.status, page.headers.get("Location")), (text, page.text)
    assert "./links?label=mine" == (await seat.post("links", {"text": "mine"})).headers["Location"]
    assert "./links?bucket=reports&prefix=a" == (await seat.post("links", {"text": "reports/a"})).headers["Location"]
    stranger = Seat(seat.desk)
    await stranger.sign_in(APP)
    await stranger.get("links")
    assert 404 == (await stranger.post("links", {"text": link["url"]})).status


@pytest.mark.parametrize("act", ["", "/edit", "/rotate", "/suspend", "/revoke", "/extend", "/resume"])
async def test_what_is_anothers_is_not_there(act: str, seat: Seat) -> None:
    """One page for a link of somebody else and for one that never was, whatever is asked of it."""
    link = await seat.desk.link(label="theirs")
    stranger = Seat(seat.desk)
    await stranger.sign_in(APP)
    await stranger.get("links")
    shown = []
    for name in (link["id"], "l_never"):
        method = stranger.get if act in {"", "/edit"} else stranger.post
        page = await method(f"links/{name}{act}")
        shown.append((page.status, re.sub(r"[0-9a-f]{24}", "", page.text)))
    assert shown[0] == shown[1]
    assert 404 == shown[0][0]
    assert "theirs" not in (await stranger.get("links")).text
