"""Owns the rule by which an altered request still is the request that was signed.

An alteration is left out of the count exactly when it leaves the request's meaning as it was. The meaning is what
S3's published rules put under the signature, in their canonical form, and the body where a digest speaks for it:

- SigV4: method; path decoded once; the query's decoded pairs, sorted; every signed header, every `x-amz-*` header,
  Content-MD5 (not with a presigned query, which never has to cover it), Host and Authorization. Names fold, values are
  trimmed, inner spaces collapse, repeated headers are joined, and a signed header that is absent is an empty one
  unless it is Host or an `x-amz-*` header. Content-Type is covered where it was signed.
- SigV2: method; the bucket and path as sent; the sub-resources; Content-MD5, Content-Type, the date that counts and
  every `x-amz-*`; of the first two an absent one is an empty line of what is signed. SigV2 covers neither the host
  beyond its bucket nor any other parameter.
- A form: its bucket, which its address says if no field does, and what its policy holds of each field; not the file,
  not its name, not `x-ignore-*`.
- A link: the method's kind and the token, without the marks that were pasted behind it.
- A body: its bytes after all framing, its trailers, and the signatures of its chunks.

`x-amz-user-agent` and `x-amz-cf-id` have no effect anywhere and are left out, as are a scheme's own port, the two
forms of an empty query part, and any port of a host that may have been signed without one.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from tests.fuzz.jobs import BUCKET, HOST
from tests.fuzz.sent import Sent
from tests.fuzz.signers import SUB_RESOURCES

__all__ = ["meaning"]

_UNREAD = frozenset({"x-amz-user-agent", "x-amz-cf-id"})
_OWN_PORT = re.compile(r":(80|443)\Z")
_PORT = re.compile(r":[0-9]+\Z")
_HEX = re.compile(rb"\s*([0-9A-Fa-f]+)\s*(?:;([^\r\n]*))?")
_CREDENTIALS = frozenset(
    [
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-signedheaders",
        "x-amz-signature",
        "signature",
        "awsaccesskeyid",
        "expires",
        "x-amz-security-token",
    ]
)


def meaning(sent: Sent, original: Sent) -> object:
    """What `sent` means to somebody who knows how `original` was signed; None if it means nothing at all."""
    body = _body(sent, original) if original.covered and original.kind != "form" else None
    try:
        match original.kind:
            case "v4" | "v4 query":
                return (*_v4(sent, original), body)
            case "v2" | "v2 query":
                return (*_v2(sent, original), body)
            case "form":
                return _form(sent, original)
            case "link":
                return sent.method in {"GET", "HEAD"}, re.sub(
                    rb"[^0-9A-Za-z_\x80-\xff]+\Z", b"", unquote_to_bytes(sent.path)
                )
    except (ValueError, IndexError, KeyError):
        return None


def _joined(sent: Sent) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    for name, value in sent.headers:
        values.setdefault(name.lower(), []).append(re.sub("[ \t]+", " ", value.strip(" \t")))
    return {name: ",".join(texts) for name, texts in values.items()}


def _authorization(value: str) -> object:
    scheme, _, rest = value.partition(" ")
    return scheme, sorted(part.strip(" ") for part in rest.split(","))


def _v4(sent: Sent, original: Sent) -> Iterator[object]:
    headers = _joined(sent)
    if original.kind == "v4 query" and headers.get("x-amz-content-sha256") == "UNSIGNED-PAYLOAD":
        del headers["x-amz-content-sha256"]  # what a URL says of its body anyway
    headers["host"] = (_OWN_PORT if _PORT.search(_bare_host(original)) else _PORT).sub("", headers.get("host", ""))
    yield sent.method
    yield unquote_to_bytes(sent.path)
    yield sorted(sent.pairs())
    signed = _signed_names(original)
    always = set() if original.kind == "v4 query" else {"content-md5"}
    covered = {*signed, *always, "host"} | {name for name in headers if name.startswith("x-amz-")}
    absent = {name: "" for name in signed if name != "host" and not name.startswith("x-amz-")}
    yield absent | {name: value for name, value in headers.items() if name in covered and name not in _UNREAD}
    yield _authorization(headers.get("authorization", ""))


def _bare_host(sent: Sent) -> str:
    return _OWN_PORT.sub("", _joined(sent).get("host", ""))


def _signed_names(original: Sent) -> set[str]:
    found = re.search(r"SignedHeaders=([^,&]*)", f"{original.header('Authorization')}&{unquote(original.query)}")
    return set(found[1].split(";")) if found else set()


def _v2(sent: Sent, original: Sent) -> Iterator[object]:
    headers = _joined(sent)
    host = headers.get("host", "").partition(":")[0].lower().rstrip(".")
    yield sent.method
    yield f"/{host.removesuffix('.' + HOST)}{sent.path}" if host.endswith("." + HOST) else sent.path
    pairs = sent.pairs()
    yield sorted(pair for pair in pairs if pair[0].decode("latin-1") in SUB_RESOURCES)
    amz = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in pairs]
    yield sorted(pair for pair in amz if pair[0].startswith("x-amz-") or pair[0] in _CREDENTIALS)
    covered = {"content-md5", "content-type"} | {name for name in headers if name.startswith("x-amz-")}
    if original.kind == "v2" and "x-amz-date" not in headers:
        covered.add("date")
    absent = {"content-md5": "", "content-type": ""}
    yield absent | {name: value for name, value in headers.items() if name in covered and name not in _UNREAD}
    yield _authorization(headers.get("authorization", ""))


def _form(sent: Sent, original: Sent) -> object:
    fields, policy = {"bucket": BUCKET} | _fields(sent), _fields(original).get("policy", "")
    loose = {
        item[1][1:].lower(): item[2]
        for item in json.loads(b64decode(policy))["conditions"]
        if isinstance(item, list) and item[0] == "starts-with"
    }
    kept = {
        name: value.startswith(loose[name]) if name in loose else value
        for name, value in fields.items()
        if not name.startswith("x-ignore-")
    }
    credentials = sorted(name for name, _ in sent.pairs() if name.decode("latin-1").lower() in _CREDENTIALS)
    headers = _joined(sent)
    return sent.method, unquote_to_bytes(sent.path).rstrip(b"/"), kept, credentials, headers.get("authorization")


def _fields(sent: Sent) -> dict[str, str]:
    """The form's fields before its file, by lower-cased name."""
    boundary = re.search(r"boundary=\"?([^\"; ]+)", sent.header("Content-Type") or "", re.I)
    if boundary is None:
        raise ValueError("no boundary")
    found: dict[str, str] = {}
    for part in (b"\r\n" + sent.body).split(b"\r\n--" + boundary[1].encode())[1:]:
        head, blank, value = part.partition(b"\r\n\r\n")
        name = re.search(rb'[; \t]name="?([^";\r\n]*)"?', head, re.I)
        if not blank or name is None:
            continue
        text = name[1].decode("latin-1").lower()
        if text == "file":
            break
        if text in found:
            raise ValueError("a field twice")
        found[text] = value.decode("latin-1")
    return found


