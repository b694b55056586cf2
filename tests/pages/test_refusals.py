"""Laws of `gateway.pages.refusals`."""

from __future__ import annotations

import re
from html import unescape

import pytest

from gateway.core.reasons import TABLE, Reason, public_reason
from gateway.pages.branding import Branding
from gateway.pages.languages import languages
from gateway.pages.refusals import NEXT_STEPS, refusal_page
from gateway.pages.render import look_for

LOOK = look_for(Branding(), None)
_ASKING = {Reason.PASSWORD_REQUIRED, Reason.HOLDER_REQUIRED, Reason.TERMS_NOT_ACCEPTED}
"""Whose page is the form that asks, in words for who fills it."""


def shown(reason: Reason, language: str = "en") -> str:
    body = refusal_page(look_for(Branding(), language), reason, "r1").body.decode()
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body.partition("<main>")[2])))


@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_says_what_one_can_do_next(reason: Reason) -> None:
    """A reason without a next step is a page that leaves a person standing."""
    assert reason in NEXT_STEPS, f"{reason.name} needs a step in gateway/pages/refusals.py, and a text in each language"
    for code, language in languages().items():
        assert language.texts[f"next.{NEXT_STEPS[public_reason(reason)]}"] in shown(reason, code)


@pytest.mark.parametrize("reason", sorted(set(Reason) - _ASKING))
def test_a_page_says_why_in_the_tables_words(reason: Reason) -> None:
    """In English the very words that a program is told; in other languages the same as a sentence of theirs."""
    assert TABLE[reason].text in shown(reason)
    assert languages()["de"].texts[f"reasons.{public_reason(reason).value}"] in shown(reason, "de")


def test_reasons_with_one_answer_have_one_page() -> None:
    """Who probes a link learns nothing from the page either."""
    for reason in Reason:
        assert refusal_page(LOOK, public_reason(reason), "r1") == refusal_page(LOOK, reason, "r1")


def test_the_request_is_named() -> None:
    """So that whoever is told of it can look it up."""
    assert "Request r1" in shown(Reason.INTERNAL)


def test_password_page_tells_a_wrong_try() -> None:
    """The alert comes only after a wrong password, and the field hides what is typed."""
    right, wrong = (
        refusal_page(LOOK, reason, "r1").body.decode() for reason in (Reason.PASSWORD_REQUIRED, Reason.PASSWORD_WRONG)
    )
    assert ("wrong" in wrong.partition("<main>")[2], "wrong" in right.partition("<main>")[2]) == (True, False)
    for page in (right, wrong):
        assert re.search(r'<form method="post">.*name="password" type="password"', page, re.DOTALL)


def test_the_terms_are_shown_as_they_are_and_asked_about() -> None:
    """As a text, whatever it holds; a box that has to be ticked, with its words as its label."""
    page = refusal_page(LOOK, Reason.TERMS_NOT_ACCEPTED, "r1", terms="<b>a</b>\n& b").body.decode()
    assert "&lt;b&gt;a&lt;/b&gt;\n&amp; b" in page
    box = r'<form method="post">\s*<p><label><input type="checkbox" name="accept_terms" value="1" required> '
    assert re.search(box, page)
