"""Owns `multipart/form-data` as a stream: small fields first, then a file, or several, whose bytes are never kept.

Refuses to own what the fields mean (`gateway.wire.sig.post_policy`) and any other kind of multipart.

Law: the boundary is the only thing that ends a part. Fields before the file are bounded and kept in order, and so are
those behind the last one, for whoever asks what was said there. A second file is refused unless several are wanted, and
a form without its closing boundary never looks whole. Blank lines before the first boundary and after the last, which
some clients write, say nothing. Each byte is looked at once, in whatever pieces it comes.
Sources: RFC 7578, RFC 2046 section 5.1; the S3 API reference, "POST Object" (20 KiB for all fields).
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.values import dataclass
from gateway.wire.http.disposition import extended_name

MAX_FIELDS: Final = 20 * 1024
"""Bytes for all parts but the file's content, their headers included."""

MAX_FILES: Final = 1000
"""In one form."""

_BOUNDARY: Final = re.compile(
    r"[0-9A-Za-z'()+_,./:=?-](?:[0-9A-Za-z'()+_,./:=? -]{0,68}[0-9A-Za-z'()+_,./:=?-])?", re.ASCII
)
_PARAMETER: Final = re.compile(r';[ \t]*([A-Za-z0-9_*-]+)=("(?:[^"\\]|\\.)*"|[^\s";]+)[ \t]*')
_BLANK_LINE: Final = b"\r\n\r\n"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_IDENTITY_ENCODINGS: Final = frozenset({"7bit", "8bit", "binary"})


@dataclass(frozen=True, slots=True, repr=False)
class Form:
    """What stands before a form's file. Field names are as sent, in order, no two alike but for case.

    `filename` is the last step of the path the browser named, "" if it named none.
    """

    fields: tuple[tuple[str, str], ...]
    filename: str
    content_type: str | None

    def __repr__(self) -> str:
        return f"Form({[name for name, _ in self.fields]!r}, {self.filename!r})"

    def value(self, name: str) -> str | None:
        """A field's value; names are compared without case, as S3 does."""
        wanted = name.lower()
        for candidate, value in self.fields:
            if candidate.lower() == wanted:
                return value
        return None

    @property
    def key(self) -> str | None:
        """The `key` field with `${filename}` filled in: the very text that is decided on and written."""
        key = self.value("key")
        return None if key is None else key.replace("${filename}", self.filename)


class _Step(Enum):
    START = auto()
    DELIMITED = auto()
    HEADERS = auto()
    FIELD = auto()
    FILE = auto()
    END = auto()
    BROKEN = auto()


def _malformed(detail: str) -> Refused:
    return Refused(Reason.MALFORMED_FORM, detail)


def _boundary(content_type: str) -> bytes:
    media_type, *parameters = content_type.split(";")
    if media_type.strip().lower() != "multipart/form-data":
        raise _malformed("the body is not multipart/form-data")
    found = []
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "boundary":
            found.append(value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value)
    if len(found) != 1 or not _BOUNDARY.fullmatch(found[0]):
        raise _malformed("the boundary is missing, doubled or malformed")
    return found[0].encode()


