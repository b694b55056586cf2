"""Rows of Redis as grants."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.grant_codec import GrantRow, document_of
from gateway.core.reasons import DependencyDown
from gateway.stores.redis.rows import grant_from
from tests.contract.sample import full_link

GRANT = replace(full_link(), serial=7, version=2, revoked_at=None, revoked_reason=None)


def row(**changed: str) -> list[str | None]:
    grant = GRANT
    named: dict[str, str | None] = {
        "id": grant.id,
        "kind": "link",
        "hash": grant.hash.hex(),
        "owner": str(grant.owner),
        "issued_at": repr(grant.issued_at),
        "serial": "7",
        "version": "2",
        "revoked_at": "",
        "document": document_of(grant),
    }
    return [(named | changed).get(name) for name in GrantRow._fields]


def test_a_missing_grant_is_none() -> None:
    """A hash that is not there has no field, however a script answers that."""
    assert grant_from([None] * len(GrantRow._fields)) is None
    assert grant_from([False] * len(GrantRow._fields)) is None  # type: ignore[list-item]


def test_fields_that_are_not_set_are_none() -> None:
    """An empty text and none at all say the same."""
    assert GRANT == grant_from(row())
    revoked = grant_from(row(revoked_at="5.0"))
    assert revoked is not None
    assert (5.0, "") == (revoked.revoked_at, revoked.revoked_reason)


def test_a_damaged_row_is_the_stores_fault() -> None:
    """It is told apart from a wrong question."""
    with pytest.raises(DependencyDown):
        grant_from(row(document="{}", owner="nobody"))
