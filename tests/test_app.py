"""The whole process in one loop: start, reload, drain, and what it does while a part is down."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import structlog

from gateway import app as room
from gateway.backends.profiles import PROFILES
from gateway.backends.upstream import StoreUpstream
from gateway.core.reasons import DependencyDown, SettingsError
from gateway.data.state.memory_budget import MemoryBudget
from gateway.listeners import Listeners
from gateway.settings import watch
from gateway.settings.watch import Reloader
from gateway.stores.limits import MemoryLimits
from gateway.stores.memory import MemoryFeed, MemoryGrants, MemoryLedger, MemoryTables
from tests.backends.fault_server import Peer, fault_server, reply
from tests.data.harness import request
from tests.data.raw_client import RawClient
from tests.servers import over_tls
from tests.servers.process import free_ports
from tests.waiting import until

ENVIRON = {
    "ADMIN": "an-admin-token-for-tests-0123456789",
    "KEY": "AKIATEST",
    "SECRET": "secret",
    **over_tls.gateway_variables(),
}

SETTINGS = """
data: {{listen: "127.0.0.1:{data}", public_url: "http://127.0.0.1:{data}"}}
control: {{listen: "127.0.0.1:{control}", tokens: [{{name: ops, secret: "env:ADMIN"}}]}}
state: {state}
policies: policies/
log: {{level: error, format: json}}
{more}
"""

POLICY = """
backends:
  lab: {{profile: generic, endpoint: "http://127.0.0.1:{store}", region: us-east-1,
        credentials: {{access_key: "env:KEY", secret_key: "env:SECRET"}}}}
buckets: {{reports: {{backend: lab, bucket: real, prefix: inside/}}}}
rules:
  - {{name: all, who: ["admin:ops"], may: [read, share], on: {on}, links: {{actions: [read]}}}}
limits:
  - {{who: "admin:*", requests: 1000/s}}
"""


@dataclass
class Store:
    """An object of 200,000 bytes under every name; `hold` keeps the second half of a slow one back, and all of a silent
    one."""

    hold: asyncio.Event = field(default_factory=asyncio.Event)
    body: bytes = b"x" * 200_000

    async def script(self, peer: Peer) -> None:
        while True:
            head, _ = await peer.request()
            if "/silent" in head.split("\r\n")[0]:
                await self.hold.wait()
            if "/slow" not in head.split("\r\n")[0]:
                await peer.send(reply(self.body))
                continue
            whole = reply(self.body)
            await peer.send(whole[:100_000])
            await self.hold.wait()
            await peer.send(whole[100_000:])


@dataclass
class Running:
    """One process under test."""

    directory: Path
    data: int
    control: int
    store: Store
    store_port: int
    session: aiohttp.ClientSession
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    async def api(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {ENVIRON['ADMIN']}"}
        url = f"{over_tls.scheme()}://127.0.0.1:{self.control}{path}"
        async with self.session.request(method, url, json=body or None, headers=headers) as answer:
            kind = answer.headers.get("Content-Type", "")
            return answer.status, await (answer.json(content_type=None) if "json" in kind else answer.text())

    async def link(self, key: str = "a.txt", **more: Any) -> Any:
        status, made = await self.api("POST", "/v1/links", bucket="reports", key=key, owner="admin:ops", **more)
        assert 201 == status, made
        return made

    async def fetch(self, link: Any) -> int:
        async with RawClient(self.data) as client:
            await client.send(request("GET", f"/s/{link['token']}"))
            got = await client.answer()
            return got.status if got.whole else 0

    async def readiness(self) -> int:
        return (await self.api("GET", "/readyz"))[0]

    async def metric(self, line: str) -> bool:
        return line in (await self.api("GET", "/metrics"))[1]

    def write_policy(self, on: str = "reports/**") -> None:
        policies = self.directory / "policies"
        policies.mkdir(exist_ok=True)
        (policies / "p.yaml").write_text(POLICY.format(store=self.store_port, on=on))

    async def hup(self) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.05)

    async def ended(self) -> None:
        assert self.task is not None
        async with asyncio.timeout(5):
            await self.task


async def until_answered(ask: Callable[[], Awaitable[int]], wanted: int) -> None:
    """What a caller outside sees soon."""
    async with asyncio.timeout(5):
        while await ask() != wanted:  # noqa: ASYNC110 (it is asked over HTTP)
            await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def reloads_by_signal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks into the directory meanwhile: a reload is one, whenever a file was written."""
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 3600.0)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """The process takes logging over; the next test gets it back."""
    before = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], level = before
    logging.root.setLevel(level)
    structlog.reset_defaults()


