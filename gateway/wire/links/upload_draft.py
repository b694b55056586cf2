"""Owns the IETF's draft of resumable uploads for HTTP as headers: a step read, and the fields of its answers written.

Refuses to own where an upload's bytes are stored, whether a step is allowed, and whether the draft is spoken at all
(a setting).

Laws: a request belongs to the draft by the interop version that it names; who names none that is known here is answered
as ever, and hears nothing of the draft. A field whose value is not of its type is passed over, as the draft has it, and
is missing then. (draft-ietf-httpbis-resumable-upload-01 to -11, whose interop versions are 3 to 8.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest, UploadStep, UploadVerb
from gateway.wire.http.disposition import extended_name
from gateway.wire.http.media import declared_essence
from gateway.wire.links.tus import UPLOAD_ID, description, file_name, media_type, takes_back

Fields = tuple[tuple[str, str], ...]

SUPPORTED: Final = 104
"""Upload Resumption Supported: the status of the interim answers."""

_VERSION: Final = "Upload-Draft-Interop-Version"
_VERSIONS: Final = {str(version): version for version in range(3, 9)}
_COMPLETE: Final = 4
"""The first version that says `Upload-Complete` and not, the other way around, `Upload-Incomplete`."""
PROGRESS: Final = 5
"""The first version whose interim answers tell how far an upload has come."""
_TYPED: Final = 6
"""The first version that wants a type of its own for what is appended, and tells limits."""
_MAX_AGE: Final = 7
"""The first version that calls the limit so that was `expires` before."""

_BODY_TYPE: Final = "application/partial-upload"

DRAFT_ASKED: Final = frozenset(
    {"content-disposition", "upload-complete", "upload-draft-interop-version", "upload-incomplete"}
)
"""Request headers that a page may send with an upload, beside those of tus."""

DRAFT_EXPOSED: Final = ("Accept-Patch", "Upload-Complete", "Upload-Incomplete", "Upload-Limit")
"""Answer headers that a page has to read to go on, beside those of tus."""

_TYPES: Final = "https://iana.org/assignments/http-problem-types#"
PROBLEM_TYPES: Final[Mapping[Reason, tuple[str, str]]] = {
    Reason.OFFSET_MISMATCH: (_TYPES + "mismatching-upload-offset", "Mismatching Upload Offset"),
    Reason.UPLOAD_COMPLETE: (_TYPES + "completed-upload", "Upload Is Completed"),
    Reason.LENGTH_MISMATCH: (_TYPES + "inconsistent-upload-length", "Inconsistent Upload Length Values"),
}
"""Type and title of the problems that the draft has names for."""

_INTEGER: Final = re.compile(r"(\d{1,15})(?:;.{0,200})?", re.ASCII)
_BOOLEAN: Final = re.compile(r"\?([01])(?:;.{0,200})?", re.ASCII)
_EXTENDED_NAME: Final = re.compile(r";\s?filename\*=([^\s;]{1,3100})", re.ASCII | re.IGNORECASE)
_NAME: Final = re.compile(r';\s?filename=("(?:[^"\\]|\\.){0,1024}"|[^\s;"]{1,1024})', re.IGNORECASE)
_VERBS: Final = {"HEAD": UploadVerb.HEAD, "PATCH": UploadVerb.APPEND, "DELETE": UploadVerb.TERMINATE}
_NO_REPRESENTATION: Final = frozenset(
    {"content-encoding", "content-md5", "content-range", "if", "if-match", "if-none-match", "if-unmodified-since"}
)
"""What an upload in one request may say, and one in steps cannot keep: such a request is taken as it ever was."""


def draft_version(raw: RawRequest) -> int:
    """The interop version that a link's request speaks, 0 if it speaks none that is known here."""
    values = raw.header_values("upload-draft-interop-version")
    return _VERSIONS.get(values[0].strip(), 0) if len(values) == 1 else 0


def read_draft_step(raw: RawRequest, upload: str | None) -> UploadStep | None:
    """The step that a link's request is, or None if it is none of the draft. `upload` is the query's parameter.

    Raises:
        Refused: BAD_ARGUMENT for what lacks a field; BAD_REQUEST for two protocols at once; WRONG_MEDIA_TYPE;
            LENGTH_MISMATCH; UPLOAD_UNKNOWN for an id that is none; METHOD_NOT_ALLOWED for a method that needs an
            upload's own address; BAD_KEY for a file name that is a path.
    """
    version = draft_version(raw)
    if not version:
        return None
    if raw.header("tus-resumable") is not None:
        raise Refused(Reason.BAD_REQUEST, "a request of two upload protocols at once")
    if upload is None:
        return _creation(raw, version)
    method = raw.header("x-http-method-override") or raw.method if raw.method == "POST" else raw.method
    if method not in _VERBS:
        if method in {"GET", "OPTIONS"}:
            return None
        raise Refused(Reason.METHOD_NOT_ALLOWED, f"{method} is for another address of the upload protocol")
    if takes_back(raw):
        return None
    if not UPLOAD_ID.fullmatch(upload):
        raise Refused(Reason.UPLOAD_UNKNOWN, "the text is no upload's id")
    verb = _VERBS[method]
    return (
        _append(raw, version, upload)
        if verb is UploadVerb.APPEND
        else UploadStep(verb=verb, upload=upload, draft=version)
    )


