"""A gateway of two processes that follows a file of revocations, beside a state of its own."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gateway.core.units import format_instant
from tests.replicas.fleet import Fleet, fleet
from tests.replicas.probes import Clients, Download
from tests.servers.store import RunningStore

pytestmark = pytest.mark.e2e

MAX_AGE = 6
SIZE = 64 * 1024 * 1024
_PACED = 'limits: [{who: "link:*", bandwidth: 2MiB/s}]'


class Listing:
    """The file, as somebody ships it: a link into a directory that is swapped at once."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "revoked.json"
        self.entries: list[dict[str, str]] = []
        self._number = 0
        home.mkdir()
        self.write()
        self.path.symlink_to("..data/revoked.json")

    def write(self, text: str | None = None, as_of: float | None = None) -> None:
        body = {"revocations": self.entries, "as_of": format_instant(as_of or time.time())}
        self._number += 1
        version = self.home / f"..{self._number}"
        version.mkdir()
        (version / "revoked.json").write_text(json.dumps(body) if text is None else text)
        (self.home / "..new").symlink_to(version.name)
        (self.home / "..new").rename(self.home / "..data")

    def revoke(self, kind: str, name: str) -> None:
        self.entries.append({"kind": kind, "name": name, "at": format_instant(time.time())})
        self.write()

    async def keep(self) -> None:
        """Write it again and again, as its keeper does."""
        while True:
            self.write()
            await asyncio.sleep(1.0)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """The same where no event loop runs, as while a gateway starts: on a busy machine, that takes longer than the
        list may be old."""
        stopped = threading.Event()

        def write() -> None:
            self.write()
            while not stopped.wait(1.0):
                self.write()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            yield
        finally:
            stopped.set()
            writer.join()


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Listing:
    return Listing(tmp_path_factory.mktemp("list") / "mounted")


@pytest.fixture(scope="module")
def follower(rclone: RunningStore, listing: Listing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    state = f'{{grants: "sqlite:///own.db", revocations: {{file: "{listing.path}", max_age: {MAX_AGE}s}}}}'
    with ExitStack() as stack:
        with listing.kept():
            home = tmp_path_factory.mktemp("follower")
            running = stack.enter_context(fleet(home, rclone, [state], workers=2, policy=_PACED))
        running.put("small", b"small")
        running.put("large", bytes(SIZE))
        yield running


async def _refused_everywhere(clients: Clients, token: str, status: int, within: float) -> float:
    """How long until twenty answers in a row, of both processes, were this status."""
    began, row = time.monotonic(), 0
    first = began
    while row < 20:
        seen = await clients.get(0, token, f"probe {row}")
        row = row + 1 if seen.status == status else 0
        first = time.monotonic() if row <= 1 else first
        assert time.monotonic() - began < within, seen
    return first - began


async def test_what_the_file_says_holds_within_a_second(follower: Fleet, listing: Listing) -> None:
    """A link named in the file is refused by both processes, and what ran is cut; another link is served."""
    async with Clients(follower) as clients:
        keeping = asyncio.get_running_loop().create_task(listing.keep())
        link, other, running = await clients.link(0), await clients.link(0), await clients.link(0, "large")
        await _refused_everywhere(clients, link.token, 200, 5.0)
        async with Download(clients, 0, running.token) as download:
            began = time.monotonic()
            listing.revoke("link", running.id)
            await download.until_ended(2.0)
            assert download.broken
            assert (download.ended or 0) - began <= 1.5
        listing.revoke("link", link.id)
        assert await _refused_everywhere(clients, link.token, 410, 3.0) <= 1.5
        assert (await clients.get(0, other.token)).status == 200
        listing.entries.clear()
        listing.write()
        assert (await clients.get(0, link.token)).status == 410
        keeping.cancel()


@pytest.mark.slow
async def test_a_wrong_file_changes_nothing_until_the_list_is_too_old(follower: Fleet, listing: Listing) -> None:
    """It is told with its line; past max_age everything is refused and what runs is cut; a good file ends that."""
    gateway = follower.gateways[0]
    async with Clients(follower) as clients:
        listing.write()
        link, large = await clients.link(0), await clients.link(0, "large")
        await _refused_everywhere(clients, link.token, 200, 5.0)
        for fault in ("wrong", "gone"):
            listing.write()
            written = time.monotonic()
            await _refused_everywhere(clients, link.token, 200, 5.0)
            async with Download(clients, 0, large.token) as download:
                if fault == "wrong":
                    listing.write('{"revocations": [\n{"kind": "lnk"}]}')
                else:
                    listing.path.unlink()
                assert (await clients.get(0, link.token)).status == 200
                said = "json:2: revocations[0]: kind: must be one of link" if fault == "wrong" else "No such file"
                while said not in gateway.log():
                    assert time.monotonic() - written < 5
                    await asyncio.sleep(0.05)
                await download.until_ended(MAX_AGE + 3.0)
                assert download.broken
                assert MAX_AGE - 2 < (download.ended or 0) - written <= MAX_AGE + 1.5
            seen = await clients.get(0, link.token)
            assert (seen.status, seen.reason) == (503, "view_too_old")
            if fault == "gone":
                listing.path.symlink_to("..data/revoked.json")
            listing.write()
            await _refused_everywhere(clients, link.token, 200, 3.0)
    assert gateway.metric("gateway_streams_cut_total", reason="view_too_old") == 2
    assert 0 <= gateway.metric("gateway_revocation_list_age_seconds") < MAX_AGE


def test_a_gateway_does_not_start_without_its_list(rclone: RunningStore, tmp_path: Path) -> None:
    """The file is named in the sentence that it ends with."""
    state = f'{{grants: "memory://", revocations: {{file: "{tmp_path}/none.json", max_age: 1m}}}}'
    with pytest.raises(AssertionError, match=r"none\.json: No such file"), fleet(tmp_path / "fleet", rclone, [state]):
        pass