@asynccontextmanager
async def serving(
    directory: Path, more: str = "", state: str = '"memory://"', settle: Callable[[], None] | None = None
) -> AsyncIterator[Running]:
    """`run` as a task, ready; it is told to stop in the end."""
    data, control = free_ports(2)
    store = Store()
    async with AsyncExitStack() as stack:
        seen = await stack.enter_async_context(fault_server(store.script, plain=True))
        connector = aiohttp.TCPConnector(ssl=over_tls.client() or True)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        running = Running(directory, data, control, store, seen.port, session)
        running.write_policy()
        settings = directory / "gateway.yaml"
        settings.write_text(SETTINGS.format(data=data, control=control, state=state, more=more))
        ready = asyncio.Event()
        group = await stack.enter_async_context(asyncio.TaskGroup())
        running.task = group.create_task(
            room.run(settings, environ=ENVIRON, settle=settle, ready=ready.set, stop=running.stop), name="gateway"
        )
        waiting = group.create_task(ready.wait())
        await asyncio.wait({running.task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield running
        finally:
            waiting.cancel()
            store.hold.set()
            running.stop.set()


def test_a_snapshot_has_everything_that_requests_are_judged_by(tmp_path: Path) -> None:
    """The policy, the posture and the listener's own settings."""
    more = "trusted_proxies: [10.0.0.0/8, unix]\nfail: {limits: closed, audit: closed}"
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text(POLICY.format(store=1, on="reports/**"))
    text = SETTINGS.format(data=1, control=2, state="memory://", more=more)
    (tmp_path / "gateway.yaml").write_text(text.replace("data: {", "data: {domains: [s3.example], max_transfers: 7, "))
    snapshot = room._make_snapshot(Reloader(tmp_path / "gateway.yaml", ENVIRON, PROFILES).load())
    assert {"lab"} == set(snapshot.policy.backends)
    assert ("closed", "closed") == (snapshot.posture.limits, snapshot.posture.audit)
    assert ("http://127.0.0.1:1", ("s3.example",), 7) == (snapshot.public_url, snapshot.domains, snapshot.max_transfers)
    assert ((ip_network("10.0.0.0/8"),), True) == (snapshot.trusted_proxies, snapshot.trusted_socket)


async def test_every_call_to_the_state_is_timed(tmp_path: Path) -> None:
    """Whichever engine answers."""
    async with serving(tmp_path) as running:
        await running.fetch(await running.link())
        page = (await running.api("GET", "/metrics"))[1]
        assert 'gateway_store_operation_duration_seconds_count{operation="take"} 1.0' in page


async def test_ready_means_that_both_listeners_answer(tmp_path: Path) -> None:
    """A link made over one is used over the other at once, and is gone when its revocation is acknowledged."""
    async with serving(tmp_path) as running:
        assert 200 == await running.readiness()
        link = await running.link()
        assert 200 == await running.fetch(link)
        assert 200 == (await running.api("DELETE", f"/v1/links/{link['id']}"))[0]
        assert 410 == await running.fetch(link)


async def test_who_is_told_of_readiness_finds_all_listeners_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is asked for it opens last; and what a start has to settle, which takes its time, is settled before
    anybody can ask for anything."""
    opened: list[str] = []

    def note(name: str) -> None:
        opening = getattr(Listeners, name)

        async def noted(*given: Any, **more: Any) -> None:
            await opening(*given, **more)
            opened.append(name)

        monkeypatch.setattr(Listeners, name, noted)

    note("open_data")
    note("open_control")
    async with serving(tmp_path, settle=lambda: opened.append("settled")):
        assert ["settled", "open_data", "open_control"] == opened


async def test_a_revocation_cuts_what_runs_before_it_is_acknowledged(tmp_path: Path) -> None:
    """The client sees a reset."""
    async with serving(tmp_path) as running:
        link = await running.link("slow")
        async with RawClient(running.data) as client:
            await client.send(request("GET", f"/s/{link['token']}"))
            await client.head()
            await running.api("POST", "/v1/revocations", owner="admin:ops", reason="left")
            await client.rest()
            assert client.reset


async def test_what_the_last_upload_was_buffered_in_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon, and without another request."""
    let_go: asyncio.Queue[MemoryBudget] = asyncio.Queue()
    monkeypatch.setattr(MemoryBudget, "let_go", lambda budget: let_go.put_nowait(budget))
    async with serving(tmp_path), asyncio.timeout(5):
        assert MemoryBudget().room == (await let_go.get()).room


async def test_a_drained_backend_refuses_what_is_new_and_ends_nothing(tmp_path: Path) -> None:
    """A running transfer comes whole; a resume, or a reload, takes requests again."""
    async with serving(tmp_path) as running:
        link, slow = await running.link(), await running.link("slow")
        async with RawClient(running.data) as client:
            await client.send(request("GET", f"/s/{slow['token']}"))
            got = await client.head()
            assert 200 == (await running.api("PUT", "/v1/backends/lab", drained=True))[0]
            assert 503 == await running.fetch(link)
            running.store.hold.set()
            assert 200_000 == len(await client.rest_of(int(got.header("content-length") or 0)))
        await running.api("PUT", "/v1/backends/lab", drained=False)
        assert 200 == await running.fetch(link)
        await running.api("PUT", "/v1/backends/lab", drained=True)
        assert 503 == await running.fetch(link)
        await running.hup()
        assert 200 == await running.fetch(link)


async def test_a_log_level_for_a_time_gives_way_to_the_settings(tmp_path: Path) -> None:
    """When the time is over, and at a reload."""
    async with serving(tmp_path) as running:
        logs = structlog.get_config()["logger_factory"]()
        assert "error" == logs.level
        await running.api("PUT", "/v1/log", **{"level": "debug", "for": 0.2})
        assert "debug" == logs.level
        await until(lambda: logs.level == "error")
        await running.api("PUT", "/v1/log", level="warning")
        assert "warning" == logs.level
        await running.hup()
        assert "error" == logs.level


async def test_a_good_reload_is_taken_over(tmp_path: Path) -> None:
    """The next request is judged by the new files."""
    async with serving(tmp_path) as running:
        link = await running.link()
        running.write_policy("reports/other/**")
        await running.hup()
        assert 410 == await running.fetch(link)
        assert await running.metric('gateway_policy_reloads_total{result="ok"} 2')


async def test_a_reload_changes_what_new_links_begin_with(tmp_path: Path) -> None:
    """And the control API's requests are counted, under a plane of their own."""
    async with serving(tmp_path) as running:
        settings = tmp_path / "gateway.yaml"
        settings.write_text(settings.read_text().replace(f"http://127.0.0.1:{running.data}", "https://files.example"))
        await running.hup()
        assert (await running.link())["url"].startswith("https://files.example/s/")
        assert await running.metric('operation="createLink",outcome="ok",plane="control"} 1.0')


async def test_a_reload_cuts_what_it_no_longer_allows(tmp_path: Path) -> None:
    """A transfer that could not begin now does not go on."""
    async with serving(tmp_path) as running:
        link = await running.link("slow")
        async with RawClient(running.data) as client:
            await client.send(request("GET", f"/s/{link['token']}"))
            await client.head()
            running.write_policy("reports/other/**")
            await running.hup()
            await client.rest()
            assert client.reset


async def test_a_reload_that_asks_for_approvals_makes_what_is_there_wait(tmp_path: Path) -> None:
    """At once for requests, what runs is cut; then it is listed and counted; asked no longer, it is released."""
    async with serving(tmp_path) as running:
        policy = tmp_path / "policies" / "p.yaml"

        async def state() -> int:
            _, listed = await running.api("GET", "/v1/links?state=awaiting_approval")
            return len(listed["links"])

        link = await running.link("slow")
        async with RawClient(running.data) as client:
            await client.send(request("GET", f"/s/{link['token']}"))
            await client.head()
            before = policy.read_text()
            policy.write_text(before.replace("links: {actions", "approval: {by: 'admin:*'}, links: {actions"))
            await running.hup()
            await client.rest()
            assert client.reset
        assert 403 == await running.fetch(link)
        await until_answered(state, 1)
        assert 403 == (await running.api("POST", f"/v1/links/{link['id']}/approve"))[0]
        async with asyncio.timeout(5):
            while not await running.metric("gateway_grants_awaiting_approval 1.0"):  # noqa: ASYNC110 (over HTTP)
                await asyncio.sleep(0.02)
        policy.write_text(before)
        await running.hup()
        await until_answered(state, 0)
        running.store.hold.set()
        await until_answered(lambda: running.fetch(link), 200)


async def test_what_expired_is_forgotten_after_its_time(tmp_path: Path) -> None:
    """By the running process itself: first 410, then as if it had never been."""
    async with serving(tmp_path, state='{grants: "memory://", keep_expired: 1s}') as running:
        link = await running.link(expires_in=0.5)

        async def shown() -> int:
            return (await running.api("GET", f"/v1/links/{link['id']}"))[0]

        await until_answered(lambda: running.fetch(link), 410)
        await until_answered(shown, 404)


async def test_a_reload_that_changes_nothing_cuts_nothing(tmp_path: Path) -> None:
    """Control: what is still allowed runs on to its end."""
    async with serving(tmp_path) as running:
        link = await running.link("slow")
        async with RawClient(running.data) as client:
            await client.send(request("GET", f"/s/{link['token']}"))
            got = await client.head()
            await running.hup()
            running.store.hold.set()
            assert 200_000 == len(await client.rest_of(int(got.header("content-length") or 0)))


@pytest.mark.parametrize("broken", ["rules: [", "buckets: {x: {backend: none}}", "colour: red"])
async def test_a_bad_reload_changes_nothing_and_says_so(tmp_path: Path, broken: str) -> None:
    """Requests go on as before, and the metric shows it."""
    async with serving(tmp_path) as running:
        link = await running.link()
        (tmp_path / "policies" / "p.yaml").write_text(broken)
        await running.hup()
        assert 200 == await running.fetch(link)
        assert await running.metric('gateway_policy_reloads_total{result="failed"}')
        assert await running.metric("gateway_config_last_reload_successful 0.0")


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere")], ids=["directory", "link"])
async def test_a_policy_file_that_cannot_be_read_changes_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], make: Callable[[Path], None]
) -> None:
    """The fault names it; the other files, changed at the same time, are not taken over without it."""
    async with serving(tmp_path) as running:
        link = await running.link()
        make(tmp_path / "policies" / "x.yaml")
        running.write_policy("reports/other/**")
        await running.hup()
        assert 200 == await running.fetch(link)
        assert await running.metric("gateway_config_last_reload_successful 0.0")
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines() if "reload refused" in line]
    assert told
    assert all(f"{tmp_path}/policies/x.yaml: is not a file" in fault for line in told for fault in line["faults"])


