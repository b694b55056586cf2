"""Owns what the system is asked to do with the process's memory: to take back what many transfers at once held, once
they have ended; and to keep in large pages what stays.

Refuses to own how much a transfer may hold (`gateway.server.request`, `gateway.backends.connection`).

The C library keeps what was freed for the next one to ask; between two bursts of large transfers that is most of what
the process holds (mallopt(3), malloc_trim(3)). Where the library or the kernel knows no such call, nothing is done.

It also keeps a heap for each thread, and gives back the free end of none but the first: whatever memory a thread's work
took for a moment, a password's hash 16 MiB of it, would stay with each thread for good. So there is one heap.

A request that comes alone finds nothing of ours in the processor's caches, nor where our pages are: each page that it
touches is looked up anew, and it touches hundreds. In pages of 2 MiB what a start makes is a dozen (madvise(2),
MADV_COLLAPSE).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Final

_PAUSE: Final = 10.0

_ARENA_MAX: Final = -8
"""M_ARENA_MAX of malloc.h, which Python does not name."""

LARGE_PAGE: Final = Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
"""Bytes of a large page, where the kernel has them."""
_COLLAPSE: Final = 25
"""MADV_COLLAPSE of Linux 6.1 (linux/mman.h), which Python does not name."""

_ENTRY: Final = 8
_PRESENT: Final = bytes(range(0x80, 0x100))
"""The last byte of a page's entry in /proc/self/pagemap, where it is in memory."""

_GROWN: Final = 8 * 1024 * 1024
"""Bytes more than the last time for which pages are joined again."""

_RESTS: Final = 20.0

_HOLES: Final = 32
"""One page in so many may be missing where pages are joined: it is memory from then on."""


def keep_one_heap() -> bool:
    """Have all threads to come allocate from the first one's heap; what takes memory in threads here is rare, and waits
    for no lock. To be called before there are any. False where that cannot be done."""
    try:
        choose = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(choose(_ARENA_MAX, 1))


def trim() -> bool:
    """Return free pages to the system; takes a fraction of a millisecond. False where that cannot be done."""
    try:
        release = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return False
    release(0)
    return True


async def give_back(*let_go: Callable[[], None]) -> None:
    """Do so every ten seconds until cancelled, after each of `let_go`, which drops what is kept for the next to ask.

    What is left then, and much more than before, came to stay: its pages are joined.
    """
    joined = resident()
    while True:
        for drop in let_go:
            drop()
        trim()
        held = resident()
        joined = min(joined, held)
        if held - joined >= _GROWN:
            joined = held
            join_beside()
        await asyncio.sleep(_PAUSE)


def resident() -> int:
    """Bytes that the process holds in memory; 0 where the system does not tell."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return 0


def join_beside() -> None:
    """Join pages while requests are served: in a thread, as the kernel takes its time, and with long rests, as whoever
    needs a page that is being joined waits."""
    Thread(target=join_pages, args=(_RESTS,), name="join pages", daemon=True).start()


def join_pages(rests: float = 0.0) -> int:
    """Have the memory that the process has filled by now in large pages; returns how many were made, each in one to
    seven milliseconds of CPU time. Its size stays the same, but for the holes. After each it rests, so many times as
    long as the page took."""
    joined = 0
    with suppress(AttributeError, OSError):
        advise, size = ctypes.CDLL(None).madvise, int(LARGE_PAGE.read_text())
        for start in _filled(size):
            began = time.monotonic()
            joined += not advise(ctypes.c_void_p(start), ctypes.c_size_t(size), _COLLAPSE)
            time.sleep(rests * (time.monotonic() - began))
    return joined


def _filled(size: int) -> Iterator[int]:
    """The addresses of the stretches of that size that are private memory of the process's own, hardly with a hole."""
    pages = size // os.sysconf("SC_PAGESIZE")
    with Path("/proc/self/pagemap").open("rb", buffering=0) as table:
        for line in Path("/proc/self/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            if rights != "rw-p" or "/" in line:  # that of a file
                continue
            begin, end = (int(address, 16) for address in span.split("-"))
            for start in range(-(-begin // size) * size, end - size + 1, size):
                entries = os.pread(table.fileno(), pages * _ENTRY, start * pages // size * _ENTRY)
                missing = entries[_ENTRY - 1 :: _ENTRY].translate(None, _PRESENT)
                if len(missing) <= pages // _HOLES:
                    yield start
