"""Owns asking for the addresses of one name.

Refuses to own which of them are dialled, and in what order (`pool`).

Law: a name that is looked up slowly, or never, keeps nobody waiting but those who want it. Event loops look names up in
a few threads that all share (uvloop: two), where a few questions about one such name would stop all others. So a name
has a thread of its own while it is asked for, one at a time, and whoever wants it meanwhile shares the answer.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from threading import Thread

from gateway.core.attempt import is_address

_Found = list[str] | OSError


class Lookup:
    """The addresses of a host. Not for several event loops."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._numeric = is_address(host)
        self._running: asyncio.Future[_Found] | None = None

    async def addresses(self) -> list[str]:
        """Each once, in the resolver's order. Raises OSError: there are none, or nobody can be asked."""
        if self._numeric:
            return [self._host]
        if self._running is None:
            self._running = self._begin()
        found = await asyncio.shield(self._running)
        if isinstance(found, OSError):
            raise found
        return found

    def _begin(self) -> asyncio.Future[_Found]:
        loop = asyncio.get_running_loop()
        running: asyncio.Future[_Found] = loop.create_future()

        def end(found: _Found) -> None:
            self._running = None
            running.set_result(found)

        def look() -> None:
            found = _look(self._host, self._port)
            with suppress(RuntimeError):  # the loop has ended meanwhile, and with it who asked
                loop.call_soon_threadsafe(end, found)

        try:
            Thread(target=look, name="lookup", daemon=True).start()
        except RuntimeError as error:
            raise OSError(str(error)) from None
        return running


def _look(host: str, port: int) -> _Found:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except OSError as error:
        return error
    except ValueError:  # UnicodeError: a label is empty, or too long
        return OSError("the name cannot be asked for")
    return list(dict.fromkeys(str(info[4][0]) for info in found))
