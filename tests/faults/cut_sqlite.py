"""Simulates power cuts under a gateway's store and counts acknowledged revocations that were lost: it must be none.

Run `python -m tests.faults.cut_sqlite [CUTS]` (500 unless told; needs strace; under a minute). Exits 1 if one was lost.
One process revokes and acknowledges on its output while strace writes down every write to the database and its log,
every sync, and every acknowledgement. A cut is a moment in that list: what was synced before it is on the disk; of
what was written after the last sync, each sector of 512 bytes may have reached the disk or not, as a drive with a
cache does. The files of that moment are rebuilt, opened, and searched for every revocation acknowledged before it.
"""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.kill_sqlite import stored

_SECTOR = 512
_CALL = re.compile(
    r"\d+ +(?P<name>\w+)\((?P<fd>\d+)<(?P<path>[^>]*)>(?:, (?P<rest>.*))?\) += (?P<result>-?\d+)", re.ASCII
)
_UNLINK = re.compile(r'\d+ +unlink\("(?P<path>[^"]*)"\) += 0', re.ASCII)
_DATA = re.compile(r'"(?P<bytes>(?:\\x[0-9a-f]{2})*)", (?P<count>\d+)(?:, (?P<offset>\d+))?')


@dataclass(frozen=True, slots=True)
class Event:
    """One call: `write` and `cut` change a file, `sync` makes it lasting, `gone` removes it, `told` acknowledges."""

    kind: str
    file: str = ""
    data: bytes = b""
    offset: int = 0


@dataclass(slots=True)
class Disk:
    """One file as the drive holds it: what is lasting, and the changes that still sit in its cache."""

    lasting: bytearray = field(default_factory=bytearray)
    cached: list[Event] = field(default_factory=list)

    def sync(self) -> None:
        for event in self.cached:
            _apply(self.lasting, event)
        self.cached.clear()

    def after_cut(self, chance: random.Random) -> bytes:
        """The bytes after a power cut: each cached sector arrived or did not."""
        content = bytearray(self.lasting)
        for event in self.cached:
            if event.kind == "cut":
                if chance.random() < 0.5:
                    _apply(content, event)
                continue
            for start in range(0, len(event.data), _SECTOR):
                if chance.random() < 0.5:
                    piece = event.data[start : start + _SECTOR]
                    _apply(content, Event("write", event.file, piece, event.offset + start))
        return bytes(content)


def _apply(content: bytearray, event: Event) -> None:
    if event.kind == "cut":
        del content[event.offset :]
        content.extend(bytes(event.offset - len(content)))
        return
    content.extend(bytes(max(0, event.offset - len(content))))
    content[event.offset : event.offset + len(event.data)] = event.data


def traced(folder: Path, revocations: int) -> list[Event]:
    """What a process that revokes did to its files, in order."""
    path, log = folder / "gateway.db", folder / "trace"
    strace = shutil.which("strace")
    assert strace, "strace is missing: run `apt-get install -y strace`"
    calls = "trace=write,pwrite64,fsync,fdatasync,ftruncate,unlink"
    command = [strace, "-f", "-y", "-xx", "-s", "10000000", "-e", calls, "-e", "signal=none", "-o", str(log)]
    child = [sys.executable, "-m", "tests.faults.sqlite_child", "revoke", str(path), str(revocations)]
    subprocess.run([*command, *child], stdout=subprocess.DEVNULL, check=True)
    return [event for line in _whole_lines(log.read_text()) if (event := _event(line, path)) is not None]


def _whole_lines(trace: str) -> list[str]:
    """The calls in the order of their returns: strace splits a call that another thread overtakes."""
    begun: dict[str, str] = {}
    lines = []
    for line in trace.splitlines():
        thread = line.partition(" ")[0]
        if line.endswith("<unfinished ...>"):
            begun[thread] = line.removesuffix(" <unfinished ...>")
        elif " resumed>" in line:
            lines.append(begun.pop(thread) + line.partition(" resumed>")[2])
        else:
            lines.append(line)
    return lines


def _event(line: str, path: Path) -> Event | None:
    gone = _UNLINK.match(line)
    if gone is not None:
        return Event("gone", _plain(gone["path"]).decode())
    call = _CALL.match(line)
    if call is None or call["result"].startswith("-"):
        return None
    where = _plain(call["path"]).decode()
    if call["name"] == "write":
        data = _DATA.match(call["rest"])
        return Event("told", data=_plain(data["bytes"])) if data and call["fd"] == "1" else None
    if not where.startswith(str(path)) or where.endswith("-shm"):
        return None
    if call["name"] == "pwrite64":
        data = _DATA.match(call["rest"])
        assert data is not None, line[:200]
        return Event("write", where, _plain(data["bytes"]), int(data["offset"]))
    if call["name"] == "ftruncate":
        return Event("cut", where, offset=int(call["rest"]))
    return Event("sync", where)


def _plain(text: str) -> bytes:
    """The bytes of a text that strace wrote in hexadecimal."""
    return bytes.fromhex(text.replace("\\x", ""))


def lost_after_cuts(cuts: int, seed: int, revocations: int = 400) -> tuple[int, int]:
    """How many acknowledgements were checked over all cuts, and how many of them were lost."""
    chance = random.Random(seed)
    checked = lost = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        events = traced(folder, revocations)
        first = next(place for place, event in enumerate(events) if event.kind == "told")
        for number in range(cuts):
            moment = chance.randrange(first, len(events) + 1)
            again = folder / f"cut{number}"
            again.mkdir()
            told = _rebuild(events[:moment], again, chance)
            found = {entry.name for entry in asyncio.run(stored(again / "gateway.db"))}
            checked += len(told)
            lost += len(told - found)
            shutil.rmtree(again)
    return checked, lost


def _rebuild(events: list[Event], folder: Path, chance: random.Random) -> set[str]:
    """Write the files as they are after the cut; returns the names acknowledged before it."""
    disks: dict[str, Disk] = {}
    told = b""
    for event in events:
        if event.kind == "told":
            told += event.data
        elif event.kind == "gone":
            disks.pop(event.file, None)
        elif event.kind == "sync":
            disks.setdefault(event.file, Disk()).sync()
        else:
            disks.setdefault(event.file, Disk()).cached.append(event)
    for file, disk in disks.items():
        (folder / Path(file).name).write_bytes(disk.after_cut(chance))
    return {line.decode() for line in told.split(b"\n")[:-1]}


def main() -> int:
    cuts = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    seed = random.randrange(2**32)
    checked, lost = lost_after_cuts(cuts, seed)
    sys.stdout.write(f"seed {seed}: {cuts} power cuts, {checked} acknowledgements checked, {lost} lost\n")
    return 1 if lost or not checked else 0


if __name__ == "__main__":
    raise SystemExit(main())
