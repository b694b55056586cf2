"""The door: what is nobody's object, who the peer is, and that a broken answer is no answer."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.core.reasons import Reason
from gateway.core.record import Outcome
from gateway.pages.assets import Asset, stored_assets
from gateway.pages.branding import Branding
from tests.data.harness import APP, Rig, request, running
from tests.data.scripted_store import Scripted


async def test_robots_are_sent_away(rig: Rig) -> None:
    """No link is meant for an index."""
    got = await rig.ask("GET", "/robots.txt")
    assert (200, b"User-agent: *\nDisallow: /\n") == (got.status, got.body)
    assert 204 == (await rig.ask("GET", "/favicon.ico")).status
    assert [] == rig.records


@pytest.mark.parametrize("path", ["/robots.txt/", "/robots.txtx", "/favicon.ico/a"])
async def test_only_those_very_paths_are_nobodys(rig: Rig, path: str) -> None:
    """Everything else is a request like any other, and leaves a record."""
    assert (await rig.ask("GET", path)).status >= 400
    await rig.last()


async def test_a_person_at_the_root_sees_a_page_and_a_program_xml(rig: Rig, app: Rig) -> None:
    """The page says what the host is for; whoever signs, or comes through a trusted listener, gets S3."""
    page = {"Accept": "text/html,*/*;q=0.8"}
    got = await rig.ask("GET", "/", page)
    assert (200, "text/html; charset=utf-8") == (got.status, got.header("content-type"))
    assert b"" == (await rig.ask("HEAD", "/", page)).body
    for headers in ({}, {"Accept": "*/*"}, page | {"Authorization": "AWS4-HMAC-SHA256 x"}):
        assert "application/xml" == (await rig.ask("GET", "/", headers)).header("content-type")
    assert "application/xml" == (await app.ask("GET", "/", page)).header("content-type")


async def test_the_root_is_in_the_visitors_language_and_the_operators_name() -> None:
    """By `Accept-Language`, and with the branding of now."""
    async with running(branding=Branding(name="Acme")) as rig:
        got = await rig.ask("GET", "/", {"Accept": "text/html", "Accept-Language": "de-CH,en;q=0.5"})
        assert "de" == got.header("content-language")
        assert "Geteilte Dateien – Acme" in got.body.decode()


async def test_assets_are_kept_for_good() -> None:
    """What pages load is served under its digest, as immutable, and can do nothing by itself; a logo likewise."""
    logo = Asset("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    async with running(branding=Branding(logo=logo)) as rig:
        for asset in (logo, stored_assets()["pages.css"]):
            got = await rig.ask("GET", f"/s/-/{asset.served_as}")
            assert (200, asset.body, asset.content_type) == (got.status, got.body, got.header("content-type"))
            assert "public, max-age=31536000, immutable" == got.header("cache-control")
            assert "sandbox" in (got.header("content-security-policy") or "")
            assert "nosniff" == got.header("x-content-type-options")
            assert b"" == (await rig.ask("HEAD", f"/s/-/{asset.served_as}")).body
        assert [] == rig.records
        other = Asset("logo.svg", b"other")
        for name in ("", "pages.css", other.served_as, f"{logo.served_as}?x", "../robots.txt"):
            assert (await rig.ask("GET", f"/s/-/{name}")).status >= 400


async def test_a_buckets_own_host_has_no_assets(rig: Rig) -> None:
    """There every path is an object's; and nobody writes to an asset."""
    path = f"/s/-/{stored_assets()['pages.css'].served_as}"
    async with running(domains=("gw.example",)) as other:
        assert 200 != (await other.ask("GET", path, {"Host": "reports.gw.example"})).status
    assert (await rig.ask("PUT", path, {}, b"x")).status >= 400
    assert (await rig.ask("GET", path, {}, b"x")).status >= 400


