"""Owns the tus protocol 1.0.0 as headers: one step of a resumable upload read, and the fields of its answers written.

Refuses to own where an upload's bytes are stored (`gateway.wire.links.tus_state`), and whether a step is allowed.

Laws: a request belongs to the protocol by what it says of itself, and is then read strictly; metadata is checked
character by character before it is ever sent back. (tus.io, resumable upload protocol 1.0.0: core, creation,
creation-with-upload, creation-defer-length, expiration, checksum, termination, concatenation.)
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

from gateway.core.pattern import key_fault
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest, UploadStep, UploadVerb
from gateway.wire.http.date import http_date

Fields = tuple[tuple[str, str], ...]

VERSION: Final = "1.0.0"
RESUMABLE: Final = ("Tus-Resumable", VERSION)
"""On every answer of the protocol."""

ALGORITHMS: Final[Mapping[str, int]] = {"sha1": 20, "sha256": 32, "sha512": 64, "md5": 16, "crc32": 4}
"""What `Upload-Checksum` may name, with the digest's size in bytes."""

UNDO: Final = "upload-undo"
"""The header with the secret by which who sent a file takes it back."""

ASKED: Final = frozenset(
    {
        "content-type",
        "tus-resumable",
        "upload-ahead",
        "upload-checksum",
        "upload-concat",
        "upload-defer-length",
        "upload-key",
        "upload-length",
        "upload-metadata",
        "upload-offset",
        UNDO,
        "x-http-method-override",
        "x-request-id",
        "x-requested-with",
    }
)
"""Request headers that a page may send with an upload, where a cross-origin rule covers its method."""

EXPOSED: Final = (
    "Location",
    "Tus-Checksum-Algorithm",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Ahead",
    "Upload-Concat",
    "Upload-Defer-Length",
    "Upload-Expires",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    "Upload-Part-Size",
    "Upload-Undo",
)
"""Answer headers that a page has to read to go on."""

_EXTENSIONS: Final = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation"
_BODY_TYPE: Final = "application/offset+octet-stream"
_METADATA_LIMIT: Final = 2048
_NUMBER: Final = re.compile(r"\d{1,16}", re.ASCII)
UPLOAD_ID: Final = re.compile(r"[0-9a-f]{48}", re.ASCII)
"""What an upload's own address has in its query."""
_ADDRESS: Final = re.compile(r"[\x21-\x3e\x40-\x7e]*\?upload=([0-9a-f]{48})", re.ASCII)
_KEY: Final = re.compile(r"\d{9,11}-[0-9a-f]{32,64}", re.ASCII)
_PAIR: Final = re.compile(r"([\x21-\x2b\x2d-\x7e]{1,128})(?: ([A-Za-z0-9+/]*={0,2}))?", re.ASCII)
_MOST_PARTIALS: Final = 100
_CONCAT_LIMIT: Final = 4096
_MOST_RUNS: Final = 100
_MEDIA_TYPE: Final = re.compile(r"[\w!#$&^.+-]{1,100}/[\w!#$&^.+-]{1,100}(; ?[\w-]{1,40}=[\w.+-]{1,60})?", re.ASCII)
_VERBS: Final = {
    "HEAD": UploadVerb.HEAD,
    "PATCH": UploadVerb.APPEND,
    "DELETE": UploadVerb.TERMINATE,
    "POST": UploadVerb.CREATE,
    "OPTIONS": UploadVerb.DISCOVER,
}


def is_resumable(raw: RawRequest) -> bool:
    """Whether the sender of a link's request speaks the protocol, so that every answer has to as well."""
    return raw.header("tus-resumable") is not None or (raw.method in {"PATCH", "DELETE"} and not takes_back(raw))


def takes_back(raw: RawRequest) -> bool:
    """Whether the request undoes an upload by the secret of its receipt, which is no step of the protocol."""
    return raw.method == "DELETE" and raw.header(UNDO) is not None


def override(raw: RawRequest) -> str:
    """The method that is meant. Only a POST of the protocol itself may stand for another method.

    Raises:
        Refused: BAD_ARGUMENT for a method that the protocol does not have.
    """
    meant = raw.header("x-http-method-override")
    if raw.method != "POST" or meant is None or raw.header("tus-resumable") is None:
        return raw.method
    if meant not in {"HEAD", "PATCH", "DELETE", "POST"}:
        raise Refused(Reason.BAD_ARGUMENT, "X-HTTP-Method-Override names no method of the upload protocol")
    return meant


