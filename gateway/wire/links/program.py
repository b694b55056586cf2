"""Owns where a program waits for the visitor who signs in for it in a browser: on the visitor's own computer.

Refuses to own the sign-in (`gateway.data.links.sign_in`) and the code that goes there (`gateway.core.holder_pass`).

Law: nothing but a loopback address with a port and one fixed path is an address here, in one spelling: whatever an
address of ours names, no browser is led elsewhere (RFC 8252, 7.3 and 8.10).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from gateway.core.values import dataclass

PROGRAM_PARAMS: Final = ("redirect_uri", "code_challenge")
"""As OAuth calls them (RFC 6749, 3.1.2; RFC 7636, 4.3)."""

_ADDRESS: Final = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]):[1-9][0-9]{0,4}/callback", re.ASCII)
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
"""Base64url of a SHA-256 (RFC 7636, 4.2); its other method is none."""


@dataclass(frozen=True, slots=True)
class Program:
    """Where it waits, and the digest of a secret that it alone has."""

    address: str
    challenge: str

    @classmethod
    def of(cls, params: Mapping[str, str]) -> Program | None:
        """The program that the parameters of a request name; None if they name none. Raises ValueError."""
        address, challenge = (params.get(name, "") for name in PROGRAM_PARAMS)
        if not address and not challenge:
            return None
        if not _ADDRESS.fullmatch(address) or int(address.rpartition(":")[2].partition("/")[0]) > 0xFFFF:
            raise ValueError("no address of a program on the visitor's own computer")
        if not _CHALLENGE.fullmatch(challenge):
            raise ValueError("no challenge of a program")
        return cls(address, challenge)

    @property
    def query(self) -> str:
        """The parameters that name it."""
        return urlencode(dict(zip(PROGRAM_PARAMS, (self.address, self.challenge), strict=True)))

    def answer(self, code: str) -> str:
        """The address at which it hears a code."""
        return f"{self.address}?{urlencode({'code': code})}"
