"""`gateway link open`: what a link asks of a person, asked in a terminal; before a listener that does as told."""

from __future__ import annotations

import json
import stat
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import urlopen

import pytest
from click.testing import Result

from gateway.cli import login, open_link
from gateway.core.token import LinkToken
from tests.cli.conftest import Listener, Terminal, reply

TOKEN = LinkToken.mint(b"\x07" * 21).text
BODY = bytes(range(256)) * 64
PASS, PASSWORD, CODE = "a-pass-of-the-link", "a password of it", "01234567"
LATER, OVER = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


class Link:
    """A link that asks for what it is told to, as the data listener does."""

    def __init__(self, listener: Listener, *, by: str = "code") -> None:
        self.listener = listener
        self.url = f"{listener.url}/s/{TOKEN}"
        self.password = self.terms = False
        self.holders, self.by = True, by
        self.until = LATER
        self.challenge, self.mark = "", "the-mark"
        self.codes: list[str] = []
        listener.answers = [self.answer]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self._choose(handler)(handler)

    def _choose(self, handler: BaseHTTPRequestHandler) -> Callable[[BaseHTTPRequestHandler], None]:
        _, _, headers, body = self.listener.seen[-1]
        basic = {None: "password_required", "Basic OmEgcGFzc3dvcmQgb2YgaXQ=": ""}
        if self.password and (reason := basic.get(headers.get("Authorization"), "password_wrong")):
            return self._refuse(401, reason, 'Basic realm="link"')
        if handler.command == "POST":
            return self._prove(parse_qs(body.decode()))
        if self.holders and headers.get("Gateway-Holder") != PASS:
            return self._refuse(401, "holder_required", f'Holder realm="link", by="{self.by}"')
        if self.terms and headers.get("Accept-Terms") not in {"1", "the-mark"}:
            return self._refuse(403, "terms_not_accepted", terms="Only for\n\x1b[2Jus.", terms_mark=self.mark)
        return reply(200, BODY, ETag='"v1"', Content_Disposition='attachment; filename="a.bin"')

    def _prove(self, form: dict[str, list[str]]) -> Callable[[BaseHTTPRequestHandler], None]:
        if "code_verifier" in form:
            self.codes += form["code"]
            digest = urlsafe_b64encode(sha256(form["code_verifier"][0].encode()).digest()).decode().rstrip("=")
            if (form["code"], digest) != (["a-code"], self.challenge):
                return self._refuse(401, "code_wrong")
            return reply(200, json.dumps({"pass": PASS, "expires_at": self.until}).encode())
        if "email" in form:
            if "@" not in form["email"][0]:
                return self._refuse(400, "bad_address")
            return reply(202, json.dumps({"challenge": "c1", "expires_in": 600}).encode())
        self.codes += form["code"]
        if (form["code"], form["challenge"]) != ([CODE], ["c1"]):
            return self._refuse(401, "code_wrong")
        return reply(200, json.dumps({"pass": PASS, "expires_at": self.until}).encode())

    def _refuse(
        self, status: int, reason: str, challenge: str = "", **more: str
    ) -> Callable[[BaseHTTPRequestHandler], None]:
        body = json.dumps({"title": "Refused", "detail": f"It says {reason}.", "reason": reason} | more).encode()
        return reply(status, body, **({"WWW-Authenticate": challenge} if challenge else {}))


