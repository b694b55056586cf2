"""The form in which a grant is kept and handed on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.approval import Waiting
from gateway.core.grant_codec import GrantRow, document_of, read_grant, row_of
from gateway.core.holders import Holders
from gateway.core.intake import Intake
from gateway.core.reasons import Reason
from gateway.core.session_policy_text import read_session_policy
from tests.contract.sample import NOW, full_key, full_link, key, link

POLICY = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}'


@pytest.mark.parametrize(
    "grant",
    [link(), key(), full_link(), full_key(), key(session_policy=read_session_policy(POLICY)), key(link=link().hash)],
    ids=["link", "key", "full link", "full key", "narrowed", "a link's"],
)
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


@pytest.mark.parametrize(
    "narrowed",
    [
        {"session_policy": read_session_policy(POLICY)},
        {"narrowed": full_key().narrowed},
        {"uses": 1},
        {"budget": 1},
        {"link": link().hash},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_who_cannot_read_what_narrows_a_key_finds_no_secret(narrowed: dict[str, Any]) -> None:
    """An older gateway beside this one refuses a narrowed key instead of serving it as a whole one."""
    assert "sealed" in json.loads(document_of(key()))
    assert "sealed" not in json.loads(document_of(key(**narrowed)))


def test_a_damaged_narrowing_is_a_damaged_row() -> None:
    """Never a key that is not narrowed."""
    row = row_of(key(session_policy=read_session_policy(POLICY)))
    with pytest.raises(ValueError):
        read_grant(row._replace(document=row.document.replace("s3:Get*", "s3:Nothing")))
    row = row_of(full_key())
    for wrong in ("2026", "x"):
        with pytest.raises(ValueError):
            read_grant(row._replace(document=row.document.replace('"2026/"', f'"{wrong}"')))


def test_a_gateway_that_knows_no_suspension_takes_it_for_what_has_not_begun() -> None:
    """The older one beside this one does not serve it, and what was chosen as its beginning comes back."""
    for begins in (None, 5.0):
        grant = link(suspended_at=7.0, suspended_by="admin:ops", not_before=begins)
        assert 253402300799.0 == json.loads(document_of(grant))["not_before"]
        assert grant == read_grant(row_of(grant))


@pytest.mark.parametrize(
    "wish", [{"max_files": 1}, {"total_bytes": 1}, {"types": ("a/b",)}, {"names": "{name}"}, {"blind": True}]
)
def test_a_gateway_that_knows_nothing_of_files_takes_their_link_for_what_has_not_begun(wish: dict[str, Any]) -> None:
    """Whatever else is said of it, and also if the older one writes it again, resumed or with another label."""
    others = {"groups": ("finance",), "suspended_at": 7.0, "suspended_by": "admin:ops"}
    for begins in (None, 5.0):
        for more in ({}, others):
            grant = link(intake=Intake(**wish), not_before=begins, **more)
            document = json.loads(document_of(grant))
            assert grant == read_grant(row_of(grant))
            del document["intake"]
            older = read_grant(row_of(grant)._replace(document=json.dumps(document)))
            assert 253402300799.0 == older.not_before
            assert 253402300799.0 == read_grant(row_of(replace(older, suspended_at=None, groups=()))).not_before


def test_a_wish_of_a_later_gateway_has_not_begun_here() -> None:
    """What it means is not known, so it is not served."""
    row = row_of(link(intake=Intake(max_files=1)))
    later = json.loads(row.document)
    later["intake"]["sizes"] = 5
    assert 253402300799.0 == read_grant(row._replace(document=json.dumps(later))).not_before


def test_a_wish_that_holds_nothing_back_is_no_reason() -> None:
    """An older gateway serves a link with a message as ever."""
    document = json.loads(document_of(link(intake=Intake(message="hello", rename=True, undo=5.0), not_before=5.0)))
    assert 5.0 == document["not_before"]


def test_a_gateway_that_knows_no_groups_takes_their_link_for_what_has_not_begun() -> None:
    """What decides about a link is read by whoever serves it; and what was chosen as its beginning comes back."""
    for begins in (None, 5.0):
        for suspension in ({}, {"suspended_at": 7.0, "suspended_by": "admin:ops"}):
            grant = link(groups=("/ops", "finance"), not_before=begins, **suspension)
            assert 253402300799.0 == json.loads(document_of(grant))["not_before"]
            assert grant == read_grant(row_of(grant))
    assert "not_before" not in json.loads(document_of(link()))


def test_who_knows_suspensions_and_no_groups_does_not_begin_what_it_resumes() -> None:
    """What it would take for the beginning is the end of all days."""
    grant = link(groups=("finance",), suspended_at=7.0, suspended_by="admin:ops")
    assert 253402300799.0 == json.loads(document_of(grant))["suspended"][2]


def test_a_gateway_that_knows_no_terms_takes_their_link_for_what_has_not_begun() -> None:
    """It would let everybody pass; what was chosen as its beginning comes back."""
    for begins in (None, 5.0):
        grant = link(terms="Only for us.", not_before=begins)
        assert 253402300799.0 == json.loads(document_of(grant))["not_before"]
        assert grant == read_grant(row_of(grant))


def test_a_gateway_that_knows_no_holders_takes_their_link_for_what_has_not_begun() -> None:
    """It would let everybody pass; what was chosen as its beginning comes back, and the secret with it."""
    holders = Holders(("ann@acme.example",), ("b.example",), key=b"secret")
    for begins in (None, 5.0):
        grant = link(holders=holders, terms="Only for us.", not_before=begins)
        document = json.loads(document_of(grant))
        assert (253402300799.0, 253402300799.0) == (document["not_before"], document["terms"][1])
        read = read_grant(row_of(grant))
        assert (grant, b"secret") == (read, getattr(read.holders, "key", b""))


def test_who_knows_terms_and_no_holders_does_not_begin_what_is_for_somebody() -> None:
    """That is the gateway of the version before: it reads the terms, and finds a link that has not begun."""
    document = json.loads(document_of(link(holders=Holders(("ann@acme.example",)), terms="x", not_before=5.0)))
    del document["holders"]
    row = row_of(link())._replace(document=json.dumps(document))
    assert Reason.NOT_YET_VALID is read_grant(row).lapsed(1_790_000_000.0)


@pytest.mark.parametrize("begins", [None, 5.0])
@pytest.mark.parametrize("more", [{}, {"terms": "x", "groups": ("ops",)}, {"intake": Intake(max_files=2, undo=9.0)}])
def test_who_knows_holders_and_none_that_are_excluded_does_not_begin_their_link(begins, more) -> None:
    """It would let them pass. That is the gateway of the version before, whatever else it reads; here all comes back.
    Without anybody excluded it begins it as ever."""
    for excluded, lapsed in ((("eve@b.example",), Reason.NOT_YET_VALID), ((), None)):
        grant = link(holders=Holders(domains=("b.example",), excluded=excluded), not_before=begins, **more)
        assert grant == read_grant(row_of(grant))
        document = json.loads(document_of(grant))
        document.pop("excluded", None)
        row = row_of(link())._replace(document=json.dumps(document))
        assert lapsed is read_grant(row).lapsed(NOW)


def test_what_is_wanted_of_files_and_not_understood_keeps_a_link_with_excluded_from_beginning() -> None:
    """What one knows says nothing of what one does not."""
    grant = link(holders=Holders(domains=("b.example",), excluded=("eve@b.example",)), intake=Intake(max_files=2))
    document = json.loads(document_of(grant))
    document["intake"]["newer"] = 1
    row = row_of(link())._replace(document=json.dumps(document))
    assert Reason.NOT_YET_VALID is read_grant(row).lapsed(NOW)


def test_a_gateway_that_knows_no_approval_takes_what_waits_for_what_has_not_begun() -> None:
    """Suspended or not, and also if the older one writes it again; what was chosen as its beginning comes back."""
    for begins in (None, 5.0):
        for suspended in ({}, {"suspended_at": 7.0, "suspended_by": "admin:ops"}):
            grant = link(waiting=Waiting(1.0, 2.0, ("app:a",)), not_before=begins, **suspended)
            document = json.loads(document_of(grant))
            assert grant == read_grant(row_of(grant))
            del document["waiting"]
            older = read_grant(row_of(grant)._replace(document=json.dumps(document)))
            assert 253402300799.0 == older.not_before
