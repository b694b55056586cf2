"""For each rule that refuses a signed request, a genuine request beside it that has to pass."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

import gateway
from gateway.core.reasons import Reason
from tests.fuzz.attacked import Attacked, attacked
from tests.fuzz.jobs import HOST
from tests.fuzz.sent import Sent
from tests.fuzz.signers import Signer, aws_chunks, form_body

_ROOMS = (
    "wire/http/target",
    "wire/parse",
    "wire/s3/request_headers",
    "wire/s3/operations",
    "wire/sig/credentials",
    "wire/sig/sigv4",
    "wire/sig/sigv2",
)
_ROOMS += (
    "wire/sig/aws_chunked",
    "wire/sig/post_policy",
    "wire/http/form_data",
    "data/steps/identify",
    "data/steps/verify",
    "data/steps/authenticate",
    "core/key_use",
)
_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
Make = Callable[[Attacked], Sent]


def _asking(method: str, target: str, *headers: tuple[str, str], body: bytes | None = None) -> Sent:
    sent = Sent(method, target, (("Host", HOST), *headers), plain=body)
    return sent if body is None else replace(sent.with_header("Content-Length", str(len(body))), body=body)


def _signer(place: Attacked, late: float = 0) -> Signer:
    return Signer(place.own, place.now - late)


def _v4(*args: object, late: float = 0, unsigned: tuple[str, ...] = (), **more: object) -> Make:
    sent = _asking(*args, **more)  # type: ignore[arg-type]
    return lambda place: _signer(place, late).v4(sent, "UNSIGNED-PAYLOAD", unsigned=unsigned)


def _query(*args: object, late: float = 0, **more: object) -> Make:
    sent = _asking(*args, **more)  # type: ignore[arg-type]
    return lambda place: _signer(place, late).v4_query(sent)


def _chunked(place: Attacked) -> Sent:
    """As large as the SDKs' own chunks are."""
    signer, body = _signer(place), b"x" * 65536
    sent = _asking("PUT", "/reports/a", ("x-amz-decoded-content-length", str(len(body))))
    sent = signer.v4(sent, _SIGNED)
    framed = aws_chunks(sent, signer, [body], {})
    return replace(sent.with_header("Content-Length", str(len(framed))), body=framed)


def _form(version: int, size: int) -> Make:
    def make(place: Attacked) -> Sent:
        fields = {"key": "up/${filename}", "bucket": "reports", "x-ignore-a": "b"}
        conditions: list[object] = [
            ["starts-with", "$key", "up/"],
            ["content-length-range", "0", 5],
        ]
        signed = _signer(place).form(fields, conditions, version=version)
        body = form_body(signed, "a.txt", b"x" * size, "bound")
        return _asking("POST", "/reports", ("Content-Type", "multipart/form-data; boundary=bound"), body=body)

    return make


def _spaced_authorization(place: Attacked) -> Sent:
    sent = _v4("GET", "/reports/a")(place)
    return sent.setting("Authorization", (sent.header("Authorization") or "").replace(", ", ",   "))


