"""The load and the store of the bench move what they say they move."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.connection import Connection
from tests.bench.load import at_rate, download, stalled, upload, wrk
from tests.bench.peers import relay
from tests.bench.requests import plain, plain_upload
from tests.bench.store import Stand, standing

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc, which compiles the store")


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with standing(tmp_path_factory.mktemp("store")) as (found, _):
        yield found


@pytest.mark.parametrize("size", [1, 4096, 5_000_000])
def test_an_object_is_as_large_as_its_key_says(stand: Stand, size: int) -> None:
    """A whole GET brings so many bytes, thrown away by the kernel or read."""
    message = plain("GET", f"{stand.objects}/{size}-a")
    assert size == download(message)
    with Connection(message.host, message.port) as connection:
        assert [size, size] == [connection.ask(message) for _ in range(2)]


def test_a_range_is_a_range(stand: Stand) -> None:
    """From and to, both included."""
    assert 100 == download(plain("GET", f"{stand.objects}/4096-a", headers=(("Range", "bytes=100-199"),)))


def test_an_upload_is_taken_whole(stand: Stand) -> None:
    """Large ones from the page cache, small ones with their head; the connection stays usable."""
    assert 3 << 20 == upload(plain_upload(f"{stand.objects}/x", 3 << 20))
    message = plain("PUT", f"{stand.objects}/x", os.urandom(4096))
    with Connection(message.host, message.port) as connection:
        assert [0, 0] == [connection.ask(message) for _ in range(2)]


def test_a_relay_passes_on_every_byte(stand: Stand, tmp_path: Path) -> None:
    """Both ways, for one request after the other; and a client that goes leaves nothing behind that others wait for."""
    with relay(tmp_path, stand) as subject:
        for _ in range(2):
            with Connection("127.0.0.1", subject.get("1-a").port) as connection:
                assert [4096, 4096] == [connection.ask(subject.get("4096-a")) for _ in range(2)]
                assert [0, 0] == [connection.ask(subject.put("x", os.urandom(4096))) for _ in range(2)]


def test_an_answer_that_is_no_success_ends_the_run() -> None:
    """A refusal is never counted as work done."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        message = plain("GET", f"http://127.0.0.1:{server.getsockname()[1]}/a")

        def refuse() -> None:
            with server.accept()[0] as client:
                client.recv(4096)
                client.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n")

        answering = threading.Thread(target=refuse)
        answering.start()
        with pytest.raises(RuntimeError, match="503"):
            download(message)
        answering.join()


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk")
def test_wrk_sends_the_messages_in_turn(stand: Stand) -> None:
    """Every kind of message gets its answer, and answers are counted."""
    messages = [plain("GET", f"{stand.objects}/4096-a"), plain("PUT", f"{stand.objects}/b", bytes(100))]
    assert wrk(messages, 4, 1).requests > 100


def test_turns_are_kept(stand: Stand) -> None:
    """Each target is asked as often as its rate says."""
    message = plain("GET", f"{stand.objects}/4096-a")
    assert [20, 20] == [len(latencies) for latencies in at_rate([message, message], 200, 0.1)]


def test_who_stalls_does_not_read(stand: Stand) -> None:
    """So many connections stand open while the block runs."""
    with stalled(plain("GET", f"{stand.objects}/{1 << 30}-a"), 3, settle=0.1):
        assert 1 == download(plain("GET", f"{stand.objects}/1-a"))
