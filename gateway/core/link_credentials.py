"""Owns what the S3 credentials of a link are: a short-lived key that stands for the link and has no right of its own.

Refuses to own how the key is made (`gateway.control.usecases.keys`), and what a link lets be done, with credentials or
without (`gateway.core.grant`, `gateway.core.policy`).

Law: whoever comes with the key is judged as the link, as it is at that moment. Nothing of the link is copied into the
key but its password, so that whatever ends, narrows or counts the link does the same to its credentials at once; and
the key has an end of its own beside it.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

from gateway.core.grant import Grant
from gateway.core.issued import LONGEST_SESSION
from gateway.core.lease import LEASE_WINDOW
from gateway.core.reasons import Reason, Refused
from gateway.core.source import from_key, from_link


def end_of(link: Grant, now: float, until: float | None = None) -> float:
    """When credentials end that are asked for now: with the use that they are, where a link counts uses; and never
    after the link, nor after what was shown for them (`until`)."""
    ends = [now + (LONGEST_SESSION if link.uses is None else LEASE_WINDOW)]
    return min(ends + [at for at in (link.expires_at, until) if at is not None])


def source_of(address: str, link: Grant, lease: str) -> tuple[str, ...]:
    """What the key came from: the link, and the use that it is."""
    return from_link(address, link.id, lease)


def link_of(key: Grant) -> str:
    """The id of the link whose credentials these are."""
    return key.source[2]


def lease_of(key: Grant) -> str:
    """The use that they are, shared by all that is done with them."""
    return key.source[3]


def standing(key: Grant, link: Grant | None) -> Grant:
    """The link, as it is for whoever comes with this key of its.

    Raises:
        Refused: REVOKED, the link has another token by now; PASSWORD_REQUIRED, it has another password.
    """
    if link is None or link.scope is None or link.hash != key.link:
        raise Refused(Reason.REVOKED, "the link's token was replaced")
    if link.password not in {None, key.password}:
        raise Refused(Reason.PASSWORD_REQUIRED, "the link's password was replaced")
    ends = [at for at in (key.expires_at, link.expires_at) if at is not None]
    revoked = key.revoked_at if link.revoked_at is None else link.revoked_at
    return replace(
        link,
        expires_at=min(ends, default=None),
        own_end=inf if link.expires_at is None else link.expires_at,
        revoked_at=revoked,
        source=from_key("", key, "", ""),
    )
