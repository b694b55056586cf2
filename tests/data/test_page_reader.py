"""The first page of a process: nothing waits for it, and it is made in the time that any page has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gateway.pages.render import read_templates

_ROOT = Path(__file__).resolve().parents[2]

_FIRST_PAGE = """
import asyncio, sys, time
from gateway.pages.branding import Branding
from gateway.pages.links import front_page
from gateway.data.page_reader import load_pages
from gateway.pages.render import look_for

async def main():
    began = time.thread_time()
    if sys.argv[1] == "ready":
        await load_pages()
    front_page(look_for(Branding(), "de"))
    print(time.thread_time() - began, time.process_time() - process)

process = time.process_time()
asyncio.run(main())
"""


def first_page(how: str) -> tuple[float, float]:
    """Milliseconds that the first page of a process takes in the event loop's thread, and in all."""
    command = [sys.executable, "-c", _FIRST_PAGE, how]
    answer = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True, timeout=60)
    loop, process = answer.stdout.split()
    return float(loop) * 1000, float(process) * 1000


def test_nothing_waits_for_the_first_page() -> None:
    """It is made ready in another thread, from templates that are compiled already, and has 50 ms for all of that."""
    read_templates()
    measured = [first_page("ready") for _ in range(3)]
    assert min(loop for loop, _ in measured) < 10
    assert min(process for _, process in measured) < 50


def test_unprepared_it_would_hold_up_everything() -> None:
    """The measure sees what it is for: the import alone is longer than anything may hold up the event loop."""
    assert min(first_page("unprepared")[0] for _ in range(3)) > 10
