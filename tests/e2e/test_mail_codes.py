"""Codes by mail, with a real mail server: they arrive, they open, and nothing that reads mails uses them up."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.place import Place, noise
from tests.servers.gateway import gateway_before
from tests.servers.scanner import Scanner, Visitor
from tests.servers.smtp import Post, running_post
from tests.servers.store import RunningStore

BODY = noise(5000)


@pytest.fixture(scope="module")
def post() -> Iterator[Post]:
    with running_post() as server:
        yield server


@pytest.fixture(scope="module")
def place(seaweedfs: RunningStore, post: Post, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A gateway that sends mails there."""
    smtp = f"{{host: 127.0.0.1, port: {post.port}, security: plain, from: Acme <files@acme.example>}}"
    more = f"mail: {{smtp: {smtp}}}\nsharing: {{branding: {{name: Acme Files}}}}"
    with gateway_before([seaweedfs], tmp_path_factory.mktemp("mailing"), more) as running:
        yield Place.before(running, seaweedfs)


@pytest.fixture
def ann() -> str:
    """Her address: another for each test, so that no mail of the test before is taken for one of this."""
    return f"ann-{secrets.token_hex(4)}@acme.example"


@pytest.fixture
def url(place: Place, ann: str) -> str:
    """Of a link that is for Ann."""
    key = f"codes/{secrets.token_hex(4)}.bin"
    place.put(key, BODY)
    return place.link(key, holders={"emails": [ann], "by": "code"}).url


def code_in(text: str) -> str:
    [code] = re.findall(r"^ +(\d{8})\s*$", text, re.MULTILINE)
    return str(code)


def ask_for_code(person: Visitor, url: str, post: Post, address: str) -> str:
    """The text of the mail that comes of it."""
    status, _, page = person.ask(url)
    assert (401, True) == (status, 'name="email"' in page)
    person.ask(url, {"email": address})
    return str(post.wait_for(address).get_content())


def test_a_code_by_mail_opens(place: Place, post: Post, url: str, ann: str) -> None:
    """Asked for, sent by the settings' server in the branding's name, typed, posted; once."""
    person = Visitor()
    mail = ask_for_code(person, url, post, ann)
    assert "Acme Files" in str(post.wait_for(ann)["Subject"])
    status, _, _ = person.ask(url, {"code": code_in(mail)})
    assert 200 == status
    with person.opener.open(url + "?download=1") as answer:
        assert BODY == answer.read()


def test_a_scanner_uses_no_code_up(place: Place, post: Post, url: str, ann: str) -> None:
    """It opens all that the mails lead to and submits each form, with and without what it finds in them, before the
    person does: by GET and by POST. Then the person's code works."""
    scanner, letter = Scanner(), f"Hello Ann, here it is: {url}"
    person = Visitor()
    scanned: list[str] = []

    def scan(mail: EmailMessage) -> None:
        if not scanned:  # the scanner asks for codes, too, and has mails of its own
            scanned.append(str(mail.get_content()))
            scanner.scan(letter, str(mail["Subject"]), mail.get_content())

    post.taken = scan
    try:
        person.ask(url)
        person.ask(url, {"email": ann})
        post.wait_for(ann, 60)
    finally:
        post.taken = lambda _: None
    [mail] = scanned
    sent = "\n".join(scanner.asked)
    assert "POST" in sent
    assert f"'code': '{code_in(mail)}'" in sent, "the scanner typed the very code"
    status, _, page = person.ask(url, {"code": code_in(mail)})
    assert 200 == status, page
    with person.opener.open(url + "?download=1") as answer:
        assert BODY == answer.read()


