"""What a key came from, and whether that is still there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantKind
from gateway.core.source import (
    Source,
    Sources,
    fingerprint,
    from_entry,
    from_identity,
    from_key,
    from_sidecar,
    holders_of,
    session_of,
    source_behind,
)
from gateway.core.token import hash_secret

HERE = "https://gw.example"
TOKEN, NEXT = hash_secret("a token"), hash_secret("its successor")
WHO = ("https://issuer.example", "gateway", "billing-role", "system:serviceaccount:billing:worker")
NOW_KNOWN = Sources(
    HERE,
    {fingerprint(TOKEN): "billing"},
    {("edge", fingerprint(TOKEN)): frozenset({"billing", "etl"})},
    lambda *who: "billing" if who == WHO else None,
    lambda role, holder: "billing" if (role, str(holder)) == ("lake", "app:catalog") else None,
)


def key(source: Source, app: str = "billing") -> Grant:
    return Grant(id="k_1", kind=GrantKind.KEY, hash=TOKEN, owner=Principal("app", app), issued_at=0.0, source=source)


@pytest.mark.parametrize(
    "source",
    [
        from_entry(HERE, TOKEN),
        from_sidecar(HERE, "edge", TOKEN),
        from_sidecar(HERE, "edge", TOKEN, from_entry("https://edge.example", NEXT)),
        from_identity(HERE, *WHO),
        (),
        from_entry("https://elsewhere.example", NEXT),
        ("a kind of later days", HERE),
    ],
)
def test_what_is_still_there_keeps_its_keys(source: Source) -> None:
    """And so does what another gateway issued, or one that knew no sources yet: that is not ours to say."""
    assert not NOW_KNOWN.outlived(key(source))


@pytest.mark.parametrize(
    ("source", "app"),
    [
        (from_entry(HERE, NEXT), "billing"),
        (from_entry(HERE, TOKEN), "etl"),
        (from_sidecar(HERE, "edge", NEXT), "billing"),
        (from_sidecar(HERE, "gone", TOKEN), "billing"),
        (from_sidecar(HERE, "gone", TOKEN, from_entry(HERE, TOKEN)), "billing"),
        (from_sidecar(HERE, "edge", TOKEN), "payroll"),
        (from_identity(HERE, *WHO), "etl"),
        (from_identity(HERE, WHO[0], WHO[1], WHO[2], "system:serviceaccount:other:worker"), "billing"),
    ],
    ids=[
        "token",
        "app",
        "sidecar's token",
        "sidecar",
        "only behind",
        "sidecar's apps",
        "role's app",
        "subject",
    ],
)
def test_what_is_gone_or_narrowed_ends_its_keys(source: Source, app: str) -> None:
    """A removed entry, a replaced token, an app that is named no more, a role that is another's."""
    assert NOW_KNOWN.outlived(key(source, app))


def test_what_is_behind_a_sidecar_is_for_that_sidecar_to_judge() -> None:
    """Whole, as it was given; of what another sidecar or nobody's sidecar is, nothing."""
    entry = from_entry("https://edge.example", NEXT)
    behind = from_sidecar(HERE, "edge", TOKEN, entry)
    found = [source_behind(*asked) for asked in ((behind, "edge"), (behind, "other"), (entry, "edge"), ((), "edge"))]
    assert [entry, (), (), ()] == found
    assert replace(NOW_KNOWN, address="https://edge.example").gone(entry, "billing")


def test_a_source_holds_no_token() -> None:
    """A fingerprint is half of a hash of a hash, the same every time."""
    assert (16, fingerprint(TOKEN)) == (len(fingerprint(TOKEN)), from_entry(HERE, TOKEN)[-1])
    assert TOKEN.hex()[:16] not in from_sidecar(HERE, "edge", TOKEN)


def test_a_session_ends_with_its_role_and_with_what_its_key_came_from() -> None:
    """A role that is gone, or is its holder's no longer, ends sessions; so does the end of the issuing key's source."""
    holder = Grant(id="k_0", kind=GrantKind.KEY, hash=TOKEN, owner=Principal("app", "catalog"), issued_at=0.0, serial=7)
    assert not NOW_KNOWN.outlived(key(from_key(HERE, holder, "lake", "etl")))
    assert NOW_KNOWN.outlived(key(from_key(HERE, holder, "gone", "etl")))
    assert NOW_KNOWN.outlived(key(from_key(HERE, holder, "lake", "etl"), app="other"))
    assert not NOW_KNOWN.outlived(key(from_key("https://another.example", holder, "gone", "etl")))
    mine = Grant(id="k_1", kind=GrantKind.KEY, hash=TOKEN, owner=Principal("app", "billing"), issued_at=0.0,
                 source=from_entry(HERE, TOKEN))  # fmt: skip
    old = Grant(id="k_1", kind=GrantKind.KEY, hash=TOKEN, owner=Principal("app", "billing"), issued_at=0.0,
                source=from_entry(HERE, NEXT))  # fmt: skip
    assert [False, True] == [NOW_KNOWN.outlived(key(from_key(HERE, one, "", ""))) for one in (mine, old)]


def test_as_what_a_session_was_asked_for() -> None:
    """The role and the name; nothing for other keys."""
    holder = Grant(id="k_0", kind=GrantKind.KEY, hash=TOKEN, owner=Principal("app", "catalog"), issued_at=0.0)
    assert ("lake", "etl") == session_of(from_key(HERE, holder, "lake", "etl"))
    assert ("billing-role", "pod") == session_of(from_identity(HERE, *WHO, "pod"))
    assert ("billing-role", "") == session_of(from_identity(HERE, *WHO))
    assert session_of(from_entry(HERE, TOKEN)) is None
    assert session_of(()) is None


def test_all_who_held_the_keys_before_it_are_known() -> None:
    """However many sessions stand one behind the other, the nearest first; of any other source nobody is."""
    first = key(from_entry(HERE, TOKEN), "billing")
    second = key(from_key(HERE, first, "lake", "nightly"), "etl")
    third = from_key(HERE, second, "", "hourly")
    assert ["app:etl", "app:billing"] == holders_of(third)
    assert [] == holders_of(from_entry(HERE, TOKEN)) == holders_of(())
