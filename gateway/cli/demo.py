"""Owns the tour: a real store, the gateway and a link, with no configuration and nothing left behind.

Refuses to own any part of it: the store is `gateway.cli.embedded_store`, the gateway is `gateway.app` as `serve` runs
it, and everything else goes through the control API and the link, as a user's own calls would.

Law: whatever happens, no process outlives the command, and a directory that the user did not name is removed.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import click

from gateway.cli.client import Control, connect, escape_segment
from gateway.cli.free_ports import free_ports
from gateway.cli.output import fail, json_option, print_json, say
from gateway.cli.serve import run_loop
from gateway.core.values import dataclass

if TYPE_CHECKING:
    from gateway.cli.embedded_store import EmbeddedStore

_MARK: Final = "# Written by gateway demo; the next one writes it anew."
_BUCKET: Final = "demo"
_KEY: Final = "hello.txt"
_SAMPLE: Final = b"Hello! These bytes came through a link that can be taken back.\n"
_PORTS: Final = (8080, 8081)
_TIMEOUT: Final = 20.0

_SETTINGS: Final = """{mark}
data: {{listen: "127.0.0.1:{data}", public_url: "http://127.0.0.1:{data}"}}
control: {{listen: "127.0.0.1:{control}", tokens: [{{name: demo, secret: "file:secrets/admin_token"}}]}}
state: "sqlite:///{database}"
policies: policies/
log: {{level: warning, format: console}}
"""

_POLICY: Final = """{mark}
backends:
  store:
    profile: {profile}
    endpoint: "{endpoint}"
    credentials: {{access_key: "file:../secrets/access_key", secret_key: "file:../secrets/secret_key"}}
buckets:
  {bucket}: {{backend: store}}
rules:
  - name: the demo may do everything
    who: ["admin:demo", "app:*"]
    may: [read, list, write, delete, share]
    on: "{bucket}/**"
    links: {{actions: [read, list, write]}}
examples:
  - {{who: "app:anyone", do: GetObject, on: {bucket}/{key}, expect: allow}}
  - {{who: anonymous, do: GetObject, on: {bucket}/{key}, expect: deny}}
