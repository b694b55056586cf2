"""What of the written bytes is still on this side."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from gateway.server.sending import NOT_ACKNOWLEDGED, NOT_SENT, acknowledged, close_once, waiting
from tests.servers.certificate import certificate
from tests.waiting import until


async def test_what_nobody_takes_is_counted_wherever_it_waits() -> None:
    """In the kernel's queue and in the transport's buffer together, until the other side has read it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near, size = socket.socket(), 8 * 1024 * 1024
        near.connect(listener.getsockname())
        far, _ = listener.accept()
        far.setblocking(False)
        stream, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=near)
        assert (0, 0) == (waiting(stream, NOT_SENT), waiting(stream, NOT_ACKNOWLEDGED))
        stream.write(b"x" * size)
        assert 0 < waiting(stream, NOT_SENT) <= waiting(stream, NOT_ACKNOWLEDGED) <= size
        came = 0
        while came < size:
            came += len(await asyncio.get_running_loop().sock_recv(far, 1024 * 1024))
        await until(lambda: not waiting(stream, NOT_ACKNOWLEDGED))
        assert 0 == waiting(stream, NOT_SENT)
        assert acknowledged(stream) >= size
        far.close()
        stream.abort()


async def test_what_is_no_tcp_socket_has_its_transports_buffer() -> None:
    """The kernel tells nothing of it, which is no failure."""
    near, far = socket.socketpair()
    stream, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=near)
    stream.write(b"x" * 4 * 1024 * 1024)
    assert (stream.get_write_buffer_size(), 0) == (waiting(stream, 0x1), acknowledged(stream))
    far.close()
    stream.abort()


@pytest.mark.both_loops
async def test_what_is_closed_twice_can_be_aborted(tmp_path: Path) -> None:
    """Over TLS, too: a gateway that ends meets connections that were told to close already."""
    cert, key = certificate(tmp_path, "localhost")
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(cert))
    ours.load_cert_chain(cert, key)
    loop = asyncio.get_running_loop()
    taken, lost = loop.create_future(), loop.create_future()

    class Taking(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            taken.set_result(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            lost.set_result(None)

    server = await loop.create_server(Taking, "localhost", 0, ssl=ours)
    port = server.sockets[0].getsockname()[1]
    far, _ = await loop.create_connection(asyncio.Protocol, "localhost", port, ssl=theirs)
    near = await taken
    close_once(near)
    close_once(near)
    near.abort()
    await lost
    far.abort()
    server.close()
    await server.wait_closed()
