"""A grant is found by its id and by what is shown to use it, and never as what it is not."""

from __future__ import annotations

import pytest

from gateway.control.usecases.grants import find_grant
from gateway.core.grant import GrantKind
from gateway.core.token import LinkToken, hash_secret
from tests.contract.sample import key, link
from tests.control.desk import Desk

TOKEN = LinkToken.mint(b"\x09" * 21)


@pytest.mark.parametrize("form", ["{id}", "{token}", "http://gw/s/{token}", "https://gw/a/s/{token}/in/x?download=1"])
async def test_a_link_is_found_by_its_id_token_and_address(desk: Desk, form: str) -> None:
    """Whatever somebody has of it; and no key is found by that."""
    stored = await desk.state.grants.create(link(hash=TOKEN.hash))
    text = form.format(id=stored.id, token=TOKEN.text)
    assert stored == await find_grant(desk.state.grants, GrantKind.LINK, text)
    assert await find_grant(desk.state.grants, GrantKind.KEY, text) is None


async def test_a_key_is_found_by_its_id_and_access_key_id(desk: Desk) -> None:
    """By either; and no link is found by that."""
    stored = await desk.state.grants.create(key(hash=hash_secret("GWKX")))
    for text in (stored.id, "GWKX"):
        assert stored == await find_grant(desk.state.grants, GrantKind.KEY, text)
        assert await find_grant(desk.state.grants, GrantKind.LINK, text) is None


@pytest.mark.parametrize("text", ["", "l_none", "k_none", "http://gw/s/short", "x" * 5000])
async def test_what_names_nothing_finds_nothing(desk: Desk, text: str) -> None:
    """A text that is neither an id nor a secret is answered by None, and by no error."""
    for kind in GrantKind:
        assert await find_grant(desk.state.grants, kind, text) is None
