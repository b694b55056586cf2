"""Which edits give more, and which do not: both sides of every field."""

from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import ip_network
from typing import Any

import pytest

from gateway.core.approval import Approval, Waiting
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, Scope, Shown
from gateway.core.holders import Holders, ProvedBy
from gateway.core.intake import Intake
from gateway.core.narrowing import Narrowing
from gateway.core.request import Action
from gateway.core.session_policy_text import read_session_policy
from gateway.core.token import hash_secret
from gateway.core.units import Rate
from gateway.core.widening import _NO_MORE, widens
from tests.contract.sample import key, link

READ, LIST, WRITE = Action.READ, Action.LIST, Action.WRITE
FOLDER = Narrowing(bucket="reports", prefix="2026/", actions=frozenset({READ, LIST}))
TEN, ONE = ip_network("10.0.0.0/8"), ip_network("10.1.0.0/16")
POLICY = read_session_policy('{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}')
SIX, SIXTY = ip_network("2001:db8::/32"), ip_network("2001:db8:1::/48")


def narrowing(**changes: Any) -> tuple[Narrowing, ...]:
    return (replace(FOLDER, **changes),)


LESS: list[tuple[str, Any, Any]] = [
    ("expires_at", None, 5.0),
    ("expires_at", 5.0, 4.0),
    ("not_before", None, 1.0),
    ("not_before", 1.0, 2.0),
    ("uses", None, 9),
    ("uses", 9, 8),
    ("budget", None, 9),
    ("budget", 9, 0),
    ("max_size", None, 9),
    ("max_size", 9, 8),
    ("password", None, "scrypt$a$b"),
    ("etag", None, '"abc"'),
    ("terms", None, "Only for us."),
    ("holders", None, Holders(emails=("ann@a.example",))),
    ("holders", Holders(("ann@a.example", "bob@b.example"), ("c.example",)), Holders(("ANN@a.example",))),
    ("holders", Holders(domains=("a.example",)), Holders(("ann@a.example",))),
    ("holders", Holders(domains=("a.example",)), Holders(domains=("a.example",), excluded=("ann@a.example",))),
    ("holders", Holders(domains=("a.example",), excluded=("ann@a.example",)), Holders(("bob@a.example",))),
    ("holders", Holders(groups=("a", "b"), by=ProvedBy.OIDC), Holders(groups=("a",), by=ProvedBy.OIDC)),
    ("confirm", False, True),
    ("once", False, True),
    ("shows", frozenset({Shown.CARD}), frozenset({Shown.PAGE})),
    ("shows", frozenset({Shown.CARD, Shown.SENDER}), frozenset({Shown.SENDER})),
    ("overwrite", True, False),
    ("credentials", True, False),
    ("actions", frozenset({READ, LIST}), frozenset({READ})),
    *(
        ("intake", Intake(**old), Intake(**new))
        for old, new in (
            ({}, {"max_files": 9}),
            ({"max_files": 9}, {"max_files": 8}),
            ({}, {"total_bytes": 9}),
            ({"total_bytes": 9}, {"total_bytes": 8}),
            ({}, {"types": ("image/*",)}),
            ({"types": ("image/*", "text/csv")}, {"types": ("image/png",)}),
            ({}, {"names": "{uuid}"}),
            ({"rename": True}, {}),
            ({}, {"blind": True}),
            ({"undo": 9.0}, {}),
            ({"undo": 9.0}, {"undo": 8.0}),
        )
    ),
    ("scope", Scope("reports", prefix=""), Scope("reports", prefix="a/")),
    ("scope", Scope("reports", prefix="a/"), Scope("reports", prefix="a/b/")),
    ("scope", Scope("reports", prefix="a/"), Scope("reports", key="a/x.pdf")),
    ("rate", None, Rate(5, 1.0, 5)),
    ("rate", Rate(5, 1.0, 5), Rate(5, 2.0, 5)),
    ("rate", Rate(5, 1.0, 5), Rate(100, 60.0, 5)),
    ("cidrs", (), (TEN,)),
    ("cidrs", (TEN, SIX), (ONE, SIXTY)),
    ("cidrs", (TEN, SIX), (SIX,)),
    ("narrowed", (), (FOLDER,)),
    ("narrowed", (FOLDER,), narrowing(prefix="2026/q1/")),
    ("narrowed", (FOLDER,), narrowing(prefix="", keys=frozenset({"2026/a", "2026/b"}))),
    ("narrowed", (FOLDER,), narrowing(actions=frozenset({READ}))),
    ("narrowed", (FOLDER, Narrowing(bucket="drafts")), (FOLDER,)),
    ("narrowed", (Narrowing(actions=frozenset({READ, LIST})),), (FOLDER,)),
    ("narrowed", narrowing(prefix="", keys=frozenset({"a", "b"})), narrowing(prefix="", keys=frozenset({"a"}))),
]
MORE: list[tuple[str, Any, Any]] = [
    *((name, new, old) for name, old, new in LESS),
    ("intake", Intake(names="{uuid}"), Intake(names="{name}")),
    ("intake", Intake(types=("image/png",)), Intake(types=("image/png", "text/csv"))),
    ("owner", Principal("app", "a"), Principal("app", "b")),
    ("password", "scrypt$a$b", "scrypt$c$d"),
    ("etag", '"abc"', '"abd"'),
    ("terms", "Only for us.", "For all."),
    ("holders", Holders(("ann@a.example",)), None),
    ("holders", Holders(("ann@a.example",)), Holders(("ann@a.example", "bob@a.example"))),
    ("holders", Holders(("ann@a.example",)), Holders(domains=("a.example",))),
    ("holders", Holders(domains=("a.example",), excluded=("ann@a.example",)), Holders(domains=("a.example",))),
    ("holders", Holders(domains=("a.example",), excluded=("ann@a.example",)), Holders(("ann@a.example",))),
    (
        "holders",
        Holders(groups=("a",), by=ProvedBy.OIDC, excluded=("ann@a.example",)),
        Holders(groups=("a",), by=ProvedBy.OIDC),
    ),
    ("holders", Holders(domains=("a.example",)), Holders(("ann@sub.a.example",))),
    ("holders", Holders(("ann@a.example",)), Holders(("ann@a.example",), by=ProvedBy.OIDC)),
    ("holders", Holders(("a@a.example",), by=ProvedBy.OIDC), Holders(groups=("a",), by=ProvedBy.OIDC)),
    ("actions", frozenset({READ}), frozenset({WRITE})),
    ("scope", Scope("reports", key="a"), Scope("reports", key="b")),
    ("scope", Scope("reports", key="a"), Scope("reports", prefix="a/")),
    ("scope", Scope("reports", prefix="a/"), Scope("reports", prefix="b/")),
    ("scope", Scope("reports", prefix="a/"), Scope("drafts", prefix="a/")),
    ("rate", Rate(5, 1.0, 5), Rate(5, 1.0, 6)),
    ("rate", Rate(5, 1.0, 5), Rate(50, 5.0, 5)),
    ("cidrs", (ONE,), (ONE, SIX)),
    ("cidrs", (ONE,), (SIXTY,)),
    ("cidrs", (SIX,), (ONE,)),
    ("narrowed", (FOLDER,), narrowing(bucket="drafts")),
    ("narrowed", (FOLDER,), narrowing(prefix="2027/")),
    ("narrowed", (FOLDER,), narrowing(prefix="", keys=frozenset({"2026/a", "2027/b"}))),
    ("narrowed", (FOLDER,), narrowing(actions=frozenset())),
    ("narrowed", (FOLDER,), narrowing(actions=frozenset({READ, WRITE}))),
    ("narrowed", narrowing(prefix="", keys=frozenset({"a"})), narrowing(prefix="a/")),
    ("session_policy", POLICY, None),
    ("session_hash", hash_secret("a"), None),
    ("sealed", b"a", b"b"),
]


