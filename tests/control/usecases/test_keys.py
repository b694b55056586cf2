"""The life of a key without HTTP."""

from __future__ import annotations

import pytest

from gateway.control.caller import EVERYTHING
from gateway.core.attempt import Principal
from gateway.core.grant import GrantFilter
from gateway.core.reasons import Reason, Refused
from tests.control.desk import Desk

OPS = Principal("admin", "ops")


async def test_an_issued_keys_repr_hides_its_secrets(desk: Desk) -> None:
    """A log line of the result shows no secret."""
    key = await desk.api.keys.issue(OPS, "billing", session=True)
    assert key.session_token is not None
    for secret in (key.access_key_id, key.secret_access_key, key.session_token):
        assert secret not in repr(key)


async def test_no_two_keys_share_anything(desk: Desk) -> None:
    """Ids, secrets, tokens and sealed texts are all new."""
    one, two = [await desk.api.keys.issue(OPS, "billing", session=True) for _ in range(2)]
    first = {one.grant.id, one.access_key_id, one.secret_access_key, one.session_token, one.grant.sealed}
    assert first.isdisjoint(
        {two.grant.id, two.access_key_id, two.secret_access_key, two.session_token, two.grant.sealed}
    )


async def test_foreign_cursors_are_faults(desk: Desk) -> None:
    """A cursor that no page gave is the caller's fault."""
    with pytest.raises(Refused) as refused:
        await desk.api.keys.page(EVERYTHING, GrantFilter(now=0.0), "nonsense", 10)
    assert refused.value.reason is Reason.BAD_ARGUMENT


async def test_the_credentials_of_a_link_are_the_links_to_change(desk: Desk) -> None:
    """They are shown and revoked like any key, and say which link they are; edited and suspended is the link alone."""
    made = await desk.link()
    stored = await desk.state.grants.get(made["id"])
    assert stored is not None
    key = await desk.api.keys.issue_for_link(stored, "w:R1", None)
    for secret in (key.access_key_id, key.secret_access_key, key.session_token):
        assert secret is not None
        assert secret not in repr(key)
    path = f"/v1/keys/{key.grant.id}"
    shown = (await desk.ask("GET", path)).json
    assert [] == shown["rules"]
    assert (made["id"], f"link:{made['id']}", made["owner"]) == (shown["link"], shown["issued_by"], shown["owner"])
    assert made["id"] in (await desk.ask("PATCH", path, {"label": "x"})).text
    for act in ("suspend", "resume"):
        assert 422 == (await desk.ask("POST", f"{path}/{act}")).status
    assert 422 == (await desk.ask("PATCH", path, {"expires_in": "30d"})).status
    assert (200, "revoked") == ((await desk.ask("DELETE", path)).status, (await desk.ask("GET", path)).json["state"])


async def test_explain_knows_what_the_credentials_of_a_link_are_for(desk: Desk) -> None:
    """By the key's id it answers as for a request that is signed with them."""
    made = await desk.link(key="invoices/7.pdf")
    stored = await desk.state.grants.get(made["id"])
    assert stored is not None
    key = await desk.api.keys.issue_for_link(stored, "w:R1", None)
    asked = {"key": key.grant.id, "on": "reports/invoices/7.pdf"}
    for do, on, allowed in (
        ("read", "reports/invoices/7.pdf", True),
        ("HeadObject", "reports/invoices/7.pdf", True),
        ("GetObjectTagging", "reports/invoices/7.pdf", False),
        ("read", "reports/invoices/8.pdf", False),
        ("write", "reports/invoices/7.pdf", False),
    ):
        found = (await desk.ask("POST", "/v1/policy/explain", asked | {"do": do, "on": on})).json
        assert allowed == found["allowed"], do
    await desk.ask("PATCH", f"/v1/links/{made['id']}", {"credentials": False})
    found = (await desk.ask("POST", "/v1/policy/explain", asked | {"do": "read"})).json
    assert "no_credentials" in [one["reason"] for one in found["objections"]]
