"""Codes of one link at two gateways that share an engine: each has as many tries and passes as at one."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from gateway.core.holder_pass import prove, seal_handover
from gateway.core.holders import ProvedBy
from tests.data.harness import running
from tests.data.links.proving import ANN, PROGRAM, answer, ask, for_ann, post_of


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


async def test_two_gateways_give_one_pass_for_a_programs_code(engine: Any, rival: Any) -> None:
    """Whichever of them a program brings it to, and however often at once; and both take the pass."""
    async with running(state=engine) as first, running(state=rival) as second:
        first.store.hold("inside/a.txt", b"hello")
        second.store.hold("inside/a.txt", b"hello")
        token, grant = await first.granted(holders=for_ann(by=ProvedBy.OIDC))
        await second.plane.follower.catch_up()
        challenge = urlsafe_b64encode(sha256(b"a secret").digest()).decode().rstrip("=")
        now = first.clock.now
        code = seal_handover(grant, prove(grant, ANN, ProvedBy.OIDC, now), challenge, now, bytes(range(16)))
        form = urlencode({"code": code, "code_verifier": "a secret"}).encode()
        got = await asyncio.gather(*(rig.ask("POST", f"/s/{token}", PROGRAM, form) for rig in (second, first) * 2))
        assert [200, 401, 401, 401] == sorted(one.status for one in got)
        shown = next(json.loads(one.body)["pass"] for one in got if one.status == 200)
        for rig in (first, second):
            assert (200, ANN) == ((await rig.fetch(token, Gateway_Holder=shown)).status, (await rig.last()).holder)
