"""The form in which a grant is kept and handed on."""

from __future__ import annotations

import pytest

from gateway.core.grant_codec import GrantRow, document_of, read_grant, row_of
from tests.contract.sample import full_link, key, link


@pytest.mark.parametrize("grant", [link(), key(), full_link()], ids=["link", "key", "full"])
def test_a_grant_comes_back_as_it_was(grant) -> None:
    """Every field, through columns and document."""
    assert read_grant(row_of(grant)) == grant


def test_what_the_store_changes_is_not_in_the_document() -> None:
    """An old document can write no revocation away."""
    document = document_of(full_link())
    for name in ("revoked", "serial", "version"):
        assert name not in document


@pytest.mark.parametrize("document", ["", "[]", "{", '{"rate": 1}', '{"cidrs": ["x"]}', '{"scope": ["b"]}'])
def test_a_damaged_row_is_a_value_error(document: str) -> None:
    """Never a grant with guessed parts."""
    row = GrantRow(**{**row_of(link())._asdict(), "document": document})
    with pytest.raises(ValueError):
        read_grant(row)