TWINS: dict[str, Make] = {
    "spaces and repeats in a query": _v4("GET", "/reports?list-type=2&prefix=a+b&prefix=a%20b&&max-keys="),
    "control characters in a name": _v4("GET", "/reports/a%0a%01"),
    "a name as long as names are": _v4("GET", "/reports/" + "k" * 1024),
    "a name with dots": _v4("GET", "/reports/.../..a/.b"),
    "a bucket with its dot": lambda place: _signer(place).v4(
        replace(_asking("GET", "/a"), headers=(("Host", f"reports.{HOST}:443"),)), "UNSIGNED-PAYLOAD"
    ),
    "an empty body": _v4("DELETE", "/reports/a", ("Content-Length", "0")),
    "a form's address": _form(4, 5),
    "an older form": _form(2, 0),
    "metadata with any name": _v4("PUT", "/reports/a", ("x-amz-meta-a_b", ""), ("x-amz-meta-a-b", "1"), body=b"x"),
    "a header that asks for nothing": _v4("PUT", "/reports/a", ("x-amz-acl", "private"), body=b"x"),
    "a type that is not signed": _v4(
        "PUT", "/reports/a", ("Content-Type", "text/plain"), body=b"x", unsigned=("content-type",)
    ),
    "a label in the query": _v4("GET", "/reports/a?x-id=GetObject&partNumber=1"),
    "blanks in the credential": _spaced_authorization,
    "a clock fourteen minutes behind": _v4("GET", "/reports/a", late=840),
    "a clock fourteen minutes ahead": _v4("GET", "/reports/a", late=-840),
    "a URL of the day before yesterday": lambda place: _signer(place, 172800).v4_query(
        _asking("GET", "/reports/a"), 604800
    ),
    "a URL of a clock ahead": _query("GET", "/reports/a", late=-840),
    "a hash that was pinned": lambda place: _signer(place).v4(
        _asking("PUT", "/reports/a", body=b"x"), hashlib.sha256(b"x").hexdigest()
    ),
    "an older signature": lambda place: _signer(place).v2(_asking("PUT", "/reports/a", ("x-amz-acl", "x"), body=b"x")),
    "an older URL": lambda place: _signer(place).v2_query(_asking("GET", "/reports/a")),
    "signed chunks": _chunked,
    "a session's key": lambda place: Signer(place.session, place.now).v4(
        _asking("GET", "/reports/a"), "UNSIGNED-PAYLOAD"
    ),
    "a link": lambda place: _asking("GET", f"/s/{place.link}"),
    "a link's password": lambda place: _asking("GET", f"/s/{place.link}", ("Authorization", "Basic Ong=")),
}

