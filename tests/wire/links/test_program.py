"""Laws of `gateway.wire.links.program`."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from gateway.wire.links.program import Program

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
@pytest.mark.parametrize("port", [1, 4321, 65535])
def test_a_program_of_this_computer_is_one(host: str, port: int) -> None:
    """Whatever its port; and its parameters name it again."""
    address = f"http://{host}:{port}/callback"
    program = Program.of({"redirect_uri": address, "code_challenge": CHALLENGE, "sign_in": "any"})
    assert Program(address, CHALLENGE) == program
    assert program == Program.of(dict(parse_qsl(program.query)))
    assert f"{address}?code=a%26b" == program.answer("a&b")


@pytest.mark.parametrize(
    "address",
    [
        *("https://evil.example/callback", "http://evil.example:80/callback", "//evil.example:1/callback", ""),
        *("http://127.0.0.1/callback", "http://127.0.0.1:0/callback", "http://127.0.0.1:65536/callback"),
        *("http://127.0.0.1:1/", "http://127.0.0.1:1/callback/", "http://127.0.0.1:1/callback?a=b"),
        *("http://127.0.0.1:1/callback#a", "http://127.0.0.1:1/callback\n", "http://127.0.0.1:1/callback/../x"),
        *("http://127.0.0.1:1@evil.example:2/callback", "http://evil.example:1\\@127.0.0.1:1/callback"),
        *(
            "https://127.0.0.1:1/callback",
            "javascript:alert(1)",
            "http://localhost:1/callback",
            "http://127.1:1/callback",
        ),
        *("http://127.0.0.1.evil.example:1/callback", "http://[::1].evil.example:1/callback", "http://::1:1/callback"),
        *("http://127.0.0.1:\u0661/callback", "HTTP://127.0.0.1:1/callback", " http://127.0.0.1:1/callback"),
        *("http://0.0.0.0:1/callback", "http://127.0.0.2:1/callback", "http://127.0.0.1:01/callback"),
    ],
)
def test_nobody_is_led_anywhere_else(address: str) -> None:
    """Other hosts, names, paths and spellings are no address of a program."""
    with pytest.raises(ValueError, match="program"):
        Program.of({"redirect_uri": address, "code_challenge": CHALLENGE})


@pytest.mark.parametrize("challenge", ["", "a" * 42, "a" * 44, "a" * 42 + "=", "a" * 42 + "+", "a" * 42 + "\n"])
def test_a_program_has_a_challenge(challenge: str) -> None:
    """Of one method; without one, whoever sees the code could use it."""
    with pytest.raises(ValueError, match="challenge"):
        Program.of({"redirect_uri": "http://127.0.0.1:1/callback", "code_challenge": challenge})


def test_who_names_no_program_has_none() -> None:
    """A sign-in in a browser, for that browser."""
    assert None is Program.of({"sign_in": "0", "code": "c"})
