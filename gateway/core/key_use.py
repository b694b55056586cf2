"""Owns what has to hold of a key beside its secret: the session token it comes with, and that it stands for its app.

Refuses to own look-ups and signatures (`gateway.data.steps.authenticate`, `gateway.control.key_proof`).

Laws: secrets are compared in constant time. A key that is less than its app never speaks for the app: what narrows it
is judged request by request on the data listener, and would be shed by what the app can make for itself.
"""

from __future__ import annotations

import hmac
from dataclasses import MISSING, fields
from typing import Final

from gateway.core.grant import Grant
from gateway.core.reasons import Reason, Refused
from gateway.core.token import hash_secret

_SAY_NOTHING: Final = frozenset(
    {
        *("id", "kind", "hash", "owner", "issued_at", "serial", "version", "not_before", "expires_at", "label"),
        *("revoked_at", "revoked_reason", "sealed", "session_hash", "source", "issued_by", "rule", "approvals"),
    }
)
"""What a grant may say without being narrowed by it. Every other field has to be as it is where nothing was said."""

_NARROWING: Final = tuple(
    (each.name, each.default) for each in fields(Grant) if each.name not in _SAY_NOTHING and each.default is not MISSING
)


def require_session(grant: Grant, session_token: str | None) -> None:
    """Raises Refused(BAD_SESSION_TOKEN): it is missing, another one, or came with a key that has none."""
    if grant.session_hash is None:
        if session_token is not None:
            raise Refused(Reason.BAD_SESSION_TOKEN, "this key has no session token")
    elif session_token is None or not hmac.compare_digest(hash_secret(session_token), grant.session_hash):
        raise Refused(Reason.BAD_SESSION_TOKEN, "the session token is missing or another one")


def stands_for_owner(key: Grant) -> bool:
    """Whether the key is all that its app is, for as long as it lasts."""
    return all(getattr(key, name) == default for name, default in _NARROWING)
