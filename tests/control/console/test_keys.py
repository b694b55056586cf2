"""The pages of keys."""

from __future__ import annotations

import re

from gateway.control.console.forms import KEY_FIELDS, fields_of
from gateway.control.key_bodies import EditKey, NewKey
from tests.control.console.seat import Seat
from tests.control.desk import APP


def test_every_field_of_the_api_is_in_the_form() -> None:
    """Whatever a body gains is in its form, too: the two of a place stand in one."""
    for model in (NewKey, EditKey):
        names = {field.alias or name for name, field in model.model_fields.items()}
        assert names - {"bucket", "key", "prefix"} == {field.name for field in fields_of(model, KEY_FIELDS)}


async def test_a_key_is_made_and_shown_once(seat: Seat) -> None:
    """With its secrets, which no other page has."""
    await seat.sign_in()
    await seat.get("keys/new")
    form = {"app": "billing", "label": "ci", "place": "reports/invoices/", "actions": "read", "expires_in": "7d"}
    made = await seat.post("keys/new", form | {"session": "yes"})
    assert 201 == made.status, made.text
    secrets = re.findall(r'<input id="(?:access|secret|session)" value="([^"]*)"', made.text)
    assert 3 == len(secrets)
    [key] = (await seat.desk.ask("GET", "/v1/keys")).json["keys"]
    assert ("billing", "reports", "invoices/", ["read"], True) == (
        key["app"],
        key["bucket"],
        key["prefix"],
        key["actions"],
        key["session"],
    )
    for page in (await seat.get("keys"), await seat.get(f"keys/{key['id']}"), await seat.get(f"keys/{key['id']}/edit")):
        assert "ci" in page.text
        assert not any(secret in page.text for secret in secrets)


async def test_a_form_that_is_sent_again_makes_no_second_key(seat: Seat) -> None:
    """As it is when the page with the secrets is loaded again; another form makes another key."""
    await seat.sign_in()
    form = {"app": "billing", "once_key": (await seat.get("keys/new")).value("once_key")}
    assert 201 == (await seat.post("keys/new", form)).status
    again = await seat.post("keys/new", form)
    [key] = (await seat.desk.ask("GET", "/v1/keys")).json["keys"]
    assert (409, True, True) == (again.status, key["id"] in again.text, "ask anew for another one" in again.text)
    assert "AKIA" not in again.text
    assert 'id="secret"' not in again.text
    assert (
        201 == (await seat.post("keys/new", form | {"once_key": (await seat.get("keys/new")).value("once_key")})).status
    )


async def test_what_is_wrong_with_a_key_is_said(seat: Seat) -> None:
    """At its field."""
    await seat.sign_in()
    await seat.get("keys/new")
    page = await seat.post("keys/new", {"app": "billing", "expires_in": "soon"})
    assert (422, 1) == (page.status, page.text.count('aria-invalid="true"'))
    assert 404 == (await seat.post("keys/new", {"app": "billing", "place": "nowhere/"})).status


async def test_a_key_is_narrowed_suspended_resumed_and_revoked(seat: Seat) -> None:
    """By forms; who was slower changes nothing."""
    await seat.sign_in()
    made = (await seat.desk.ask("POST", "/v1/keys", {"app": "billing", "label": "x"})).json
    path = f"keys/{made['id']}"
    page = await seat.get(f"{path}/edit")
    form = [("version", page.value("version")), ("label", "x"), ("place", "reports/invoices/"), ("actions", "read")]
    assert 303 == (await seat.post(f"{path}/edit", form)).status
    found = (await seat.desk.ask("GET", f"/v1/{path}")).json
    assert ("reports", "invoices/", ["read"]) == (found["bucket"], found["prefix"], found["actions"])
    assert 412 == (await seat.post(f"{path}/edit", form)).status
    await seat.get(path)
    for act, state in (("suspend", "suspended"), ("resume", "active"), ("revoke", "revoked")):
        assert 303 == (await seat.post(f"{path}/{act}")).status
        assert state == (await seat.desk.ask("GET", f"/v1/{path}")).json["state"]
    assert 409 == (await seat.post(f"{path}/suspend")).status
    assert 404 == (await seat.post(f"{path}/dance")).status


async def test_an_app_sees_its_own_keys(seat: Seat) -> None:
    """And makes keys of its own; another app's key is not there."""
    other = (await seat.desk.ask("POST", "/v1/keys", {"app": "other", "label": "theirs"})).json
    await seat.sign_in(APP)
    assert "billing" == (await seat.get("keys/new")).value("app")
    assert 201 == (await seat.post("keys/new", {"app": "billing", "label": "mine"})).status
    assert 403 == (await seat.post("keys/new", {"app": "other"})).status
    page = await seat.get("keys")
    assert "mine" in page.text
    assert "theirs" not in page.text
    for name in (other["id"], "k_never"):
        assert 404 == (await seat.get(f"keys/{name}")).status
    assert 422 == (await seat.get("keys?state=odd")).status
