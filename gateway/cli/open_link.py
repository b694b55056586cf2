"""Owns `gateway link open`: everything that a link asks of a person before it opens, asked in a terminal.

Refuses to own moving the bytes (`gateway.cli.transfer`), what a link asks for (the data listener's), and where passes
are kept (`gateway.cli.passes`).

Laws: neither a pass nor a password is an argument of any command, printed, or in an address. What a link's host has
given to be shown to it is taken only if it is nothing but that: it is written into a file of options for curl.
"""

from __future__ import annotations

import json
import re
import shlex
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import click

from gateway.cli.options import ask_password, password_file_option, read_password_file
from gateway.cli.output import fail, fail_with_problem, json_option, print_json, say
from gateway.cli.passes import PASS_HEADER, find_pass, keep_pass, name_for
from gateway.cli.private_files import write_text
from gateway.cli.transfer import LinkClient, check_out, file_address, save
from gateway.cli.values import find_token

_MOST_QUESTIONS: Final = 8
_TRIES: Final = 5
"""Of one code, as the gateway counts them."""

_BROWSER_SECONDS: Final = 600.0
"""Seconds for somebody to sign in in a browser."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}", re.ASCII)
"""Passes and marks: what a bearer's token may be (RFC 6750, 2.1)."""

_BY: Final = re.compile(r'\bby="([a-z]+)"')


@click.command("open")
@click.argument("url", metavar="URL")
@click.option("-o", "--out", metavar="FILE", help="Download to this file; - is standard output.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--email", metavar="ADDRESS", help="Yours, if the link asks who you are; asked for unless given.")
@password_file_option
@click.option(
    "--no-browser", is_flag=True, help="Where the link asks for a sign-in, print its address; open no browser."
)
@click.option("--accept-terms", is_flag=True, help="Accept the link's terms; shown and asked for unless given.")
@json_option
def open_link(
    url: str,
    *,
    out: str | None,
    force: bool,
    email: str | None,
    password_file: Path | None,
    no_browser: bool,
    accept_terms: bool,
    as_json: bool,
) -> None:
    """Open a link as a person does: by a code that is sent to you or a sign-in, its password, its terms.

    A sign-in happens in a browser on this machine, which is opened and waited for; with --no-browser it may be
    elsewhere, and you paste the address that it ends at.
    With --out, download what it is for; a download that broke goes on. Without, print how curl gets it. Who you proved
    to be is remembered for this link until that ends: gateway link download and gateway link credentials show it, too.

    \b
    gateway link open URL --email ann@example.com --out report.pdf
    """
    if find_token(url) is None or "/" not in url:
        raise click.UsageError("This takes the link's URL, which was shown when it was made.")
    if out is not None:
        check_out(out, force=force, as_json=as_json)
    password = None if password_file is None else read_password_file(password_file)
    visitor = _Visitor(url, email, password, accepts=accept_terms, browser=not no_browser)
    visitor.enter()
    if out is None:
        visitor.explain(as_json=as_json)
    else:
        client = visitor.client()
        save(replace(client, url=file_address(client.url)), out, as_json=as_json)