@pytest.fixture
def link(listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Link:
    monkeypatch.chdir(tmp_path)
    return Link(listener)


def opened(terminal: Terminal, link: Link, *more: str, typed: str | None = None) -> Result:
    return terminal.run("link", "open", link.url, *more, typed=typed)


def test_a_code_is_asked_for_and_opens(terminal, link, tmp_path: Path) -> None:
    """The address by option or by typing, the code by typing; then the bytes."""
    done = opened(terminal, link, "--out", "b.bin", typed=f"ann@acme.example\n{CODE}\n")
    assert 0 == done.exit_code, done.output
    assert BODY == (tmp_path / "b.bin").read_bytes()
    assert not any(secret in done.output for secret in (PASS, TOKEN))


def test_a_pass_is_kept_for_this_link_alone_and_for_nobody_else(terminal, link, config: Path) -> None:
    """The next time nothing is asked; another link, another host and other people of the machine have nothing of it."""
    assert 0 == opened(terminal, link, "--email", "ann@acme.example", "--out", "1", typed=f"{CODE}\n").exit_code
    again = opened(terminal, link, "--out", "2")
    assert 0 == again.exit_code, again.output
    [kept] = (config / "passes").iterdir()
    assert 0o600 == stat.S_IMODE(kept.stat().st_mode)
    assert TOKEN not in kept.name + kept.read_text()
    other = LinkToken.mint(b"\x08" * 21).text
    link.url = link.url.replace(TOKEN, other)
    assert 1 == opened(terminal, link, "--email", "ann@acme.example", typed="").exit_code
    sent = [headers for _, path, headers, _ in link.listener.seen if other in path]
    assert sent
    assert [] == [headers for headers in sent if "Gateway-Holder" in headers]


def test_a_pass_that_is_over_is_not_shown(terminal, link) -> None:
    """It is asked for anew, though one is kept."""
    link.until = OVER
    for name in ("1", "2"):
        done = opened(terminal, link, "--email", "ann@acme.example", "--out", name, typed=f"{CODE}\n")
        assert 0 == done.exit_code, done.output
    assert [CODE, CODE] == link.codes


def test_all_that_a_link_asks_is_asked_in_its_order(terminal, link, tmp_path: Path) -> None:
    """Password, person, terms: each once, whichever way it is given."""
    link.password = link.terms = True
    typed = f"wrong\n{PASSWORD}\nann@acme.example\n{CODE}\ny\n"
    done = opened(terminal, link, "--out", "1", typed=typed)
    assert 0 == done.exit_code, done.output
    assert ("Only for\n" in done.output, "\x1b" in done.output) == (True, False)
    assert "the-mark" == link.listener.seen[-1][2]["Accept-Terms"], "what was read is what is accepted"
    (tmp_path / "word").write_text(PASSWORD + "\n")
    options = ("--password-file", "word", "--email", "ann@acme.example", "--accept-terms")
    done = opened(terminal, link, *options, "--out", "2")
    assert 0 == done.exit_code, done.output
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes() == BODY


def browse(monkeypatch: pytest.MonkeyPatch, link: Link, **said: str) -> list[str]:
    """Have a browser be opened in which somebody comes back with this; the addresses that it was opened at."""
    opened: list[str] = []

    def open_browser(address: str) -> bool:
        opened.append(address)
        asked = {name: value for name, [value] in parse_qs(urlsplit(address).query).items()}
        link.challenge = asked["code_challenge"]
        with urlopen(f"{asked['redirect_uri']}?{urlencode(said)}") as page:
            page.read()
        return True

    monkeypatch.setattr(login, "open_browser", open_browser)
    return opened


def test_a_sign_in_happens_in_a_browser_and_opens(terminal, link, monkeypatch, tmp_path: Path) -> None:
    """The link's own address with a challenge and a port of this machine; what comes back is a code, and no secret
    was in the address, on the terminal or in what is kept of others."""
    link.by = "oidc"
    opened_at = browse(monkeypatch, link, code="a-code")
    done = opened(terminal, link, "--out", "b.bin")
    assert 0 == done.exit_code, done.output
    assert BODY == (tmp_path / "b.bin").read_bytes()
    [address] = opened_at
    asked = parse_qs(urlsplit(address).query)
    assert link.url == urlsplit(address)._replace(query="").geturl()
    assert ["any"] == asked["sign_in"]
    assert "127.0.0.1" == urlsplit(asked["redirect_uri"][0]).hostname
    verifier = next(parse_qs(body.decode())["code_verifier"][0] for *_, body in link.listener.seen if b"verif" in body)
    assert not any(secret in done.output + address for secret in (PASS, verifier))
    assert (0, 1) == (opened(terminal, link, "--out", "2").exit_code, len(opened_at)), "the pass is kept"


@pytest.mark.parametrize(
    ("said", "told"), [({"code": "another"}, "It says code_wrong."), ({"error": "x"}, "without a code")]
)
def test_a_sign_in_that_comes_to_nothing_opens_nothing(terminal, link, monkeypatch, tmp_path, said, told) -> None:
    """Told in a sentence, and nothing is kept."""
    link.by = "oidc"
    browse(monkeypatch, link, **said)
    done = opened(terminal, link, "--out", "b.bin")
    assert (1, True) == (done.exit_code, told in done.output), done.output
    assert not (tmp_path / "b.bin").exists()
    assert not (tmp_path / "kept").exists()


def test_an_address_is_printed_for_a_browser_that_is_not_opened(terminal, link, monkeypatch) -> None:
    """Then somebody opens it, or nobody comes in time."""
    link.by = "oidc"
    opened_at = browse(monkeypatch, link, code="a-code")
    monkeypatch.setattr(open_link, "_BROWSER_SECONDS", 0.0)
    done = opened(terminal, link, "--no-browser", "--out", "b.bin")
    assert (1, []) == (done.exit_code, opened_at)
    assert f"{link.url}?sign_in=any&redirect_uri=http%3A%2F%2F127.0.0.1%3A" in done.output
    assert ("in time: try again." in done.output, "--device" in done.output) == (True, False)


def test_terms_that_are_not_accepted_open_nothing(terminal, link, tmp_path: Path) -> None:
    """Whoever says no, or nothing, has nothing."""
    link.terms, link.holders = True, False
    for typed in ("n\n", ""):
        assert 1 == opened(terminal, link, "--out", "1", typed=typed).exit_code
    assert not (tmp_path / "1").exists()


def test_a_wrong_code_may_be_typed_again_a_few_times(terminal, link) -> None:
    """Then the command ends with the link's own words; so it does without anybody who types."""
    done = opened(terminal, link, "--email", "ann@acme.example", "--out", "1", typed=f"1\n2\n{CODE}\n")
    assert (0, ["1", "2", CODE]) == (done.exit_code, link.codes)
    link.until = OVER
    link.listener.answers = [Link(link.listener).answer]
    other = link.url.replace(TOKEN, LinkToken.mint(b"\x09" * 21).text)
    done = terminal.run("link", "open", other, "--email", "ann@acme.example", typed="1\n" * 9)
    assert (1, True) == (done.exit_code, "It says code_wrong." in done.output)
    done = terminal.run("link", "open", other, "--email", "ann@acme.example", typed="")
    assert 1 == done.exit_code


@pytest.mark.parametrize(
    ("prepare", "options", "code", "told"),
    [
        (lambda link: None, ("--email", "nobody"), 1, "It says bad_address."),
        (lambda link: setattr(link, "by", "stars"), (), 1, "does not know: stars"),
        (lambda link: setattr(link, "password", True), ("--password-file", "wrong"), 1, "It says password_wrong."),
        (lambda link: setattr(link, "url", f"{link.listener.url}/other"), (), 2, "This takes the link's URL"),
        (lambda link: setattr(link, "url", f"http://127.0.0.1:9/s/{TOKEN}"), (), 3, "does not answer"),
        (lambda link: setattr(link.listener, "answers", [reply(404)]), (), 4, "answered 404"),
        (lambda link: setattr(link.listener, "answers", [reply(410, b'{"detail": "Over."}')]), (), 1, "Over."),
        (lambda link: None, ("--out", "wrong"), 1, "is there already"),
        (lambda link: None, ("--out", "-", "--json"), 2, "not both"),
    ],
)
def test_what_does_not_open_is_told_in_a_sentence(terminal, link, tmp_path: Path, prepare, options, code, told) -> None:
    """With the exit code of its kind, and no traceback."""
    (tmp_path / "wrong").write_text("of another link\n")
    prepare(link)
    done = opened(terminal, link, *options)
    assert (code, True) == (done.exit_code, told in done.output), done.output
    assert "Traceback" not in done.output


def test_curl_gets_it_without_a_secret_in_its_arguments(terminal, link, tmp_path: Path) -> None:
    """What is printed works as it stands; a pass is in a file of one's own."""
    done = opened(terminal, link, "--email", "ann@acme.example", "--accept-terms", typed=f"{CODE}\n")
    assert 0 == done.exit_code, done.output
    command = done.stdout.rstrip("\n").rpartition("\n")[2]
    assert PASS not in command
    subprocess.run(["sh", "-c", command + " -s"], check=True, cwd=tmp_path)
    assert BODY == (tmp_path / "a.bin").read_bytes()
    told = json.loads(opened(terminal, link, "--json").stdout)
    assert (LATER, 0o600) == (told["expires_at"], stat.S_IMODE(Path(told["curl_config"]).stat().st_mode))


_OPTION = 'x"\n output = "written'


@pytest.mark.parametrize("given", ["pass", "terms"])
def test_a_host_gives_curl_no_option(terminal, link, monkeypatch, tmp_path: Path, config: Path, given: str) -> None:
    """What a link's host has given to be shown to it would be lines of a file that curl reads."""
    if given == "pass":
        monkeypatch.setattr(f"{__name__}.PASS", _OPTION)
        done = opened(terminal, link, "--email", "ann@acme.example", typed=f"{CODE}\n")
    else:
        link.holders, link.terms, link.mark = False, True, _OPTION
        done = opened(terminal, link, typed="y\n")
    assert 1 == done.exit_code, done.output
    assert "is not plain text" in done.stderr
    assert not list(config.rglob("*.curl"))


def test_a_link_that_asks_for_nothing_just_opens(terminal, link, tmp_path: Path) -> None:
    """And nothing is kept of it."""
    link.holders = False
    done = opened(terminal, link, "--out", "b.bin")
    assert 0 == done.exit_code, done.output
    assert not (tmp_path / "kept").exists()
    command = opened(terminal, link).stdout.rstrip("\n").rpartition("\n")[2]
    assert f"curl -OJ '{link.url}?download=1'" == command
    folder = terminal.run("link", "open", f"{link.url}/").stdout.rstrip("\n").rpartition("\n")[2]
    assert f"curl -OJ '{link.url}/?download=1&archive=zip'" == folder


def test_a_download_that_broke_goes_on(terminal, link, tmp_path: Path) -> None:
    """As `gateway link download` does, with the pass at each request."""
    rest = reply(206, BODY[100:], ETag='"v1"', Content_Range=f"bytes 100-{len(BODY) - 1}/{len(BODY)}")
    (tmp_path / "b.bin.part").write_bytes(BODY[:100])
    (tmp_path / "b.bin.part.etag").write_text('"v1"')
    link.holders = False
    link.listener.answers = [link.answer, rest]
    assert 0 == opened(terminal, link, "--out", "b.bin").exit_code
    assert BODY == (tmp_path / "b.bin").read_bytes()
    assert "bytes=100-" == link.listener.headers(1)["Range"]
