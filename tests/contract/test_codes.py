"""Codes of one link at two gateways that share an engine: each has as many tries and passes as at one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.data.harness import running
from tests.data.links.proving import ANN, answer, ask, for_ann, post_of


async def test_two_gateways_count_the_tries_of_one_code_together(engine: Any, rival: Any) -> None:
    """Forty at once, at both, are five; then the right one is too late at either."""
    async with running(state=engine) as first, running(state=rival) as second:
        post = post_of(first)
        post_of(second)
        token = await first.link(holders=for_ann())
        await second.plane.follower.catch_up()
        challenge = json.loads((await ask(first, token)).body)["challenge"]
        code = post.sent[0][1]
        wrong = [f"{number:08}" for number in range(26) if f"{number:08}" != code][:25]
        rigs = [(first, second)[number % 2] for number in range(25)]
        got = await asyncio.gather(*(answer(rig, token, one, challenge) for rig, one in zip(rigs, wrong, strict=True)))
        assert {401} == {one.status for one in got}
        await first.settled()
        await second.settled()
        assert 5 == sum("another one" in detail for rig in (first, second) for detail in rig.details)
        assert [401, 401] == [(await answer(rig, token, code, challenge)).status for rig in (first, second)]


async def test_two_gateways_give_one_pass_for_a_code(engine: Any, rival: Any) -> None:
    """However many ask at once; and both take it."""
    async with running(state=engine) as first, running(state=rival) as second:
        post_of(first)
        post = post_of(second)
        first.store.hold("inside/a.txt", b"hello")
        second.store.hold("inside/a.txt", b"hello")
        token = await first.link(holders=for_ann())
        await second.plane.follower.catch_up()
        challenge = json.loads((await ask(second, token)).body)["challenge"]
        code = post.sent[0][1]
        got = await asyncio.gather(*(answer(rig, token, code, challenge) for rig in (first, second) * 2))
        assert [200, 401, 401, 401] == sorted(one.status for one in got)
        shown = next(json.loads(one.body)["pass"] for one in got if one.status == 200)
        for rig in (first, second):
            assert (200, ANN) == ((await rig.fetch(token, Gateway_Holder=shown)).status, (await rig.last()).holder)