def read_step(raw: RawRequest, upload: str | None) -> UploadStep | None:
    """The step that a link's request is, or None if it is an ordinary one. `upload` is the query's parameter.

    Raises:
        Refused: PROTOCOL_VERSION, WRONG_MEDIA_TYPE, BAD_ARGUMENT, BAD_REQUEST, INVALID_DIGEST, BAD_KEY for a file
            name that is a path, METHOD_NOT_ALLOWED for a method that needs an upload's own address; UPLOAD_UNKNOWN
            for an id that is none.
    """
    method = override(raw)
    if method == "OPTIONS":
        return None if raw.header("access-control-request-method") else UploadStep(verb=UploadVerb.DISCOVER)
    if method in {"GET", "PUT"} or (method == "HEAD" and upload is None) or takes_back(raw):
        return None
    if method == "POST" and raw.header("tus-resumable") is None:
        return None
    verb = _VERBS[method]
    if (upload is None) != (verb is UploadVerb.CREATE):
        raise Refused(Reason.METHOD_NOT_ALLOWED, f"{method} is for another address of the upload protocol")
    if raw.header("tus-resumable") != VERSION:
        raise Refused(Reason.PROTOCOL_VERSION, "Tus-Resumable is missing or names another version")
    if upload is not None and not UPLOAD_ID.fullmatch(upload):
        raise Refused(Reason.UPLOAD_UNKNOWN, "the text is no upload's id")
    concat = _concat(raw, verb)
    if verb is UploadVerb.CREATE:
        return _creation(raw, concat)
    if verb is not UploadVerb.APPEND:
        return UploadStep(verb=verb, upload=upload)
    return _append(raw, upload)


def _append(raw: RawRequest, upload: str | None) -> UploadStep:
    _check_body_type(raw)
    offset = _number(raw, "upload-offset")
    if offset is None:
        raise Refused(Reason.BAD_ARGUMENT, "a PATCH needs an Upload-Offset")
    length, ahead = _number(raw, "upload-length"), _once(raw, "upload-ahead")
    if ahead not in {None, "1"}:
        raise Refused(Reason.BAD_ARGUMENT, "Upload-Ahead is 1, or is not there")
    return UploadStep(
        verb=UploadVerb.APPEND, upload=upload, offset=offset, length=length, checksum=_checksum(raw), ahead=bool(ahead)
    )


def _concat(raw: RawRequest, verb: UploadVerb) -> str:
    """`Upload-Concat`, "" without one. One client sends it with every request about a partial upload."""
    concat = _once(raw, "upload-concat") or ""
    if verb is not UploadVerb.CREATE and concat not in {"", "partial"}:
        raise Refused(Reason.BAD_ARGUMENT, "a final upload is made by a creation")
    return concat


def _creation(raw: RawRequest, concat: str) -> UploadStep:
    length, deferred = _number(raw, "upload-length"), _once(raw, "upload-defer-length")
    partials = _partials(raw, concat)
    if partials and not (length is None and deferred is None):
        raise Refused(Reason.BAD_ARGUMENT, "the length of a final upload is that of its partial ones")
    if not partials and ((length is None) == (deferred is None) or deferred not in {None, "1"}):
        raise Refused(Reason.BAD_ARGUMENT, "a creation has an Upload-Length, or else Upload-Defer-Length: 1")
    if (raw.header("content-length") or "0") != "0" or raw.header("transfer-encoding"):
        _check_body_type(raw)
    name, kind = description(raw)
    return UploadStep(
        verb=UploadVerb.CREATE,
        length=length,
        metadata=_once(raw, "upload-metadata") or "",
        filename=name,
        content_type=kind,
        checksum=_checksum(raw),
        concat=concat,
        key=_key(raw),
        partials=partials,
    )


def _key(raw: RawRequest) -> str | None:
    """`Upload-Key`: the second in which a client began an upload, and 128 random bits or more in hex.

    Raises:
        Refused: BAD_ARGUMENT for another text.
    """
    key = _once(raw, "upload-key")
    if key is not None and not _KEY.fullmatch(key):
        raise Refused(Reason.BAD_ARGUMENT, "Upload-Key is not a second and random hex digits: 1790000000-0123…")
    return key


def _partials(raw: RawRequest, concat: str) -> tuple[str, ...]:
    """The ids of the uploads that a final one joins, in order; none for any other creation.

    Raises:
        Refused: BAD_ARGUMENT for anything but the protocol's own grammar, too many, and a body beside them;
            UPLOAD_UNKNOWN for an address that is not of an upload here.
    """
    if concat in {"", "partial"}:
        return ()
    mark, _, text = concat.partition(";")
    addresses = text.split()
    if mark.strip() != "final" or not 1 <= len(addresses) <= _MOST_PARTIALS or len(concat) > _CONCAT_LIMIT:
        raise Refused(
            Reason.BAD_ARGUMENT, f"Upload-Concat is neither partial nor final with 1 to {_MOST_PARTIALS} uploads"
        )
    if (raw.header("content-length") or "0") != "0" or raw.header("transfer-encoding"):
        raise Refused(Reason.BAD_ARGUMENT, "a final upload has no bytes of its own")
    found = []
    for address in addresses:
        upload = _ADDRESS.fullmatch(address)
        if upload is None:
            raise Refused(Reason.UPLOAD_UNKNOWN, "Upload-Concat names what is no upload's address")
        found.append(upload[1])
    return tuple(found)


def _check_body_type(raw: RawRequest) -> None:
    if (_once(raw, "content-type") or "").strip().lower() != _BODY_TYPE:
        raise Refused(Reason.WRONG_MEDIA_TYPE, "the body is not declared as application/offset+octet-stream")


def _once(raw: RawRequest, name: str) -> str | None:
    values = raw.header_values(name)
    if len(values) > 1:
        raise Refused(Reason.BAD_REQUEST, f"the header {name} came more than once")
    return values[0] if values else None


