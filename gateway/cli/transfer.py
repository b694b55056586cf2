"""Owns moving bytes through links from the command line, and drawing a link's URL as a QR code.

Refuses to own what a link allows: it is an ordinary client of the data listener.

Law: a file appears under its name only when it is whole, and is never pieced together from two versions of an object;
no secret part of a URL is ever printed, unless it is what was asked for.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NoReturn
from urllib.parse import unquote, urlsplit

import click

from gateway import __version__
from gateway.cli.client import connect
from gateway.cli.options import RenamedOption, password_file_option, read_known_password
from gateway.cli.output import Exit, Progress, fail, fail_with_problem, json_option, print_json, say
from gateway.cli.passes import shown_pass
from gateway.cli.values import find_token
from gateway.core.values import dataclass

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

_CHUNK: Final = 256 * 1024
_TIMEOUT: Final = 60.0
_LONGEST: Final = 64 * 1024
"""Bytes that are read of an answer that is no file."""

_TRIES: Final = 5
"""How often a broken download goes on without a single byte of progress in between."""

_AGENT: Final = f"gateway/{__version__}"


def draw_code(text: str) -> None:
    """The QR code of a text in half blocks, on standard output."""
    click.echo(_render_code(text), nl=False)


def _render_code(text: str) -> str:
    import segno

    drawn = io.StringIO()
    segno.make(text, error="m", micro=False).terminal(out=drawn, compact=True)
    return drawn.getvalue()


@click.command()
@click.argument("url", metavar="URL")
@click.option(
    "-o",
    "--out",
    cls=RenamedOption,
    former="--output",
    type=click.Path(dir_okay=False),
    help="Write an .svg or .png file instead.",
)
@json_option
def qr(url: str, out: str | None, *, as_json: bool) -> None:
    """Draw the QR code of a link's URL."""
    if find_token(url) is None or "/" not in url:
        raise click.UsageError(
            "This draws a link's URL, which cannot be had from its id: gateway link rotate gives a new one."
        )
    if out is not None:
        import segno

        if Path(out).suffix not in {".svg", ".png"}:
            raise click.UsageError("The file's name has to end in .svg or .png.")
        segno.make(url, error="m", micro=False).save(out, scale=8)
    if as_json:
        print_json({"url": url, "file": out} if out is not None else {"url": url, "code": _render_code(url)})
    elif out is None:
        draw_code(url)


@click.command()
@click.argument("url", metavar="URL")
@click.option(
    "-o",
    "--out",
    cls=RenamedOption,
    former="--output",
    metavar="FILE",
    help="Where to; - is standard output. The link's own file name unless given.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--password", "wants_password", is_flag=True, help="Ask for the link's password.")
@password_file_option
@json_option
def download(
    url: str, *, out: str | None, force: bool, wants_password: bool, password_file: Path | None, as_json: bool
) -> None:
    """Download through a link. Goes on by itself after a break, also in a later run.

    A folder comes as one zip, which is made as it is sent: broken off, it begins anew. A link that asks who you are is
    opened by gateway link open first.
    """
    if out is not None:
        check_out(out, force=force, as_json=as_json)
    source = LinkClient(
        file_address(url), read_known_password(password_file, wants_password=wants_password), shown_pass(url)
    )
    if out is None:
        out = source.name()
        check_out(out, force=force, as_json=as_json)
    save(source, out, as_json=as_json)


def file_address(url: str) -> str:
    """Where what a link gives is one file: of a folder, whose address ends with a slash, all of it as a zip."""
    parts = urlsplit(url)
    asked = {part.partition("=")[0] for part in parts.query.split("&") if part}
    if parts.path.endswith("/") and asked <= {"download"}:
        return parts._replace(query=f"{parts.query}&archive=zip".strip("&")).geturl()
    return url


