"""A state that loses everything while gateways run: a Valkey that is emptied under two gateways of two workers each."""

from __future__ import annotations

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import redis

from tests.contract.servers import valkey_server
from tests.replicas.fleet import Fleet, fleet, refused_by
from tests.servers.gateway import Link
from tests.servers.store import RunningStore
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

WORKERS = 2
"""Of each gateway: what one of them has read, its neighbour looks for."""


def _status(address: str) -> int:
    try:
        with urlopen(address, timeout=10) as answer:
            return int(answer.status)
    except HTTPError as refusal:
        with refusal:
            return refusal.code


def _refused(fleet: Fleet, link: Link) -> list[bool]:
    """By each gateway, on a new connection that any of its workers may take."""
    return [refused_by(_status(fleet.url(replica, link.token))) for replica in range(len(fleet.gateways))]


def test_gateways_go_on_with_a_state_that_was_emptied(rclone: RunningStore, tmp_path: Path) -> None:
    """By themselves: what it knew is unknown, what is made anew works, and is revoked on both at once. What they had
    read of it were more changes than it has now, so that whoever went on from there would hear of none."""
    with valkey_server(tmp_path / "valkey") as url:
        state = f'{{grants: "{url}", accept_redis_durability: true}}'
        with fleet(tmp_path / "fleet", rclone, [state, state], workers=WORKERS) as running:
            running.put("small", b"small")
            first, second = running.gateways
            known = [first.link("lab", "small") for _ in range(20)]
            assert [False, False] == _refused(running, known[0])
            with redis.Redis.from_url(url) as valkey:
                valkey.flushall()
            for gateway in running.gateways:
                wait_until(lambda gateway=gateway: WORKERS == gateway.log().count("the state has gone back"))
            assert [True, True] == _refused(running, known[0])
            anew = second.link("lab", "small")
            assert [False, False] == _refused(running, anew)
            first.revoke(anew)
            assert refused_by(_status(running.url(0, anew.token)))
            wait_until(lambda: all(_refused(running, anew)), within=1.0)
