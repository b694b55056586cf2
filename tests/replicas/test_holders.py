"""Edits of whom a link is for act on what runs: where they are made, at another process on the state, at a sidecar."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.replicas.fleet import Fleet, fleet
from tests.replicas.narrowing import SIZE, begin_reading
from tests.replicas.probes import Clients
from tests.servers.gateway import Link
from tests.servers.smtp import Post, running_post
from tests.servers.store import RunningStore

pytestmark = pytest.mark.e2e

ANN, BOB = "ann@acme.example", "bob@acme.example"
DOMAIN = {"domains": ["acme.example"]}
WITHIN = {0: 0.5, 1: 1.5, 2: 1.5}
"""Seconds after the first gateway acknowledged it, as promised for whatever narrows a link."""

Act = Callable[[Clients, Link], Any]


def edit(**holders: Any) -> Act:
    return lambda clients, link: clients.control(0, "PATCH", f"/v1/links/{link.id}", {"holders": holders})


def revoke(**more: Any) -> Act:
    return lambda clients, link: clients.control(0, "POST", "/v1/revocations", {"holder": BOB, **more})


AGAINST_BOB: dict[str, Act] = {
    "taken off": edit(emails=[ANN]),
    "excluded": edit(**DOMAIN, excluded=[BOB]),
    "revoked at this link": lambda clients, link: revoke(link=link.id)(clients, link),
    "revoked everywhere": revoke(),
}
AGAINST_NOBODY: dict[str, Act] = {
    "somebody more": edit(**DOMAIN, emails=["eve@evil.example"]),
    "somebody else excluded": edit(**DOMAIN, excluded=["eve@acme.example"]),
    "somebody else revoked": lambda clients, link: clients.control(
        0, "POST", "/v1/revocations", {"holder": "eve@acme.example"}
    ),
}


@pytest.fixture(scope="module")
def post() -> Iterator[Post]:
    with running_post() as server:
        yield server


@pytest.fixture(scope="module")
def trio(rclone: RunningStore, post: Post, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Gateways 0 and 1 share a state, gateway 2 is a sidecar that follows the first; all send mails."""
    directory = tmp_path_factory.mktemp("holders")
    environ = {"SIDECAR_TOKEN": "a-sidecars-token-of-many-letters"}
    database = f'"sqlite:///{directory}/shared.db"'
    more = f"mail: {{smtp: {{host: 127.0.0.1, port: {post.port}, security: plain, from: files@acme.example}}}}"
    sidecars = 'sidecars: [{name: edge, secret: "env:SIDECAR_TOKEN"}]'
    with fleet(directory, rclone, [database] * 2, control=sidecars, environ=environ, more=more) as replicas:
        state = f'{{grants: "central+{replicas.gateways[0].control}", token: "env:SIDECAR_TOKEN"}}'
        edge = directory / "edge"
        with fleet(edge, rclone, [state], environ=environ, more=more, bucket=replicas.real_bucket) as beside:
            replicas.put("big.bin", bytes(SIZE))
            yield Fleet([*replicas.gateways, *beside.gateways], rclone, replicas.real_bucket)


async def prove(clients: Clients, post: Post, link: Link, address: str) -> str:
    """The pass of who read the code in this mailbox, by the first gateway."""
    before, program = len(post.mails), {"Accept": "application/json"}
    url = clients.fleet.url(0, link.token)
    async with clients.session.post(url, data={"email": address}, headers=program) as answer:
        challenge = (await answer.json())["challenge"]
    mail = await asyncio.to_thread(post.wait, before + 1)
    [code] = re.findall(r"^ +(\d{8})\s*$", str(mail.get_content()), re.MULTILINE)
    async with clients.session.post(url, data={"code": code, "challenge": challenge}, headers=program) as answer:
        assert 200 == answer.status, await answer.text()
        return str((await answer.json())["pass"])


async def status(clients: Clients, replica: int, link: Link, shown: str) -> int:
    async with clients.session.head(
        clients.fleet.url(replica, link.token), headers={"Gateway-Holder": shown}
    ) as answer:
        return answer.status


async def linked(clients: Clients, post: Post) -> tuple[Link, dict[str, str]]:
    """A link for a domain, and the passes of two people of it."""
    link = await clients.link(0, "big.bin", holders=DOMAIN)
    return link, {address: await prove(clients, post, link, address) for address in (ANN, BOB)}


@pytest.mark.parametrize("name", AGAINST_BOB)
async def test_who_may_not_any_more_is_cut_everywhere_and_nobody_else(trio: Fleet, post: Post, name: str) -> None:
    """Within a second of its acknowledgement at each gateway; new requests are refused there, and the other person's
    download goes on to its end."""
    async with Clients(trio) as clients:
        link, passes = await linked(clients, post)
        running = {
            (replica, address): await begin_reading(
                f"{trio.url(replica, link.token)}?download=1", "get", passes[address]
            )
            for replica in WITHIN
            for address in (ANN, BOB)
        }
        try:
            code, said = await AGAINST_BOB[name](clients, link)
            at = time.monotonic()
            assert 200 == code, said
            cuts = await asyncio.gather(*(running[replica, BOB].until_cut(10.0) for replica in WITHIN))
            late = {replica: cut and cut - at for replica, cut in zip(WITHIN, cuts, strict=True)}
            assert {} == {one: lag for one, lag in late.items() if lag is None or lag > WITHIN[one] + 0.5}
            found = {(replica, who): await status(clients, replica, link, passes[who]) for replica, who in running}
            assert {key: 200 if key[1] == ANN else 401 for key in running} == found
            ends = await asyncio.gather(*(running[replica, ANN].finish() for replica in WITHIN))
            assert [True] * 3 == ends
        finally:
            for one in running.values():
                one.client.sock.close()


@pytest.mark.parametrize("name", AGAINST_NOBODY)
async def test_an_edit_that_is_against_neither_cuts_neither(trio: Fleet, post: Post, name: str) -> None:
    """The other side: what runs comes to its end at each gateway."""
    async with Clients(trio) as clients:
        link, passes = await linked(clients, post)
        running = [
            await begin_reading(f"{trio.url(replica, link.token)}?download=1", "get", shown)
            for replica in WITHIN
            for shown in passes.values()
        ]
        try:
            code, said = await AGAINST_NOBODY[name](clients, link)
            assert 200 == code, said
            assert [True] * 6 == await asyncio.gather(*(one.stands(1.5) for one in running))
            assert [True] * 6 == await asyncio.gather(*(one.finish() for one in running))
        finally:
            for one in running:
                one.client.sock.close()
