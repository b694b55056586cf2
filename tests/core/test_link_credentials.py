"""What the credentials of a link are: how long they last, and for what they stand."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from gateway.core.grant import Grant
from gateway.core.issued import LONGEST_SESSION
from gateway.core.lease import LEASE_WINDOW
from gateway.core.link_credentials import end_of, lease_of, link_of, source_of, standing
from gateway.core.reasons import Reason, Refused
from gateway.core.revocation import FeedEntry, RevocationView
from gateway.core.revocation_target import FeedKind
from gateway.core.rule import LinkLimits
from gateway.core.token import hash_secret
from tests.contract.sample import NOW, full_link, key, link

LINK = link(serial=3)
KEY = key(link=LINK.hash, owner=LINK.owner, serial=5, expires_at=NOW + 60, source=source_of("http://gw", LINK, "w:R1"))


_HELD = (
    *("scope", "actions", "not_before", "expires_at", "uses", "budget", "max_size", "overwrite", "once", "credentials"),
    *("intake", "rate", "cidrs", "password", "etag", "rule", "suspended_at", "waiting", "approvals", "revoked_at"),
    *("owner", "groups", "hash", "holders"),
)
"""What of a link holds for its credentials as for itself: `tests/data/links/test_credentials*.py` ask for each."""

_OF_PEOPLE = ("confirm", "label", "filename", "content_type", "shows", "suspended_by", "revoked_reason", "issued_by")
"""What is for those who open it in a browser, or for its owner."""

_WHEN_GIVEN = ("terms",)
"""What is asked of who has them made."""

_OF_KEYS = ("narrowed", "sealed", "session_hash", "session_policy", "link", "source", "holder", "own_end")
_OF_STORES = ("id", "kind", "issued_at", "serial", "version")


def test_every_field_of_a_link_was_thought_of() -> None:
    """Whoever adds one says here what it is for who comes with credentials of the link."""
    assert {*_HELD, *_OF_PEOPLE, *_WHEN_GIVEN, *_OF_KEYS, *_OF_STORES} == {each.name for each in fields(Grant)}


def test_they_end_with_the_link_at_the_latest() -> None:
    """Where uses are counted they last as long as a use, else as long as sessions do."""
    assert NOW + LONGEST_SESSION == end_of(LINK, NOW)
    assert NOW + LEASE_WINDOW == end_of(replace(LINK, uses=1), NOW)
    assert NOW + 5 == end_of(replace(LINK, expires_at=NOW + 5), NOW)
    assert NOW + 4 == end_of(replace(LINK, expires_at=NOW + 5), NOW, NOW + 4)


def test_their_source_says_which_link_and_which_use() -> None:
    """Credentials of a link are known by it, and share the use they were given for."""
    assert (LINK.id, "w:R1") == (link_of(KEY), lease_of(KEY))


def test_they_are_the_link_and_end_by_themselves() -> None:
    """Every field is the link's, but for the end, which is the earlier one, and the key by which it came."""
    whole = replace(full_link(), hash=LINK.hash, password=None)
    found = standing(KEY, whole)
    assert replace(whole, expires_at=NOW + 60, own_end=whole.expires_at, source=found.source) == found
    assert [(KEY.id, str(KEY.owner), 5)] == list(found.issuers())
    assert NOW + 1 == standing(KEY, replace(LINK, expires_at=NOW + 1)).expires_at
    assert NOW == standing(replace(KEY, revoked_at=NOW), LINK).revoked_at


@pytest.mark.parametrize("ends", [None, NOW + 1002.0, NOW + 1001.0, NOW + 1.0])
def test_how_long_rules_let_a_link_last_is_asked_of_the_link(ends: float | None) -> None:
    """By its credentials, which end before it does, a link is let be no more than by its address."""
    longest = LinkLimits(actions=LINK.actions, max_expires=1000.0)
    made = replace(LINK, issued_at=NOW, expires_at=ends)
    assert [*longest.faults(made)] == [*longest.faults(standing(KEY, made))]


@pytest.mark.parametrize("kind", [FeedKind.KEY, FeedKind.LINK, FeedKind.OWNER])
def test_the_end_of_key_link_or_owner_is_theirs(kind: FeedKind) -> None:
    """And that of another is not."""
    names = {FeedKind.KEY: KEY.id, FeedKind.LINK: LINK.id, FeedKind.OWNER: str(LINK.owner)}
    found = standing(KEY, LINK)
    for name, ends in ((names[kind], True), ("app:other", False)):
        view = RevocationView()
        view.apply([FeedEntry(9, kind, name)])
        assert ends == (view.revoked(found, "reports", "billing/a", "lab") is not None)


@pytest.mark.parametrize("fields", [{"hash": hash_secret("rotated")}, {"password": "another"}])
def test_another_token_or_password_ends_them(fields: dict[str, object]) -> None:
    """The password that was proved, or none any more, does not."""
    with pytest.raises(Refused) as refused:
        standing(KEY, replace(LINK, **fields))
    assert refused.value.reason in {Reason.REVOKED, Reason.PASSWORD_REQUIRED}
    proved = replace(KEY, password="known")
    for password in ("known", None):
        assert password == standing(proved, replace(LINK, password=password)).password


def test_a_link_that_is_gone_ends_them() -> None:
    """Forgotten, or rotated since: neither stands for them."""
    for found in (None, replace(KEY, hash=LINK.hash)):
        with pytest.raises(Refused):
            standing(KEY, found)
