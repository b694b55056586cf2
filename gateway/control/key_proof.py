"""Owns the proof that a caller of the control API holds a key of ours: by a signature, or by the key itself.

Refuses to own the arithmetic (`gateway.wire.sig.sigv4`, as on the data listener), the throttle on guesses
(`gateway.control.guard`) and what an app may do.

Laws: a signature covers the whole request, its body by `x-amz-content-sha256`, and is fresh; a presigned URL is none. A
key and its secret are taken in clear only where nobody can listen. Why a key counts no longer is said only to
whoever proved that they hold it.
"""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Final

from gateway.control.caller import Admitted, Reach
from gateway.core.duty import OWNERS_DUTIES
from gateway.core.grant import Grant, GrantKind, GrantStore
from gateway.core.key_use import require_session, stands_for_owner
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.core.sealing import Sealer
from gateway.core.token import SecretHash, hash_secret
from gateway.wire.http.target import query_pairs
from gateway.wire.sig import sigv4
from gateway.wire.sig.credentials import ALGORITHM, SigV4Header, auth_fields, read_credentials

_SERVICES: Final = frozenset({"s3", "gateway"})
_HASH: Final = "x-amz-content-sha256"
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NO_BODY: Final = sha256().hexdigest()


class KeyProof:
    """Proves keys. `ended` is what this process's revocation view says, beside what is stored of a key."""

    def __init__(
        self, grants: GrantStore, sealer: Sealer, ended: Callable[[Grant], bool], clock: Callable[[], float]
    ) -> None:
        self._grants = grants
        self._sealer = sealer
        self._ended = ended
        self._clock = clock
        self._signing_keys = sigv4.SigningKeys(1024)

    async def by_signature(self, raw: RawRequest) -> Admitted:
        """Who signed this request (SigV4 in the Authorization header).

        Raises:
            Refused: UNKNOWN_KEY for a guess; else what is wrong with the signature, or with the key.
            DependencyDown: the grant store cannot answer.
        """
        if raw.header(_HASH) is None and not _has_body(raw):
            raw = replace(raw, headers=(*raw.headers, (_HASH, _NO_BODY)))
        grant, digest = await self.prove(raw, _SERVICES)
        return replace(self._admit(grant, self._clock()), digest=digest)

    async def prove(self, raw: RawRequest, services: frozenset[str]) -> tuple[Grant, str]:
        """The key that signed this request, for one of these services, and the SHA-256 of the body in hex; whether the
        key still counts is not asked. Raises as `by_signature` does."""
        signed = read_credentials(auth_fields(raw.headers, query_pairs(raw.query)), services=services)
        if not isinstance(signed, SigV4Header):
            raise Refused(Reason.CREDENTIALS_MALFORMED, f"sign with {ALGORITHM} in the Authorization header")
        if not _SHA256.fullmatch(raw.header(_HASH) or ""):
            raise Refused(Reason.BAD_REQUEST, f"{_HASH} has to be the SHA-256 of the body, in hex")
        now = self._clock()
        sigv4.require_fresh(signed, now)
        grant, secret = await self._find(signed.access_key_id, signed.session_token)
        proved = sigv4.verify(signed, raw, secret, now=now, keys=self._signing_keys)
        return grant, proved.payload_hash

    async def by_secret(self, encoded: str, session_token: str | None) -> Admitted:
        """Whose key id and secret these are (HTTP Basic, RFC 7617).

        Raises:
            Refused: UNKNOWN_KEY for a guess, CREDENTIALS_MALFORMED; else what is wrong with the key.
            DependencyDown: the grant store cannot answer.
        """
        try:
            access_key_id, _, shown = b64decode(encoded.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise Refused(Reason.CREDENTIALS_MALFORMED, "the Basic credentials are malformed") from None
        grant, secret = await self._find(access_key_id, session_token)
        if not hmac.compare_digest(hash_secret(shown), hash_secret(secret)):
            raise Refused(Reason.UNKNOWN_KEY, "no key has this id and this secret")
        return self._admit(grant, self._clock())

    async def again(self, known: SecretHash) -> Admitted | None:
        """Who held the key of this hash when they proved it, if it still counts; None if there is none any more.

        Raises:
            Refused: what is wrong with the key now.
            DependencyDown: the grant store cannot answer.
        """
        grant = await self._grants.find(known)
        return None if grant is None or grant.kind is not GrantKind.KEY else self._admit(grant, self._clock())

    async def _find(self, access_key_id: str, session_token: str | None) -> tuple[Grant, str]:
        grant = await self._grants.find(hash_secret(access_key_id))
        if grant is None or grant.kind is not GrantKind.KEY or grant.sealed is None:
            raise Refused(Reason.UNKNOWN_KEY, "no key has this id and this secret")
        require_session(grant, session_token)
        return grant, self._sealer.open(access_key_id, grant.sealed)

    def lapsed(self, grant: Grant, now: float) -> Reason | None:
        """Why a key that was proved counts no longer, or not yet."""
        return grant.lapsed(now) or (Reason.REVOKED if self._ended(grant) else None)

    def _admit(self, grant: Grant, now: float) -> Admitted:
        """Whoever proved that they hold the key, if it still counts and is all that its app is."""
        reason = self.lapsed(grant, now)
        if reason is not None:
            raise Refused(Reason.CREDENTIALS_MISSING, f"the key {grant.id} is {reason.replace('_', ' ')}")
        if not stands_for_owner(grant):
            raise Refused(Reason.NOT_ALLOWED, f"the key {grant.id} is narrowed: it does not act for {grant.owner} here")
        return Admitted(
            principal=grant.principal,
            reach=Reach(grant.owner),
            may=OWNERS_DUTIES,
            until=grant.expires_at,
            source=grant.source,
            key=grant.hash,
        )


def _has_body(raw: RawRequest) -> bool:
    return bool(raw.header("transfer-encoding")) or (raw.header("content-length") or "0") != "0"
