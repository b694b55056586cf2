"""Owns what a browser's request says beside its path: its cookie, where it believes to be, and that it is our own form.

Refuses to own who its sender is (`gateway.control.console.visit`).

Laws: over TLS the cookie's name begins with `__Host-`, so that no other host and no plain connection can set it; in
clear there is one on loopback alone. A form is taken from a page of ours: by what the browser says of where it comes
from (`Origin`, `Sec-Fetch-Site`), and by a text in the form that is made of the cookie. Every address in a page is
relative to it, so that whatever a proxy puts before the path stays there.
Sources: RFC 6265bis, 4.1.3.2 (prefixes); Fetch Metadata Request Headers; Fetch, "append a request Origin header".
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from gateway.control.deps import ConsoleRules
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.core.said import phrase
from gateway.core.token import hash_secret
from gateway.server.client_address import is_trusted
from gateway.server.exchange import ClientExchange
from gateway.wire.http.cookies import read_cookies

FORM_FIELD: Final = "form_token"
_NAME: Final = "gateway"
_COOKIE: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?", re.ASCII)
_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*/?", re.ASCII)
_NEW_BYTES: Final = 32
_VISITORS_SECONDS: Final = 3600


class Browser:
    """One request of a browser."""

    def __init__(self, raw: RawRequest, exchange: ClientExchange, rules: ConsoleRules) -> None:
        self._raw = raw
        self._rules = rules
        self._believed = is_trusted(exchange.peer, rules.proxies, trusted_socket=rules.proxy_socket)
        self.secure = exchange.encrypted or self._scheme == "https"
        self.private = self.secure or exchange.private
        self.cookie = self._read_cookie()
        self.set_cookie: tuple[str, str] | None = None

    @property
    def _scheme(self) -> str:
        if self._rules.public_url is not None:
            return urlsplit(self._rules.public_url).scheme
        return self._forwarded("x-forwarded-proto").lower()

    @property
    def name(self) -> str:
        """What the cookie is called."""
        return f"__Host-{_NAME}" if self.secure else _NAME

    def _forwarded(self, name: str) -> str:
        """What a proxy of ours says; of several values the last, which the nearest proxy wrote."""
        values = self._raw.header_values(name) if self._believed else []
        return values[-1].rpartition(",")[2].strip() if values else ""

    def _read_cookie(self) -> str:
        """The cookie's text, "" if there is none, more than one, or one that is not ours."""
        found = [value for name, value in read_cookies(self._raw) if name == self.name]
        return found[0] if len(found) == 1 and _COOKIE.fullmatch(found[0]) else ""

    @property
    def base(self) -> str:
        """The URL of this listener as the browser knows it, without a slash at its end.

        Raises:
            Refused: BAD_REQUEST, the request says nothing that could be one.
        """
        if self._rules.public_url is not None:
            return self._rules.public_url
        host = self._forwarded("x-forwarded-host") or self._raw.header("host") or ""
        prefix = self._forwarded("x-forwarded-prefix")
        if not _HOST.fullmatch(host) or not _PREFIX.fullmatch(prefix):
            raise Refused(Reason.BAD_REQUEST, phrase("no_host", "the request does not say by which host it was asked"))
        return f"{'https' if self.secure else 'http'}://{host}{prefix.rstrip('/')}"

    def renew_cookie(self, entropy: Callable[[int], bytes]) -> None:
        """Give somebody who is not signed in a new cookie: their forms and their way to an issuer are made of it."""
        text = urlsafe_b64encode(entropy(_NEW_BYTES)).decode().rstrip("=")
        self.keep(text, _VISITORS_SECONDS)

    def keep(self, text: str, seconds: float) -> None:
        """Have the answer set the cookie; "" takes it away."""
        self.cookie = text
        flags = "; Secure" if self.secure else ""
        age = int(seconds) if text else 0
        value = f"{self.name}={text}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{flags}"
        self.set_cookie = ("Set-Cookie", value)

    def derive(self, purpose: str) -> str:
        """A text for one purpose that only the holder of the cookie, and we, can know."""
        digest = hash_secret(f"gateway console {purpose} {self.cookie}")
        return urlsafe_b64encode(digest).decode().rstrip("=")

    @property
    def form_token(self) -> str:
        return self.derive("form")

    def require_own_page(self) -> None:
        """Raises Refused(NOT_ALLOWED): the form is not from a page of ours, as far as the browser says."""
        site, origin = self._raw.header("sec-fetch-site"), self._raw.header("origin")
        if site is None and origin is None:
            raise Refused(
                Reason.NOT_ALLOWED, phrase("form_origin", "the browser does not say from where the form comes")
            )
        if site not in {None, "same-origin"} or (origin is not None and not self._is_own(origin)):
            raise Refused(Reason.NOT_ALLOWED, phrase("form_foreign", "the form comes from another site"))

    def require_own_form(self, sent: str) -> None:
        """Raises Refused(NOT_ALLOWED): as above, or it is from before the last sign-in, or no cookie came with it."""
        self.require_own_page()
        if not self.cookie:
            why = phrase("no_cookie", "the browser sends no cookie back: allow cookies for this site, and begin again")
            raise Refused(Reason.NOT_ALLOWED, why)
        if not hmac.compare_digest(sent.encode("utf-8", "replace"), self.form_token.encode()):
            raise Refused(Reason.NOT_ALLOWED, phrase("form_old", "the form is too old: open the page again"))

    def _is_own(self, origin: str) -> bool:
        """The host decides where only the host is known: what ends TLS may not say that it does."""
        there, here = urlsplit(origin), urlsplit(self.base)
        if self._rules.public_url is not None or self.secure:
            return (there.scheme, there.netloc) == (here.scheme, here.netloc)
        return there.netloc == here.netloc