async def test_buckets_that_a_reload_lays_on_one_place_are_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The reload is taken over with one warning for the pair; one that parts them again says nothing."""
    second = "buckets: {{second: {{backend: lab, bucket: real, prefix: {prefix}}}}}\n"
    async with serving(tmp_path) as running:
        settings = tmp_path / "gateway.yaml"
        settings.write_text(settings.read_text().replace("level: error", "level: warning"))
        for prefix, warned in (("inside/deeper/", 1), ("beside/", 0)):
            capfd.readouterr()
            (tmp_path / "policies" / "q.yaml").write_text(second.format(prefix=prefix))
            await running.hup()
            assert await running.metric("gateway_config_last_reload_successful 1.0")
            lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if "may not be meant" in line]
            assert warned == len(lines)
            assert all("q.yaml:1:" in line["detail"] and "overlaps" in line["detail"] for line in lines)


async def test_a_store_that_cannot_be_opened_refuses_the_whole_reload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no check of the files has seen changes nothing either, and is not told as a success."""
    async with serving(tmp_path) as running:
        link = await running.link()
        running.write_policy("reports/other/**")

        def broken(upstream: object, specs: object) -> None:
            raise SettingsError("ca.pem: cannot be used")

        monkeypatch.setattr(StoreUpstream, "_make", broken)
        await running.hup()
        assert 200 == await running.fetch(link)
        assert await running.metric("gateway_config_last_reload_successful 0.0")