def edited(name: str, old: Any, new: Any) -> tuple[Grant, Grant]:
    plain = link(actions=frozenset({READ})) if name in {"scope", "actions", "etag", "terms", "holders"} else key()
    before = replace(plain, **{name: old})
    return before, replace(before, **{name: new})


@pytest.mark.parametrize(("name", "old", "new"), LESS)
def test_an_edit_that_takes_away_gives_no_more(name: str, old: Any, new: Any) -> None:
    """Nor does one that changes nothing."""
    before, after = edited(name, old, new)
    assert not widens(before, after)
    assert not widens(after, after)


@pytest.mark.parametrize(("name", "old", "new"), MORE)
def test_an_edit_that_gives_more_is_seen(name: str, old: Any, new: Any) -> None:
    """Whatever else it takes away."""
    before, after = edited(name, old, new)
    assert widens(before, after)
    assert widens(before, replace(after, label="and", filename="less.pdf"))


def test_names_and_looks_give_no_more() -> None:
    """Another label, file name, type or token; and what policy and approval write themselves."""
    after = replace(
        link(),
        hash=hash_secret("new"),
        version=7,
        label="x",
        filename="x.pdf",
        content_type="application/pdf",
        rule="another",
        suspended_at=1.0,
        suspended_by="admin:ops",
        waiting=Waiting(1.0, 2.0, ()),
        approvals=(Approval("a", "b", 1.0),),
    )
    assert not widens(link(after.id), after)


def test_a_field_that_nobody_thought_about_gives_more() -> None:
    """Of the fields that there are, those that are not named are those that no edit changes, but for the owner."""
    unnamed = {field.name for field in fields(Grant)} - _NO_MORE.keys()
    assert unnamed == {
        *("id", "kind", "owner", "issued_at", "issued_by", "serial", "revoked_at", "revoked_reason"),
        *("sealed", "session_hash", "source", "session_policy", "link", "holder", "own_end"),
    }
