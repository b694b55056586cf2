"""Owns who is let in: it recognises a caller by what they show, asks whether the endpoint is theirs, throttles guesses.

Refuses to own the proof of a key (`gateway.control.key_proof`), what the words of a row mean
(`gateway.control.caller`), and whose grants a use case shows.

Laws: access that no case grants is refused. Every known token is compared on every try, in constant time; a right
secret always passes, so that a flood of wrong ones from a shared address cannot keep an operator from revoking. Who is
known and not allowed is answered 403, and whoever is not known one uniform 401.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import Final, NoReturn, TypeVar

from gateway.control.caller import DUTY_OF, EVERYTHING, NOBODY, OWN, Access, Admitted, Reach
from gateway.control.deps import Callers, StaffRole
from gateway.control.key_proof import KeyProof
from gateway.control.proxied_users import ProxiedUsers
from gateway.core.attempt import Address, Principal, address_class
from gateway.core.duty import EVERY_DUTY, OWNERS_DUTIES, Duty
from gateway.core.identity import IdentityVerifier, User
from gateway.core.limits import gcra
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.core.said import phrase
from gateway.core.source import from_entry
from gateway.core.token import SecretHash, hash_secret
from gateway.core.units import Rate
from gateway.wire.sig.credentials import ALGORITHM

_GUESSES: Final = Rate(10, 60.0, 10)
"""Wrong secrets an address may try: ten at once, then one in six seconds. People mistype; tokens have 160 bits."""

_ADDRESSES: Final = 10_000
_DOTS_OF_A_JWT: Final = 2
_DENIED: Final = phrase("token_needed", "a valid token, key or signature is needed")
_SESSION: Final = "x-amz-security-token"
_UNIFORM: Final = frozenset({Reason.UNKNOWN_KEY, Reason.BAD_SIGNATURE, Reason.BAD_SESSION_TOKEN})
"""What is wrong with a key's proof is not told apart; only the first of them is a guess."""

Known = TypeVar("Known")


def known_as(digest: SecretHash, known: Mapping[SecretHash, Known]) -> Known | None:
    """Whose token this is, by its SHA-256. All are compared, whatever matches, so that the time taken shows nothing."""
    found = None
    for expected, holder in known.items():
        if hmac.compare_digest(digest, expected):
            found = holder
    return found


