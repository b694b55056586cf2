"""The console behind a real nginx that puts it below a path, or that says who is there, as oauth2-proxy does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from gateway.control.deps import Transfer
from gateway.core.identity import ProxyRules
from tests.control.console.showing import Shown, showing
from tests.control.desk import ADMIN, CONSOLE, START
from tests.e2e.conftest import browser, require
from tests.servers.process import await_port, free_ports, running

pytestmark = pytest.mark.browser

__all__ = ["browser"]

LOOPBACK = (ip_network("127.0.0.0/8"),)
_NGINX = """
daemon off; worker_processes 1; pid {place}/nginx.pid; error_log {place}/error.log crit;
events {{ worker_connections 64; }}
http {{
  access_log {place}/access.log; client_body_temp_path {place}/body; proxy_temp_path {place}/temp;
  fastcgi_temp_path {place}/fastcgi; uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /gw/ {{ proxy_pass http://{control}/; proxy_http_version 1.1; proxy_set_header Host $http_host; {more} }}
  }}
}}
"""


@contextmanager
def behind(shown: Shown, place: Path, more: str) -> Iterator[str]:
    """Where the control listener is below nginx."""
    program = require("nginx")
    [port] = free_ports(1)
    settings = place / "nginx.conf"
    control = shown.url.removeprefix("http://").removesuffix("/ui/")
    settings.write_text(_NGINX.format(place=place, port=port, control=control, more=more))
    command = [program, "-e", str(place / "start.log"), "-c", str(settings)]
    log = place / "nginx.log"
    with running(command, log, {}, place) as child:
        await_port(port, child, log)
        yield f"http://127.0.0.1:{port}/gw"


def test_the_console_works_below_a_path(browser: Browser, tmp_path: Path) -> None:
    """A command line opens it, links are made and transfers followed; every address stays below the path, and no code
    or token is in the proxy's log."""
    rules = replace(CONSOLE, proxies=LOOPBACK)
    with (
        showing(console=lambda: rules) as shown,
        behind(shown, tmp_path, "proxy_set_header X-Forwarded-Prefix /gw;") as url,
    ):
        made = shown.ask("POST", "/v1/console/codes", {"url": url})
        assert made["url"].startswith(f"{url}/ui/enter#")
        page = browser.new_page()
        addresses: list[str] = []
        page.on("request", lambda one: addresses.append(one.url))
        page.goto(made["url"])
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="Links", exact=True).click()
        page.get_by_role("link", name="New link").click()
        page.get_by_label("Place", exact=True).fill("reports/below.pdf")
        page.get_by_role("button", name="Make the link").click()
        expect(page.get_by_label("Address", exact=True)).to_be_visible()
        page.get_by_role("link", name="Transfers").click()
        moving = Transfer("r8", "admin:ops", "link:l_8", "GetObject", "reports", "eight.pdf", "", START, 1)
        shown.transfers.append(moving)
        expect(page.get_by_text("eight.pdf")).to_have_count(1, timeout=10_000)
        page.get_by_role("button", name="Cut r8").click()
        expect(page.get_by_text("eight.pdf")).to_have_count(0)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
        page.get_by_label("Token of an admin or of an app").fill(ADMIN)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        assert [] == [one for one in addresses if not one.startswith(f"{url}/ui/")]
        page.context.close()
    log = (tmp_path / "access.log").read_text()
    assert "/gw/ui/links/new" in log
    assert not any(secret in log for secret in (made["code"], ADMIN))


def test_whom_a_proxy_has_signed_in_is_known(browser: Browser, tmp_path: Path) -> None:
    """By its header with each request; there is nothing to sign out of here, and what one makes is one's own."""
    user = ProxyRules("x-forwarded-user", None, LOOPBACK)
    more = 'proxy_set_header X-Forwarded-User ann@acme.example; proxy_set_header Authorization "";'
    rules = replace(CONSOLE, proxies=LOOPBACK)
    with showing(console=lambda: rules, proxy=lambda: user) as shown, behind(shown, tmp_path, more) as url:
        page = browser.new_page()
        page.goto(f"{url}/ui/")
        expect(page.get_by_role("link", name="user:ann@acme.example")).to_be_visible()
        expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
        page.get_by_role("link", name="Keys").click()
        page.get_by_role("link", name="Links", exact=True).click()
        expect(page.get_by_text("Nothing here.")).to_be_visible()
        page.get_by_label("Find a link").fill("anything")
        page.get_by_role("button", name="Find").click()
        expect(page.get_by_text("Nothing here.")).to_be_visible()
        page.context.close()
