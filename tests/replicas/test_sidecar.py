"""A sidecar without a store of its own, that follows a central gateway over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.replicas.fleet import Fleet, fleet
from tests.replicas.probes import Clients, Watch
from tests.servers.gateway import RunningGateway
from tests.servers.store import RunningStore

pytestmark = pytest.mark.e2e

TOKEN = "a-sidecars-token-of-many-letters"


@pytest.fixture(scope="module")
def pair(rclone: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Gateway 0 is the central one, gateways 1 and 2 are sidecars of it."""
    directory = tmp_path_factory.mktemp("sidecars")
    sidecars = 'sidecars: [{name: first, secret: "env:SIDECAR_TOKEN"}]'
    with fleet(
        directory, rclone, ['"sqlite:///central.db"'], control=sidecars, environ={"SIDECAR_TOKEN": TOKEN}
    ) as central:
        state = f'{{grants: "central+{central.gateways[0].control}", token: "env:SIDECAR_TOKEN"}}'
        with fleet(
            directory / "sidecars",
            rclone,
            [state, state],
            environ={"SIDECAR_TOKEN": TOKEN},
            bucket=central.real_bucket,
        ) as followers:
            central.put("small", b"small")
            yield Fleet([*central.gateways, *followers.gateways], rclone, central.real_bucket)


async def test_links_and_revocations_of_the_central_gateway_hold(pair: Fleet) -> None:
    """A new link works at once, an edit and a revocation hold within a second."""
    async with Clients(pair) as clients:
        for _ in range(5):
            link = await clients.link(0)
            assert [(await clients.get(replica, link.token)).status for replica in (1, 2)] == [200, 200]
            began = time.monotonic()
            assert await clients.revoke(0, link)
            refused = await asyncio.gather(*(clients.until_refused(replica, link) for replica in (1, 2)))
            assert max(refused) - began < 1
        edited = await clients.link(0)
        assert (await clients.get(1, edited.token)).status == 200
        assert (await clients.control(0, "PATCH", f"/v1/links/{edited.id}", {"cidrs": ["192.0.2.0/24"]}))[0] == 200
        deadline = time.monotonic() + 1
        while (await clients.get(1, edited.token)).status == 200:
            assert time.monotonic() < deadline


async def test_uses_are_counted_at_the_central_gateway(pair: Fleet) -> None:
    """Sixty clients at once on three gateways, one use: exactly one success."""
    async with Clients(pair) as clients:
        for number in range(3):
            link = await clients.link(0, uses=1)
            seen = await asyncio.gather(
                *(clients.get(one % 3, link.token, f"client {number}.{one}") for one in range(60))
            )
            assert sorted(each.status for each in seen) == [200] + [410] * 59


async def test_a_sidecar_changes_nothing(pair: Fleet) -> None:
    """Its own control API says where to ask; the sidecar's token opens nothing else at the central one."""
    async with Clients(pair) as clients:
        status, answer = await clients.control(1, "POST", "/v1/links", {"bucket": "lab", "key": "small"})
        assert (status, answer["reason"]) == (501, "unsupported_operation")
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for path, expected in (("/v1/links", 401), ("/v1/audit", 401), ("/v1/revocations", 200)):
            async with clients.session.get(pair.gateways[0].control + path, headers=headers) as reply:
                assert reply.status == expected


async def test_cut_off_from_the_central_gateway_nothing_is_honoured_for_long(pair: Fleet) -> None:
    """A central gateway that hangs: five seconds, then 503 with the reason; it comes back by itself."""
    central: RunningGateway = pair.gateways[0]
    async with Clients(pair) as clients:
        link = await clients.link(0)
        assert (await clients.get(1, link.token)).status == 200
        async with Watch(clients, 1, link) as watch:
            stopped = time.monotonic()
            os.kill(central.pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(6.5)
            finally:
                os.kill(central.pid, signal.SIGCONT)
            healed = time.monotonic()
            while watch.first(200, after=healed) is None:
                assert time.monotonic() - healed < 5
                await asyncio.sleep(0.05)
        last = watch.last(200, before=healed)
        assert last is not None
        assert last - stopped <= 5
        reasons = {seen.reason for seen in watch.seen if seen.status == 503}
        assert reasons == {"view_too_old"}


def test_a_wrong_token_is_told_at_the_start(pair: Fleet, rclone: RunningStore, tmp_path: Path) -> None:
    """Exit code 5 and a sentence, never a gateway that refuses everything."""
    state = f'{{grants: "central+{pair.gateways[0].control}", token: "env:SIDECAR_TOKEN"}}'
    wrong = fleet(tmp_path, rclone, [state], environ={"SIDECAR_TOKEN": "another-token-of-many-letters"})
    with pytest.raises(AssertionError, match="answers 401"), wrong:
        pass
