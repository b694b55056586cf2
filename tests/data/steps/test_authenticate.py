"""Step 3: from a credential to its grant, proved, and a cache that is never believed against the feed."""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64encode
from collections import Counter
from email.utils import formatdate
from typing import Any

import pytest

from gateway.core.attempt import Principal, SignatureVersion
from gateway.core.backend import Credentials
from gateway.core.reasons import DependencyDown
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind
from gateway.core.token import ENTROPY_BYTES, LinkToken, hash_secret
from gateway.wire.sig import sigv2, sigv4
from gateway.wire.sig.sigv4 import SigningKeys
from tests.data.harness import Rig, running


async def test_grants_down_is_503_but_not_for_what_is_known(rig: Rig) -> None:
    """A cached link goes on working, kept honest by the feed; an unknown one cannot be judged."""
    rig.store.hold("inside/a.txt", b"hello")
    known, unknown = await rig.link(), await rig.link()
    assert 200 == (await rig.fetch(known)).status

    class Down:
        async def find(self, secret_hash):
            raise DependencyDown("grants", "gone")

    rig.plane.grants._store = Down()
    assert (200, 503) == ((await rig.fetch(known)).status, (await rig.fetch(unknown)).status)
    assert "dependency_down" == (await rig.last()).reason


async def test_a_key_is_proved_by_its_signature(rig: Rig) -> None:
    """The right secret acts as the app; another one does not."""
    rig.store.hold("inside/a.txt", b"hello")
    credentials, grant = await rig.key()
    target, headers = rig.signed(credentials, "GET", "reports/a.txt")
    assert b"hello" == (await rig.ask("GET", target, headers)).body
    record = await rig.last()
    assert ("app:billing", grant.id) == (record.principal, record.grant_id)
    wrong = Credentials(credentials.access_key, "wrong")
    target, headers = rig.signed(wrong, "GET", "reports/a.txt")
    assert 403 == (await rig.ask("GET", target, headers)).status
    assert "bad_signature" == (await rig.last()).reason


def _asked(rig: Rig, credentials: Credentials, version: SignatureVersion) -> list[tuple[str, dict[str, str]]]:
    """Targets and headers of one GET, signed in each way that the version has."""
    path, now = "/reports/a.txt", rig.clock.now
    if version == "v4":
        given: dict[str, Any] = {"method": "GET", "host": "gw", "path": path, "region": "us-east-1"}
        query = sigv4.presign(credentials, SigningKeys(), **given, now=now, expires=60)
        return [rig.signed(credentials, "GET", "reports/a.txt"), (f"{path}?{query}", {})]
    when = formatdate(now, usegmt=True)
    digest = hmac.digest(credentials.secret_key.encode(), f"GET\n\n\n{when}\n{path}".encode(), "sha1")
    by_header = {"Date": when, "Authorization": f"AWS {credentials.access_key}:{b64encode(digest).decode()}"}
    return [
        (path, by_header),
        (f"{path}?{sigv2.presign(credentials, method='GET', path=path, now=now, expires=60)}", {}),
    ]


@pytest.mark.parametrize("on", ["v4", "v2"])
async def test_a_version_of_signatures_that_is_off_is_refused(on: SignatureVersion) -> None:
    """In the headers and in the query, whether anybody has the key or not; the version that is on passes."""
    async with running(signatures=frozenset({on})) as rig:
        rig.store.hold("inside/a.txt", b"hello")
        credentials, _ = await rig.key()
        for target, headers in _asked(rig, credentials, on):
            assert 200 == (await rig.ask("GET", target, headers)).status
        for held in (credentials, Credentials("GWKNONE", "x")):
            for target, headers in _asked(rig, held, "v2" if on == "v4" else "v4"):
                got = await rig.ask("GET", target, headers)
                assert (400, True) == (got.status, b"Please use AWS4-HMAC-SHA256" in got.body)
                assert "signature_version_refused" == (await rig.last()).reason


async def test_a_key_nobody_has_is_unknown(rig: Rig) -> None:
    """With S3's own code, so that SDKs explain it."""
    target, headers = rig.signed(Credentials("GWKNONE", "x"), "GET", "reports/a.txt")
    got = await rig.ask("GET", target, headers)
    assert 403 == got.status
    assert b"InvalidAccessKeyId" in got.body


async def test_a_revoked_key_ends_at_once(rig: Rig) -> None:
    """As a link does."""
    rig.store.hold("inside/a.txt", b"hello")
    credentials, grant = await rig.key()
    target, headers = rig.signed(credentials, "GET", "reports/a.txt")
    assert 200 == (await rig.ask("GET", target, headers)).status
    await rig.revoke(FeedKind.KEY, grant.id)
    assert 403 == (await rig.ask("GET", target, headers)).status
    assert "revoked" == (await rig.last()).reason


@pytest.mark.parametrize(
    ("held", "sent", "status"),
    [(None, None, 200), (None, "x", 400), ("x", "x", 200), ("x", "y", 400), ("x", None, 400)],
)
async def test_a_short_lived_key_comes_with_its_session_token(
    rig: Rig, held: str | None, sent: str | None, status: int
) -> None:
    """Both or neither."""
    rig.store.hold("inside/a.txt", b"hello")
    credentials, _ = await rig.key(session_hash=hash_secret(held) if held else None)
    credentials = Credentials(credentials.access_key, credentials.secret_key, sent)
    target, headers = rig.signed(credentials, "GET", "reports/a.txt")
    assert status == (await rig.ask("GET", target, headers)).status


