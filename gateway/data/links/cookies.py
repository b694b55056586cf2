"""Owns whose a link's cookies are, and the way back from a form to its address, in a browser that may keep none.

Refuses to own what the cookies say (`gateway.data.presented`) and whether they are any good.

Laws: a cookie of a link is for that link alone, and no script's. A browser that gives no cookie back is told so, and
not asked the same again. The mark by which that is found lets nobody in, says nothing of the link, and leaves the
address as soon as a cookie came.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from gateway.core.request import RawRequest
from gateway.wire.http.cookies import read_cookies

MARK: Final = "entered="
_SECONDS: Final = 60.0
_OURS: Final = "gateway_"


def cookie_attributes(public_url: str, token_text: str) -> str:
    """What stands behind each cookie of a link."""
    secure = "; Secure" if comes_by_tls(public_url) else ""
    return f"; Path=/s/{token_text}; HttpOnly; SameSite=Lax{secure}"


def comes_by_tls(public_url: str) -> bool:
    """Whether browsers come to the gateway by TLS, so that a cookie need never go without."""
    return urlsplit(public_url).scheme == "https"


def address_of(raw: RawRequest, token_text: str) -> str:
    """The address to come back to, without what was pasted behind the token: cookies go there alone."""
    _, slash, path = raw.path.removeprefix("/s/").partition("/")
    return f"/s/{token_text}{slash}{path}"


def mark_way_back(address: str, raw: RawRequest, now: float) -> str:
    """The address that a form leads to, as a browser gets it; whoever says nothing of itself gets it as it is."""
    if raw.header("sec-fetch-dest") != "document":
        return address
    return f"{address}{'&' if '?' in address else '?'}{MARK}{int(now)}"


def way_on(raw: RawRequest, now: float) -> str | None:
    """Where a browser goes on that came back from a form: "" if it brought no cookie, None if nobody comes back."""
    marks = [part for part in raw.query.split("&") if part.startswith(MARK)]
    if raw.method != "GET" or not marks:
        return None
    if _has_cookie(raw):
        query = "&".join(part for part in raw.query.split("&") if not part.startswith(MARK))
        return f"{raw.path}?{query}" if query else raw.path
    said = marks[-1].partition("=")[2]
    recent = said.isascii() and said.isdigit() and len(said) <= 12 and abs(now - int(said)) <= _SECONDS
    return "" if recent else None


def _has_cookie(raw: RawRequest) -> bool:
    """Whether any of ours came; they are sent to the link alone that set them."""
    return any(name.removeprefix("__Host-").startswith(_OURS) for name, _ in read_cookies(raw))
