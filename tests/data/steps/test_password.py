"""A password is proved by whoever knows it, while others behind the same address guess."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway.core.password import SALT_BYTES, hash_password, password_matches
from gateway.data.presented import password_proof
from tests.data.harness import Rig


@pytest.fixture
async def token(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> str:
    """A link with the password `open sesame`, cheap to compare, asked for through a proxy that tells the address."""
    monkeypatch.setattr("gateway.core.password._COST", 16)
    rig.store.hold("inside/a.txt", b"hello")
    rig.plane.snapshot = replace(rig.plane.snapshot, trusted_proxies=(ip_network("127.0.0.0/8"),))
    return await rig.link(password=hash_password("open sesame", b"s" * SALT_BYTES))


async def said(rig: Rig, token: str, password: str, agent: str = "one", address: str = "192.0.2.1") -> int:
    basic = b64encode(f":{password}".encode()).decode()
    told = {"Authorization": f"Basic {basic}", "User_Agent": agent, "X_Forwarded_For": address}
    return (await rig.fetch(token, **told)).status


async def test_many_passwords_at_once_are_as_many_guesses(rig: Rig, token: str) -> None:
    """None of them is tried before the others are counted; the right one is no guess, and forgives the others."""
    assert 200 == await said(rig, token, "open sesame")
    statuses = await asyncio.gather(*[said(rig, token, f"guess {number}") for number in range(30)])
    assert {401: 11, 429: 19} == Counter(statuses)
    rig.clock.tick(7)
    await rig.plane.follower.catch_up()
    assert 200 == await said(rig, token, "open sesame")
    assert 401 == await said(rig, token, "another")


async def test_a_guesser_keeps_out_nobody_else_behind_the_address(rig: Rig, token: str) -> None:
    """Another client of the same NAT, another address and another link wait for nothing; the guesser does."""
    other = await rig.link(password=hash_password("open sesame", b"s" * SALT_BYTES))
    await asyncio.gather(*[said(rig, token, "guess", "script") for _ in range(20)])
    assert 429 == await said(rig, token, "open sesame", "script")
    assert 200 == await said(rig, token, "open sesame", "browser")
    assert 200 == await said(rig, token, "open sesame", "script", "192.0.2.2")
    assert 200 == await said(rig, other, "open sesame", "script")


async def test_inventing_clients_is_no_way_round(rig: Rig, token: str) -> None:
    """An address has forty tries a minute at a link, whatever it calls itself; who is right takes none of them."""
    tried = await asyncio.gather(*[said(rig, token, "guess", f"agent {number}") for number in range(60)])
    assert {401: 41, 429: 19} == Counter(tried)
    assert 429 == await said(rig, token, "open sesame", "browser")
    assert 200 == await said(rig, token, "open sesame", "browser", "192.0.2.2")
    rig.clock.tick(61)
    await rig.plane.follower.catch_up()
    assert {200} == {await said(rig, token, "open sesame", f"browser {number}") for number in range(45)}


async def test_who_has_proved_it_passes_always(rig: Rig, token: str) -> None:
    """The cookie of an earlier answer is asked of first: no guesser's wait is theirs."""
    await asyncio.gather(*[said(rig, token, "guess", f"agent {number}") for number in range(60)])
    grant = next(iter(rig.state.grants._tables.grants.values()))
    proof = f"gateway_password={password_proof(grant)}"
    assert 200 == (await rig.fetch(token, Cookie=proof, X_Forwarded_For="192.0.2.1")).status
    assert 401 == (await rig.fetch(token, Cookie="gateway_password=other", X_Forwarded_For="192.0.2.1")).status


async def test_the_right_one_may_come_many_times_at_once(rig: Rig, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Download managers and tools that sync send it with each piece and each file; none of them is a guess."""

    def slow(password: str, stored: str) -> bool:
        time.sleep(0.1)
        return password_matches(password, stored)

    monkeypatch.setattr("gateway.data.state.password_threads.password_matches", slow)
    assert {200: 60} == Counter(await asyncio.gather(*[said(rig, token, "open sesame") for _ in range(60)]))
    assert {401: 11, 429: 9} == Counter(await asyncio.gather(*[said(rig, token, "guess") for _ in range(20)]))


async def test_what_was_proved_before_is_no_way_round(rig: Rig, token: str) -> None:
    """A guesser has to wait with the right one too, though it is known already: else it would be found by its 200."""
    assert 200 == await said(rig, token, "open sesame", "browser")
    await asyncio.gather(*[said(rig, token, "guess", "script") for _ in range(20)])
    assert 429 == await said(rig, token, "open sesame", "script")
    assert 200 == await said(rig, token, "open sesame", "browser")
