"""Owns one page of metrics for several processes: whichever is asked collects the numbers of the others.

Refuses to own how numbers are put together (`gateway.telemetry.merging`) and starting processes (`gateway.cli`).

Law: the page is whole or there is none. A sum without one of the processes would look like counters that were reset,
and every rate over it would be wrong twice.

Each process answers on a Unix socket in a directory that only the gateway's own user may enter.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from prometheus_client.exposition import choose_encoder

from gateway.telemetry.merging import families_from, families_text, merged
from gateway.telemetry.metrics import Metrics

__all__ = ["Siblings"]

_ANSWER_SECONDS: Final = 2.0


class Siblings:
    """The processes of one gateway, `count` of them, that meet in `directory`; None for a process on its own."""

    def __init__(self, metrics: Metrics, directory: Path | None, count: int) -> None:
        self._metrics = metrics
        self._directory = directory
        self._count = count
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Answer the others from now on."""
        if self._directory is not None:
            self._server = await asyncio.start_unix_server(self._answer, str(self._directory / f"{os.getpid()}.sock"))

    async def close(self) -> None:
        if self._server is not None and self._directory is not None:
            self._server.close()
            (self._directory / f"{os.getpid()}.sock").unlink(missing_ok=True)

    async def page(self, accept: str) -> tuple[str, bytes] | None:
        """The content type and text for this Accept header; None when not every process answers."""
        if self._directory is None:
            return self._metrics.render(accept)
        others = [socket for socket in self._directory.glob("*.sock") if socket.name != f"{os.getpid()}.sock"]
        if len(others) + 1 != self._count:
            return None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                texts = await asyncio.gather(*map(_ask, others))
            pages = [families_from(text) for text in texts]
        except (OSError, TimeoutError, ValueError):
            return None
        encoder, content_type = choose_encoder(accept)
        return content_type, encoder(merged([self._metrics.registry.collect(), *pages]))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(families_text(self._metrics.registry))
            await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()


async def _ask(socket: Path) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        return await reader.read()
    finally:
        writer.close()
