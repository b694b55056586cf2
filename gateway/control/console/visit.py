"""Owns one request for a page: who is looking, what their form says, and the answers that a page can give.

Refuses to own what is on a page (the modules beside this one), and any right: every question goes to the API's own rows
(`gateway.control.console.ask`), whose guard judges the visitor anew.

Laws: a session's authority is what its holder's token, key or user has now; when that is nothing, the session ends. Who
comes by a trusted front proxy has no session: the proxy says who they are with each request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from gateway.control.api import Api
from gateway.control.caller import Access, Admitted
from gateway.control.console.ask import Answer, Asker
from gateway.control.console.browser import FORM_FIELD, Browser
from gateway.control.console.looks import Who, choose_text, show
from gateway.control.console.sessions import Session, Sessions
from gateway.control.reading import BODY_LIMIT
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.core.said import phrase
from gateway.server.exchange import ClientExchange
from gateway.wire.http.media import declared_essence
from gateway.wire.replies import Reply

_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 1000
_SECRET: Final = frozenset({"password", "secret", "token", FORM_FIELD})


class Form:
    """What a form or a query says. A field may come often (boxes that are ticked); most are read once."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = pairs

    @classmethod
    def parse(cls, text: str) -> Form:
        """Raises Refused(BAD_REQUEST): not UTF-8, or more fields than any form has."""
        try:
            return cls(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS))
        except ValueError:
            raise Refused(Reason.BAD_REQUEST, phrase("form_unread", "the form cannot be read")) from None

    def get(self, name: str) -> str:
        """A field's text without blanks around it, "" if there is none."""
        return next((value.strip() for field, value in self._pairs if field == name), "")

    def exact(self, name: str) -> str:
        """A field's text as it was typed: a password may begin with a blank."""
        return next((value for field, value in self._pairs if field == name), "")

    def all(self, name: str) -> list[str]:
        return [value for field, value in self._pairs if field == name and value]

    def given(self, *names: str) -> dict[str, str]:
        """Those of the fields that say something."""
        return {name: value for name in names if (value := self.get(name))}

    def shown(self) -> dict[str, str]:
        """All that was typed but secrets, to be shown again beside what was wrong with it."""
        return {name: value for name, value in self._pairs if name not in _SECRET}

    def kept(self) -> list[tuple[str, str]]:
        """All that was typed but secrets, to be sent again; `dropped` names those."""
        dropped = [("dropped", name) for name, value in self._pairs if name in _SECRET - {FORM_FIELD} and value]
        return [(name, value) for name, value in self._pairs if name not in _SECRET] + dropped


class Visit:
    """One request."""

    def __init__(
        self,
        api: Api,
        sessions: Sessions,
        exchange: ClientExchange,
        raw: RawRequest,
        *,
        place: str,
        values: Mapping[str, str],
    ) -> None:
        self.api = api
        self.sessions = sessions
        self.exchange = exchange
        self.raw = raw
        self.place = place
        self.values = values
        self.rules = api.deps.live.console()
        self.browser = Browser(raw, exchange, self.rules)
        self.query = Form.parse(raw.query)
        self.form = Form(())
        self.proxied = api.proxied.read(raw, exchange.peer) is not None
        self.who: Who | None = None
        self._asker = Asker(api, exchange.request_id, exchange.peer, self.admit)

    @property
    def session(self) -> Session | None:
        """The visitor's session; none where a proxy speaks for them. Looking at it does not use it."""
        return None if self.proxied else self.sessions.find(self.browser.cookie, uses=False)

    async def recognise(self, *, uses: bool = True) -> Who:
        """Who is looking. Raises Refused(CREDENTIALS_MISSING): nobody who is known."""
        if uses and not self.proxied:
            self.sessions.find(self.browser.cookie)
        admitted = await self.admit(Access.KNOWN)
        if self.proxied and not self.browser.cookie:
            self.browser.renew_cookie(self.api.deps.live.entropy)
        everything = admitted.reach.owner is None
        self.who = Who(str(admitted.principal), admitted.may, everything, self.proxied)
        return self.who

    async def admit(self, access: Access) -> Admitted:
        """The visitor, if this access is theirs. Raises Refused as the guard does."""
        guard = self.api.guard
        if self.proxied:
            return await guard.admit(access, self.raw, self.exchange.peer, {}, private=self.exchange.private)
        session = self.session
        if session is None:
            raise Refused(Reason.CREDENTIALS_MISSING, phrase("sign_in_first", "sign in first"))
        try:
            if session.issuer and not self._still_spoken_of(session):
                raise Refused(
                    Reason.CREDENTIALS_MISSING, phrase("issuer_silent", "the issuer speaks of this user no more")
                )
            return await guard.admit_again(access, session.admitted)
        except Refused as refused:
            if refused.reason is Reason.CREDENTIALS_MISSING:
                self.sessions.end(session)
            raise

    def _still_spoken_of(self, session: Session) -> bool:
        principal = str(session.admitted.principal)
        return any(
            rules.issuer == session.issuer and rules.users is not None and rules.users.speaks_of(principal)
            for rules in self.rules.sign_ins
        )

    async def read_form(self) -> None:
        """Read a form of a page of ours. Before anything is done by it, ask `require_own_form`.

        Raises:
            Refused: BAD_REQUEST, it is none; NOT_ALLOWED, it is from elsewhere; TOO_LARGE.
        """
        if declared_essence(self.raw.header("content-type")) != _FORM:
            raise Refused(Reason.BAD_REQUEST, phrase("form_needed", "send a form"))
        text = await self.exchange.read_body(BODY_LIMIT)
        try:
            self.form = Form.parse(text.decode())
        except UnicodeDecodeError:
            raise Refused(Reason.BAD_REQUEST, phrase("form_text", "the form is not UTF-8")) from None
        self.browser.require_own_page()

    def require_own_form(self) -> None:
        """Raises Refused(NOT_ALLOWED): the form is of another sign-in than this one."""
        self.browser.require_own_form(self.form.get(FORM_FIELD))

    async def ask(self, name: str, **more: Any) -> Answer:
        """See `Asker.ask`."""
        return await self._asker.ask(name, **more)

    async def need(self, name: str, **more: Any) -> dict[str, Any]:
        """What a row answers, where nothing can be shown without it.

        Raises:
            Refused: with the row's own reason and sentence.
        """
        answer = await self.ask(name, **more)
        if not answer.ok:
            raise answer.refusal()
        return answer.said

    @property
    def root(self) -> str:
        """From where the browser is to `/ui/`, as a relative address."""
        return "../" * (self.place.count("/") - 1) or "./"

    def text(self, key: str) -> str:
        """A text in the visitor's language."""
        return choose_text(self, key)

    def show(self, template: str, status: int = 200, **values: Any) -> Reply:
        """A page."""
        return show(self, template, status, **values)

    def go(self, place: str, **query: str) -> Reply:
        """Send the browser to a page below `/ui/`, by GET. Nothing in the address is secret."""
        target = f"{self.root}{place}" + (f"?{urlencode(query)}" if query else "")
        return Reply(303, (("Location", target), *self.cookies))

    @property
    def cookies(self) -> tuple[tuple[str, str], ...]:
        return () if self.browser.set_cookie is None else (self.browser.set_cookie,)
