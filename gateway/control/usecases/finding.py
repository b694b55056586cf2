"""Owns how a grant is named by whoever has it before them: by its id, or by what is shown to use it.

Refuses to own who may know of it (`gateway.control.caller`).
"""

from __future__ import annotations

from gateway.core.grant import Grant, GrantAdmin, GrantKind
from gateway.core.token import LinkToken, SecretHash, hash_secret, without_marks


async def find_grant(grants: GrantAdmin, kind: GrantKind, text: str) -> Grant | None:
    """The link or key of this id; or of this token or URL, or this access key id."""
    found = await grants.get(text)
    if found is None and (shown := _hash_of(kind, text)) is not None:
        found = await grants.find(shown)
    return found if found is not None and found.kind is kind else None


def _hash_of(kind: GrantKind, text: str) -> SecretHash | None:
    if kind is GrantKind.KEY:
        return hash_secret(text)
    _, _, tail = text.rpartition("/s/")
    try:
        return LinkToken(without_marks(tail.partition("/")[0].partition("?")[0])).hash
    except ValueError:
        return None
