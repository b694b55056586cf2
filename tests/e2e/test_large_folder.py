"""A folder link of 100,000 files on a real store: a page is short, its work is constant, and all files are reached.

python -m pytest -m slow tests/e2e/test_large_folder.py
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.servers.gateway import RunningGateway, gateway_before
from tests.servers.rclone import rclone_store

COUNT = 100_000
FEW = 200
_TICK = os.sysconf("SC_CLK_TCK")
_PERSON = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("large")
    (folder / "store").mkdir()
    with rclone_store(folder / "store") as store, gateway_before([store], folder / "gateway") as running:
        inside = folder / "store" / "buckets" / running.real_buckets["rclone"] / "inside"
        for name, count in (("many", COUNT), ("few", FEW)):
            (inside / name).mkdir(parents=True)
            for number in range(count):
                (inside / name / f"{number:06}.txt").touch()
        yield running


def ask(url: str, headers: dict[str, str]) -> str:
    with urlopen(Request(url, headers=headers), timeout=120) as answer:
        body: str = answer.read().decode()
    return body


def processor_time(running: RunningGateway) -> float:
    """Seconds that the process has worked."""
    fields = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def pages(url: str, query: str, most: int) -> list[str]:
    """The pages from this one on, as far as they go, and at most so many."""
    found = []
    target: str | None = query
    while target is not None and len(found) < most:
        page = ask(f"{url}/{target}", _PERSON)
        assert len(page.encode()) < 100 * 1024
        found.append(page)
        following = re.search(r'rel="next" href="(?:\./)?([^"]*)"', page)
        target = unescape(following[1]) if following else None
    return found


def names(page: str) -> list[str]:
    return re.findall(r'href="(?:\./)?(\d{6}\.txt)"', page)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_page_of_many_is_no_more_work_than_one_of_few(gateway: RunningGateway) -> None:
    """What the gateway itself works for a page, in any order; the process does not grow with the folder."""
    few = gateway.link("rclone", prefix="few/").url
    many = gateway.link("rclone", prefix="many/").url
    pages(few, "", 3)
    held, spent = gateway.resident(), {}
    for url in (few, many):
        before = processor_time(gateway)
        for _ in range(10):
            ask(f"{url}/", _PERSON)
        spent[url] = processor_time(gateway) - before
    assert spent[many] <= 2 * spent[few] + 0.5
    ordered = pages(many, "?sort=-name", 2)
    assert all("10,000 entries at a time" in page or "10000 entries at a time" in page for page in ordered)
    assert [f"{number:06}.txt" for number in range(9999, 9799, -1)] == names(ordered[0])[:200]
    assert gateway.resident() - held < 48 * 2**20


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_of_them_are_reached(gateway: RunningGateway) -> None:
    """By a program, page by page; and what somebody looks for is found in the block that it is in."""
    url = gateway.link("rclone", prefix="many/").url
    seen, cursor = [], ""
    began = time.monotonic()
    while cursor is not None:
        document = json.loads(ask(f"{url}/?cursor={cursor}", {"Accept": "application/json"}))
        seen += [entry["name"] for entry in document["entries"]]
        cursor = document["cursor"]
    assert time.monotonic() - began < 600
    assert [f"{number:06}.txt" for number in range(COUNT)] == seen
    searched = pages(url, "?find=023456", 3)
    assert [[], [], ["023456.txt"]] == [sorted(set(names(page))) for page in searched]