def test_the_scanner_would_have_used_a_link_up() -> None:
    """The control: the same scanner before a service that sends its code as a link, by GET or behind a button."""
    left = {"by-get", "by-post"}

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            left.discard(urlsplit(self.path).path.strip("/").replace("by-post", ""))
            self._answer(f'<form method="post" action="{self.path}"><button name="go" value="1"></form>')

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            left.discard(urlsplit(self.path).path.strip("/"))
            self._answer("done")

        def _answer(self, page: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(page.encode())

        def do_HEAD(self) -> None:
            self._answer("")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Tests are silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        place = f"http://127.0.0.1:{server.server_port}"
        Scanner().scan(f"Sign in: {place}/by-get, or here: {place}/by-post.")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert set() == left


def test_nobody_who_asks_learns_who_is_on_the_list(place: Place, post: Post, url: str, ann: str) -> None:
    """The same page for every address, but for what a window's form returns, and no mail to anybody else."""
    pages, eve = [], "eve@evil.example"
    for address in (ann, eve):
        visitor = Visitor()
        visitor.ask(url)
        pages.append(visitor.ask(url, {"email": address}))
    post.wait_for(ann)
    assert eve not in post.recipients
    (status, _, first), (other, _, second) = pages
    challenges = [re.findall('name="challenge" value="([^"]+)"', page) for page in (first, second)]
    assert [1, 1] == [len(found) for found in challenges]
    ours, theirs = first.replace(ann, "X"), second.replace(eve, "X")
    assert (status, ours.replace(challenges[0][0], "")) == (other, theirs.replace(challenges[1][0], ""))


def test_the_log_holds_no_code_and_says_what_became_of_the_mail(place: Place, post: Post, url: str, ann: str) -> None:
    """Neither do the metrics."""
    mail = ask_for_code(Visitor(), url, post, ann)
    deadline = time.monotonic() + 10
    while "a mail was sent" not in (log := place.gateway.log()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "a mail was sent" in log
    assert code_in(mail) not in log + place.gateway.api("GET", "/metrics")
    assert place.gateway.metric("gateway_mails_total", result="sent") >= 1


def test_a_mail_is_in_the_language_of_who_asked(place: Place, post: Post, url: str, ann: str) -> None:
    """By Accept-Language at the asking."""
    person = Visitor()
    person.opener.addheaders = [("Accept-Language", "de-AT,de;q=0.9")]
    assert "Ihr Code lautet" in ask_for_code(person, url, post, ann)
    assert "de" == post.wait_for(ann)["Content-Language"]


def test_no_link_is_in_the_mail(place: Place, post: Post, url: str, ann: str) -> None:
    """There is nothing to open."""
    mail = ask_for_code(Visitor(), url, post, ann)
    assert [] == re.findall(r"https?:|www\.|[\w.-]+/\w|<", mail)


def test_a_reload_brings_a_way_to_send(seaweedfs: RunningStore, post: Post, tmp_path: Path, ann: str) -> None:
    """Links for people are refused while no mail is sent, and made and opened once the settings say how."""
    with gateway_before([seaweedfs], tmp_path / "later") as running:
        bucket = seaweedfs.profile
        body = {"bucket": bucket, "key": "a", "actions": ["read"], "holders": {"emails": [ann], "by": "code"}}
        assert "mail" in str(running.api("POST", "/v1/links", body, expect=422))
        settings, smtp = running.directory / "gateway.yaml", f"host: 127.0.0.1, port: {post.port}, security: plain"
        settings.write_text(f"{settings.read_text()}\nmail: {{smtp: {{{smtp}, from: files@acme.example}}}}\n")
        deadline = time.monotonic() + 20
        while '"reloaded"' not in running.log() and time.monotonic() < deadline:
            time.sleep(0.05)
        link = running.link(bucket, "a", holders=body["holders"])
        assert code_in(ask_for_code(Visitor(), link.url, post, ann))


def test_the_command_line_opens_it(place: Place, post: Post, url: str, ann: str, tmp_path: Path) -> None:
    """`gateway link open`, with a code from the mail on its standard input."""
    command = [sys.executable, "-m", "gateway", "link", "open", url, "--email", ann, "--out", "got.bin"]
    environ = {**os.environ, "GATEWAY_CONFIG_DIR": str(tmp_path / "kept")}
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=tmp_path, env=environ, text=True) as child:
        code = code_in(post.wait_for(ann, 60).get_content())
        child.communicate(f"{code}\n", timeout=60)
    assert (0, BODY) == (child.returncode, (tmp_path / "got.bin").read_bytes())
