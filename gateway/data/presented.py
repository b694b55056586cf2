"""Owns the values that say what a request presented (a token, a signature, a form, a trusted listener, or nothing),
and what that stands for once it is proved.

Refuses to own how they are read (`gateway.data.steps.identify`) and proved (`gateway.data.steps.authenticate`).
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

from gateway.core.attempt import Principal, SignatureVersion
from gateway.core.grant import Grant, Scope
from gateway.core.holders import Claim, Holder
from gateway.core.request import LinkPlace
from gateway.core.token import LinkToken
from gateway.core.values import dataclass
from gateway.data.post_form import ArrivingForm
from gateway.wire.sig.credentials import Signed
from gateway.wire.sig.post_policy import SignedForm
from gateway.wire.sig.sigv4 import Verified

LEASE_COOKIE: Final = "gateway_lease"
TERMS_COOKIE: Final = "gateway_terms"
PASSWORD_COOKIE: Final = "gateway_password"  # noqa: S105 (a cookie's name)
HOLDER_COOKIE: Final = "gateway_holder"
HOLDER_HEADER: Final = "gateway-holder"
ASKED_COOKIE: Final = "gateway_asked"
"""The challenge of the code that was asked for, for as long as that is good."""


@dataclass(frozen=True, slots=True)
class PageForm:
    """What a person sent from one of our own pages: the wish to have the file, to see it in the browser (`show`) or
    not, or to have what is `selected` of a folder as an archive of this kind, or to take an upload back by its secret.
    `accepts` says that they accept the link's terms, `claim` who they are. `passes` is for who came by the page that
    asks for a password or for consent, and has asked for nothing yet."""

    show: bool = False
    archive: str = ""
    selected: frozenset[str] = frozenset()
    undo: str | None = None
    accepts: bool = False
    claim: Claim | None = None
    passes: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class TokenPresented:
    """A link's token, with what may come beside it. `lease`, `proof`, `accepted` and `asked` are cookies of earlier
    answers, and `passes` whatever came as the pass of a holder."""

    token: LinkToken
    place: LinkPlace
    password: str | None = None
    proof: str | None = None
    lease: str | None = None
    form: PageForm | None = None
    accepted: str | None = None
    asked: str | None = None
    passes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedPresented:
    """A signature by a gateway-issued key."""

    signed: Signed


@dataclass(frozen=True, slots=True)
class FormPresented:
    """A POST form on the S3 face; `signed` is None for one without a policy, which proves nothing."""

    arriving: ArrivingForm
    signed: SignedForm | None


@dataclass(frozen=True, slots=True)
class NothingPresented:
    """Nothing: the request acts as the app that its listener stands for, or as anonymous."""

    principal: Principal


Presented = TokenPresented | SignedPresented | FormPresented | NothingPresented


@dataclass(frozen=True, slots=True)
class ResolvedLink:
    """The link that a token stands for, as it was at the feed's position `as_of`, and where it leads; `holder` is who
    proved to be somebody there."""

    grant: Grant
    scope: Scope
    presented: TokenPresented
    as_of: int
    holder: Holder | None = None


@dataclass(frozen=True, slots=True)
class ResolvedCaller:
    """Who acts on the S3 face, and by which key, as that was at the feed's position `as_of`.

    `verified` is what a signature proved, for the body's own checks. `credentials` is the key by which a link's own
    credentials were shown: then `grant` is the link.
    """

    principal: Principal
    grant: Grant | None = None
    as_of: int = 0
    verified: Verified | None = None
    signature: SignatureVersion | None = None
    form: ArrivingForm | None = None
    credentials: Grant | None = None


Resolved = ResolvedLink | ResolvedCaller


def password_proof(grant: Grant) -> str:
    """The cookie that stands for a proved password; another password makes another proof."""
    return hmac.new((grant.password or "").encode(), f"proof:{grant.id}".encode(), sha256).hexdigest()
