"""The sockets that the gateway answers on."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from gateway.core.reasons import SettingsError
from gateway.listeners import Listeners
from gateway.schema.addresses import ListenAddress
from gateway.server.connection import Connection
from gateway.server.exchange import ClientExchange
from gateway.server.request import IncomingRequest
from gateway.wire.replies import Reply
from tests.servers.process import free_ports


def listeners(*, shared: bool = False) -> Listeners:
    return Listeners(shared=shared, head_seconds=5.0, tls={}, certificate_ends=lambda _: None)


async def _nothing(*_: Any) -> None:
    raise AssertionError("nobody asks")


class Plane:
    """Answers everything; notes how it was ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def handle(self, connection: Connection, arrival: IncomingRequest) -> None:
        await ClientExchange(connection, arrival, "id", connection.peer).send(Reply(200, (), b"here"))

    def end_waits(self) -> None:
        self.ended.append("waits")

    async def finish(self) -> None:
        self.ended.append("acts")


async def test_the_control_listener_answers_to_the_last() -> None:
    """Data listeners stop accepting while whoever asks how it goes is still told."""
    control, data = free_ports(2)
    opened = listeners()
    plane: Any = Plane()
    await opened.open_control(ListenAddress("127.0.0.1", control), plane)
    await opened.open_data(ListenAddress("127.0.0.1", data), _nothing, None, tls=True)
    socket.create_connection(("127.0.0.1", data), 5).close()
    opened.part()
    opened.stop_data()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", data), 5)
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{control}/") as answer:
        assert "here" == await answer.text()
    assert not opened.busy
    await opened.close()
    assert ["waits", "acts"] == plane.ended
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", control), 5)


async def test_an_address_that_is_taken_is_a_fault_of_the_settings() -> None:
    """Told with the address, for either kind of listener."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = ListenAddress("127.0.0.1", taken.getsockname()[1])
        opened, unused = listeners(), cast("Any", Plane())
        with pytest.raises(SettingsError, match=f"^cannot listen on {listen}: address already in use$"):
            await opened.open_data(listen, _nothing, None, tls=False)
        with pytest.raises(SettingsError, match=f"cannot listen on {listen}"):
            await opened.open_control(listen, unused)
        await opened.close()


async def test_a_socket_file_is_taken_from_nobody(tmp_path: Path) -> None:
    """While one gateway answers there a second one does not start; a file that was left behind is in nobody's way."""
    listen = ListenAddress(path=str(tmp_path / "s"))
    async with AsyncExitStack() as stack:
        one, other, again = listeners(), listeners(), listeners()
        for opened in (one, other, again):
            stack.push_async_callback(opened.close)
        await one.open_data(listen, _nothing, None, tls=False)
        with pytest.raises(SettingsError, match=f"^cannot listen on {listen}: Address already in use$"):
            await other.open_data(listen, _nothing, None, tls=False)
        await one.close()
        with socket.socket(socket.AF_UNIX) as left, suppress(OSError):
            left.bind(listen.path)
        assert (tmp_path / "s").is_socket()
        await again.open_data(listen, _nothing, None, tls=False)


async def test_several_processes_share_addresses_and_no_socket_file(tmp_path: Path) -> None:
    """The kernel spreads connections over listeners of one address; a socket file is the last one's alone."""
    [port] = free_ports(1)
    one, other = listeners(shared=True), listeners(shared=True)
    for opened in (one, other):
        await opened.open_data(ListenAddress("127.0.0.1", port), _nothing, None, tls=False)
    with pytest.raises(SettingsError, match="cannot share a Unix socket"):
        await one.open_data(ListenAddress(path=str(tmp_path / "s")), _nothing, None, tls=False)
    alone = listeners()
    await alone.open_data(ListenAddress(path=str(tmp_path / "s")), _nothing, None, tls=False)
    assert (tmp_path / "s").is_socket()
    for opened in (one, other, alone):
        await opened.close()