def check_out(out: str, *, force: bool, as_json: bool) -> None:
    """Let pass where a download may go to; - is standard output.

    Raises:
        click.UsageError: standard output is for the document of `--json` already.
        click.exceptions.Exit: a file is there, which only `force` replaces.
    """
    if out == "-":
        if as_json:
            raise click.UsageError("Standard output takes the bytes or the document of --json, not both.")
    elif Path(out).exists() and not force:
        fail(f"{out} is there already: --force replaces it, --out names another.")


def save(source: LinkClient, out: str, *, as_json: bool) -> None:
    """Download to where `check_out` let it go, and tell. Raises as `Download.run`."""
    if out == "-":
        Download(source, sys.stdout.buffer, "stdout").run()
        return
    path = Path(out)
    _save_file(source, path)
    if as_json:
        print_json({"file": out, "bytes": path.stat().st_size})
    else:
        say(f"saved {out}")


def _save_file(source: LinkClient, path: Path) -> None:
    """The body into a file, which has its name when it is whole. Raises as `Download.run`."""
    part = path.with_name(path.name + ".part")
    note = path.with_name(path.name + ".part.etag")
    tag = note.read_text() if part.exists() and note.exists() else None
    with part.open("r+b" if tag else "wb") as file:
        offset = file.seek(0, os.SEEK_END)
        Download(source, file, path.name, offset=offset, tag=tag, note=note).run()
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    note.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class LinkClient:
    """One link as a client sees it. `shown` are headers that go with each request."""

    url: str
    password: str | None
    shown: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def open(
        self, method: str, headers: dict[str, str], body: bytes | None = None
    ) -> tuple[HTTPConnection, HTTPResponse]:
        """Send a request. Raises OSError or HTTPException when no answer comes."""
        parts = urlsplit(self.url)
        wanted = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": _AGENT, **dict(self.shown), **headers}
        if self.password is not None:
            from base64 import b64encode

            wanted["Authorization"] = "Basic " + b64encode(f":{self.password}".encode()).decode()
        connection = connect(self.url, _TIMEOUT)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body, wanted)
        return connection, connection.getresponse()

    def ask(
        self, method: str, headers: dict[str, str], body: bytes | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """The status, headers (in lower case) and document of an answer; what a link gives to GET is not read.

        Raises:
            click.exceptions.Exit: there is none.
        """
        from http.client import HTTPException

        try:
            connection, answer = self.open(method, headers, body)
            with closing(connection):
                named = {name.lower(): value for name, value in answer.getheaders()}
                return answer.status, named, answer.read(_LONGEST) if answer.status >= 400 or method == "POST" else b""
        except (OSError, HTTPException) as error:
            fail(f"The link's host does not answer: {str(error) or type(error).__name__}.", Exit.UNREACHABLE)

    def name(self) -> str:
        """What the link calls its object, made safe: no path, nothing hidden, nothing unprintable."""
        disposition = self.ask("HEAD", {})[1].get("content-disposition", "")
        _, path_marker, tail = urlsplit(self.url).path.partition("/s/")
        beside_token = tail.partition("/")[2] if path_marker else ""
        name = _parse_disposition(disposition) or unquote(beside_token.rpartition("/")[2])
        safe = "".join(letter for letter in name.replace("\\", "/").rpartition("/")[2] if letter.isprintable())
        return safe.strip().lstrip(".") or "download"


def _parse_disposition(header: str) -> str:
    """The file name of a Content-Disposition header (RFC 6266), "" if it has none."""
    from email.message import Message

    message = Message()
    message["Content-Disposition"] = header
    return message.get_filename("") if header else ""


class Download:
    """One body into one file, over as many connections as it takes.

    `tag` is the entity tag that the first `offset` bytes belong to, and `note` is where it is kept for a later run.
    Without a note the file is a stream, such as a pipe: what was written to it cannot be taken back.
    """

    def __init__(
        self,
        source: LinkClient,
        file: IO[bytes],
        label: str,
        *,
        offset: int = 0,
        tag: str | None = None,
        note: Path | None = None,
    ) -> None:
        self._source = source
        self._file = file
        self._label = label
        self._offset = offset
        self._tag = tag
        self._note = note

    def run(self) -> None:
        """Until the body is whole.

        Raises:
            click.exceptions.Exit: refused, changed on the way where that cannot be undone, or broken too often.
        """
        from http.client import HTTPException

        tries = _TRIES
        while True:
            before = self._offset
            try:
                self._attempt()
            except (OSError, HTTPException) as error:
                tries = _TRIES if self._offset > before else tries - 1
                if tries == 0 or self._tag is None:
                    fail(f"The download broke off after {self._offset} bytes: {str(error) or type(error).__name__}.")
                time.sleep(0.2 * (_TRIES - tries))
            else:
                return

    def _attempt(self) -> None:
        resume = {"Range": f"bytes={self._offset}-", "If-Range": self._tag} if self._tag and self._offset else {}
        connection, answer = self._source.open("GET", resume)
        with closing(connection):
            total = answer.getheader("Content-Range", "").rpartition("/")[2]
            if answer.status == 416 and total == str(self._offset):
                return
            if answer.status == 206 and answer.getheader("Content-Range", "").startswith(f"bytes {self._offset}-"):
                pass
            elif answer.status == 200:
                self._restart()
            else:
                _fail_with_answer(answer)
            tag = answer.getheader("ETag", "")
            self._remember_tag(tag if tag.startswith('"') else None)
            self._stream(answer)

    def _restart(self) -> None:
        if self._note is not None:
            self._file.seek(0)
            self._file.truncate()
        elif self._offset:
            fail("The object changed while it was being downloaded.")
        self._offset = 0

    def _remember_tag(self, tag: str | None) -> None:
        self._tag = tag
        if self._note is not None:
            if tag is None:
                self._note.unlink(missing_ok=True)
            else:
                self._note.write_text(tag)

    def _stream(self, answer: HTTPResponse) -> None:
        length = answer.length
        moved = 0
        whole = None if length is None else self._offset + length
        with Progress(self._label, whole, self._offset) as progress:
            while chunk := answer.read1(_CHUNK):
                self._file.write(chunk)
                self._offset += len(chunk)
                moved += len(chunk)
                progress.moved(len(chunk))
        if length is not None and moved != length:
            raise ConnectionError(f"{length - moved} bytes are missing")


def upload(url: str, local: Path) -> None:
    """PUT a file to an upload link, with progress.

    Raises:
        click.exceptions.Exit: refused, broken off, or changed while it was read.
    """
    from http.client import HTTPException
    from mimetypes import guess_type

    size = local.stat().st_size
    headers = {"Content-Length": str(size), "User-Agent": _AGENT, "Accept": "application/json"}
    headers["Content-Type"] = guess_type(local.name)[0] or "application/octet-stream"
    with (
        closing(connect(url, _TIMEOUT)) as connection,
        local.open("rb") as file,
        Progress(local.name, size) as progress,
    ):
        try:
            # An early refusal closes the connection while we still send: the answer is there to be read.
            try:
                connection.request("PUT", urlsplit(url).path, _read_chunks(file, size, progress), headers)
            except (BrokenPipeError, ConnectionResetError):
                if connection.sock is None:
                    raise
            answer = connection.getresponse()
        except (OSError, HTTPException) as error:
            fail(f"The upload of {local} broke off: {str(error) or type(error).__name__}.")
        if answer.status >= 300:
            _fail_with_answer(answer)


def _read_chunks(file: IO[bytes], size: int, progress: Progress) -> Iterator[bytes]:
    left = size
    while left and (chunk := file.read(min(_CHUNK, left))):
        left -= len(chunk)
        progress.moved(len(chunk))
        yield chunk
    if left:
        fail(f"{file.name} became shorter while it was read.")


def _fail_with_answer(answer: HTTPResponse) -> NoReturn:
    """End the command with the detail of the refusal."""
    try:
        body = answer.read(_LONGEST)
    except OSError:
        body = b""
    fail_with_problem(answer.status, body)