def _creation(raw: RawRequest, version: int) -> UploadStep | None:
    whole = _is_complete(raw, version)
    kind = (raw.header("content-type") or "").strip()
    if raw.method == "PATCH":
        raise Refused(Reason.METHOD_NOT_ALLOWED, "PATCH is for an upload's own address")
    if raw.method not in {"POST", "PUT"} or whole is None or kind.lower().startswith("multipart/form-data"):
        return None
    if whole and any(raw.header(name) is not None for name in _NO_REPRESENTATION):
        return None
    named, said = description(raw)
    kind = "" if kind.lower() == _BODY_TYPE else kind
    return UploadStep(
        verb=UploadVerb.CREATE,
        length=_length(raw, 0, whole=whole),
        filename=_disposed_name(raw) or named,
        content_type=said or media_type(kind),
        draft=version,
        more=not whole,
    )


def _append(raw: RawRequest, version: int, upload: str) -> UploadStep:
    whole, offset = _is_complete(raw, version), _integer(raw, "upload-offset")
    kind = declared_essence(raw.header("content-type"))
    if version >= _TYPED and kind != _BODY_TYPE:
        raise Refused(Reason.WRONG_MEDIA_TYPE, f"the body is not declared as {_BODY_TYPE}")
    if offset is None or whole is None:
        raise Refused(Reason.BAD_ARGUMENT, "to append needs an Upload-Offset, and to say whether that is all")
    length = _length(raw, offset, whole=whole)
    return UploadStep(
        verb=UploadVerb.APPEND, upload=upload, offset=offset, length=length, draft=version, more=not whole
    )


def _is_complete(raw: RawRequest, version: int) -> bool | None:
    """Whether the upload is complete with this request; None where it does not say."""
    values = raw.header_values("upload-complete" if version >= _COMPLETE else "upload-incomplete")
    found = _BOOLEAN.fullmatch(values[0]) if len(values) == 1 else None
    return None if found is None else (found[1] == "1") is (version >= _COMPLETE)


def _length(raw: RawRequest, offset: int, *, whole: bool) -> int | None:
    """What a request says of the length of all, in either way.

    Raises:
        Refused: LENGTH_MISMATCH for two ways that differ.
    """
    said = _integer(raw, "upload-length")
    if not whole or raw.header("transfer-encoding") is not None:
        return said
    counted = offset + int(raw.header("content-length") or 0)
    if said not in {None, counted}:
        raise Refused(Reason.LENGTH_MISMATCH, f"the body ends at {counted}, and the upload at {said}")
    return counted


def _integer(raw: RawRequest, name: str) -> int | None:
    values = raw.header_values(name)
    found = _INTEGER.fullmatch(values[0]) if len(values) == 1 else None
    return None if found is None else int(found[1])


def _disposed_name(raw: RawRequest) -> str | None:
    """The file name of `Content-Disposition` (RFC 6266, 4.3: the one that can say all counts)."""
    value = ";" + (raw.header("content-disposition") or "").partition(";")[2]
    starred, plain = _EXTENDED_NAME.search(value), _NAME.search(value)
    extended = None if starred is None else extended_name(starred[1])
    if extended is not None:
        return file_name(extended)
    if plain is None:
        return None
    text = re.sub(r"\\(.)", r"\1", plain[1][1:-1]) if plain[1].startswith('"') else plain[1]
    return file_name(text.encode("utf-8", "surrogateescape"))


def complete_field(version: int, *, complete: bool) -> tuple[str, str]:
    """Whether an upload is complete, as that version says it."""
    if version < _COMPLETE:
        return "Upload-Incomplete", f"?{int(not complete)}"
    return "Upload-Complete", f"?{int(complete)}"


def limit_field(version: int, max_size: int | None, seconds: float | None) -> Fields:
    """`Upload-Limit`: bytes of all, and for how long the upload may rest. None of either is no limit."""
    if version < _TYPED:
        return ()
    age = "max-age" if version >= _MAX_AGE else "expires"
    known = ((name, value) for name, value in (("max-size", max_size), (age, seconds)) if value is not None)
    text = ", ".join(f"{name}={max(0, int(value))}" for name, value in known)
    return (("Upload-Limit", text),) if text else ()


def offered_fields(max_size: int | None, seconds: float) -> Fields:
    """What an answer to `OPTIONS` says of the draft, whoever asks."""
    return ("Accept-Patch", _BODY_TYPE), *limit_field(_MAX_AGE, max_size, seconds)


def interim_fields(version: int, *more: tuple[str, str]) -> Fields:
    """The fields of an interim answer: the version that it is in, and what it tells."""
    return (_VERSION, str(version)), *more
