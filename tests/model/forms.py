"""The bytes of what is asked, by every form in which it can be: links, signatures of both versions in headers and
addresses, forms, aws-chunked bodies."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Any

from tests.fuzz.sent import Sent
from tests.fuzz.signers import Pair, Signer, aws_chunks, form_body
from tests.model.oracle import OBJECT, Asked

__all__ = ["BODY", "basic", "write"]

BODY = b"hello"
assert len(BODY) == OBJECT


def write(asked: Asked, secret: Any, form: str, mark: str, number: int) -> bytes:
    """The bytes of a request. `secret` are a link's tokens, or a key's pair; `mark` is whether the head is the same as
    others, alike, or another, by its `number`."""
    fields: tuple[tuple[str, str], ...] = (("Host", "gw"),)
    if mark == "alike":
        fields += (("amz-sdk-invocation-id", f"{number:08d}"),)
    if mark == "other":
        fields += (("X-Other", "o" * (number % 50)),)
    if asked.said is not None:
        fields += (("X-Forwarded-For", f"192.0.2.77, {asked.said}"),)
    if asked.by == "link":
        return _framed(_by_link(asked, secret[asked.version], fields)).encode()
    if asked.method == "list":
        sent = Sent("GET", f"/{asked.bucket}?list-type=2&prefix={asked.key.replace('/', '%2F')}", fields)
    else:
        sent = Sent(asked.method.upper(), f"/{asked.bucket}/{asked.key}", fields, BODY[: asked.size])
    if asked.by == "key":
        assert isinstance(secret, Pair)
        pair = replace(secret, token=asked.session, secret="another" if asked.wrong else secret.secret)
        sent = _signed(asked, Signer(pair, asked.signed_at), form, sent)
    return _framed(sent).encode()


def basic(password: str) -> str:
    """A link's password as browsers send it."""
    return "Basic " + b64encode(f":{password}".encode()).decode()


def _by_link(asked: Asked, token: str, fields: tuple[tuple[str, str], ...]) -> Sent:
    link, body = asked.grant, BODY[: asked.size]
    assert link is not None
    if asked.password is not None:
        fields += (("Authorization", basic(asked.password)),)
    name = "" if link.prefix is None else asked.key.removeprefix(link.prefix)
    target = f"/s/{token}" if link.prefix is None else f"/s/{token}/{name}"
    if asked.method == "post":
        return _form(Sent("POST", target.removesuffix(name), fields, form_body({}, name or "f", body, "b")))
    if asked.method == "list":
        return Sent("GET", target, (*fields, ("Accept", "application/json")))
    return Sent(asked.method.upper(), target, fields, body)


def _signed(asked: Asked, signer: Signer, form: str, sent: Sent) -> Sent:
    if asked.method == "post":
        pinned = {"key": asked.key, "bucket": asked.bucket}
        given = signer.form(pinned, [], version=4 if asked.signature == "v4" else 2)
        del given["bucket"]
        return _form(Sent("POST", f"/{asked.bucket}", sent.headers, form_body(given, "f", sent.body, "b")))
    if form == "chunked" and asked.method == "put":
        more = ("Content-Encoding", "aws-chunked"), ("X-Amz-Decoded-Content-Length", str(len(sent.body)))
        body = sent.body
        sent = signer.v4(replace(sent, headers=sent.headers + more), "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
        return replace(sent, body=aws_chunks(sent, signer, [body], {}))
    if asked.lives is not None:
        by_address = signer.v4_query if asked.signature == "v4" else signer.v2_query
        return by_address(sent, int(asked.lives))
    if asked.signature == "v2":
        return signer.v2(sent)
    return signer.v4(sent, sha256(sent.body).hexdigest() if form == "hashed" else "UNSIGNED-PAYLOAD")


def _form(sent: Sent) -> Sent:
    return sent.with_header("Content-Type", "multipart/form-data; boundary=b")


def _framed(sent: Sent) -> Sent:
    bodied = sent.body or sent.method in {"PUT", "POST"}
    return sent.with_header("Content-Length", str(len(sent.body))) if bodied else sent
