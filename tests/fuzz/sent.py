"""Owns a request as its sender builds it, down to the bytes. Knows nothing of the gateway."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, Self
from urllib.parse import unquote_to_bytes

__all__ = ["Kind", "Sent", "http_chunks"]

Kind = Literal["v4", "v4 query", "v2", "v2 query", "form", "link"]


@dataclass(frozen=True, slots=True)
class Sent:
    """One request. `body` is what goes over the wire, framing included; `plain` is what a store has to get of it.

    `covered` says whether a digest or a signature speaks for the body. `job` and `stack` name where it comes from.
    `wanted` is the key and the metadata that have to reach a store, where the request was made with care for them.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    kind: Kind = "v4"
    stack: str = ""
    job: str = ""
    covered: bool = True
    plain: bytes | None = field(default=None, repr=False)
    wanted: tuple[str, tuple[tuple[str, str], ...]] | None = None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)

    def with_header(self, name: str, value: str) -> Self:
        """With one more header."""
        return replace(self, headers=(*self.headers, (name, value)))

    def setting(self, name: str, value: str | None) -> Self:
        """With the header's value replaced where it stands, or added, or taken out."""
        kept = [pair for pair in self.headers if pair[0].lower() != name.lower() or value is not None]
        if value is None:
            return replace(self, headers=tuple(kept))
        if self.header(name) is None:
            return self.with_header(name, value)
        return replace(
            self, headers=tuple((known, value if known.lower() == name.lower() else text) for known, text in kept)
        )

    def asking(self, path: str | None = None, query: str | None = None) -> Self:
        """With another half of the target."""
        path, query = self.path if path is None else path, self.query if query is None else query
        return replace(self, target=f"{path}?{query}" if query else path)

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """The query's parameters, decoded, as S3 reads them: a name alone has an empty value, a plus is a space."""
        split = (part.partition("=") for part in self.query.replace("+", "%20").split("&") if part)
        return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in split]

    def encode(self) -> bytes:
        """The bytes on the wire."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        head = f"{self.method} {self.target} HTTP/1.1\r\n{lines}\r\n"
        return head.encode("latin-1", "replace") + self.body


def http_chunks(body: bytes, size: int = 4096) -> bytes:
    """HTTP's own chunked coding (RFC 9112, section 7.1)."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
