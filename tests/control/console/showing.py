"""A desk that a browser can open: it serves in a thread of its own, with links, keys, uses and transfers on it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from gateway.control.deps import Transfer
from gateway.core.approval import ApprovalTerms
from gateway.core.attempt import Principal
from gateway.core.pattern import NamePattern
from gateway.core.record import Outcome, Record
from gateway.core.rule import LinkLimits
from gateway.telemetry.metrics import Metrics
from tests.control.desk import ADMIN, APP, POLICY, START, Desk, rule, serving

__all__ = ["Shown", "showing"]

OPS = Principal("admin", "ops")


@dataclass
class Shown:
    """Where the console is, what a test may change of what it shows, and a link and a key of it."""

    url: str
    link: str
    key: str
    transfers: list[Transfer]
    desk: Desk
    loop: asyncio.AbstractEventLoop

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the control API, as an admin."""
        answer = asyncio.run_coroutine_threadsafe(self.desk.ask(method, path, body), self.loop).result(10)
        return answer.json


async def _fill(desk: Desk) -> tuple[str, str]:
    first = await desk.link(label="Quarter <1> „für Anna“", uses=9, bytes="1GiB", password="sesame", expires_in="30d")
    for number in range(12):
        link = await desk.link(key=f"2027/a-rather-long-folder/file-{number}.pdf", label=f"file {number}")
        if number % 5 == 0:
            await desk.ask("DELETE", f"/v1/links/{link['id']}?reason=leaked")
        if number % 5 == 1:
            await desk.ask("POST", f"/v1/links/{link['id']}/suspend")
    desk.token = APP
    await desk.link(key="w/waiting.pdf", label="Invoices for Anna")
    desk.token = ADMIN
    records = [
        Record(
            request_id=f"r{number}",
            at=START + 3600 * number,
            duration=0.5,
            principal=f"link:{first['id']}",
            grant_id=first["id"],
            operation="GetObject",
            bucket="reports",
            key="a.pdf",
            backend="archive",
            peer="192.0.2.7",
            status=200,
            outcome=Outcome.OK,
            reason="",
            bytes_in=0,
            bytes_out=1000 * number,
            fresh_use=number % 2 == 0,
            holder="ann@acme.example" if number % 3 == 0 else "",
        )
        for number in range(60)
    ]
    await desk.state.ledger.append(records)
    key = await desk.ask("POST", "/v1/keys", {"app": "billing", "label": "ci", "bucket": "reports", "prefix": "x/"})
    return first["id"], key.json["id"]


@contextmanager
def showing(**changes: Any) -> Iterator[Shown]:
    """The console, until the context ends."""
    metrics = Metrics()
    metrics.announce_names(backends=["archive", "lab"])
    metrics.count_request("data", "GetObject", "archive", "ok", 0.5, 0.1)
    metrics.count_refusal("revoked")
    metrics.observe_answer("archive", 200, 0.25)
    metrics.count_bytes("out", "archive", 4096)
    metrics.observe_revocation_lag(0.05)
    place = "reports", "a.pdf", "192.0.2.1"
    moving = [Transfer("r1", "admin:ops", "link:l_1", "GetObject", *place, START - 9, 99999, "ann@acme.example")]
    writing = rule("admins do all", "admin:*", "read list write share", "reports/**", links=LinkLimits())
    looked_at = rule(
        "a second pair of eyes", "app:billing", "read share", "reports/w/**", links=LinkLimits(),
        approval=ApprovalTerms((NamePattern.parse_with_groups("admin:*"),), 86400.0),
    )  # fmt: skip
    policy = replace(POLICY, rules=(*POLICY.rules, writing, looked_at))

    async def page(accept: str) -> tuple[str, bytes] | None:
        return metrics.render(accept)

    async def transfers() -> list[Transfer]:
        return moving

    async def cut(name: str, owner: str) -> bool:
        moving[:] = [one for one in moving if one.id != name]
        return True

    loop, ready, found = asyncio.new_event_loop(), threading.Event(), list[Shown]()

    async def serve() -> None:
        async with serving(metrics=page, transfers=transfers, cut=cut, policy=lambda: policy, **changes) as desk:
            link, key = await _fill(desk)
            found.append(Shown(desk.url + "/ui/", link, key, moving, desk, loop))
            ready.set()
            await ended.wait()

    ended = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(30)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(30)
        loop.close()