class FormParser:
    """One form. Feed it the body; `form` is there as soon as the file begins, the file's bytes come out of `feed`.

    Where `several` files are wanted, what stands before the next one comes out between the bytes of both, and whatever
    has the name of a file is one: its field's own name is the form's affair. On the S3 face it is `file`. Memory is
    bounded by `MAX_FIELDS` and the piece that was fed. `behind` are the fields after the last file so far.

    Raises:
        Refused: at construction, MALFORMED_FORM for a Content-Type without a proper boundary.
    """

    def __init__(self, content_type: str, *, several: bool = False) -> None:
        self._most, self._any_name = (MAX_FILES, True) if several else (1, False)
        self._files = 0
        self._delimiter = b"\r\n--" + _boundary(content_type)
        self._step = _Step.START
        # The first delimiter has no line before it; lending it one makes it like the others.
        self._unread = bytearray(b"\r\n")
        self._buffer: bytes | bytearray = b""  # what is being read: the last piece, behind what was unread before it
        self._at = 0  # what stands before it in the buffer was read
        self._sought = 0  # and what stands before this holds no beginning of what is looked for
        self._spent = 0
        self._name = ""
        self._fields: dict[str, tuple[str, str]] = {}
        self.form: Form | None = None
        self.behind: list[tuple[str, str]] = []

    def feed(self, data: bytes) -> list[bytes | Form]:
        """The file's bytes that the next piece of the body holds, possibly none, and where further files begin.

        Raises:
            Refused: MALFORMED_FORM. Nothing can be fed afterwards.
        """
        step, self._step = self._step, _Step.BROKEN
        unread = self._unread
        if unread:
            unread += data
            self._buffer = unread
        else:
            self._buffer = data
        out: list[bytes | Form] = []
        following: _Step | None = step
        while following is not None:
            step = following
            following = self._advance(step, out)
        self._step = step
        if unread:
            del unread[: self._at]
        else:
            unread += data[self._at :]
        self._buffer = b""
        self._sought = max(0, self._sought - self._at)
        self._at = 0
        return out

    def finish(self) -> Form:
        """To be called when the body's bytes have ended.

        Raises:
            Refused: INCOMPLETE_BODY without the closing boundary, MALFORMED_FORM without a file.
        """
        if self._step is not _Step.END:
            raise Refused(Reason.INCOMPLETE_BODY, "the form ended before its closing boundary")
        if self.form is None:
            raise _malformed("the form has no file")
        return self.form

    def _advance(self, step: _Step, out: list[bytes | Form]) -> _Step | None:
        """Do what the buffer allows; None means that more bytes are needed first."""
        match step:
            case _Step.START:
                return self._start()
            case _Step.DELIMITED:
                return self._after_delimiter()
            case _Step.HEADERS:
                return self._headers(out)
            case _Step.FIELD:
                return self._field()
            case _Step.FILE:
                return self._file(out)
            case _Step.END:
                self._end()
                return None
            case _Step.BROKEN:
                raise _malformed("the form was refused already")

    def _start(self) -> _Step | None:
        while self._buffer.startswith(_BLANK_LINE, self._at):
            self._spend(2)
            self._at += 2
        if self._buffer.startswith(self._delimiter, self._at):
            self._at += len(self._delimiter)
            return _Step.DELIMITED
        begun = bytes(self._buffer[self._at : self._at + len(self._delimiter)])
        if not (self._delimiter.startswith(begun) or _BLANK_LINE.startswith(begun)):
            raise _malformed("the body does not begin with its boundary")
        return None

    def _end(self) -> None:
        """Blank lines may follow, as nothing can be read from them; what else does belongs to no form."""
        rest = self._buffer[self._at :]
        if rest.strip(b"\r\n"):
            raise _malformed("bytes after the closing boundary")
        self._spend(len(rest))
        self._at = len(self._buffer)

    def _after_delimiter(self) -> _Step | None:
        mark = self._buffer[self._at : self._at + 2]
        if len(mark) < 2:
            return None
        self._at += 2
        if mark == b"--":
            return _Step.END
        if mark != b"\r\n":
            raise _malformed("a boundary is followed by something else than a line's end")
        return _Step.HEADERS

    def _headers(self, out: list[bytes | Form]) -> _Step | None:
        block = self._up_to(b"\r\n\r\n")
        if block is None:
            return None
        self._spend(4)
        name, filename, content_type = _part(block)
        if name.lower() != "file" and not (filename and self._any_name):
            self._name = name
            return _Step.FIELD
        self._files += 1
        if self._files > self._most:
            raise _malformed(
                "the form has two files" if self._most == 1 else f"the form has more than {self._most} files"
            )
        self.behind = []
        steps = re.split(r"[/\\]", filename)
        form = Form(tuple(self._fields.values()), steps[-1], content_type)
        if self.form is not None:
            out.append(form)
            self._spent = 0
        self.form = self.form or form
        return _Step.FILE

    def _field(self) -> _Step | None:
        value = self._up_to(self._delimiter)
        if value is None:
            return None
        if self.form is None:
            if self._name.lower() in self._fields:
                raise _malformed("a field came twice")
            self._fields[self._name.lower()] = (self._name, _text(value))
        else:
            self.behind.append((self._name, value.decode(errors="replace")))
        return _Step.DELIMITED

    def _up_to(self, mark: bytes) -> bytes | None:
        """What stands before the next `mark`, which is passed; None while it has not come whole."""
        end = self._buffer.find(mark, max(self._at, self._sought))
        if end < 0:
            self._sought = max(self._at, len(self._buffer) - len(mark) + 1)
            self._afford(self._sought - self._at)
            return None
        self._spend(end - self._at)
        found = bytes(self._buffer[self._at : end])
        self._at = end + len(mark)
        return found

    def _file(self, out: list[bytes | Form]) -> _Step | None:
        buffer, delimiter = self._buffer, self._delimiter
        end = buffer.find(delimiter, self._at)
        if end < 0:
            # Hold back only what could be the beginning of a delimiter.
            keep = buffer.rfind(b"\r", max(self._at, len(buffer) - len(delimiter) + 1))
            end = keep if keep >= 0 and delimiter.startswith(buffer[keep:]) else len(buffer)
            step, following = None, end
        else:
            step, following = _Step.DELIMITED, end + len(delimiter)
        if end > self._at:
            out.append(bytes(buffer[self._at : end]))
        self._at = following
        return step

    def _afford(self, more: int) -> None:
        if self._spent + more > MAX_FIELDS:
            raise _malformed("the form's fields are larger than 20 KiB")

    def _spend(self, count: int) -> None:
        self._afford(count)
        self._spent += count


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise _malformed("a field is not UTF-8") from None


def _part(block: bytes) -> tuple[str, str, str | None]:
    """Name, file name ("" if none) and content type of a part, from its header block.

    Browsers and curl write a quote in a name as `%22` (HTML, 4.10.21.8); .NET and PowerShell write other names than
    ASCII in `filename*`, beside a `filename` that is a word of MIME.
    """
    headers: dict[str, str] = {}
    for line in _text(block).split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or name.lower() in headers or _CONTROL.search(value.strip()):
            raise _malformed("a part's headers are malformed")
        headers[name.lower()] = value.strip()
    if headers.get("content-transfer-encoding", "binary").lower() not in _IDENTITY_ENCODINGS:
        raise _malformed("a part is encoded for transfer")
    parameters = _disposition(headers.get("content-disposition", ""))
    if not parameters.get("name"):
        raise _malformed("a part has no name")
    extended = extended_name(parameters.get("filename*", ""))
    filename = parameters.get("filename", "").replace("%22", '"') if extended is None else _text(extended)
    return parameters["name"], filename, headers.get("content-type")


def _disposition(value: str) -> dict[str, str]:
    """The parameters of `form-data; name="…"`, each at most once."""
    if value[:9].lower() != "form-data":
        raise _malformed("a part's disposition is not form-data")
    parameters: dict[str, str] = {}
    position = 9
    while position < len(value):
        match = _PARAMETER.match(value, position)
        if match is None or match[1].lower() in parameters:
            raise _malformed("a part's disposition is malformed")
        text = match[2]
        parameters[match[1].lower()] = text[1:-1].replace('\\"', '"') if text[0] == '"' else text
        position = match.end()
    return parameters
