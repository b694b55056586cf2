"""Grants, records and cursors survive being written as text; damage is told apart from a caller's fault."""

from __future__ import annotations

import asyncio
import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantKind
from gateway.core.grant_codec import GrantRow, document_of
from gateway.core.holders import Holder, ProvedBy
from gateway.core.reasons import DependencyDown
from gateway.core.record import Record
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.session_policy_text import read_session_policy
from gateway.stores.codec import (
    check_storable,
    check_targets,
    check_texts,
    grant_of,
    read_cursor,
    record_from,
    record_text,
    record_texts,
    write_cursor,
)
from tests.contract.sample import full_key, full_link, key, link, record


def row_of(grant: Grant) -> GrantRow:
    return GrantRow(
        grant.id,
        str(grant.kind),
        grant.hash,
        str(grant.owner),
        grant.issued_at,
        grant.serial,
        grant.version,
        grant.revoked_at,
        grant.revoked_reason,
        document_of(grant),
    )


@pytest.mark.parametrize("grant", [full_link(), link(), key(), key(owner=Principal("anonymous"))], ids=lambda g: g.id)
def test_a_grant_survives(grant: Grant) -> None:
    """Columns and document together are the whole grant."""
    changed = replace(grant, serial=7, version=8, revoked_at=9.5, revoked_reason="why")
    assert grant_of(row_of(changed)) == changed


def test_no_field_of_a_grant_is_forgotten() -> None:
    """The fullest grant sets every field, so a new field that the codec leaves out is noticed here."""
    changed_by_stores = {"serial": 1, "version": 2, "revoked_at": 3.0, "revoked_reason": "why"}
    narrowing = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}'
    fullest = [replace(grant, **changed_by_stores) for grant in (full_link(), full_key())]
    fullest[1] = replace(
        fullest[1],
        session_policy=read_session_policy(narrowing),
        link=full_link().hash,
        holder=Holder("ann@acme.example", ("finance",), ProvedBy.OIDC, 5),
    )
    unset = [{field.name for field in fields(Grant) if not getattr(grant, field.name)} for grant in fullest]
    assert {"own_end"} == unset[0] & unset[1]  # of a grant that is never stored
    read = [grant_of(row_of(grant)) for grant in fullest]
    assert fullest == read
    assert bytes(range(32)) == getattr(read[0].holders, "key", b"")  # which no comparison sees


def test_the_document_keeps_no_secret_and_no_revocation() -> None:
    """What an edit writes holds neither the hash nor what only the store may change."""
    document = document_of(replace(full_link(), serial=12345, revoked_at=67890.0))
    for hidden in (full_link().hash.hex(), "12345", "67890", "revoked"):
        assert hidden not in document


@pytest.mark.parametrize(
    "document", ["", "{", "[]", '{"scope": [1]}', '{"actions": ["fly"]}', '{"rate": [0, 0, 0]}', "{}"]
)
def test_a_damaged_grant_is_the_stores_fault(document: str) -> None:
    """A row that is no grant raises DependencyDown and names only the id."""
    with pytest.raises(DependencyDown) as caught:
        grant_of(row_of(link("l_hurt"))._replace(document=document))
    assert "l_hurt" in caught.value.detail


def test_what_no_engine_could_hold_is_refused() -> None:
    """NUL, lone surrogates and counts out of range are refused with a ValueError."""
    for bad in ({"label": "\x00"}, {"rule": "\ud800"}, {"uses": -1}, {"max_size": 2**63}):
        with pytest.raises(ValueError):
            check_storable(link(**bad))
    for target in (RevocationTarget(FeedKind.LINK, "\x00"), RevocationTarget(FeedKind.PREFIX, "b", "\ud800")):
        with pytest.raises(ValueError):
            check_targets([target], "", "")
    check_storable(full_link())


@given(
    st.builds(
        record,
        st.one_of(st.none(), st.text()),
        st.floats(0, 2e9),
        key=st.text(),
        reason=st.text(),
        bytes_out=st.integers(0, 2**80),
        fresh_use=st.booleans(),
        terms=st.text(),
        holder=st.text(),
    )
)
def test_a_record_survives(written: Record) -> None:
    """Any text in a record comes back, and its stored form is one that every database holds: no NUL, no surrogate."""
    text = record_text(written)
    check_texts(text)
    assert record_from(text) == written


def test_a_record_tells_all_that_there_is_and_no_more() -> None:
    """Every field stands in it; those that older gateways do not know only if they say something."""
    plain = json.loads(record_text(record("l_1")))
    whole = json.loads(record_text(record("l_1", terms="mark", holder="a@example.org")))
    assert [field.name for field in fields(Record)] == list(whole)
    assert {"terms", "holder"} == whole.keys() - plain.keys()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"outcome": "odd"}'])
def test_a_damaged_record_is_the_ledgers_fault(text: str) -> None:
    """A text that is no record raises DependencyDown."""
    with pytest.raises(DependencyDown):
        record_from(text)


@given(st.lists(st.one_of(st.integers(0, 2**62), st.floats(0, 2e9)), min_size=1, max_size=3))
def test_a_cursor_survives(position: list[int | float]) -> None:
    """A position comes back exactly, for its own list only."""
    text = write_cursor("g", *position)
    assert read_cursor("g", text, len(position)) == position
    with pytest.raises(ValueError, match="cursor"):
        read_cursor("r", text, len(position))
    with pytest.raises(ValueError, match="cursor"):
        read_cursor("g", text, len(position) + 1)


@given(st.text(max_size=30))
def test_any_other_text_is_no_cursor(text: str) -> None:
    """No text makes the reader fail in any other way than ValueError."""
    try:
        position = read_cursor("g", text, 1)
    except ValueError:
        return
    assert len(position) == 1


def test_a_kind_is_part_of_the_row() -> None:
    """A row of an unknown kind is damage."""
    with pytest.raises(DependencyDown):
        grant_of(row_of(link())._replace(kind="door"))
    assert grant_of(row_of(key())).kind is GrantKind.KEY


def test_a_record_without_terms_is_as_an_older_gateway_reads_it() -> None:
    """One that knows none has no such field, and so for holders; with them it comes back whole."""
    assert [] == [name for name in ("terms", "holder") if name in record_text(record("l_1"))]
    held = replace(record("l_1"), request_id="r", holder="ann@acme.example")
    assert held == record_from(record_text(held))
    for terms in ("", "0123abc"):
        assert replace(record("l_1"), request_id="r", terms=terms) == record_from(
            record_text(replace(record("l_1"), request_id="r", terms=terms))
        )


async def test_others_have_their_turn_while_records_are_written_out() -> None:
    """A batch of a thousand is made a few at a time, in its order."""
    batch, turns = [replace(record("l_1"), request_id=f"{number}") for number in range(1000)], 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    meanwhile = asyncio.get_running_loop().create_task(others())
    texts = await record_texts(batch)
    meanwhile.cancel()
    assert [record_text(one) for one in batch] == texts
    assert turns > 20