async def test_certificates_and_stores_are_taken_over_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of them cannot be taken, the other is not, either. Control: where both can, both are."""
    faulty: set[str] = set()
    taken: list[str] = []
    prepare = StoreUpstream.prepare

    def prepared(upstream: StoreUpstream, specs: Any) -> Callable[[], Any]:
        take = prepare(upstream, specs)
        if "stores" in faulty:
            raise SettingsError("ca.pem: cannot be used")
        return lambda: taken.append("stores") or take()  # type: ignore[func-returns-value]

    def renew(listeners: Listeners, tls: object) -> None:
        if "certificates" in faulty:
            raise SettingsError("server.crt: cannot be used")
        taken.append("certificates")

    async with serving(tmp_path) as running:
        monkeypatch.setattr(StoreUpstream, "prepare", prepared)
        monkeypatch.setattr(Listeners, "renew", renew)
        for one in ("stores", "certificates"):
            faulty.add(one)
            await running.hup()
            assert await running.metric("gateway_config_last_reload_successful 0.0")
            assert [] == taken
            faulty.clear()
        await running.hup()
        assert ["certificates", "stores"] == taken


async def test_what_needs_a_restart_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing that was changed in vain is passed over in silence; the rest of the reload is taken over."""
    async with serving(tmp_path) as running:
        settings = tmp_path / "gateway.yaml"
        louder = settings.read_text().replace("level: error", "level: warning")
        settings.write_text(louder + "deadlines: {headers: 3s, min_rate: 2KiB}\n")
        await running.hup()
        assert 200 == await running.readiness()
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines() if "need a restart" in line]
    assert [["deadlines.headers"]] == [line["settings"] for line in told]