def _body(sent: Sent, original: Sent) -> object:
    """The body as its framing headers say, or None if they make no sense of it."""
    headers = _joined(sent)
    body: bytes | None = sent.body
    try:
        if "transfer-encoding" in headers:
            body = b"".join(piece for piece, _ in _chunks(sent.body)[0])
        elif "content-length" in headers:
            length = int(headers["content-length"])
            body = sent.body[:length] if 0 <= length <= len(sent.body) else None
        else:
            body = b""
        if body is None or "aws-chunked" not in (original.header("content-encoding") or "").lower():
            return body
        pieces, rest = _chunks(body)
        signatures = [extension for _, extension in pieces]
        plain = b"".join(piece for piece, _ in pieces)
        return plain, signatures if any(signatures) else None, _trailers(rest)
    except ValueError:
        return None


def _chunks(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The chunks with their extensions, and what follows the last one's size line; read as kindly as can be."""
    pieces: list[tuple[bytes, bytes]] = []
    while True:
        line, newline, data = data.partition(b"\n")
        match = _HEX.fullmatch(line.rstrip(b"\r"))
        if match is None or not newline:
            raise ValueError("no chunk")
        size, extension = int(match[1], 16), (match[2] or b"").strip()
        if len(data) < size:
            raise ValueError("a chunk ends early")
        pieces.append((data[:size], extension))
        if not size:
            return pieces, data
        data = data[size:]
        if not data.startswith(b"\r\n"):
            raise ValueError("a chunk is longer than it says")
        data = data[2:]


def _trailers(rest: bytes) -> Mapping[str, Any]:
    lines, blank, _ = rest.partition(b"\r\n\r\n") if not rest.startswith(b"\r\n") else (b"", b"\r\n", b"")
    if not blank:
        raise ValueError("the trailers do not end")
    found: dict[str, str] = {}
    for line in lines.split(b"\r\n") if lines else []:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or name.strip().lower() in found:
            raise ValueError("no trailer")
        found[name.strip().lower()] = value.strip()
    return found