async def test_a_token_and_a_key_are_not_each_other(rig: Rig) -> None:
    """A link's token signs nothing, whatever its hash finds."""
    token, _ = await rig.granted()
    target, headers = rig.signed(Credentials(token, "x"), "GET", "reports/a.txt")
    assert 403 == (await rig.ask("GET", target, headers)).status
    assert "unknown_key" == (await rig.last()).reason


def forged(number: int) -> str:
    """A token that nobody was given, with a right checksum."""
    return LinkToken.mint(number.to_bytes(2) + b"f" * (ENTROPY_BYTES - 2)).text


async def test_guessing_tokens_is_slowed_down_for_the_guesser(rig: Rig) -> None:
    """After 60 failures a wrong one of that address is told to wait; later it is an unknown one again."""
    statuses = [(await rig.fetch(forged(number))).status for number in range(62)]
    assert [404] * 61 + [429] == statuses
    rig.clock.tick(61)
    assert 404 == (await rig.fetch(forged(1))).status


async def test_a_right_secret_passes_behind_an_address_that_guesses(rig: Rig) -> None:
    """A NAT is many people: their links and keys work at once, known to the cache or not."""
    rig.store.hold("inside/a.txt", b"hello")
    known, unknown = await rig.link(), await rig.link()
    assert 200 == (await rig.fetch(known)).status
    key, _ = await rig.key()
    for number in range(70):
        await rig.fetch(forged(number))
        target, headers = rig.signed(Credentials(f"GWKNONE{number}", "x"), "GET", "reports/a.txt")
        refused = await rig.ask("GET", target, headers)
    assert (503, 429) == (refused.status, (await rig.fetch(forged(1))).status)
    assert [200, 200, 200] == [(await rig.fetch(token)).status for token in (known, unknown, unknown)]
    target, headers = rig.signed(key, "GET", "reports/a.txt")
    assert 200 == (await rig.ask("GET", target, headers)).status
    asked = {"Origin": "https://a", "Access-Control-Request-Method": "GET"}
    assert 429 != (await rig.ask("OPTIONS", f"/s/{await rig.link()}", asked)).status


async def test_who_guesses_asks_the_store_one_by_one(rig: Rig) -> None:
    """However many connections a flood has: a right one stands in the same line, those of other guessers do not."""
    rig.store.hold("inside/a.txt", b"hello")
    for number in range(62):
        await rig.fetch(forged(number))
    right, store, at_once = await rig.link(), rig.plane.grants._store, [0, 0]

    class Watched:
        async def find(self, secret_hash):
            at_once[0] += 1
            at_once[1] = max(at_once)
            for _ in range(100):  # long enough for all the others to come
                await asyncio.sleep(0)
            at_once[0] -= 1
            return await store.find(secret_hash)

    rig.plane.grants._store = Watched()
    flood = [rig.fetch(forged(1000 + number)) for number in range(40)]
    *wrong, got = await asyncio.gather(*flood, rig.fetch(right))
    assert ({429: 40}, 200, 1) == (Counter(one.status for one in wrong), got.status, at_once[1])
    rig.clock.tick(61)
    await rig.plane.follower.catch_up()
    await asyncio.gather(*[rig.fetch(forged(2000 + number)) for number in range(20)])
    assert 1 < at_once[1]  # nobody waits who has not guessed: the same flood, and what the count above can see


async def test_only_an_unknown_key_is_a_guess(rig: Rig) -> None:
    """Not a bad signature, not a clock that is wrong, not a missing session token: those are an app's own mishaps."""
    key, _ = await rig.key()
    session, _ = await rig.key(session_hash=hash_secret("held"))
    for _ in range(70):
        target, headers = rig.signed(Credentials(key.access_key, "wrong"), "GET", "reports/a.txt")
        assert 403 == (await rig.ask("GET", target, headers)).status
        target, headers = rig.signed(session, "GET", "reports/a.txt")
        assert 400 == (await rig.ask("GET", target, headers)).status
    target, headers = rig.signed(key, "GET", "reports/a.txt")
    rig.clock.tick(-3600)
    for _ in range(70):
        assert 403 == (await rig.ask("GET", target, headers)).status
    assert "clock_skewed" == (await rig.last()).reason
    target, headers = rig.signed(Credentials("GWKNONE", "x"), "GET", "reports/a.txt")
    assert b"InvalidAccessKeyId" in (await rig.ask("GET", target, headers)).body


async def test_another_owner_may_be_refused_by_policy(rig: Rig) -> None:
    """A link acts for its owner: who may nothing can share nothing."""
    rig.store.hold("inside/a.txt", b"hello")
    token = await rig.link(owner=Principal("admin", "nobody"), actions=[Action.READ])
    assert 410 == (await rig.fetch(token)).status
    assert "owner_not_allowed" == (await rig.last()).reason
