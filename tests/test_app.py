"""The whole process in one loop: its start, what it does while it runs, and its end."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from gateway import app as room
from gateway.backends.profiles import PROFILES
from gateway.core.reasons import SettingsError
from gateway.data.state.memory_budget import MemoryBudget
from gateway.listeners import Listeners
from gateway.settings.watch import Reloader
from gateway.stores.memory import MemoryLedger
from tests.data.harness import request
from tests.data.raw_client import RawClient
from tests.one_process import ENVIRON, POLICY, SETTINGS, Running, serving, until_answered
from tests.servers import over_tls


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


async def test_what_expired_is_forgotten_after_its_time(tmp_path: Path) -> None:
    """By the running process itself: first 410, then as if it had never been."""
    async with serving(tmp_path, state='{grants: "memory://", keep_expired: 1s}') as running:
        link = await running.link(expires_in=0.5)

        async def shown() -> int:
            return (await running.api("GET", f"/v1/links/{link['id']}"))[0]

        await until_answered(lambda: running.fetch(link), 410)
        await until_answered(shown, 404)


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


async def test_a_start_that_waits_ends_when_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is being dumped may keep the update of its tables waiting for hours."""
    stop, waits = asyncio.Event(), asyncio.Event()

    async def wait(*_: object, **__: object) -> None:
        waits.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(room, "open_state", wait)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text(POLICY.format(store=1, on="reports/**"))
    (tmp_path / "gateway.yaml").write_text(SETTINGS.format(data=1, control=2, state="memory://", more=""))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(room.run(tmp_path / "gateway.yaml", environ=ENVIRON, stop=stop))
        await waits.wait()
        stop.set()


async def test_wrong_files_open_nothing(tmp_path: Path) -> None:
    """All faults are told before a port is."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text("rules: [{colour: red}]")
    (tmp_path / "gateway.yaml").write_text(SETTINGS.format(data=1, control=2, state="memory://", more="shape: round"))
    with pytest.raises(SettingsError) as wrong:
        await room.run(tmp_path / "gateway.yaml", environ=ENVIRON)
    assert "colour" in str(wrong.value)
    assert "shape" in str(wrong.value)


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