def _number(raw: RawRequest, name: str) -> int | None:
    text = _once(raw, name)
    if text is not None and not _NUMBER.fullmatch(text):
        raise Refused(Reason.BAD_ARGUMENT, f"{name} is not a number of bytes")
    return None if text is None else int(text)


def description(raw: RawRequest) -> tuple[str | None, str | None]:
    """The name and the media type of a file, as far as `Upload-Metadata` says them.

    Raises:
        Refused: BAD_ARGUMENT for another grammar, BAD_KEY for a name that is a path, BAD_REQUEST for two such fields.
    """
    known = _metadata(_once(raw, "upload-metadata") or "")
    name = known.get("filename", known.get("name"))
    kind = known.get("filetype", known.get("type", b"")).decode("latin-1")
    return None if name is None else file_name(name), media_type(kind)


def media_type(text: str) -> str | None:
    """The text, if it is a media type that an object may have."""
    return text if _MEDIA_TYPE.fullmatch(text) else None


def _metadata(text: str) -> dict[str, bytes]:
    """The pairs of `Upload-Metadata`, decoded.

    Raises:
        Refused: BAD_ARGUMENT for anything but the protocol's own grammar, and above 2 KiB.
    """
    if len(text) > _METADATA_LIMIT:
        raise Refused(Reason.BAD_ARGUMENT, f"Upload-Metadata is longer than {_METADATA_LIMIT} characters")
    found: dict[str, bytes] = {}
    for part in text.split(",") if text else ():
        pair = _PAIR.fullmatch(part.strip(" "))
        if pair is None or pair[1] in found:
            raise Refused(Reason.BAD_ARGUMENT, "Upload-Metadata is not a list of keys with base64 values")
        try:
            found[pair[1]] = b64decode(pair[2] or "", validate=True)
        except binascii.Error:
            raise Refused(Reason.BAD_ARGUMENT, "a value of Upload-Metadata is not base64") from None
    return found


def file_name(value: bytes) -> str:
    """A file's own name. A path is refused, not shortened: no file ends up at a place that was not asked for.

    Raises:
        Refused: BAD_KEY.
    """
    try:
        name = value.decode()
    except UnicodeError:
        raise Refused(Reason.BAD_KEY, "the file name is not UTF-8") from None
    if not name or "/" in name or "\\" in name or key_fault(name) is not None:
        raise Refused(Reason.BAD_KEY, "the file name is empty, a path, or has a control byte")
    return name


def _checksum(raw: RawRequest) -> tuple[str, bytes] | None:
    text = _once(raw, "upload-checksum")
    if text is None:
        return None
    algorithm, _, encoded = text.partition(" ")
    if algorithm not in ALGORITHMS:
        raise Refused(Reason.BAD_ARGUMENT, "Upload-Checksum names an algorithm that is not offered")
    try:
        digest = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != ALGORITHMS[algorithm]:
        raise Refused(Reason.INVALID_DIGEST, f"Upload-Checksum is not the base64 of a {algorithm} digest")
    return algorithm, digest


def version_fields(raw: RawRequest, reason: Reason) -> Fields:
    """What a refusal within the protocol carries."""
    if reason is Reason.PROTOCOL_VERSION:
        return RESUMABLE, ("Tus-Version", VERSION)
    return (RESUMABLE,) if is_resumable(raw) else ()


def discovery_fields(max_size: int | None) -> Fields:
    """The fields of an answer to `OPTIONS`; `max_size` is in bytes, None if there is no limit."""
    limit: Fields = (("Tus-Max-Size", str(max_size)),) if max_size is not None else ()
    known = (RESUMABLE, ("Tus-Version", VERSION), ("Tus-Extension", _EXTENSIONS))
    return (*known, ("Tus-Checksum-Algorithm", ",".join(ALGORITHMS)), *limit)


def expires_field(expires_at: float) -> tuple[str, str]:
    """`Upload-Expires` (RFC 9110, 5.6.7), from seconds since the epoch."""
    return "Upload-Expires", http_date(expires_at)


def parts_fields(part_size: int, ahead: Iterable[int]) -> Fields:
    """In which sizes an upload takes parts ahead of its offset, and the numbers of those that it has, from 1: `7-9,12`.

    Of very many, with gaps, the last runs are told: who sends the others again does no harm.
    """
    runs: list[list[int]] = []
    for number in ahead:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    told = ",".join(f"{first}-{last}" if first != last else str(first) for first, last in runs[-_MOST_RUNS:])
    size = ("Upload-Part-Size", str(part_size))
    return (size, ("Upload-Ahead", told)) if told else (size,)


def location(public_path: str, token: str, path: str | None, upload: str) -> str:
    """An upload's own address: the object's address under its link, with the upload's id.

    It has no scheme and no host, so it leads back the way the client came, through whatever proxies; `public_path` is
    what those put before our paths ("" or "/files").
    """
    below = "" if path is None else "/" + quote(path, safe="/")
    return f"{public_path}/s/{quote(token, safe='')}{below}?upload={upload}"