async def test_a_trusted_proxy_names_the_client() -> None:
    """The record's peer is whom our own proxy saw."""
    async with running(trusted_proxies=(ip_network("127.0.0.0/8"),)) as rig:
        await rig.ask("GET", "/s/x", {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"})
        assert "203.0.113.9" == (await rig.last()).peer


async def test_nobody_else_names_the_client(rig: Rig) -> None:
    """Without trusted proxies the header is a text like any other."""
    await rig.ask("GET", "/s/x", {"X-Forwarded-For": "203.0.113.9"})
    assert "127.0.0.1" == (await rig.last()).peer


async def test_a_trusted_listener_acts_as_its_app(app: Rig, rig: Rig) -> None:
    """Unsigned requests are the app's there, and nobody's elsewhere."""
    for listener in (app, rig):
        listener.store.hold("inside/a.txt", b"hello")
    assert 200 == (await app.ask("GET", "/reports/a.txt")).status
    assert "app:billing" == (await app.last()).principal
    assert 403 == (await rig.ask("GET", "/reports/a.txt")).status
    assert "anonymous" == (await rig.last()).principal


@pytest.mark.parametrize("accepted", [True, False])
async def test_an_unsigned_type_is_the_listeners_to_accept(accepted: bool) -> None:
    """A type that was not signed passes or is refused, by the listener's terms, and is counted; a signed one passes."""
    async with running(unsigned_content_type=accepted) as rig:
        made, _ = await rig.key()
        signed = {"content-type": "text/plain"}
        for headers, sent, status in (({}, signed, 200 if accepted else 403), (signed, signed, 200), ({}, {}, 200)):
            target, added = rig.signed(made, "PUT", "reports/a.txt", headers=headers)
            got = await rig.ask("PUT", target, added | sent, b"hello")
            assert status == got.status
        counted = rig.metrics.registry.get_sample_value
        name = "gateway_unsigned_content_types_total"
        assert [float(accepted), float(not accepted)] == [
            counted(name, {"decision": decision}) for decision in ("accepted", "refused")
        ]


async def test_a_bucket_may_be_a_host() -> None:
    """`BUCKET.DOMAIN`, for the domains of the settings and no other."""
    async with running(trusted=APP, domains=("s3.example",)) as app:
        app.store.hold("inside/a.txt", b"hello")
        assert b"hello" == (await app.ask("GET", "/a.txt", {"Host": "reports.s3.example"})).body
        assert "reports" == (await app.last()).bucket
        assert 400 <= (await app.ask("GET", "/a.txt", {"Host": "reports.s3.evil"})).status


@pytest.mark.parametrize("host", ["reports.s3.example", "REPORTS.s3.example:8080"])
async def test_a_buckets_host_has_no_paths_of_ours(host: str) -> None:
    """An object named robots.txt is the bucket's, not ours; the domain itself has no objects."""
    async with running(trusted=APP, domains=("s3.example",)) as app:
        app.store.hold("inside/robots.txt", b"Allow: everything")
        assert b"Allow: everything" == (await app.ask("GET", "/robots.txt", {"Host": host})).body
        assert b"Disallow" in (await app.ask("GET", "/robots.txt", {"Host": "s3.example"})).body


async def test_a_unix_socket_has_no_peer(app: Rig, tmp_path: Path) -> None:
    """Sidecars without a port are served like any other, and counted as local."""
    app.store.hold("inside/a.txt", b"x" * 100_000)
    listening = await asyncio.get_running_loop().create_unix_server(app.server, str(tmp_path / "gw.sock"))
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "gw.sock"))
    writer.write(request("GET", "/reports/a.txt"))
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"x" * 100_000 == await reader.readexactly(100_000)
    assert b"HTTP/1.1 200 OK" in head
    assert ("", 100_000) == ((await app.last()).peer, app.records[0].bytes_out)
    writer.close()
    await writer.wait_closed()
    listening.close()


async def test_a_cut_works_on_a_unix_socket_too(app: Rig, tmp_path: Path) -> None:
    """What TCP alone can do is left out there, and the connection ends all the same."""
    app.store.script(Scripted(200, {}, [b"x" * 70_000, asyncio.Event()], length=100_000))
    listening = await asyncio.get_running_loop().create_unix_server(app.server, str(tmp_path / "gw.sock"))
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "gw.sock"))
    writer.write(request("GET", "/reports/a.txt"))
    await reader.readuntil(b"\r\n\r\n")
    [permit] = app.plane.transfers
    permit.cut(Reason.REVOKED)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(100_000)
    assert Outcome.CUT == (await app.recorded(1))[0].outcome
    writer.close()
    listening.close()
