"""Owns the request line and the headers as bytes: what HTTP itself allows, the target's two halves, percent-decoding.

Refuses to own what a path means (`gateway.wire.parse`) and which headers matter (`gateway.wire.s3.request_headers`).

Law: nothing is repaired. A request that two parsers could read differently is refused here, before anybody has
decided anything, and every name is decoded exactly once, from the raw target.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.wire.http.fields import CONTROL, FIELD_NAME, META_PREFIX

_TOKEN: Final = re.compile(FIELD_NAME, re.ASCII)
_TARGET: Final = re.compile(r"[\x21\x22\x24-\x7e]+", re.ASCII)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})", re.ASCII)
_ABSOLUTE: Final = re.compile(r"https?://([^/?]*)([^?]*)(?:\?(.*))?", re.ASCII | re.IGNORECASE)
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?", re.ASCII)
_LENGTH: Final = re.compile(r"\d{1,18}", re.ASCII)
_ONCE: Final = frozenset({"host", "content-length", "transfer-encoding"})
_OBJECT_NAMES: Final = frozenset(
    {"prefix", "delimiter", "marker", "start-after", "key-marker", "continuation-token", "cursor"}
)
_VERSIONS: Final = frozenset({(1, 0), (1, 1)})


def _bad(detail: str) -> Refused:
    return Refused(Reason.BAD_REQUEST, detail)


def raw_request(
    method: str, target: str, headers: Iterable[tuple[bytes, bytes]], version: tuple[int, int] = (1, 1)
) -> RawRequest:
    """The request as it came, once HTTP's own rules hold.

    Header values are decoded as UTF-8 with `surrogateescape`, so that a signature check can get its bytes back.
    The rules are those of RFC 9112 (3.2 target and Host, 6.1 Transfer-Encoding, 6.3 lengths) in their strict reading.

    Raises:
        Refused: BAD_REQUEST.
    """
    if tuple(version) not in _VERSIONS:
        raise _bad("the protocol version is neither 1.0 nor 1.1")
    if not _TOKEN.fullmatch(method):
        raise _bad("the method is not a token")
    pairs = tuple([(_name(name), value.decode("utf-8", "surrogateescape").strip(" \t")) for name, value in headers])
    if not "".join([value for _, value in pairs]).isprintable():
        _require_text(pairs)
    seen = _check_framing(pairs, version)
    host = _check_host(seen.get("host"), version)
    path, query = _split_target(target, host)
    return RawRequest(method, path, query, pairs, (version[0], version[1]))


def _require_text(pairs: tuple[tuple[str, str], ...]) -> None:
    for name, value in pairs:
        if CONTROL.search(value):
            raise _bad(f"the header {name} has a control byte")


@lru_cache(1024)
def _name(name: bytes) -> str:
    """A header's name in lower case. Names repeat from request to request; only right ones are remembered."""
    text = name.decode("latin-1").lower()
    if not _TOKEN.fullmatch(text):
        raise _bad("a header name is not a token")
    # An underscore spells the same variable as a hyphen to CGI-like readers behind other proxies. Not so in the name
    # of an object's metadata, which is not interpreted: two that differ in it are two.
    alias = text.replace("_", "-")
    if alias != text and (alias in _ONCE or alias.startswith("x-amz-")) and not text.startswith(META_PREFIX):
        raise _bad(f"the header {text} is an alias of {alias}")
    return text


def _check_framing(pairs: tuple[tuple[str, str], ...], version: tuple[int, int]) -> dict[str, str]:
    """The headers, the last of each name; those that say where things are and end have come once at most."""
    seen = dict(pairs)
    if len(seen) != len(pairs):
        names = [name for name, _ in pairs]
        for name in _ONCE & seen.keys():
            if names.count(name) > 1:
                raise _bad(f"{name} came more than once")
    length, coding = seen.get("content-length"), seen.get("transfer-encoding")
    if length is not None and not _LENGTH.fullmatch(length):
        raise _bad("content-length is not a number")
    if coding is None:
        return seen
    if length is not None:
        raise _bad("content-length and transfer-encoding together")
    if version == (1, 0):
        raise _bad("transfer-encoding on HTTP/1.0")
    if coding.lower() != "chunked":
        raise _bad("transfer-encoding is not chunked")
    return seen


def _check_host(host: str | None, version: tuple[int, int]) -> str | None:
    if host is None:
        if version == (1, 1):
            raise _bad("HTTP/1.1 without Host")
        return None
    if not _HOST.fullmatch(host):
        raise _bad("the Host header is not a host")
    return host


def _split_target(target: str, host: str | None) -> tuple[str, str]:
    if not _TARGET.fullmatch(target):
        raise _bad("the target is empty, or has a fragment, a control, a space or a non-ASCII byte")
    if _BAD_ESCAPE.search(target):
        raise _bad("the target has a malformed percent escape")
    if target.startswith("/"):
        path, _, query = target.partition("?")
        return path, query
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise _bad("the target is neither a path nor an absolute URL")
    authority, path, query = absolute[1], absolute[2], absolute[3]
    if host is None or _without_port(authority) != _without_port(host):
        raise _bad("the target names another authority than the Host header")
    return path or "/", query or ""


def _without_port(authority: str) -> str:
    """The authority in lower case, without the port that its scheme has anyway."""
    return authority.lower().removesuffix(":80").removesuffix(":443")


def host_name(raw: RawRequest) -> str:
    """The Host header's name in lower case, without port and closing dot; "" if there is none."""
    match = _HOST.fullmatch(raw.header("host") or "")
    return match[1].lower().removesuffix(".") if match else ""


def is_local_name(host: str) -> bool:
    """Whether nobody else can have such a name lead to us: an address, or a name of one's own machine or network.

    A page that has its public name lead to loopback (DNS rebinding) has a browser name another host than these.
    """
    if "." not in host or host.endswith(".localhost"):
        return True
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def decode(text: str, reason: Reason) -> str:
    """Percent-decode once. A plus stays a plus, as in S3's paths; see `decode_plus` for queries.

    Raises:
        Refused: with `reason`, when the bytes are not UTF-8.
    """
    if "%" not in text and text.isascii():  # as most are
        return text
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeError:
        raise Refused(reason, "a percent-encoded name is not UTF-8") from None


def decode_plus(text: str) -> str:
    """A piece of a query whose pluses are the spaces that they stand for, as S3 reads them."""
    return text.replace("+", " ") if "+" in text else text


def query_pairs(query: str) -> list[tuple[str, str]]:
    """The decoded parameters, in order. A name without `=` has the value "".

    A parameter that comes twice with the same value is returned twice. Parameters that hold names of objects may have
    any character that those may have.

    Raises:
        Refused: BAD_ARGUMENT for a name or value that is not UTF-8 or has control bytes; BAD_REQUEST for a name that
            comes twice with different values (two readers would choose differently).
    """
    seen: dict[str, tuple[str, str]] = {}
    pairs: list[tuple[str, str]] = []
    for part in query.split("&"):
        if not part:
            continue
        raw_name, _, raw_value = decode_plus(part).partition("=")
        name, value = decode(raw_name, Reason.BAD_ARGUMENT), decode(raw_value, Reason.BAD_ARGUMENT)
        if CONTROL.search(name) or ("\0" in value if name in _OBJECT_NAMES else CONTROL.search(value)):
            raise Refused(Reason.BAD_ARGUMENT, "a query parameter has a control byte")
        pair = (name, value)
        if seen.setdefault(name.lower(), pair) != pair:
            raise _bad("a query parameter came more than once")
        pairs.append(pair)
    return pairs