async def test_a_change_in_the_directory_is_a_reload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any signal, and soon."""
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 0.1)
    async with serving(tmp_path) as running:
        link = await running.link()
        running.write_policy("reports/other/**")
        await until_answered(lambda: running.fetch(link), 410)


async def test_work_that_fails_is_told_when_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With its traceback, and not when the process ends: until then readiness alone would say that something did."""

    async def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(room, "give_back", fail)
    async with serving(tmp_path) as running:
        assert 503 == await running.readiness()
        lines: list[str] = []
        async with asyncio.timeout(5):
            while not lines:
                await asyncio.sleep(0.05)  # lines are written by a thread
                lines = [line for line in capfd.readouterr().out.splitlines() if "a task has failed" in line]
    [told] = [json.loads(line) for line in lines]
    assert ("memory", True) == (told["task"], "RuntimeError: a fault of ours" in told["exception"])
    assert "a task has failed" not in capfd.readouterr().out


async def test_draining_finishes_what_runs(tmp_path: Path) -> None:
    """Readiness fails first, new connections are refused, the transfer ends whole, then the process ends."""
    async with serving(tmp_path) as running:
        link = await running.link("slow")
        async with RawClient(running.data) as client:
            await client.send(request("GET", f"/s/{link['token']}"))
            got = await client.head()
            running.stop.set()
            await until_answered(running.readiness, 503)
            assert 200 == (await running.api("GET", "/healthz"))[0]
            with pytest.raises(ConnectionRefusedError):
                await until_answered(lambda: running.fetch(link), -1)
            running.store.hold.set()
            assert 200_000 == len(await client.rest_of(int(got.header("content-length") or 0)))
        await running.ended()


