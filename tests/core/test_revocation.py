"""The laws of the revocation view."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantKind, Scope
from gateway.core.request import Action
from gateway.core.revocation import FeedEntry, RevocationView
from gateway.core.revocation_target import FeedKind
from gateway.core.token import hash_secret

_LINK = Grant(
    id="l_1",
    kind=GrantKind.LINK,
    hash=hash_secret("x"),
    owner=Principal("app", "billing"),
    issued_at=0.0,
    serial=10,
    scope=Scope("reports", prefix="a/"),
    actions=frozenset({Action.READ}),
    rule="sharing",
)
_ENTRIES = [
    FeedEntry(0, FeedKind.LINK, "l_1"),
    FeedEntry(0, FeedKind.OWNER, "app:billing"),
    FeedEntry(0, FeedKind.BACKEND, "archive"),
    FeedEntry(0, FeedKind.POLICY, "sharing"),
    FeedEntry(0, FeedKind.PREFIX, "reports", ""),
    FeedEntry(0, FeedKind.PREFIX, "reports", "a/"),
    FeedEntry(0, FeedKind.PREFIX, "reports", "a/b"),
]
_MISSES = [
    FeedEntry(0, FeedKind.LINK, "l_2"),
    FeedEntry(0, FeedKind.KEY, "l_1"),
    FeedEntry(0, FeedKind.OWNER, "app:billing2"),
    FeedEntry(0, FeedKind.OWNER, "link:billing"),
    FeedEntry(0, FeedKind.BACKEND, "lab"),
    FeedEntry(0, FeedKind.POLICY, "sharing2"),
    FeedEntry(0, FeedKind.PREFIX, "reports2", ""),
    FeedEntry(0, FeedKind.PREFIX, "reports", "a/c"),
    FeedEntry(0, FeedKind.ISSUED, "l_1"),
    FeedEntry(0, FeedKind.CHANGED, "l_1"),
]


def _revoked(*entries: FeedEntry, grant: Grant = _LINK) -> FeedKind | None:
    view = RevocationView()
    view.apply(entries)
    return view.revoked(grant, "reports", "a/b/c", "archive")


@pytest.mark.parametrize("entry", _ENTRIES, ids=str)
@pytest.mark.parametrize(("serial", "ended"), [(9, False), (10, False), (11, True)])
def test_a_revocation_ends_what_was_issued_before_it(entry: FeedEntry, serial: int, ended: bool) -> None:
    """Only the order in the feed counts: a later serial ends the grant, an earlier one does not."""
    assert ended == (_revoked(replace(entry, serial=serial)) is entry.kind)


@pytest.mark.parametrize("entry", _MISSES, ids=str)
def test_a_revocation_of_something_else_ends_nothing(entry: FeedEntry) -> None:
    """Neighbours, other kinds and entries that only report a change leave the grant alone."""
    assert _revoked(replace(entry, serial=99)) is None


def test_a_prefix_link_ends_when_its_whole_scope_is_revoked() -> None:
    """A revocation of the scope's root ends the link for every key below it."""
    view = RevocationView()
    view.apply([FeedEntry(11, FeedKind.PREFIX, "reports", "a/")])
    assert view.revoked(_LINK, "reports", "", "archive") is FeedKind.PREFIX


_kinds = st.sampled_from(_ENTRIES + _MISSES)
_feeds = st.lists(
    st.builds(lambda entry, serial: replace(entry, serial=serial), _kinds, st.integers(1, 20)), max_size=12
)


@given(_feeds, st.randoms(use_true_random=False))
def test_order_and_repetition_of_entries_do_not_matter(feed: list[FeedEntry], random: object) -> None:
    """A view that saw the entries in any order, some of them twice, says the same as one that saw them once."""
    shuffled = feed + feed[:3]
    random.shuffle(shuffled)
    once, again = RevocationView(), RevocationView()
    once.apply(feed)
    for entry in shuffled:
        again.apply([entry])
    assert (once.serial, len(once)) == (again.serial, len(again))
    for serial in range(21):
        link = replace(_LINK, serial=serial)
        assert once.revoked(link, "reports", "a/b/c", "archive") == again.revoked(link, "reports", "a/b/c", "archive")


