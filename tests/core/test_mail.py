"""Laws of `gateway.core.mail`."""

from __future__ import annotations

import pytest

from gateway.core.mail import Mail, shown_address


@pytest.mark.parametrize(
    "address",
    ["ann@acme.example", "a.b+files@xn--mller-kva.example", "o'hara@a-b.c.example", "Ann_1@1.example"],
)
def test_addresses_that_people_have_are_taken(address: str) -> None:
    """Tags, apostrophes, hyphens and foreign domains in their ASCII form."""
    assert address == Mail(address, "s", "t").to


@pytest.mark.parametrize(
    "address",
    [
        *("", "ann", "@acme.example", "ann@", "ann@acme..example", ".ann@acme.example", "ann.@acme.example"),
        *("ann@acme.example\r\nBcc: eve@evil.example", "ann@acme.example\n", "ann\n@acme.example", "a b@acme.example"),
        *("ann@acme.example,eve@evil.example", "ann@acme.example;eve@evil.example", "<ann@acme.example>"),
        *('"ann"@acme.example', "ann@acme.example>", "ann(x)@acme.example", "ann@[127.0.0.1]", "ann@-acme.example"),
        *(
            "ann@evil.example@acme.example",
            "ann@ACME.example",
            "ann@acme",
            "\u0131nn@acme.example",
            "ann@\u00e4cme.example",
            "ann\x00@acme.example",
        ),
        *("a" * 65 + "@acme.example", "a@" + "b." * 130 + "example", "ann@acme.example\u2028", "\ud800@acme.example"),
    ],
)
def test_nothing_else_is_an_address(address: str) -> None:
    """No second recipient, no line end, no comment, no quoting, no letter that looks like another."""
    with pytest.raises(ValueError, match="is not an address") as caught:
        Mail(address, "s", "t")
    assert len(address) < 5 or address not in str(caught.value)


@pytest.mark.parametrize(
    "subject", ["a\r\nBcc: eve@evil.example", "a\nb", "a\x0bb", "a\u2028b", "", "x" * 201, "a\u202eb"]
)
def test_a_subject_is_one_line(subject: str) -> None:
    """Nothing that begins another header."""
    with pytest.raises(ValueError, match="one line"):
        Mail("ann@acme.example", subject, "t")


def test_a_mail_shows_neither_text_nor_address() -> None:
    """Its repr stands in tracebacks and logs."""
    shown = repr(Mail("ann@acme.example", "Your code", "12345678", id="m1"))
    assert (True, False, False) == ("m1" in shown, "12345678" in shown, "ann" in shown)
    with pytest.raises(ValueError, match="at most"):
        Mail("ann@acme.example", "s", "x" * 20_001)


def test_logs_show_as_much_of_an_address_as_is_allowed() -> None:
    """All, its domain, nothing."""
    shown = [shown_address("ann@acme.example", level) for level in ("full", "short", "none")]
    assert ["ann@acme.example", "…@acme.example", ""] == shown
