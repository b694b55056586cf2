"""Names that are looked up slowly keep nobody waiting but those who want them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from gateway.backends.lookup import Lookup


class Resolver:
    """In the place of the system's: counts what it is asked, and of a name that begins with `slow` says nothing until
    `answer` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = threading.Event()

    def look(self, host: str, port: int, **how: object) -> list[tuple[object, ...]]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.answer.wait(30)
        if host.startswith("unknown"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if host.startswith("."):
            raise UnicodeError("label empty or too long")
        return [(0, 0, 0, "", (f"10.0.0.{number}", port)) for number in (1, 2, 1)]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made.look)
    yield made
    made.answer.set()


async def test_a_slow_name_keeps_no_other_waiting(resolver: Resolver) -> None:
    """However many want it, and however often they give up; the other name is asked for and found at once."""
    slow = [Lookup(f"slow{number}.test", 80) for number in range(8)]
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = [group.create_task(one.addresses()) for one in slow for _ in range(20)]
        await asyncio.sleep(0)
        assert ["10.0.0.1", "10.0.0.2"] == await Lookup("fast.test", 80).addresses()
        for task in waiting[::2]:
            task.cancel()
        resolver.answer.set()
    found = [task.result() for task in waiting[1::2]]
    assert [["10.0.0.1", "10.0.0.2"]] * 80 == found
    assert 9 == len(resolver.asked), "one question a name, which all share"


async def test_who_comes_later_has_the_answer_that_came_too_late_for_the_first(resolver: Resolver) -> None:
    """A name that takes longer than a connection may is found by the second who wants it; then it is asked anew."""
    lookup = Lookup("slow.test", 80)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await lookup.addresses()
    resolver.answer.set()
    assert ["10.0.0.1", "10.0.0.2"] == await lookup.addresses()
    assert 1 == len(resolver.asked)
    await lookup.addresses()
    assert 2 == len(resolver.asked)


async def test_numbers_are_not_asked_for(resolver: Resolver) -> None:
    """An address is what it is, in both families."""
    for address in ("127.0.0.1", "::1", "fe80::1%lo"):
        assert [address] == await Lookup(address, 80).addresses()
    assert [] == resolver.asked


@pytest.mark.parametrize(("name", "why"), [("unknown.test", "not known"), (".test", "cannot be asked for")])
async def test_a_name_without_addresses_is_an_error_each_time(resolver: Resolver, name: str, why: str) -> None:
    """For all who wait, and for who comes later."""
    lookup = Lookup(name, 80)
    for _ in range(2):
        found = await asyncio.gather(*(lookup.addresses() for _ in range(3)), return_exceptions=True)
        assert all(isinstance(one, OSError) and why in str(one) for one in found)
    assert 2 == len(resolver.asked)
