"""Rolling restarts under load: `python -m tests.ops.rolling 100` restarts a gateway so often, and counts what failed.

Two gateways on one state stand behind HAProxy, which asks `/readyz` every 200 ms and tries a request again only when it
could not connect at all. Clients download a small object, download a larger one slowly, and upload, without a pause,
and check each body. One gateway after the other gets SIGTERM, ends, and is started again.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tests.ops.fleet import Fleet, fleet_before
from tests.servers import over_tls
from tests.servers.rclone import rclone_store

__all__ = ["Tally", "roll"]

_SMALL: Final = b"0123456789abcdef" * 256
_LARGE: Final = bytes(range(256)) * 16 * 1024
_SLOWLY: Final = 256 * 1024
_PACE: Final = 0.05
"""A large download takes about 0.8 s, less than the drain."""

_BREATH: Final = 0.005
"""Between two requests of a client, so that the load fits two cores with the clients on them."""


@dataclass(slots=True)
class Tally:
    """What the clients saw."""

    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    restarts: int = 0
    slowest_end: float = 0.0


def roll(fleet: Fleet, restarts: int, *, clients: int = 4) -> Tally:
    """Restart the gateways in turn while clients work; what failed is in the tally, one sentence each."""
    tally, over = Tally(), threading.Event()
    gateway = fleet.gateway(0)
    upload = gateway.link("files", prefix="up/", actions=["write"], overwrite=True)
    _put(f"{upload.url}/small.bin", _SMALL)
    _put(f"{upload.url}/large.bin", _LARGE)
    small = gateway.link("files", key="up/small.bin").url
    large = gateway.link("files", key="up/large.bin").url

    def uploads(_: ExitStack) -> Callable[[], None]:
        own = f"{upload.url}/{threading.get_ident()}.bin"
        return lambda: _put(own, _SMALL)

    work: dict[str, Callable[[ExitStack], Callable[[], None]]] = {
        "small downloads": lambda _: lambda: _get(small, _SMALL),
        "small downloads on kept connections": lambda stack: _kept(stack, small, _SMALL),
        "large downloads": lambda _: lambda: _get(large, _LARGE, _PACE),
        "uploads": uploads,
    }
    threads = [
        threading.Thread(target=_repeat, args=(name, make, tally, over))
        for name, make in work.items()
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        for number in range(restarts):
            seat = number % 2
            tally.slowest_end = max(tally.slowest_end, fleet.stop(seat))
            fleet.start(seat)
            fleet.seen_by_proxy(seat, up=True)
            tally.restarts += 1
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
    return tally


def _repeat(name: str, make: Callable[[ExitStack], Callable[[], None]], tally: Tally, over: threading.Event) -> None:
    with ExitStack() as stack:
        attempt = make(stack)
        while not over.wait(_BREATH):
            try:
                attempt()
            except Exception as failure:  # noqa: BLE001 (every kind of failure counts)
                tally.failures.append(f"{name} after {tally.restarts} restarts: {type(failure).__name__} {failure}")
            else:
                tally.done[name] += 1


def _get(url: str, expected: bytes, pace: float = 0.0) -> None:
    place = urlsplit(url)
    with closing(over_tls.dial(place.geturl(), timeout=30)) as connection:
        connection.request("GET", place.path)
        answer = connection.getresponse()
        found = hashlib.sha256()
        while chunk := answer.read(_SLOWLY if pace else None):
            found.update(chunk)
            time.sleep(pace)
        assert (200, hashlib.sha256(expected).digest()) == (answer.status, found.digest()), answer.status


def _kept(stack: ExitStack, url: str, expected: bytes) -> Callable[[], None]:
    """Downloads on one connection, opened anew only when the server said that it is over."""
    place = urlsplit(url)
    connection = over_tls.dial(place.geturl(), timeout=30)
    stack.callback(connection.close)

    def get() -> None:
        try:
            connection.request("GET", place.path)
            answer = connection.getresponse()
            body = answer.read()
        except BaseException:
            connection.close()
            raise
        assert (200, expected) == (answer.status, body), answer.status

    return get


def _put(url: str, body: bytes) -> None:
    place = urlsplit(url)
    with closing(over_tls.dial(place.geturl(), timeout=30)) as connection:
        connection.request("PUT", place.path, body)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status in {200, 201, 204}, (answer.status, text[:200])


def _main(restarts: int) -> int:
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        directory.joinpath("store").mkdir()
        with rclone_store(directory / "store") as store, fleet_before(store, directory / "fleet") as fleet:
            started = time.monotonic()
            tally = roll(fleet, restarts)
            seconds = time.monotonic() - started
    print(f"{tally.restarts} restarts in {seconds:.0f} s, the slowest end {tally.slowest_end:.1f} s")
    for name, count in tally.done.items():
        print(f"{count:8} {name}")
    print(f"{len(tally.failures):8} failed")
    for failure in tally.failures[:20]:
        print("        ", failure)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
