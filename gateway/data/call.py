"""Owns what a request is once its credential is known: an S3 call or a link's call, settled for all later steps.

Refuses to own how it is read (`gateway.data.steps.attempt`), and the decision on it.

Law: no later step asks again which face a request came by, where it leads or what it gets: the type answers, and what
differs between the two faces is a method of both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from enum import Enum, auto
from typing import ClassVar, Final, NoReturn

from gateway.core.attempt import Attempt
from gateway.core.grant import Grant
from gateway.core.holders import Claim
from gateway.core.reasons import Reason, Refused
from gateway.core.request import LinkPlace, ObjectRequest, Operation
from gateway.core.route import Answer, Route, UpstreamCall
from gateway.core.values import dataclass
from gateway.data.post_form import ArrivingForm
from gateway.data.state.transfers import Permit
from gateway.wire.http.disposition import clean_filename, content_disposition
from gateway.wire.replies import LINK_HEADERS, Reply, s3_ids, store_error, store_reason, store_said
from gateway.wire.s3.calls import upstream_call
from gateway.wire.s3.response_headers import response_headers
from gateway.wire.sig.sigv4 import Verified

_WRITES: Final = frozenset({Operation.PUT_OBJECT, Operation.POST_OBJECT})

Fields = tuple[tuple[str, str], ...]


class LinkAnswer(Enum):
    """What a link's request gets when that is something else than its operation says."""

    ENTER = auto()
    """Back from one of our forms: set cookies, go on to the object."""

    ENTER_TO_SEE = auto()
    """The same, to see the object in the browser rather than to save it."""

    PASSED = auto()
    """Past the password or the terms: the same, to what the link's address shows, which may be a page that asks."""

    LANDING = auto()
    """What is behind the link, and a button that takes a use."""

    CARD = auto()
    """For programs that make previews: nothing but that there is something."""

    CREDENTIALS = auto()
    """S3 credentials that stand for the link."""

    UPLOAD = auto()
    """The form of a link that only takes files."""

    ARCHIVE = auto()
    """A whole folder as one file."""

    PROVE = auto()
    """For who proves to be one of the link's holders: a code is sent, or taken for a pass."""

    SIGN_IN = auto()
    """For who proves it by signing in at an issuer, on the way there or back."""

    HAND_OVER = auto()
    """For a program, in whose name somebody signed in in a browser: its code is taken for a pass."""

    UNDO = auto()
    """For who takes back what they sent: the object is gone again."""


_ARCHIVE: Final = LinkAnswer.ARCHIVE


class AtStore:
    """What was worked out for one call, kept for all requests that make the same call: what its store is asked, how its
    object is written, by which name its caller's use is counted, and which headers of the store's answer are shown.
    Each is worked out anew when what it rests on is another: the route, the grant, the address, the answer."""

    __slots__ = ("_known", "_made", "_route", "_shown", "_shown_by", "_use", "_writing")

    def __init__(self) -> None:
        self._route: Route | None = None
        self._made: UpstreamCall | None = None
        self._writing: tuple[Route, Grant | None, Writing] | None = None
        self._known: object = None
        self._shown_by: Grant | None = None
        self._shown: Fields = ()
        self._use: tuple[Route, str, str] | None = None

    def by(self, route: Route, request: ObjectRequest) -> UpstreamCall:
        """A call without a body. Raises Refused as `upstream_call` does. `request` is the call's own."""
        if self._made is None or self._route is not route:
            self._made, self._route = upstream_call(route, request), route
        return self._made

    def writing(self, call: Call, permit: Permit, make: Callable[[Call, Permit], Writing]) -> Writing:
        """What `make` finds out of how the call's own object is written, which nothing but route and grant changes.

        Raises Refused as `make` does."""
        known = self._writing
        if known is None or known[0] is not permit.route or known[1] is not permit.grant:
            self._writing = known = permit.route, permit.grant, make(call, permit)
        return known[2]

    def use_key(self, cookie: str | None, permit: Permit, make: Callable[[str | None, Permit], str]) -> str:
        """What `make` makes of who calls. All that makes the same call comes with the same head, but from anywhere."""
        use, address = self._use, permit.exchange.address_class
        if use is None or use[0] is not permit.route or use[1] != address:
            self._use = use = permit.route, address, make(cookie, permit)
        return use[2]

    def shown(self, answer: Answer, by: Grant | None, make: Callable[[Answer, Grant | None], Fields]) -> Fields:
        """What a client is shown of an answer, which the call makes of it by this grant and nothing else."""
        if answer.known is None or answer.known is not self._known or by is not self._shown_by:
            self._shown = make(answer, by)
            self._known, self._shown_by = answer.known, by
        return self._shown


@dataclass(frozen=True, slots=True)
class Writing:
    """How one object of this length, None if only its end will tell, is written: by which call, `only_new` if it may
    replace none; `conditional` if its store heeds conditions then; `whole` if its body is small, and taken at once."""

    store_call: UpstreamCall
    length: int | None
    only_new: bool
    conditional: bool
    whole: bool