class Guard:
    """Authenticates callers. Remembers the wrong secrets of at most 10,000 addresses, the oldest forgotten first.

    `address` is what this gateway knows the keys by that are made with an app's token.
    """

    def __init__(
        self,
        callers: Callable[[], Callers],
        address: Callable[[], str],
        keys: KeyProof,
        *,
        identity: IdentityVerifier | None,
        proxied: ProxiedUsers,
        clock: Callable[[], float],
    ) -> None:
        self._callers = callers
        self._address = address
        self._identity = identity
        self._proxied = proxied
        self._keys = keys
        self._clock = clock
        self._wrong: OrderedDict[str, float] = OrderedDict()
        self._turn = asyncio.Lock()

    async def admit(
        self, access: Access, raw: RawRequest, peer: Address | None, values: Mapping[str, str], *, private: bool
    ) -> Admitted:
        """Who calls, if this access is theirs. `values` are the path's; `private` says that nobody can listen.

        Raises:
            Refused: CREDENTIALS_MISSING for no or a wrong secret, TOO_MANY_GUESSES once too many were wrong,
                NOT_ALLOWED for somebody whom this endpoint is not for; what is wrong with a signature.
            DependencyDown: the store of keys cannot answer.
        """
        if access is Access.PUBLIC:
            return NOBODY
        shown = raw.header_values("authorization")
        if len(shown) > 1:
            raise Refused(Reason.CREDENTIALS_AMBIGUOUS, "more than one Authorization header")
        authorization = shown[0] if shown else ""
        if access is Access.APP:
            token = authorization.removeprefix("Bearer ").strip()
            return self._by_app_token(token, values.get("app")) or self._deny(token, peer)
        user = self._proxied.read(raw, peer)
        admitted = (
            await self._recognise(access, raw, authorization, peer, private) if user is None else self._role(user)
        )
        return _require(access, admitted)

    async def admit_again(self, access: Access, before: Admitted) -> Admitted:
        """Whoever was admitted before, if they would be now and this access is theirs: for sessions that last.

        Nothing that they may is taken from `before`, but what was said of a user.

        Raises:
            Refused: CREDENTIALS_MISSING, what they showed counts no more; NOT_ALLOWED, this is not for them.
            DependencyDown: the store of keys cannot answer.
        """
        again = await self._recognise_again(access, before)
        if again is None:
            raise Refused(
                Reason.CREDENTIALS_MISSING, phrase("sign_in_over", "what was shown at the sign-in counts no more")
            )
        return _require(access, again)

    async def _recognise_again(self, access: Access, before: Admitted) -> Admitted | None:
        if before.principal.kind == "user":
            ended = before.until is not None and self._clock() >= before.until
            return None if ended else self._role(User(before.principal, before.groups, before.until))
        if before.key:
            return await self._keys.again(before.key)
        return self._by_hash(access, before.proof)

    async def _recognise(
        self,
        access: Access,
        raw: RawRequest,
        authorization: str,
        peer: Address | None,
        private: bool,  # noqa: FBT001 (one caller, which has it by name)
    ) -> Admitted:
        """Who shows this Authorization header. Raises as `admit` does."""
        scheme, _, rest = authorization.partition(" ")
        if scheme == ALGORITHM:
            return await self._prove_key(self._keys.by_signature(raw), peer)
        if scheme.lower() == "basic" and rest:
            if not private:
                raise Refused(Reason.CREDENTIALS_MISSING, "a key and its secret are taken over TLS or loopback only")
            return await self._prove_key(self._keys.by_secret(rest, raw.header(_SESSION)), peer)
        token = rest.strip() if scheme.lower() == "bearer" else ""
        return self._by_token(access, token) or await self._by_identity(token) or self._deny(token, peer)

    def _deny(self, token: str, peer: Address | None) -> NoReturn:
        if token:
            self.charge(peer)
        raise Refused(Reason.CREDENTIALS_MISSING, _DENIED)

    def still_admits(self, access: Access, admitted: Admitted) -> bool:
        """Whether whoever was admitted by a token, and still waits, would be admitted again."""
        if admitted.principal.kind == "user":
            again = self._role(User(admitted.principal, admitted.groups, admitted.until))
            return self._clock() < (admitted.until or inf) and _objection(access, again) is None
        callers, proof = self._callers(), admitted.proof
        terms = callers.admins.get(proof)
        if terms is not None:
            return terms.name == admitted.principal.name and terms.holds(self._clock()) and DUTY_OF[access] in terms.may
        return access in {Access.SIDECAR, Access.FEED} and callers.sidecars.get(proof) == admitted.principal.name

    def charge(self, peer: Address | None) -> None:
        """Count a wrong secret. Raises Refused(TOO_MANY_GUESSES) once the address has tried too many."""
        key = address_class(peer)
        verdict, arrival = gcra(self._wrong.get(key), self._clock(), _GUESSES)
        self._wrong[key] = arrival
        self._wrong.move_to_end(key)
        while len(self._wrong) > _ADDRESSES:
            self._wrong.popitem(last=False)
        if not verdict.allowed:
            raise Refused(Reason.TOO_MANY_GUESSES, "too many wrong tokens", retry_after=verdict.retry_after)

    def _by_token(self, access: Access, token: str) -> Admitted | None:
        """Whose bearer token this is: an admin's, on sidecars' rows a sidecar's, else an app's own."""
        return self._by_hash(access, hash_secret(token)) if token else None

    def _by_hash(self, access: Access, proof: SecretHash) -> Admitted | None:
        callers = self._callers()
        terms = known_as(proof, callers.admins)
        sidecar = known_as(proof, callers.sidecars)
        app = self._by_app_hash(proof, None)
        if terms is not None and terms.holds(self._clock()):
            principal = Principal("admin", terms.name)
            return Admitted(
                principal=principal, reach=EVERYTHING, may=terms.may, proof=proof, until=terms.expires, source=()
            )
        if sidecar is not None and access in {Access.SIDECAR, Access.FEED, Access.KNOWN}:
            principal = Principal("admin", sidecar)
            may = frozenset({Duty.SERVE, Duty.READ})
            return Admitted(principal=principal, reach=EVERYTHING, may=may, proof=proof)
        return app

    def _by_app_token(self, token: str, only: str | None) -> Admitted | None:
        """The app whose container-credentials token this is; what it makes ends with its entry in the settings."""
        return self._by_app_hash(hash_secret(token), only) if token else None

    def _by_app_hash(self, proof: SecretHash, only: str | None) -> Admitted | None:
        apps = {digest: name for digest, name in self._callers().apps.items() if only is None or name == only}
        name = known_as(proof, apps)
        if name is None:
            return None
        principal = Principal("app", name)
        source = from_entry(self._address(), proof)
        return Admitted(principal=principal, reach=Reach(principal), may=OWNERS_DUTIES, proof=proof, source=source)

    async def _by_identity(self, token: str) -> Admitted | None:
        """The user whom an issuer's token speaks of."""
        if self._identity is None or token.count(".") != _DOTS_OF_A_JWT:
            return None
        user = await self._identity.prove_user(token)
        return None if user is None else self._role(user)

    def _role(self, user: User) -> Admitted:
        """What somebody whom others vouch for may do: their own, unless they or a group of theirs have a role here."""
        roles = self._callers().roles
        texts = (str(user.principal), *(f"group:{group}" for group in user.groups))

        def has(role: StaffRole) -> bool:
            return any(pattern.matches(text) for pattern in roles.get(role, ()) for text in texts)

        reach, may = Reach(user.principal), OWNERS_DUTIES
        if has("admin"):
            reach, may = EVERYTHING, EVERY_DUTY - {Duty.SERVE}
        elif has("audit"):
            reach, may = EVERYTHING, frozenset({Duty.READ})
        return Admitted(principal=user.principal, reach=reach, may=may, until=user.until, groups=user.groups)

    async def _prove_key(self, proof: Awaitable[Admitted], peer: Address | None) -> Admitted:
        """Every key is looked up, however many were wrong before it; those of guessers one after the other."""
        try:
            if address_class(peer) not in self._wrong:
                return await proof
            async with self._turn:
                return await proof
        except Refused as refused:
            if refused.reason not in _UNIFORM:
                raise
            if refused.reason is Reason.UNKNOWN_KEY:
                self.charge(peer)
            raise Refused(Reason.CREDENTIALS_MISSING, _DENIED) from None


def _require(access: Access, admitted: Admitted) -> Admitted:
    objection = _objection(access, admitted)
    if objection is not None:
        raise Refused(Reason.NOT_ALLOWED, objection)
    return admitted


def _objection(access: Access, admitted: Admitted) -> str | None:
    """Why the endpoint is not for somebody who is known, or None if it is."""
    if access in {Access.KNOWN, Access.SIGN_IN}:
        return None
    duty = DUTY_OF[access]
    if duty not in admitted.may:
        return phrase("duty_missing", "{principal} may not {duty} here", principal=admitted.principal, duty=duty)
    if admitted.reach.owner is not None and access not in OWN:
        return phrase(
            "not_own", "this is not for {principal}: it is about more than one's own", principal=admitted.principal
        )
    return None
