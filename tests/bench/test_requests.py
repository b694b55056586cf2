"""What the bench sends is what clients send: the gateway's own readers take it."""

from __future__ import annotations

import time
from urllib.parse import parse_qsl

from gateway.core.backend import Credentials
from gateway.core.request import BodyFraming, RawRequest
from gateway.wire.sig import sigv4
from gateway.wire.sig.aws_chunked import ChunkedDecoder
from gateway.wire.sig.credentials import auth_fields, read_credentials
from tests.bench.requests import CHUNK, Message, framed, plain, presigned, signed, signed_anew

_PAIR = Credentials("AKIDEXAMPLE", "secret")
_URL = "http://127.0.0.1:9000/bench/4096-a"


def _raw(message: Message) -> RawRequest:
    first, *lines = message.head.decode().split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    path, _, query = target.partition("?")
    fields = [line.partition(": ") for line in lines]
    return RawRequest(method, path, query, tuple((name.lower(), value) for name, _, value in fields))


def _verified(message: Message) -> sigv4.Verified:
    raw = _raw(message)
    presented = read_credentials(auth_fields(raw.headers, parse_qsl(raw.query)))
    return sigv4.verify(presented, raw, _PAIR.secret_key, now=time.time(), keys=sigv4.SigningKeys())


def test_signed_requests_are_genuine() -> None:
    """Signed in headers, presigned and framed: each verifies."""
    assert "AKIDEXAMPLE" == _verified(signed("PUT", _URL, _PAIR, b"body")).access_key_id
    assert "AKIDEXAMPLE" == _verified(plain("GET", presigned("GET", _URL, _PAIR))).access_key_id
    assert BodyFraming.UNSIGNED_CHUNKS_TRAILER.value == _verified(framed(_URL, _PAIR, b"body")).payload_hash


def test_what_is_signed_anew_is_never_the_same() -> None:
    """Each verifies by itself, and no two heads are alike, as with SDKs."""
    messages = signed_anew("GET", _URL, _PAIR, 5)
    assert [_PAIR.access_key] * 5 == [_verified(message).access_key_id for message in messages]
    assert 5 == len({message.head for message in messages})
    assert 5 == len({_verified(message).signature for message in messages})


def test_a_framed_body_is_the_body() -> None:
    """What is taken out of the frames is what was put in, checksum and all, in chunks of one size."""
    body = bytes(range(256)) * 600
    message = framed(_URL, _PAIR, body)
    decoder = ChunkedDecoder(
        BodyFraming.UNSIGNED_CHUNKS_TRAILER, len(body), None, trailer_names=("x-amz-checksum-crc64nvme",)
    )
    assert body == b"".join(decoder.feed(message.body))
    assert ["x-amz-checksum-crc64nvme"] == list(decoder.finish())
    assert message.body.startswith(b"%x\r\n" % CHUNK)
