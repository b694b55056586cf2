"""How far one request walks: `python -m tests.data.walks` prints functions, files and frames of a few, warm.

Counted are the functions of `gateway/` that are called for one request in a running plane before a store of our own;
state stores and telemetry are left out. Frames are those between the listener's handler and the write to the store's
socket, both included; a body is written by a task of its own, of which they tell nothing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from unittest.mock import patch

import gateway
from gateway.backends.connection import Connection
from gateway.core.request import Action
from tests.data.harness import Rig
from tests.data.test_cycles import before_a_store

_OURS = f"{Path(gateway.__file__).parent}/"
_LEFT_OUT = ("stores/", "telemetry/")
Ask = Callable[[], Awaitable[object]]


@dataclass
class Walk:
    """`functions` are (file, first line, name); `frames` the names from the handler to the socket."""

    functions: set[tuple[str, int, str]] = field(default_factory=set)
    frames: list[str] = field(default_factory=list)

    @property
    def files(self) -> set[str]:
        return {file for file, _, _ in self.functions}

    def see(self, frame: FrameType, event: str, _: object) -> None:
        """A profiler's hook."""
        code = frame.f_code
        file = code.co_filename.removeprefix(_OURS)
        if event == "call" and file != code.co_filename and not file.startswith(_LEFT_OUT) and code.co_name[0] != "<":
            self.functions.add((file, code.co_firstlineno, code.co_qualname))

    def note_frames(self) -> None:
        """Of who is about to write."""
        frame: FrameType | None = sys._getframe(2)
        names = ["Connection.write"]
        while frame is not None and names[-1].rpartition(".")[2] != "handle":
            names.append(frame.f_code.co_qualname)
            frame = frame.f_back
        if frame is not None:  # a body is written by a task of its own
            self.frames = self.frames or names[::-1]


@contextmanager
def _watched(walk: Walk):
    write = Connection.write

    def noting(connection: Connection, data: bytes) -> None:
        walk.note_frames()
        write(connection, data)

    before = sys.getprofile()
    with patch.object(Connection, "write", noting):
        sys.setprofile(walk.see)
        try:
            yield
        finally:
            sys.setprofile(before)


async def walk(ask: Ask) -> Walk:
    """One request, when everything is warm."""
    for _ in range(3):
        await ask()
    found = Walk()
    with _watched(found):
        await ask()
    return found


async def requests(rig: Rig) -> dict[str, Ask]:
    """The requests that are measured, by name."""
    reading = await rig.link("small")
    writing = await rig.link("small", actions=[Action.WRITE], overwrite=True)
    pair, _ = await rig.key()
    target, headers = rig.signed(pair, "GET", "reports/small")
    return {
        "GET /s/TOKEN": lambda: rig.fetch(reading),
        "PUT /s/TOKEN": lambda: rig.ask("PUT", f"/s/{writing}", body=b"x" * 200_000),
        "SigV4 GET": lambda: rig.ask("GET", target, headers),
    }


async def _main() -> None:
    async with before_a_store() as rig:
        walks = {name: await walk(ask) for name, ask in (await requests(rig)).items()}
    rows = [
        f"| {name} | {len(of.functions)} | {len(of.files)} | {len(of.frames) or '-'} |" for name, of in walks.items()
    ]
    chains = [f"{name}: {' → '.join(of.frames)}" for name, of in walks.items() if of.frames]
    sys.stdout.write("\n".join(["| request | functions | files | frames |", "|---|---|---|---|", *rows, *chains, ""]))


if __name__ == "__main__":
    asyncio.run(_main())
