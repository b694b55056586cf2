"""Owns the proof of a link's password: how often one may be tried, on which threads, and what stands for it later.

Refuses to own how it is stored (`gateway.core.password`) and the cookie's name (`gateway.data.presented`).

Laws: whoever proved it once passes by cookie, whatever others do. A password can be guessed, so a client has ten tries
a minute at a link, and its address, with all clients behind it, forty; a right one is no try. A client is an address
and a User-Agent: a stranger behind the same address locks no other client out, unless by inventing an agent for each
try. Tries are counted before they are made, so many at once are as many; those of an address at a link go one at a
time, so that who brings the right one with each of many requests at once is not taken for a guesser. Proofs go one at a
time for each link and two at a time in this process: who floods one link delays no other, and no other work.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b
from typing import Final

from gateway.core.attempt import Address, address_class
from gateway.core.grant import Grant
from gateway.core.reasons import Reason, Refused
from gateway.core.units import Rate
from gateway.data.plane import DataPlane
from gateway.data.presented import password_proof

_CLIENT_GUESSES: Final = Rate(10, 60.0, 10)
_ADDRESS_GUESSES: Final = Rate(40, 60.0, 40)


async def prove_password(
    plane: DataPlane,
    grant: Grant,
    password: str | None,
    proof: str | None,
    *,
    peer: Address | None,
    agent: str,
    now: float,
) -> None:
    """Let pass who knows the link's password, or has proved it before.

    Raises:
        Refused: PASSWORD_REQUIRED, PASSWORD_WRONG, TOO_MANY_GUESSES, OVERLOADED.
    """
    if proof is not None and hmac.compare_digest(proof.encode(), password_proof(grant).encode()):
        return
    if password is None:
        raise Refused(Reason.PASSWORD_REQUIRED, "no password came with the token")
    address = address_class(peer)
    everybody = f"password:{grant.id}:{address}"
    client = f"{everybody}:{blake2b(agent.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"
    guesses = plane.guesses
    async with plane.passwords.turn(grant, address):
        guesses.check(everybody, now)
        guesses.count_failure(client, _CLIENT_GUESSES, now)  # until it is proved: tries at once are as many
        guesses.count_failure(everybody, _ADDRESS_GUESSES, now)
        if not await plane.passwords.match(password, grant):
            raise Refused(Reason.PASSWORD_WRONG, "the password does not match")
        guesses.forgive(client)
        guesses.take_back(everybody, _ADDRESS_GUESSES, now)
