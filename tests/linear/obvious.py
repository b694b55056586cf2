"""The code that comes to mind first, for three of the readers: stand-ins that the count has to find out."""

from __future__ import annotations

import re

from tests.linear.case import Case, Thunk

__all__ = ["OBVIOUS"]


def slices_of_the_rest(n: int) -> Thunk:
    """What `gateway.wire.http.chunked` did: each chunk leaves a copy of all that stands behind it."""
    wire = b"1\r\nx\r\n" * n + b"%x\r\n" % (64 * n) + bytes(64 * n)

    def run() -> None:
        rest, pieces = wire, []
        while rest:
            line, _, rest = rest.partition(b"\r\n")
            size = int(line, 16)
            pieces.append(rest[:size])
            rest = rest[size + 2 :]

    return run


def a_pattern_that_backtracks(n: int) -> Thunk:
    """What `gateway.core.pattern` did, with two stars."""
    pattern = re.compile(r"[^/]*\-[^/]*\-[^/]*\.pdf")
    return lambda: pattern.fullmatch("-" * n)


def a_text_that_is_added_to(n: int) -> Thunk:
    """What `gateway.wire.http.form_data` did with a field that came byte by byte: the search began anew each time."""

    def run() -> None:
        buffer = b""
        for _ in range(n):
            buffer += b"\r"
            buffer.find(b"\r\n--edge")

    return run


OBVIOUS = [
    Case(build.__name__, (), size, build)
    for build, size in ((slices_of_the_rest, 150), (a_pattern_that_backtracks, 50), (a_text_that_is_added_to, 500))
]
