"""Owns what the processes of one gateway say to each other: their numbers, for one page, and an operator's orders.

Refuses to own how numbers are merged (`gateway.telemetry.merging`), starting processes (`gateway.cli`), and what
an order does (`gateway.app`).

Laws: the page is whole or there is none. A sum without one of the processes would look like counters that were reset,
and every rate over it would be wrong twice. An order is carried out by every process that answers; the caller gets the
number of those. Nobody gives one before all can hear it: at a start, the processes wait for each other.

Each process answers on a Unix socket in a directory that only the gateway's own user may enter.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from gateway.telemetry.metrics import Metrics

_ANSWER_SECONDS: Final = 2.0
_MEETING_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.02
_PAGE: Final = "page"
_OBEYED: Final = b"obeyed"
_NO_ORDERS: Final[Mapping[str, Callable[..., str | None]]] = MappingProxyType({})


class WorkerMesh:
    """The processes of one gateway, `count` of them, that meet in `directory`; None for a process on its own.

    `orders` are the functions that can be called in all of them, by name; each raises LookupError when it cannot act.
    What one answers is text that goes to whoever asked all of them.
    """

    def __init__(
        self,
        metrics: Metrics,
        directory: Path | None,
        count: int,
        orders: Mapping[str, Callable[..., str | None]] = _NO_ORDERS,
    ) -> None:
        self._orders = orders
        self._metrics = metrics
        self._directory = directory
        self._count = count
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Answer the others from now on."""
        if self._directory is not None:
            self._server = await asyncio.start_unix_server(self._answer, str(self._directory / f"{os.getpid()}.sock"))

    async def meet(self) -> None:
        """Wait until all answer, but not for ever: what one of them waits for may be that another one ends."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _MEETING_SECONDS
        while len(self._others()) + 1 < self._count and loop.time() < deadline:  # noqa: ASYNC110 (others open)
            await asyncio.sleep(_LOOK_SECONDS)

    async def close(self) -> None:
        if self._server is not None and self._directory is not None:
            self._server.close()
            (self._directory / f"{os.getpid()}.sock").unlink(missing_ok=True)

    async def page(self, accept: str) -> tuple[str, bytes] | None:
        """The content type and text for this Accept header; None when not every process answers."""
        await _load_library()
        if self._directory is None:
            return self._metrics.render(accept)
        from gateway.telemetry.merging import families_from, merge_pages  # noqa: PLC0415 (loaded by now)

        others = self._others()
        if len(others) + 1 != self._count:
            return None
        try:
            texts = await asyncio.gather(*(_ask(other, _PAGE) for other in others))
            pages = [families_from(text) for text in texts]
        except (OSError, TimeoutError, ValueError):
            return None
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 (loaded by now)

        encoder, content_type = choose_encoder(accept)
        return content_type, encoder(merge_pages([self._metrics.registry.collect(), *pages]))

    async def order(self, name: str, *words: str | float | bool | None) -> int:
        """Have all do something, this process first; returns how many have done it.

        Raises:
            LookupError: this one cannot.
        """
        self._orders[name](*words)
        answers = await asyncio.gather(*(_ask(other, name, *words) for other in self._others()), return_exceptions=True)
        return 1 + answers.count(_OBEYED)

    async def ask_all(self, name: str, *words: str | float | bool | None) -> list[str]:
        """What each process that answers says, this one first. Raises as `order` does."""
        own = self._orders[name](*words)
        answers = await asyncio.gather(*(_ask(other, name, *words) for other in self._others()), return_exceptions=True)
        return [own or "", *(answer.decode() for answer in answers if isinstance(answer, bytes) and answer)]

    def _others(self) -> list[Path]:
        if self._directory is None:
            return []
        return [socket for socket in self._directory.glob("*.sock") if socket.name != f"{os.getpid()}.sock"]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                name, *words = json.loads(await reader.readline())
            if name == _PAGE:
                await _load_library()
                from gateway.telemetry.merging import families_text  # noqa: PLC0415 (loaded by now)

                writer.write(families_text(self._metrics.registry))
            else:
                said = self._orders[name](*words)
                writer.write(_OBEYED if said is None else said.encode())
            await writer.drain()
        except (OSError, TimeoutError, ValueError, LookupError):
            return  # an empty answer, which counts as none
        finally:
            writer.close()


async def _load_library() -> None:
    """The page's library is four megabytes: loaded by the first scrape, and beside the requests in work."""
    if "prometheus_client" not in sys.modules:
        await asyncio.to_thread(import_module, "gateway.telemetry.merging")


async def _ask(socket: Path, *words: Any) -> bytes:
    """Raises OSError or TimeoutError when there is no answer."""
    async with asyncio.timeout(_ANSWER_SECONDS):
        reader, writer = await asyncio.open_unix_connection(str(socket))
        try:
            writer.write(json.dumps(words).encode() + b"\n")
            return await reader.read()
        finally:
            writer.close()
