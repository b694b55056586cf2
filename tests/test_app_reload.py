"""The whole process in one loop: what a reload takes over, and what it leaves as it was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.backends.upstream import StoreUpstream
from gateway.core.reasons import SettingsError
from gateway.listeners import Listeners
from tests.data.harness import request
from tests.data.raw_client import RawClient
from tests.one_process import serving, until_answered
from tests.waiting import until


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


async def test_a_change_in_the_directory_is_a_reload(tmp_path: Path) -> None:
    """Without any signal, and soon."""
    async with serving(tmp_path, look_seconds=0.1) as running:
        link = await running.link()
        running.write_policy("reports/other/**")
        await until_answered(lambda: running.fetch(link), 410)
