"""The law of `SealBook`, and of grants under a sealing key, for every engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.grant import Grant, GrantFilter
from gateway.core.holder_pass import open_pass, seal_pass
from gateway.core.holders import Holder, Holders, make_key
from gateway.core.password import SALT_BYTES, hash_password, password_matches
from gateway.core.reasons import DependencyDown, SettingsError
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.sealing import UNSEALED, number_of
from gateway.stores.keyring import KeyRing
from gateway.stores.seal import Sealer
from gateway.stores.sealed import check_seals, count_seals
from tests.contract.sample import FIRST, NOW, SECOND, key, link, sealed

ANN = "ann@acme.example"
KEY_ID = "GWK" + "A" * 34
_names = itertools.count(1)


def a_key() -> Grant:
    return key(sealed=Sealer().seal(KEY_ID, "the secret", bytes(12)))


def a_link() -> Grant:
    return link(password=hash_password("open", bytes(SALT_BYTES)))


def for_ann() -> Grant:
    return link(holders=Holders((ANN,), key=make_key(bytes(range(32)))))


def secrets_of(grant: Grant | None) -> tuple[object, ...]:
    """All that is secret in a grant, with what no comparison of grants sees."""
    assert grant is not None
    return grant.sealed, grant.password, None if grant.holders is None else grant.holders.key


async def test_the_first_mark_of_a_number_stands(engine: Any, rival: Any) -> None:
    """Whoever comes later learns of it, in this gateway and in another; a forgotten number is free again."""
    assert "aa" == await engine.seals.note_seal(1, "aa")
    assert "aa" == await rival.seals.note_seal(1, "bb")
    assert {1: "aa"} == await rival.seals.seals()
    await engine.seals.forget_seal(1)
    assert {} == await rival.seals.seals()
    assert "bb" == await rival.seals.note_seal(1, "bb")


@pytest.mark.parametrize("made", [a_key, a_link, for_ann, link], ids=lambda made: made.__name__)
async def test_a_grant_looks_above_as_if_there_were_no_key(engine: Any, made: Callable[[], Grant]) -> None:
    """By secret, by id, in a list, as made and as saved, all as it was handed in."""
    grants, wanted = sealed(engine, FIRST), made()
    stored = await grants.create(wanted)
    assert stored == replace(wanted, serial=stored.serial)
    assert stored == await grants.find(wanted.hash)
    assert {secrets_of(wanted)} == {secrets_of(one) for one in (stored, await grants.find(wanted.hash))}
    assert stored == await grants.get(wanted.id)
    assert [stored] == list((await grants.page(GrantFilter(now=NOW), None, 10)).grants)
    saved = await grants.save(replace(stored, label="another"))
    assert saved == replace(stored, label="another", version=2)


async def test_below_no_secret_is_without_the_sealing_key(engine: Any) -> None:
    """The store alone neither opens a key's secret, though its access key id is known, nor lets a password be tried.

    The same without a sealing key shows that the attack is one.
    """
    for grants, safe in ((sealed(engine, FIRST), True), (engine.grants, False)):
        made_key, made_link = await grants.create(a_key()), await grants.create(a_link())
        stolen_key, stolen_link = await engine.grants.get(made_key.id), await engine.grants.get(made_link.id)
        assert (not safe) == password_matches("open", stolen_link.password)
        try:
            opened = Sealer().open(KEY_ID, stolen_key.sealed)
        except DependencyDown:
            opened = ""
        assert ("" if safe else "the secret") == opened
        asked = await grants.create(for_ann())
        stolen = await engine.grants.get(asked.id)
        assert (not safe) == (open_pass(asked, seal_pass(stolen, Holder(ANN, until=int(NOW + 9))), NOW) is not None)


async def test_an_edit_after_a_rotation_moves_the_grant_to_the_new_key(engine: Any) -> None:
    """And a password that is taken away leaves nothing behind."""
    stored = await sealed(engine, FIRST).create(a_link())
    grants = sealed(engine, SECOND, FIRST)
    saved = await grants.save(replace(stored, label="x"))
    assert saved is not None
    assert {2: 1} == await count_seals(engine.grants)
    await grants.save(replace(saved, password=None))
    assert {} == await count_seals(engine.grants)


async def test_a_reseal_brings_all_under_the_first_key_and_can_be_broken_off(engine: Any) -> None:
    """Rows of before sealing keys, of an older key, revoked ones too; batch by batch, and again without effect."""
    made = [await engine.grants.create(a_key()), await engine.grants.create(a_link())]
    made += [await sealed(engine, FIRST).create(one()) for one in (for_ann, a_key, a_link, link)]
    await engine.feed.revoke([RevocationTarget(FeedKind.KEY, made[0].id)], NOW, "", "admin:ops")
    grants = sealed(engine, SECOND, FIRST)
    assert {UNSEALED: 2, 1: 3} == await count_seals(engine.grants)
    first = await grants.reseal(None, 2)
    assert (2, 1, 0) == (first.examined, first.resealed, first.unreadable)  # the newest: a plain link, and a link
    again = await grants.reseal(None, 2)
    assert (2, 0, 0) == (again.examined, again.resealed, again.unreadable)
    rest = await grants.reseal(first.cursor, 10)
    assert (4, 4, None) == (rest.examined, rest.resealed, rest.cursor)
    assert {2: 5} == await count_seals(engine.grants)
    after = sealed(engine, SECOND)
    for one in made:
        assert secrets_of(one) == secrets_of(await after.find(one.hash))
    assert (await after.get(made[0].id)).revoked_at == NOW  # type: ignore[union-attr]


async def test_what_does_not_open_is_listed_and_revoked_and_never_used(engine: Any) -> None:
    """A lost key locks its grants; it does not keep anybody from ending them, nor from the others."""
    lost = await sealed(engine, FIRST).create(a_link())
    grants = sealed(engine, SECOND)
    well = await grants.create(a_link())
    with pytest.raises(DependencyDown, match="key 1, which state"):
        await grants.find(lost.hash)
    assert [well.id, lost.id] == [one.id for one in (await grants.page(GrantFilter(now=NOW), None, 10)).grants]
    shown = await grants.get(lost.id)
    assert shown is not None
    assert await grants.save(replace(shown, label="lost")) is not None
    done = await grants.reseal(None, 10)
    assert (0, 1) == (done.resealed, done.unreadable)
    assert lost.password == (await sealed(engine, FIRST).find(lost.hash)).password  # type: ignore[union-attr]
    assert 1 == await grants.count(RevocationTarget(FeedKind.LINK, lost.id))


async def test_a_start_needs_every_key_that_is_in_use(engine: Any) -> None:
    """A missing one, one of another value and none at all are refused; a key that nothing is under may go."""
    await check_seals(engine.grants, engine.seals, KeyRing([FIRST]))
    stored = await sealed(engine, FIRST).create(a_key())
    for ring in (None, KeyRing([SECOND])):
        with pytest.raises(SettingsError, match=r"sealed under key 1 \(1 of the stored grants\)"):
            await check_seals(engine.grants, engine.seals, ring)
    with pytest.raises(SettingsError, match="key 1 is not the one"):
        await check_seals(engine.grants, engine.seals, KeyRing([(1, SECOND[1])]))
    await check_seals(engine.grants, engine.seals, KeyRing([SECOND, FIRST]))
    await sealed(engine, SECOND, FIRST).reseal(None, 10)
    await check_seals(engine.grants, engine.seals, KeyRing([SECOND]))
    assert {2} == set(await engine.seals.seals()) - {UNSEALED}
    assert number_of((await engine.grants.get(stored.id)).sealed) == 2


async def test_a_gateway_without_keys_leaves_its_trace(engine: Any) -> None:
    """So that one with keys knows that there may be rows to reseal."""
    await check_seals(engine.grants, engine.seals, None)
    assert {UNSEALED: ""} == await engine.seals.seals()