"""


@click.command()
@click.option("--once", is_flag=True, help="Prove it by itself: download, revoke, see the refusal, end.")
@click.option("--port", type=click.IntRange(1, 65535), help="Of the data listener; 8080 unless it is taken.")
@click.option("--dir", "home", type=click.Path(file_okay=False, path_type=Path), help="Keep everything here.")
@json_option
def demo(*, once: bool, port: int | None, home: Path | None, as_json: bool) -> None:
    """Try everything, with no configuration.

    Starts a real S3 store and the gateway, puts a sample object, creates a link, and prints what to try. Ctrl-C ends
    it and removes what it made, unless --dir names a place to keep it.
    """
    with _open_directory(home) as place:
        _choose_ports(port)  # one that is taken is told at once
        run_loop(lambda: _run(place, port, once=once, as_json=as_json))


@contextmanager
def _open_directory(named: Path | None) -> Iterator[Path]:
    """Where the demo lives. A directory of other people's files is refused, one of our own making is removed."""
    if named is not None:
        settings = named / "gateway.yaml"
        if settings.exists() and not settings.read_text(errors="replace").startswith(_MARK):
            fail(f"{settings} was not written by gateway demo: name another directory.")
        named.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield named.resolve()
        return
    made = Path(tempfile.mkdtemp(prefix="gateway-demo-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _choose_ports(wanted: int | None) -> tuple[int, int]:
    """The data and the control port: as asked for, else the usual ones, else any that are free."""
    data = _find_port(wanted or _PORTS[0], fixed=wanted is not None)
    control = _find_port(_PORTS[1], fixed=False) if data != _PORTS[1] else free_ports(1)[0]
    return data, control


def _find_port(wanted: int, *, fixed: bool) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return fail(f"The port {wanted} is taken.") if fixed else free_ports(1)[0]
        return wanted


@dataclass(frozen=True, slots=True)
class _Demo:
    """A running demo, as its user sees it."""

    home: Path
    api: Control
    data_url: str

    @property
    def _token_file(self) -> Path:
        return self.home / "secrets" / "admin_token"

    def prepare(self) -> dict[str, Any]:
        """Put the sample through an upload link; the answer is a new link to it."""
        common = {"bucket": _BUCKET, "key": _KEY, "label": "demo"}
        upload_link = self.api.call(
            "POST", "/v1/links", {**common, "actions": ["write"], "uses": 1, "expires_in": "10m", "overwrite": True}
        )
        status, body = _send("PUT", str(upload_link["url"]), _SAMPLE)
        if status >= 300:
            fail(f"The sample could not be put into the store: the upload was answered {status}, {_summarise(body)}.")
        return self.api.call("POST", "/v1/links", {**common, "actions": ["read"], "expires_in": "30d"})

    def show(self, link: dict[str, Any]) -> None:
        url, token_file = link["url"], self._token_file
        shown = shlex.quote(str(token_file))
        click.echo(
            f"""
The gateway is at {self.data_url}, its control API at {self.api.url}.
Its console is at {self.api.url}/ui/; sign in with the token in {token_file}.
A link to {_BUCKET}/{_KEY}, good for 30 days or until it is revoked:

  {url}

Try in another terminal:

  curl {url}
{_path_line()}  export GATEWAY_URL={self.api.url} GATEWAY_ADMIN_TOKEN="$(cat {shown})"
  gateway ui
  gateway link ls
  gateway link log {link["id"]}
  gateway link revoke {link["id"]}
  curl -i {url}
  gateway link create {_BUCKET}/ --file SOME_FILE --uses 3
  gateway key create my-app

Ctrl-C ends it."""
        )

    def name(self, link: dict[str, Any]) -> None:
        """The same for programs."""
        print_json(
            {
                "url": link["url"],
                "link": link["id"],
                "data_url": self.data_url,
                "control_url": self.api.url,
                "console_url": f"{self.api.url}/ui/",
                "admin_token_file": str(self._token_file),
            }
        )

    def prove(self, link: dict[str, Any], *, quiet: bool) -> None:
        """Download, compare, revoke, see the refusal. Fails with the first thing that is not as it has to be."""
        url = str(link["url"])
        if not quiet:
            click.echo(url)
        status, body = _send("GET", url)
        if (status, body) != (200, _SAMPLE):
            fail(
                f"The download was answered {status} with {len(body)} bytes, not 200 with the {len(_SAMPLE)} put there."
            )
        say(f"downloaded {len(body)} bytes through the link, the same that were put")
        self.api.call("DELETE", f"/v1/links/{escape_segment(str(link['id']))}")
        status, body = _send("GET", url)
        if status != 410:
            fail(f"The revoked link was answered {status}, not 410.")
        say(f"revoked it; now it is answered {status}: {_summarise(body)}")


async def _run(home: Path, port: int | None, *, once: bool, as_json: bool) -> None:
    from gateway.app import run
    from gateway.cli.embedded_store import EmbeddedStore

    say("Starting a store …")
    async with EmbeddedStore(home / "store") as store:
        await asyncio.to_thread(store.create_bucket, _BUCKET)
        # Free ones are looked for when the store has all that it takes: it takes a dozen, and some at random.
        tour = _write(home, _choose_ports(port), store)
        # Overrides meant for a gateway of the user's own must not reach this one.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        ready, stop = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(run(home / "gateway.yaml", environ=environ, ready=ready.set, stop=stop))
            try:
                await ready.wait()
                link = await asyncio.to_thread(tour.prepare)
                if as_json:
                    tour.name(link)
                if once:
                    await asyncio.to_thread(tour.prove, link, quiet=as_json)
                else:
                    if not as_json:
                        tour.show(link)
                    await serving
            finally:
                stop.set()


def _write(home: Path, ports: tuple[int, int], store: EmbeddedStore) -> _Demo:
    """The files of the demo, secrets for their owner alone."""
    token = secrets.token_urlsafe(24)
    for name in ("policies", "secrets"):
        (home / name).mkdir(mode=0o700, exist_ok=True)
    for name, text in (("admin_token", token), ("access_key", store.access_key), ("secret_key", store.secret_key)):
        path = home / "secrets" / name
        path.touch(mode=0o600)
        path.write_text(text)
    data, control = ports
    database = quote(str(home / "gateway.db"))
    (home / "gateway.yaml").write_text(_SETTINGS.format(mark=_MARK, data=data, control=control, database=database))
    policy = _POLICY.format(mark=_MARK, profile=store.profile, endpoint=store.endpoint, bucket=_BUCKET, key=_KEY)
    (home / "policies" / "demo.yaml").write_text(policy)
    return _Demo(home, Control(f"http://127.0.0.1:{control}", token, _TIMEOUT), f"http://127.0.0.1:{data}")


def _path_line() -> str:
    """What lets a shell find `gateway` where it was installed beside its interpreter and nowhere else, as by `make`."""
    programs = Path(sys.executable).parent
    if shutil.which("gateway") or not (programs / "gateway").exists():
        return ""
    return f'  export PATH={shlex.quote(str(programs))}:"$PATH"\n'


def _send(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    """One request through a link: the status and the whole body."""
    from http.client import HTTPException

    try:
        with closing(connect(url, _TIMEOUT)) as connection:
            connection.request(method, urlsplit(url).path, body, {"User-Agent": "gateway demo", "Accept": "*/*"})
            answer = connection.getresponse()
            return answer.status, answer.read()
    except (OSError, HTTPException) as error:
        return fail(f"The link did not answer: {str(error) or type(error).__name__}.")


def _summarise(body: bytes) -> str:
    """The detail of a problem document, or the start of any other body, in one line."""
    import json

    try:
        problem = json.loads(body)
        return str(problem.get("detail") or problem["title"])
    except (ValueError, KeyError, AttributeError):
        return body[:120].decode("utf-8", "replace").replace("\n", " ")
