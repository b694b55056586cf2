"""The codes of command lines: once, for a minute, for one origin, in all processes of a gateway."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.control.caller import EVERYTHING, Admitted
from gateway.control.console.entry_codes import LIFE, EntryCodes
from gateway.core.attempt import Principal
from gateway.core.duty import Duty
from gateway.core.token import hash_secret
from tests.control.desk import CountedEntropy, StillClock, serving

OPS = Admitted(
    principal=Principal("admin", "ops"), reach=EVERYTHING, may=frozenset({Duty.READ}), proof=hash_secret("secret")
)
URL, ORIGIN = "https://GW.example/below", "https://gw.example"


class Gateway:
    """Several processes that hear each other after a while, unless they are deaf."""

    def __init__(self, process: Any, count: int) -> None:
        self.clock, self.deaf, self.said = StillClock(), set[int](), list[str]()
        entropy = CountedEntropy()
        self.codes = [
            EntryCodes(replace(process, processes=count, share=self._share), self.clock, entropy) for _ in range(count)
        ]

    async def _share(self, said: str) -> int:
        self.said.append(said)
        await asyncio.sleep(0)
        heard = 0
        for number, one in enumerate(self.codes):
            try:
                heard += number not in self.deaf and one.hear(said)
            except LookupError:
                continue
        return heard


@pytest.fixture
async def process() -> Any:
    async with serving() as desk:
        return desk.deps.process


async def test_a_code_counts_once(process: Any) -> None:
    """Looking at it does not take it; a second time it is nothing, and so is a text that never was one."""
    [codes] = Gateway(process, 1).codes
    text = await codes.make(OPS, "192.0.2.1", URL)
    assert codes.find(text, ORIGIN) is not None
    taken = await codes.take(text, ORIGIN)
    assert taken is not None
    assert (OPS, "192.0.2.1") == (taken.admitted, taken.peer)
    assert (None, None) == (codes.find(text, ORIGIN), await codes.take(text, ORIGIN))
    assert await codes.take("x" * 43, ORIGIN) is None


async def test_a_code_counts_for_a_minute(process: Any) -> None:
    """Up to its last moment, and then no more."""
    gateway = Gateway(process, 1)
    [codes] = gateway.codes
    text = await codes.make(OPS, "", URL)
    gateway.clock.now += LIFE - 1
    assert codes.find(text, ORIGIN) is not None
    gateway.clock.now += 1
    assert await codes.take(text, ORIGIN) is None


@pytest.mark.parametrize("origin", ["http://gw.example", "https://gw.example:444", "https://evil.example", "null", ""])
async def test_a_code_counts_in_pages_of_one_origin(origin: str, process: Any) -> None:
    """Of another it is not even looked at, and is there for its own afterwards."""
    [codes] = Gateway(process, 1).codes
    text = await codes.make(OPS, "", URL)
    assert (None, None) == (codes.find(text, origin), await codes.take(text, origin))
    assert await codes.take(text, ORIGIN) is not None


async def test_any_process_takes_it_and_only_one(process: Any) -> None:
    """Wherever the browser comes: afterwards it counts nowhere."""
    gateway = Gateway(process, 3)
    text = await gateway.codes[0].make(OPS, "", URL)
    taken = await gateway.codes[2].take(text, ORIGIN)
    assert taken is not None
    assert OPS == taken.admitted
    assert [None] * 3 == [await codes.take(text, ORIGIN) for codes in gateway.codes]


async def test_two_that_come_at_once_do_not_both_have_it(process: Any) -> None:
    """In two processes at the same moment: one, or neither."""
    gateway = Gateway(process, 2)
    text = await gateway.codes[0].make(OPS, "", URL)
    taken = await asyncio.gather(*(codes.take(text, ORIGIN) for codes in gateway.codes))
    assert len([one for one in taken if one is not None]) <= 1


async def test_a_code_is_not_taken_where_a_process_does_not_answer(process: Any) -> None:
    """It could be given there again."""
    gateway = Gateway(process, 2)
    text = await gateway.codes[0].make(OPS, "", URL)
    gateway.deaf.add(1)
    assert await gateway.codes[0].take(text, ORIGIN) is None


async def test_no_code_is_kept_or_told(process: Any) -> None:
    """What waits and what the processes say holds its hash alone."""
    gateway = Gateway(process, 2)
    text = await gateway.codes[0].make(OPS, "", URL)
    assert text not in "".join(gateway.said)
    assert hash_secret(text).hex() == json.loads(json.loads(gateway.said[0])["code"])["digest"]


async def test_a_hundred_wait_at_most(process: Any) -> None:
    """The oldest give way, and what is about sessions is not taken for a code."""
    [codes] = Gateway(process, 1).codes
    texts = [await codes.make(OPS, "", URL) for _ in range(101)]
    assert [False, True, True] == [codes.find(text, ORIGIN) is not None for text in (texts[0], texts[1], texts[-1])]
    assert not codes.hear(json.dumps({"ended": "00"}))