@dataclass(frozen=True, slots=True)
class LinkCall:
    """A request through a link. `request` has the place and the operation that its path means under this link.

    `grant` is the one that was presented, as it was at the feed's position `as_of`: what may be done with it now is the
    permit's to know. `takes_use` is false for a page. `lease` is the cookie of an earlier answer. `selected` are the
    names below a folder that its archive is to hold; none is all of it. `sent` is the path that was asked for, where a
    file gets another name. `undo` is the secret of an earlier receipt. `accepts` says that the link's terms are
    accepted from now on. `claim` is what somebody sent to prove who they are, and
    `asked` the challenge of the code that they asked for before.
    """

    request: ObjectRequest
    place: LinkPlace
    grant: Grant
    attempt: Attempt
    as_of: int
    answer: LinkAnswer | Operation
    takes_use: bool
    lease: str | None = None
    form: ArrivingForm | None = None
    selected: frozenset[str] = frozenset()
    at_store: AtStore = field(default_factory=AtStore, repr=False, compare=False)
    sent: str | None = None
    undo: str | None = field(default=None, repr=False)
    accepts: bool = False
    claim: Claim | None = field(default=None, repr=False)
    asked: str | None = field(default=None, repr=False)

    verified: ClassVar[None] = None
    credentials: ClassVar[None] = None

    def again(self, attempt: Attempt, as_of: int) -> LinkCall:
        """The same call, made by the next request that says the same."""
        return LinkCall(
            self.request,
            self.place,
            self.grant,
            attempt,
            as_of,
            self.answer,
            self.takes_use,
            self.lease,
            self.form,
            self.selected,
            self.at_store,
            self.sent,
            self.undo,
        )

    @property
    def title(self) -> str:
        """What a person would call what the link leads to; never the bucket or the path above it."""
        name = self.grant.filename or self.attempt.key.rstrip("/").rpartition("/")[2]
        return name or self.grant.label or "Files"

    def own_fields(self, request_id: str) -> Fields:
        """The headers of every answer on this face."""
        return LINK_HEADERS

    def overrides(self) -> list[tuple[str, str]]:
        """The parameters by which a store that answers in our place shows the object as we would."""
        return [("response-content-disposition", content_disposition("attachment", clean_filename(self.title)))]

    def answer_ids(self, request_id: str) -> Fields:
        """The headers by which a client may tell one answer from all others: not on this face."""
        return ()

    def answer_headers(self, answer: Answer, permit: Permit) -> Fields:
        """What a client is shown of a store's answer. The head of an archive is ours already."""
        if self.answer is _ARCHIVE:
            return (*answer.headers.items(), *LINK_HEADERS)
        return self.at_store.shown(answer, permit.grant, self._show)

    def _show(self, answer: Answer, by: Grant | None) -> Fields:
        grant = by or self.grant
        return tuple(
            response_headers(
                answer,
                self.request,
                link=True,
                key=self.attempt.key,
                grant_filename=grant.filename,
                grant_content_type=grant.content_type,
            )
        )

    def only_new(self, permit: Permit) -> bool:
        """Whether a write may not replace what is there."""
        return permit.grant is None or not permit.grant.overwrite

    def error_reply(self, status: int, code: str, permit: Permit, retry_after: float | None = None) -> NoReturn:
        """A store's error, as a refusal of ours.

        Raises:
            Refused: always.
        """
        reason = store_reason(status, code, link=True)
        if reason is Reason.PRECONDITION_FAILED and self.request.operation in _WRITES:
            reason = Reason.OBJECT_EXISTS
        raise Refused(reason, store_said(status, code), retry_after=retry_after)


@dataclass(frozen=True, slots=True)
class S3Call:
    """A request on the S3 face, by a key or without a credential. `verified` is what its signature proved of the body.

    `grant` is a key's, as it was at the feed's position `as_of`; None for who acts without one. It is a link's for who
    comes with `credentials` of it, which are a key.
    """

    request: ObjectRequest
    grant: Grant | None
    attempt: Attempt
    as_of: int = 0
    verified: Verified | None = None
    form: ArrivingForm | None = None
    at_store: AtStore = field(default_factory=AtStore, repr=False, compare=False)
    credentials: Grant | None = None

    lease: ClassVar[None] = None

    @property
    def takes_use(self) -> bool:
        """Whether a key's uses or bytes are asked for at all; most keys have no such limit."""
        return self.grant is not None and self.grant.counted

    def again(self, attempt: Attempt, as_of: int) -> S3Call:
        """The same call, made by the next request that says the same."""
        return S3Call(
            self.request, self.grant, attempt, as_of, self.verified, self.form, self.at_store, self.credentials
        )

    def alike(self, attempt: Attempt, as_of: int, verified: Verified | None) -> S3Call:
        """The same call, made by a request that is alike and has a proof of its own."""
        return S3Call(self.request, self.grant, attempt, as_of, verified, None, self.at_store, self.credentials)

    def own_fields(self, request_id: str) -> Fields:
        """The headers of every answer on this face."""
        return s3_ids(request_id)

    def overrides(self) -> list[tuple[str, str]]:
        """The parameters by which a store that answers in our place shows the object as we would."""
        return [(name, value) for name, value in self.request.params.items() if name.startswith("response-")]

    def answer_ids(self, request_id: str) -> Fields:
        """The headers by which a client may tell one answer from all others."""
        return s3_ids(request_id)

    def answer_headers(self, answer: Answer, permit: Permit) -> Fields:
        """What a client is shown of a store's answer."""
        return self.at_store.shown(answer, None, self._show)

    def _show(self, answer: Answer, by: Grant | None) -> Fields:
        return tuple(response_headers(answer, self.request, link=False))

    def only_new(self, permit: Permit) -> bool:
        """Whether a write may not replace what is there: a link may say so, for all others their own conditions do."""
        if self.credentials is None or self.request.operation is Operation.UPLOAD_PART:
            return False
        return permit.grant is None or not permit.grant.overwrite

    def error_reply(self, status: int, code: str, permit: Permit, retry_after: float | None = None) -> Reply:
        """A store's error in our words; also for errors that came with status 200."""
        permit.store_error, permit.store_said = store_reason(status, code, link=False), store_said(status, code)
        return store_error(status, code, self.request, permit.exchange.request_id, retry_after=retry_after)


Call = LinkCall | S3Call