@given(_feeds)
def test_the_view_agrees_with_reading_the_whole_feed(feed: list[FeedEntry]) -> None:
    """The constant-time answer is the answer of a loop over every entry."""
    hits = {(e.kind, e.name, e.prefix) for e in _ENTRIES}
    expected = any(entry.serial > 10 and (entry.kind, entry.name, entry.prefix) in hits for entry in feed)
    assert expected == (_revoked(*feed) is not None)


def test_keys_are_ended_by_their_own_id_and_by_the_place_they_touch() -> None:
    """A key has no scope, so a prefix revocation ends its use below the prefix and nowhere else."""
    key = replace(_LINK, id="k_1", kind=GrantKind.KEY, scope=None, actions=frozenset(), rule=None)
    assert _revoked(FeedEntry(11, FeedKind.KEY, "k_1"), grant=key) is FeedKind.KEY
    assert _revoked(FeedEntry(11, FeedKind.LINK, "k_1"), grant=key) is None
    assert _revoked(FeedEntry(11, FeedKind.PREFIX, "reports", "a/"), grant=key) is FeedKind.PREFIX
    assert _revoked(FeedEntry(11, FeedKind.PREFIX, "reports", "z/"), grant=key) is None


@pytest.mark.parametrize(
    ("entry", "ended"),
    [
        (FeedEntry(21, FeedKind.KEY, "k_0"), FeedKind.KEY),
        (FeedEntry(15, FeedKind.KEY, "k_0"), FeedKind.KEY),
        (FeedEntry(21, FeedKind.OWNER, "app:catalog"), FeedKind.OWNER),
        (FeedEntry(15, FeedKind.OWNER, "app:catalog"), FeedKind.OWNER),
        (FeedEntry(21, FeedKind.KEY, "k_00"), FeedKind.KEY),
        (FeedEntry(21, FeedKind.OWNER, "app:root"), FeedKind.OWNER),
        (FeedEntry(9, FeedKind.OWNER, "app:catalog"), None),
        (FeedEntry(21, FeedKind.KEY, "k_2"), None),
        (FeedEntry(21, FeedKind.OWNER, "app:catalog2"), None),
        (FeedEntry(21, FeedKind.LINK, "k_0"), None),
    ],
)
def test_a_session_ends_with_every_key_that_it_was_issued_by(entry: FeedEntry, ended: FeedKind | None) -> None:
    """By a key's own end whenever that was, and by its owner's if the key was there by then: also when the session was
    being issued at that moment. What another key or owner ended, and a newer key's owner before it, end nothing."""
    source = ("key", "gw", "k_0", "app:catalog", "10", "lake", "etl", "key", "gw", "k_00", "app:root", "5", "", "")
    session = replace(_LINK, id="k_1", kind=GrantKind.KEY, scope=None, rule=None, serial=20, source=source)
    assert ended is _revoked(entry, grant=session)
    assert _revoked(entry, grant=replace(session, source=())) is None


def test_a_list_ends_sessions_by_the_keys_they_were_issued_by() -> None:
    """Another gateway's list has instants for positions: an id ends whenever, an owner what was issued before."""
    source = ("key", "gw", "k_0", "app:catalog", "10", "lake", "etl")
    session = replace(_LINK, kind=GrantKind.KEY, scope=None, serial=20, source=source, issued_at=1000.0)
    for entry, ended in (
        (FeedEntry(1_000_001, FeedKind.OWNER, "app:catalog"), FeedKind.OWNER),
        (FeedEntry(999_999, FeedKind.OWNER, "app:catalog"), None),
        (FeedEntry(1, FeedKind.KEY, "k_0"), FeedKind.KEY),
    ):
        view, listed = RevocationView(), RevocationView()
        listed.apply([entry])
        view.listed = listed
        assert ended is view.revoked(session, "reports", "a", "archive")
