"""Owns what stands for a proof of who somebody is: the challenge with its code, the pass that is had for it, and the
code by which a program gets the pass of who signed in for it.

Refuses to own who may have one (`gateway.core.holders`), how often a code is tried (`gateway.data.links.codes`) and
where a pass is presented (`gateway.data.presented`).

Law: nothing of it is stored. A challenge names the address that a code is for; the code is made of the challenge under
the link's own secret, and both end together. A pass is for one link under one token: another token ends it. A text
that was not made here, with this secret and for this link, is none.
"""

from __future__ import annotations

import hmac
import json
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from gateway.core.grant import Grant
from gateway.core.holders import Holder, Holders, ProvedBy
from gateway.core.values import dataclass

CODE_SECONDS: Final = 600.0
"""How long a code is good."""

PASS_SECONDS: Final = 12 * 3600.0
"""How long a pass is good at most; a working day."""

HANDOVER_SECONDS: Final = 120.0
"""How long a program's code is good; a person presses a button meanwhile."""

CHALLENGE_ENTROPY: Final = 16

LONGEST_TEXT: Final = 3072
"""Characters of a pass or a challenge; a longer text is none, and is not read."""

_DIGITS: Final = 8
_MOST_GROUPS: Final = 1200
"""Bytes of groups in one pass, which is a cookie: one is enough, and one of any length fits."""
_TAG_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Challenge:
    """That a code was asked for. `id` tells it from all others, `until` is in seconds since the epoch."""

    id: str
    address: str
    until: float


def seal_challenge(grant: Grant, address: str, now: float, entropy: bytes) -> str:
    """The text of a new challenge, which its code is made of."""
    return _seal(grant, "challenge", [entropy.hex(), address, math.floor(now + CODE_SECONDS)])


def open_challenge(grant: Grant, text: str, now: float) -> Challenge | None:
    """The challenge of a text, unless it is none or its time is over."""
    match _open(grant, "challenge", text):
        case [str(name), str(address), int(until)] if now < until:
            return Challenge(name, address, until)
        case _:
            return None


def code_of(grant: Grant, text: str) -> str:
    """The eight digits that belong to a challenge's text."""
    number = int.from_bytes(_tag(grant, "code", text.encode())) % 10**_DIGITS
    return f"{number:0{_DIGITS}}"


def prove(grant: Grant, address: str, by: ProvedBy, now: float, groups: Sequence[str] = ()) -> Holder:
    """Who just proved to have this address, and to be in these groups. The proof ends with the grant at the latest."""
    until = math.floor(now + PASS_SECONDS)
    if grant.expires_at is not None:
        until = min(until, math.floor(grant.expires_at))
    named = () if grant.holders is None else grant.holders.groups
    kept, left = [], _MOST_GROUPS
    for group in groups:
        left -= len(group.encode("utf-8", "replace")) if group in named else 0
        if group in named and left >= 0:
            kept.append(group)
    return Holder(address, tuple(kept), by, until)


def seal_pass(grant: Grant, holder: Holder) -> str:
    """The text that a holder shows from now on."""
    return _seal(grant, "pass", [holder.address, holder.groups, str(holder.by), holder.until])


def open_pass(grant: Grant, text: str, now: float) -> Holder | None:
    """Whom a pass is for, unless it is none of this link, or its time is over."""
    match _open(grant, "pass", text):
        case [str(address), [*groups], str(by), int(until)] if now < until:
            return Holder(address, tuple(groups), ProvedBy(by), until)
        case _:
            return None


def seal_handover(grant: Grant, holder: Holder, challenge: str, now: float, entropy: bytes) -> str:
    """The code for which a program gets this holder's pass: the one that has the secret of this challenge."""
    until = math.floor(now + HANDOVER_SECONDS)
    proved = [holder.address, holder.groups, str(holder.by), holder.until]
    return _seal(grant, "handover", [entropy.hex(), until, challenge, *proved])


def open_handover(grant: Grant, text: str, verifier: str, now: float) -> tuple[str, Holder] | None:
    """What tells a program's code from all others, and whom it is for; None unless `verifier` is the secret of its
    challenge (RFC 7636, 4.6), and if its time is over."""
    match _open(grant, "handover", text):
        case [str(name), int(until), str(challenge), str(address), [*groups], str(by), int(end)] if now < until:
            digest = urlsafe_b64encode(sha256(verifier.encode("utf-8", "replace")).digest()).rstrip(b"=")
            if hmac.compare_digest(digest, challenge.encode()):
                return name, Holder(address, tuple(groups), ProvedBy(by), end)
    return None


def _seal(grant: Grant, kind: str, members: list[Any]) -> str:
    inside = json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    return urlsafe_b64encode(_tag(grant, kind, inside) + inside).decode().rstrip("=")


def _open(grant: Grant, kind: str, text: str) -> list[Any] | None:
    """What was sealed, None for any other text."""
    if len(text) > LONGEST_TEXT or not text.isascii():
        return None
    try:
        whole = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    tag, inside = whole[:_TAG_BYTES], whole[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(grant, kind, inside)):
        return None
    members: list[Any] = json.loads(inside)
    return members


def _tag(grant: Grant, kind: str, inside: bytes) -> bytes:
    """Raises ValueError for a link without a secret of this kind: it seals and opens nothing."""
    key = _key_of(grant.holders)
    return hmac.new(key, b"\0".join((kind.encode(), grant.id.encode(), grant.hash, inside)), sha256).digest()


def _key_of(holders: Holders | None) -> bytes:
    if holders is None or len(holders.key) < _TAG_BYTES:
        raise ValueError("the link has no secret to make passes with")
    return holders.key