_R = Reason
_BESIDE: dict[tuple[str, Reason], str] = {
    ("wire/http/target", _R.BAD_REQUEST): "spaces and repeats in a query",
    ("wire/http/target", _R.BAD_ARGUMENT): "spaces and repeats in a query",
    ("wire/parse", _R.BAD_ARGUMENT): "spaces and repeats in a query",
    ("wire/parse", _R.BAD_BUCKET_NAME): "a bucket with its dot",
    ("wire/parse", _R.BAD_KEY): "a name with dots",
    ("wire/parse", _R.BAD_REQUEST): "control characters in a name",
    ("wire/parse", _R.KEY_TOO_LONG): "a name as long as names are",
    ("wire/parse", _R.METHOD_NOT_ALLOWED): "a link",
    ("wire/parse", _R.MISSING_LENGTH): "signed chunks",
    ("wire/parse", _R.UNKNOWN_TOKEN): "a link",
    ("wire/parse", _R.UNREAD_BODY): "an empty body",
    ("wire/parse", _R.UNSUPPORTED_OPERATION): "a form's address",
    ("wire/s3/request_headers", _R.BAD_ARGUMENT): "metadata with any name",
    ("wire/s3/request_headers", _R.BAD_REQUEST): "metadata with any name",
    ("wire/s3/request_headers", _R.UNSUPPORTED_OPERATION): "a header that asks for nothing",
    ("wire/s3/operations", _R.BAD_ARGUMENT): "a label in the query",
    ("wire/s3/operations", _R.METHOD_NOT_ALLOWED): "an empty body",
    ("wire/s3/operations", _R.UNSUPPORTED_OPERATION): "a label in the query",
    ("wire/sig/credentials", _R.CREDENTIALS_AMBIGUOUS): "an older URL",
    ("wire/sig/credentials", _R.CREDENTIALS_MALFORMED): "blanks in the credential",
    ("wire/sig/credentials", _R.CREDENTIALS_QUERY_MALFORMED): "a URL of the day before yesterday",
    ("wire/sig/credentials", _R.CREDENTIALS_UNDATED): "an older signature",
    ("wire/sig/sigv4", _R.BAD_ARGUMENT): "a hash that was pinned",
    ("wire/sig/sigv4", _R.BAD_REQUEST): "a hash that was pinned",
    ("wire/sig/sigv4", _R.BAD_SIGNATURE): "metadata with any name",
    ("wire/sig/sigv4", _R.CLOCK_SKEWED): "a clock fourteen minutes behind",
    ("wire/sig/sigv4", _R.NOT_YET_VALID): "a URL of a clock ahead",
    ("wire/sig/sigv4", _R.SIGNATURE_EXPIRED): "a URL of the day before yesterday",
    ("wire/sig/sigv4", _R.UNSIGNED_HEADER): "a type that is not signed",
    ("wire/sig/sigv2", _R.BAD_SIGNATURE): "an older signature",
    ("wire/sig/sigv2", _R.CLOCK_SKEWED): "an older signature",
    ("wire/sig/sigv2", _R.CREDENTIALS_QUERY_MALFORMED): "an older URL",
    ("wire/sig/sigv2", _R.SIGNATURE_EXPIRED): "an older URL",
    ("wire/sig/sigv2", _R.UNSIGNED_HEADER): "an older signature",
    ("wire/sig/aws_chunked", _R.BAD_REQUEST): "signed chunks",
    ("wire/sig/aws_chunked", _R.BAD_SIGNATURE): "signed chunks",
    ("wire/sig/aws_chunked", _R.INCOMPLETE_BODY): "signed chunks",
    ("wire/sig/aws_chunked", _R.MISSING_LENGTH): "signed chunks",
    ("wire/sig/aws_chunked", _R.TOO_LARGE): "signed chunks",
    ("wire/sig/post_policy", _R.BAD_SIGNATURE): "an older form",
    ("wire/sig/post_policy", _R.CLOCK_SKEWED): "a form's address",
    ("wire/sig/post_policy", _R.CREDENTIALS_AMBIGUOUS): "an older form",
    ("wire/sig/post_policy", _R.CREDENTIALS_MALFORMED): "a form's address",
    ("wire/sig/post_policy", _R.FORM_POLICY_VIOLATED): "a form's address",
    ("wire/sig/post_policy", _R.MALFORMED_FORM): "a form's address",
    ("wire/sig/post_policy", _R.SIGNATURE_EXPIRED): "an older form",
    ("wire/sig/post_policy", _R.TOO_LARGE): "a form's address",
    ("wire/sig/post_policy", _R.TOO_SMALL): "an older form",
    ("wire/http/form_data", _R.INCOMPLETE_BODY): "a form's address",
    ("wire/http/form_data", _R.MALFORMED_FORM): "a form's address",
    ("data/steps/identify", _R.BAD_REQUEST): "a label in the query",
    ("data/steps/identify", _R.CREDENTIALS_AMBIGUOUS): "a link's password",
    ("data/steps/identify", _R.CREDENTIALS_MALFORMED): "a link's password",
    ("data/steps/identify", _R.TOO_LARGE): "a link",
    ("data/steps/identify", _R.UNKNOWN_TOKEN): "a link",
    ("data/steps/identify", _R.UNREAD_BODY): "a link",
    ("core/key_use", _R.BAD_SESSION_TOKEN): "a session's key",
    ("data/steps/authenticate", _R.CREDENTIALS_MISSING): "a form's address",
    ("data/steps/authenticate", _R.SIGNATURE_VERSION_REFUSED): "an older signature",
    ("data/steps/authenticate", _R.UNKNOWN_KEY): "a session's key",
    ("data/steps/authenticate", _R.UNKNOWN_TOKEN): "a link",
    ("data/steps/authenticate", _R.UNSIGNED_HEADER): "a type that is not signed",
}


@pytest.fixture
async def place() -> AsyncIterator[Attacked]:
    async with attacked() as started:
        yield started


@pytest.mark.parametrize("name", TWINS)
async def test_the_genuine_twin_passes(place: Attacked, name: str) -> None:
    """What stands just beside a refusal is let through."""
    said = await place.ask(TWINS[name](place), 5.0)
    assert 200 <= said.status < 300, said.data


def test_every_rule_that_refuses_has_a_twin() -> None:
    """A new reason to refuse in what reads or proves a request comes with a genuine request that it must let pass."""
    found = set()
    for room in _ROOMS:
        tree = ast.parse((Path(gateway.__file__).parent / f"{room}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason":
                found.add((room, Reason[node.attr]))
    assert found == set(_BESIDE)
    assert set(TWINS) >= set(_BESIDE.values())
