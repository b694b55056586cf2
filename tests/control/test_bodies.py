"""What bodies ask of a grant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.control.bodies import EditLink, NewLink, NewRevocation
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantKind, Scope
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.token import hash_secret

GRANT = Grant(
    id="l_1",
    kind=GrantKind.LINK,
    hash=hash_secret("x"),
    owner=Principal("app", "a"),
    issued_at=5.0,
    scope=Scope("reports", key="k"),
    actions=frozenset({Action.READ}),
    expires_at=900.0,
    uses=3,
    password="stored",
    label="old",
)
VALUES: dict[str, Any] = {
    "bucket": "other",
    "actions": ["write"],
    "not_before": "2027-01-01T00:00:00Z",
    "uses": 9,
    "bytes": "1KiB",
    "cidrs": ["192.0.2.0/24"],
    "label": "new",
    "owner": "app:b",
    "filename": "f.txt",
    "content_type": "text/plain",
    "etag": '"v1"',
    "max_size": 5,
    "overwrite": True,
    "confirm": True,
    "shows": ["page"],
    "max_files": 3,
    "total_bytes": "1MiB",
    "types": ["image/*"],
    "names": "{uuid}-{name}",
    "undo": "5m",
    "message": "Hello.",
    "rate": "1/s",
    "expires_in": 60,
}
OF_FILES = ("max_files", "total_bytes", "types", "names", "undo", "message")
STORED_AS = {"bytes": "budget", "bucket": "scope", "expires_in": "expires_at"} | dict.fromkeys(OF_FILES, "intake")
FIXED = ("id", "kind", "hash", "issued_at", "serial", "version", "password", "sealed", "revoked_at", "issued_by")


@given(st.sets(st.sampled_from(sorted(VALUES))))
def test_an_edit_changes_what_was_sent_and_nothing_else(names: set[str]) -> None:
    """Fields that are sent change; all others, and all that identifies a grant, stay."""
    edited = EditLink.model_validate({name: VALUES[name] for name in names}).apply_to(GRANT, 1000.0)
    changed = {field for field in Grant.__dataclass_fields__ if getattr(edited, field) != getattr(GRANT, field)}
    assert changed == {STORED_AS.get(name, name) for name in names}
    assert changed.isdisjoint(FIXED)


@pytest.mark.parametrize("name", OF_FILES)
def test_each_wish_about_files_stands_alone(name: str) -> None:
    """An edit of one leaves the others, and null clears it."""
    full = EditLink.model_validate({one: VALUES[one] for one in OF_FILES}).apply_to(GRANT, 1000.0)
    edited = EditLink.model_validate({name: None}).apply_to(full, 1000.0)
    assert edited.intake == replace(full.intake, **{name: () if name == "types" else None})


@pytest.mark.parametrize(
    ("sent", "overwrite", "rename"),
    [
        ({"on_conflict": "refuse"}, False, False),
        ({"on_conflict": "rename"}, False, True),
        ({"on_conflict": "overwrite"}, True, False),
        ({"overwrite": True}, True, False),
        ({"overwrite": True, "on_conflict": "overwrite"}, True, False),
        ({"overwrite": False, "on_conflict": "rename"}, False, True),
        ({"blind": True}, False, True),
        ({"blind": True, "overwrite": True}, True, False),
        ({"blind": True, "on_conflict": "refuse"}, False, False),
    ],
)
def test_what_becomes_of_a_taken_name_is_said_once(sent: dict[str, Any], overwrite: bool, rename: bool) -> None:
    """By `on_conflict` or by `overwrite`; a blind link renames unless it says otherwise."""
    edited = EditLink.model_validate(sent).apply_to(GRANT, 1000.0)
    assert (overwrite, rename) == (edited.overwrite, edited.intake.rename)


def test_an_edit_of_something_else_keeps_the_names() -> None:
    """A link that renames goes on to do so."""
    renaming = EditLink.model_validate({"on_conflict": "rename"}).apply_to(GRANT, 1000.0)
    assert EditLink.model_validate({"label": "x"}).apply_to(renaming, 1000.0).intake.rename


@pytest.mark.parametrize(
    "sent",
    [
        {"on_conflict": "refuse", "overwrite": True},
        {"on_conflict": "overwrite", "overwrite": False},
        {"on_conflict": "keep"},
        {"on_conflict": None},
        {"blind": None},
        {"max_files": 0},
        {"total_bytes": 0},
        {"types": []},
        {"types": ["png"]},
        {"types": ["*/png"]},
        {"types": ["image/png; q=1"]},
        {"names": "fixed"},
        {"names": "../{name}"},
        {"undo": "2d"},
        {"undo": 0},
        {"message": ""},
        {"message": "turned \u202e around"},
    ],
)
def test_what_makes_no_sense_of_files_is_refused(sent: dict[str, Any]) -> None:
    """Before anything is stored, with the field that is meant."""
    with pytest.raises(ValidationError):
        EditLink.model_validate(sent)


def test_a_message_may_have_lines_and_names_may_be_kept() -> None:
    """What people write stays as they wrote it."""
    edited = EditLink.model_validate({"message": "one\ntwo", "names": "keep"}).apply_to(GRANT, 1000.0)
    assert ("one\ntwo", None) == (edited.intake.message, edited.intake.names)


@pytest.mark.parametrize("name", ["uses", "bytes", "label", "cidrs", "not_before", "rate", "expires_in", "expires_at"])
def test_null_clears(name: str) -> None:
    """A null takes a limit away."""
    edited = EditLink.model_validate({name: None}).apply_to(GRANT, 1000.0)
    assert not getattr(edited, STORED_AS.get(name, name))


def test_the_end_is_relative_to_the_edit() -> None:
    """`expires_in` counts from the moment of the call."""
    assert EditLink.model_validate({"expires_in": "1m"}).apply_to(GRANT, 1000.0).expires_at == 1060.0


@pytest.mark.parametrize(("sent", "kept"), [("a", "a/"), ("a/", "a/"), ("", ""), ("a/b", "a/b/")])
def test_a_prefix_is_a_folder(sent: str, kept: str) -> None:
    """A prefix gets the slash that keeps it from its siblings."""
    assert NewLink.model_validate({"bucket": "bbb", "prefix": sent}).scope == Scope("bbb", prefix=kept)


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"link": "l_1"}, RevocationTarget(FeedKind.LINK, "l_1")),
        ({"key": "k_1"}, RevocationTarget(FeedKind.KEY, "k_1")),
        ({"owner": "app:a"}, RevocationTarget(FeedKind.OWNER, "app:a")),
        ({"backend": "lab"}, RevocationTarget(FeedKind.BACKEND, "lab")),
        ({"policy": "a rule"}, RevocationTarget(FeedKind.POLICY, "a rule")),
        ({"bucket": "bbb", "prefix": ""}, RevocationTarget(FeedKind.PREFIX, "bbb")),
        ({"bucket": "bbb", "prefix": "x/y"}, RevocationTarget(FeedKind.PREFIX, "bbb", "x/y")),
    ],
)
def test_each_target_is_what_was_named(body: dict[str, str], target: RevocationTarget) -> None:
    """A revocation means exactly what its one member names; a prefix is the start of keys, taken as it is."""
    assert NewRevocation.model_validate(body).target == target


def test_one_whole_download_is_one_use() -> None:
    """Saying `once` says `uses: 1`, unless uses are said, too."""
    assert (True, 1) == _once({"once": True})
    assert (False, 3) == _once({"once": False})
    assert (True, 2) == _once({"once": True, "uses": 2})


def _once(body: dict[str, Any]) -> tuple[bool, int | None]:
    edited = EditLink.model_validate(body).apply_to(GRANT, 1000.0)
    return edited.once, edited.uses
