"""Laws of `gateway.pages.mails`."""

from __future__ import annotations

import re

import pytest

from gateway.pages.branding import Branding
from gateway.pages.languages import languages
from gateway.pages.mails import code_mail
from gateway.pages.render import look_for


@pytest.mark.parametrize("code", sorted(languages()))
def test_a_code_comes_with_all_that_one_has_to_know(code: str) -> None:
    """The code, for whom, how long, from whom, and what to do if one did not ask; in the reader's language."""
    mail = code_mail(look_for(Branding(name="Acme"), code), "ann@acme.example", "01234567", 10)
    assert ("ann@acme.example", code) == (mail.to, mail.language)
    assert ["01234567"] == re.findall(r"^ +(\d{8})$", mail.text, re.MULTILINE)
    assert all(word in mail.text for word in ("ann@acme.example", "10", "\n\nAcme\n"))
    assert mail.subject.startswith("Acme: ")
    assert "01234567" not in mail.subject


@pytest.mark.parametrize("code", sorted(languages()))
def test_it_holds_no_link(code: str) -> None:
    """There is nothing that a program which opens links could open."""
    mail = code_mail(
        look_for(Branding(name="Acme", imprint="https://a.example/i"), code), "a@b.example", "01234567", 10
    )
    assert [] == re.findall(r"https?:|www\.|<|href|//", mail.text + mail.subject)


def test_a_name_that_ends_lines_ends_no_header() -> None:
    """Whatever an operator is called."""
    mail = code_mail(look_for(Branding(name="A\r\nBcc: x@y.example"), None), "a@b.example", "01234567", 10)
    assert (1, False) == (len(mail.subject.splitlines()), "\nBcc" in mail.text)
