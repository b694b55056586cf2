"""Owns how a program gets the pass of whoever signed in for it in a browser: by a code and a secret of its own.

Refuses to own the sign-in, at whose end the browser has the code (`gateway.data.links.sign_in`), what codes and passes
are made of (`gateway.core.holder_pass`), and where a program may wait (`gateway.wire.links.program`).

Law: no pass is in an address: what the browser brings to the program is a code, good for two minutes, for this link,
once, and only together with the secret whose digest the program named at the start (RFC 7636).
"""

from __future__ import annotations

from typing import Final

from gateway.core.grant import Grant
from gateway.core.holder_pass import open_handover
from gateway.core.holders import Holder
from gateway.core.limits import Demand
from gateway.core.reasons import Reason, Refused
from gateway.core.units import Rate
from gateway.data.call import LinkCall
from gateway.data.links.codes import ONCE, ProofAnswer, as_holder, client_of, take_try
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.state.transfers import Permit
from gateway.wire.replies import Reply

_OF_CLIENT: Final = Rate(60, 600.0, 60)
"""Codes that are shown by one client's network. One is the digest of a secret: nobody guesses it."""


async def answer_program(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    """The pass for a program's code.

    Raises:
        Refused: CODE_WRONG, NOT_A_HOLDER, TOO_MANY_REQUESTS.
        DependencyDown: nobody counts.
    """
    grant, claim, now = permit.grant or call.grant, call.claim, permit.attempt.now
    demands = [Demand(f"handover-client:{client_of(permit)}", _OF_CLIENT)]
    await take_try(plane, demands, now, Reason.TOO_MANY_REQUESTS, "too many codes of programs")
    holder = None
    if claim is not None and claim.code is not None and claim.verifier is not None:
        holder = await _redeem(plane, grant, claim.code, claim.verifier, now)
    if holder is None:
        raise Refused(Reason.CODE_WRONG, "no code of this link and this secret, or it was used before")
    if grant.holders is None or not grant.holders.admit(holder):
        raise Refused(Reason.NOT_A_HOLDER, "who signed in is not one of the link's holders any more")
    as_holder(permit, holder)
    return ProofAnswer(snapshot, call).passed(grant, holder, now)


async def _redeem(plane: DataPlane, grant: Grant, code: str, verifier: str, now: float) -> Holder | None:
    """Whom a code is for that was not used before."""
    found = open_handover(grant, code, verifier, now)
    if found is None:
        return None
    name, holder = found
    return holder if (await plane.limits.take([Demand(f"handover-used:{name}", ONCE)], now)).allowed else None