async def test_what_does_not_end_in_time_is_cut(tmp_path: Path) -> None:
    """With an error for the client, and a record of it."""
    written: list = []
    append = MemoryLedger.append

    async def kept(self, records):
        written.extend(records)
        await append(self, records)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryLedger, "append", kept)
        async with serving(tmp_path, "deadlines: {drain: 100ms}") as running:
            link = await running.link("slow")
            async with RawClient(running.data) as client:
                await client.send(request("GET", f"/s/{link['token']}"))
                await client.head()
                running.stop.set()
                await client.rest()
                assert client.reset
            await running.ended()
    assert ["shutting_down"] == [record.reason for record in written]


async def test_who_got_nothing_in_time_is_told_to_ask_another(tmp_path: Path) -> None:
    """Before the process ends, so that nobody takes it for a fault of the network."""
    async with serving(tmp_path, "deadlines: {drain: 100ms}") as running:
        link = await running.link("silent")
        async with RawClient(running.data) as client:
            await client.send(request("GET", f"/s/{link['token']}"))
            while not (await running.api("GET", "/v1/transfers"))[1]["transfers"]:  # noqa: ASYNC110 (over HTTP)
                await asyncio.sleep(0.02)
            running.stop.set()
            got = await client.answer()
            assert (503, True, "close") == (got.status, got.whole, got.header("connection"))
            assert got.header("retry-after")
        await running.ended()


async def test_a_taken_port_is_a_settings_error(tmp_path: Path) -> None:
    """Said in a sentence, and everything that was opened is closed again."""
    async with serving(tmp_path) as running:
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{running.data}"):
            await room.run(tmp_path / "gateway.yaml", environ=ENVIRON)


async def test_wrong_files_open_nothing(tmp_path: Path) -> None:
    """All faults are told before a port is."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text("rules: [{colour: red}]")
    (tmp_path / "gateway.yaml").write_text(SETTINGS.format(data=1, control=2, state="memory://", more="shape: round"))
    with pytest.raises(SettingsError) as wrong:
        await room.run(tmp_path / "gateway.yaml", environ=ENVIRON)
    assert "colour" in str(wrong.value)
    assert "shape" in str(wrong.value)


# while a part is down


class Fault:
    """Methods of the state that cannot answer while `down`. To be made before the process starts."""

    def __init__(self, patch: pytest.MonkeyPatch, store: type, dependency: str, *names: str) -> None:
        self.down = False
        for name in names:
            patch.setattr(store, name, self._wrapped(dependency, getattr(store, name)))

    def _wrapped(self, dependency: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def perhaps(*arguments: Any, **named: Any) -> Any:
            if self.down:
                raise DependencyDown(dependency, "gone")
            return await method(*arguments, **named)

        return perhaps


@pytest.mark.parametrize(("posture", "status"), [("open", 200), ("closed", 503)])
async def test_limits_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, posture: str, status: int) -> None:
    """As the settings declare."""
    fault = Fault(monkeypatch, MemoryLimits, "limits", "take")
    async with serving(tmp_path, f"fail: {{limits: {posture}}}") as running:
        link = await running.link()
        fault.down = True
        assert status == await running.fetch(link)
        assert await running.metric('gateway_state_store_up{store="limits"} 0.0')


async def test_grants_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 for who is not known, while those in the cache go on."""
    fault = Fault(monkeypatch, MemoryGrants, "grants", "find")
    async with serving(tmp_path) as running:
        known, unknown = await running.link(), await running.link()
        assert 200 == await running.fetch(known)
        fault.down = True
        assert (200, 503) == (await running.fetch(known), await running.fetch(unknown))