class _Visitor:
    """Somebody before a link, with what they have shown so far."""

    def __init__(self, url: str, email: str | None, password: str | None, *, accepts: bool, browser: bool) -> None:
        self._url = url
        self._email = email
        self._browser = browser
        self._password = password
        self._given_password = password is not None
        self._accepts = "1" if accepts else ""
        self._pass, self._until = find_pass(url)

    def enter(self) -> None:
        """Ask for all that the link asks for, until it opens.

        Raises:
            click.exceptions.Exit: it does not, or nobody answers.
        """
        for _ in range(_MOST_QUESTIONS):
            status, headers, body = self._ask("HEAD")
            if status >= 400:
                status, headers, body = self._ask("GET")  # HEAD does not say why; what is refused takes no use
            if status < 400:
                return
            self._give(status, headers, body)
        fail("The link goes on asking for the same.")

    def _give(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        said = _members(body)
        match said.get("reason"):
            case "password_required":
                self._password = ask_password()
            case "password_wrong" if not self._given_password:
                say("The password is wrong.")
                self._password = ask_password()
            case "holder_required":
                self._prove(headers)
            case "terms_not_accepted" if not self._accepts:
                say(str(said.get("terms", "The link has terms, which its page shows.")))
                click.confirm("Do you accept these terms?", abort=True, err=True)
                self._accepts = _shown_by(said.get("terms_mark", "1"))
            case _:
                fail_with_problem(status, body)

    def _prove(self, headers: Mapping[str, str]) -> None:
        by = _BY.search(headers.get("www-authenticate", ""))
        match "code" if by is None else by[1]:
            case "code":
                self._type_code()
            case "oidc":
                self._sign_in()
            case other:
                fail(f"This link asks for a proof that this version does not know: {other}.")

    def _sign_in(self) -> None:
        """Have a browser bring a code of whoever signs in there, and take it for a pass, which is kept."""
        import secrets

        from gateway.cli.login import open_browser
        from gateway.cli.loopback import ELSEWHERE, Loopback, own_terminal

        verifier = secrets.token_urlsafe(48)
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        with Loopback() as back:
            asked = {"sign_in": "any", "redirect_uri": back.address, "code_challenge": challenge}
            address = urlsplit(self._url)._replace(query=urlencode(asked), fragment="").geturl()
            say(f"Sign in in a browser on this machine:\n\n  {address}\n")
            terminal = None if self._browser else own_terminal()
            if self._browser:
                open_browser(address)
            elif terminal is not None:
                say(ELSEWHERE)
            said = parse_qs(back.take_answer(_BROWSER_SECONDS, "try again", terminal=terminal))
        if len(said.get("code", ())) != 1:
            fail("The browser came back without a code: nobody is signed in.")
        status, _, body = self._ask("POST", {"code": said["code"][0], "code_verifier": verifier})
        self._take(status, body)

    def _take(self, status: int, body: bytes) -> None:
        """Keep the pass of an answer. Raises click.exceptions.Exit: it holds none."""
        said = _members(body)
        if status != HTTPStatus.OK or not isinstance(said.get("pass"), str):
            fail_with_problem(status, body)
        self._pass, self._until = _shown_by(said["pass"]), str(said.get("expires_at", ""))
        keep_pass(self._url, self._pass, self._until)

    def _type_code(self) -> None:
        """Have a code sent, and take it for a pass, which is kept."""
        if self._email is None:
            self._email = click.prompt("Your mail address", err=True)
        status, _, body = self._ask("POST", {"email": str(self._email)})
        challenge = _members(body).get("challenge")
        if status != HTTPStatus.ACCEPTED or not isinstance(challenge, str):
            fail_with_problem(status, body)
        say(f"If the link is for {self._email}, a code is on its way there. It is good for ten minutes.")
        for _ in range(_TRIES):
            code = click.prompt("Code", err=True)
            status, _, body = self._ask("POST", {"code": code, "challenge": challenge})
            if _members(body).get("reason") != "code_wrong":
                break
            say("The code is wrong.")
        self._take(status, body)

    def _ask(self, method: str, form: Mapping[str, str] | None = None) -> tuple[int, Mapping[str, str], bytes]:
        """The answer to one request. Raises click.exceptions.Exit: there is none."""
        body = None if form is None else urlencode(form).encode()
        headers = {"Accept": "application/json"}
        if body is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
        return self.client().ask(method, headers, body)

    def client(self) -> LinkClient:
        """The link, with what was shown."""
        shown = ((PASS_HEADER, self._pass), ("Accept-Terms", self._accepts))
        return LinkClient(_deliberate(self._url), self._password, tuple(one for one in shown if one[1]))

    def explain(self, *, as_json: bool) -> None:
        """Print how another program gets it, without a secret in its arguments."""
        lines = [f'header = "{name}: {value}"' for name, value in self.client().shown]
        path = None
        if lines:
            path = write_text(f"{name_for(self._url)}.curl", "\n".join(lines) + "\n")
        config = [] if path is None else ["-K", str(path)]
        login = [] if self._password is None else ["-u", "link"]  # curl asks for the password
        words = ["curl", *config, *login, "-OJ", file_address(_deliberate(self._url))]
        if as_json:
            print_json({"expires_at": self._until or None, "curl_config": None if path is None else str(path)})
            return
        say(f"The link is open to you{f' until {self._until}' if self._until else ''}. By curl:")
        click.echo(shlex.join(words))


def _deliberate(url: str) -> str:
    """The address of the download itself, for links that ask before they give anything."""
    parts = urlsplit(url)
    query = parts.query if "download=1" in parts.query.split("&") else f"{parts.query}&download=1".strip("&")
    return parts._replace(query=query, fragment="").geturl()


def _shown_by(text: object) -> str:
    """What goes into a header's value, and between quotes.

    Raises:
        click.exceptions.Exit: it would be more than that.
    """
    if not isinstance(text, str) or not _PLAIN.fullmatch(text):
        fail("What answers there is no gateway: what it gave to be shown is not plain text.")
    return text


def _members(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
