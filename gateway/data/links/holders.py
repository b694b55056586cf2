"""Owns whether a link is for whoever comes with it, before anything else of the request is looked at.

Refuses to own who it is for (`gateway.core.holders`), the authorisation, which asks the same of what runs
(`gateway.data.steps.authorise`), and how somebody proves it (`gateway.data.links.codes`,
`gateway.data.links.sign_in`).

Law: nothing of a link is had, said or begun by who is none of its holders, but the proof that they are one.
"""

from __future__ import annotations

from typing import Final

from gateway.core.holder_pass import open_challenge
from gateway.core.holders import Claim, ProvedBy
from gateway.core.reasons import Reason, Refused
from gateway.core.request import ObjectRequest, Operation
from gateway.data.presented import ResolvedLink
from gateway.server.exchange import ClientExchange
from gateway.wire.http.negotiate import prefers_html

_LOOKS: Final = frozenset({Operation.GET_OBJECT, Operation.HEAD_OBJECT, Operation.LIST_OBJECTS_V2})


def require_holder(
    request: ObjectRequest, resolved: ResolvedLink, exchange: ClientExchange, now: float
) -> Claim | None:
    """Let pass who is one of the link's holders, and who is refused anyway; what somebody sent to prove it, if they
    did.

    Raises:
        Refused: HOLDER_REQUIRED.
    """
    grant, presented = resolved.grant, resolved.presented
    if grant.holders is None:
        return None
    claim = None if presented.form is None else presented.form.claim
    asked = (claim is not None and claim.challenge) or presented.asked
    challenge = open_challenge(grant, asked, now) if asked else None
    exchange.asked = (challenge.address, asked) if challenge is not None and asked else ("", "")
    if claim is not None:
        return claim
    if grant.holders.by is ProvedBy.OIDC and "sign_in" in request.params and request.operation in _LOOKS:
        return Claim(signs_in=True)
    if grant.keeps_out(exchange.peer, resolved.holder, now):
        if presented.form is not None and grant.password is not None and prefers_html(request.raw.header("accept")):
            return Claim(enters=True)
        raise Refused(Reason.HOLDER_REQUIRED, "nobody was proved to be one of the link's holders")
    return None
