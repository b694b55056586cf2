"""Owns the reading of a request's cookies (RFC 6265, 4.2.1).

Refuses to own which of them mean something, and what several of one name do: who asks for one knows.
"""

from __future__ import annotations

from gateway.core.request import RawRequest


def read_cookies(raw: RawRequest) -> list[tuple[str, str]]:
    """Names and values, in the order in which they came; a name may come twice."""
    pairs = (part.strip().partition("=") for text in raw.header_values("cookie") for part in text.split(";"))
    return [(name, value) for name, equals, value in pairs if equals]