async def test_the_feed_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five seconds of grace, then 503 for everybody, and readiness fails; it heals by itself."""
    ahead = 0.0
    shifted = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead, time=time.time)
    monkeypatch.setattr(room, "time", shifted)
    fault = Fault(monkeypatch, MemoryFeed, "revocations", "since", "changed")
    async with serving(tmp_path) as running:
        link = await running.link()
        fault.down = True
        assert 200 == await running.fetch(link)
        await until_answered(lambda: running.metric('gateway_state_store_up{store="revocations"} 0.0'), True)
        ahead = 5.1
        assert 503 == await running.fetch(link)
        assert 503 == await running.readiness()
        fault.down = False
        await until_answered(lambda: running.fetch(link), 200)


@pytest.mark.parametrize(("posture", "status"), [("open", 200), ("closed", 503)])
async def test_the_ledger_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, posture: str, status: int) -> None:
    """Closed refuses once a record could not be written, readiness says so, and it heals by itself."""
    fault = Fault(monkeypatch, MemoryLedger, "audit", "append")
    async with serving(tmp_path, f"fail: {{audit: {posture}}}") as running:
        link = await running.link()
        fault.down = True
        assert 200 == await running.fetch(link)
        await until_answered(running.readiness, 503)
        assert status == await running.fetch(link)
        fault.down = False
        await until_answered(running.readiness, 200)
        assert 200 == await running.fetch(link)


async def test_sealing_keys_come_and_go_and_nobody_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None, then one, then two, then the second alone: the same link, the same password, and the proof in the cookie.

    A start with another value for a number, or without a key that is in use, is refused in one sentence.
    """
    values = {"K1": "a sealing key of enough characters, 1", "K2": "a sealing key of enough characters, 2"}
    for name, value in values.items():
        monkeypatch.setitem(ENVIRON, name, value)

    def keys(*numbers: tuple[int, str]) -> None:
        listed = [{"id": number, "key": f"env:{name}"} for number, name in numbers]
        state = {"grants": f"sqlite:///{tmp_path}/gateway.db", "sealing_keys": listed}
        monkeypatch.setitem(ENVIRON, "GATEWAY_STATE", json.dumps(state))

    async def fetched(running: Running, token: str, **headers: str) -> int:
        url = f"{over_tls.scheme()}://127.0.0.1:{running.data}/s/{token}"
        async with running.session.get(url, headers=headers) as answer:
            return answer.status

    keys()
    async with serving(tmp_path) as running:
        link = await running.link(password="open sesame")
        basic = {"Authorization": "Basic " + b64encode(b":open sesame").decode()}
        assert 401 == await fetched(running, link["token"])
        form, page = {"password": "open sesame"}, f"{over_tls.scheme()}://127.0.0.1:{running.data}/s/{link['token']}"
        async with running.session.post(page, data=form, allow_redirects=False) as answer:
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
    for held in ([(1, "K1")], [(2, "K2"), (1, "K1")], [(2, "K2")]):
        keys(*held)
        async with serving(tmp_path) as running:
            assert 200 == await fetched(running, link["token"], **basic)
            assert 200 == await fetched(running, link["token"], Cookie=cookie)
            assert 401 == await fetched(running, link["token"], Cookie=cookie + "0")
            status, done = await running.api("POST", "/v1/reseal", limit=10)
            assert (200, len(held) if held[0][0] == 1 else len(held) - 1) == (status, done["resealed"])
    for held in ([(2, "K1")], [(1, "K1")], []):
        keys(*held)
        with pytest.raises(SettingsError, match=r"state\.sealing_keys"):
            await room.run(tmp_path / "gateway.yaml", environ=ENVIRON)


async def test_a_store_that_works_in_part_is_not_ready_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grants that cannot be written take the gateway out of service until they can; the cause stands in /readyz."""
    monkeypatch.setattr("gateway.stores.monitor.PERIOD_SECONDS", 0.01)
    fault = Fault(monkeypatch, MemoryTables, "grants", "probe")
    async with serving(tmp_path) as running:
        assert 200 == await running.readiness()
        fault.down = True
        await until_answered(running.readiness, 503)
        assert "store of grants: gone" in str((await running.api("GET", "/readyz"))[1])
        fault.down = False
        await until_answered(running.readiness, 200)
