"""One request for a page: its form, and where its answers lead."""

from __future__ import annotations

import pytest

from gateway.control.console.visit import Form
from gateway.core.reasons import Refused
from tests.control.console.seat import Seat


def test_a_form_is_read_as_it_was_filled_in() -> None:
    """Blanks around a text mean nothing, but in a password; boxes may be many; secrets are not shown again."""
    form = Form.parse("a=+x+&id=1&id=2&id=&password=+p+&token=t&empty=")
    assert ("x", "", "") == (form.get("a"), form.get("empty"), form.get("none"))
    assert " p " == form.exact("password")
    assert ["1", "2"] == form.all("id")
    assert {"a": "x"} == form.given("a", "empty", "none")
    assert {"a", "id", "empty"} == form.shown().keys()


@pytest.mark.parametrize("text", ["a=%ff", "&".join(f"a{n}=1" for n in range(1001))])
def test_what_is_no_form_is_refused(text: str) -> None:
    """Bytes that are no text, and more fields than any form has."""
    with pytest.raises(Refused):
        Form.parse(text)


async def test_an_answer_leads_back_relative_to_where_it_is(seat: Seat) -> None:
    """From any depth."""
    link = await seat.desk.link()
    await seat.sign_in()
    page = await seat.post(f"links/{link['id']}/suspend")
    assert (303, f"../../links/{link['id']}") == (page.status, page.headers["Location"])
    assert 200 == (await seat.follow(page)).status
