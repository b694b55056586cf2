"""Owns the client that no two are: genuine requests whose every free choice is drawn, as far as S3 leaves it free.

Which headers are signed and which are named without being sent, their order, case and blanks; how a path and a query
spell their escapes; what metadata is called; the date's form; how the Authorization header is written; the body's
framing; the host with its bucket, its port, or neither. Signed by the second reading of the rules (`signers`).
"""

from __future__ import annotations

import hashlib
import random
import zlib
from base64 import b64encode
from dataclasses import replace
from email.utils import formatdate

from tests.fuzz.jobs import BUCKET, HOST, job
from tests.fuzz.sent import Sent, http_chunks
from tests.fuzz.signers import Signer, aws_chunks

__all__ = ["free_header", "free_query", "free_v2"]

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_RAW_IN_PATH = frozenset("!$&'()*,;=:@/+")
_RAW_IN_QUERY = frozenset("!$'()*,;:@/?")
_TOKEN = "!#$%&'*+.^_`|~-09az"
_NAMES = "abcXYZ019-_.~ !'()*+,;=:@&$#?%é日🎬\x01\t\r\n\x7f\x85\u2028"
_WORDS = ("a", "b  c", " lead", "trail  ", "a \t b", "", "x" * 300, "1,2", 'q="v"', "%20+")
_HARMLESS = (
    ("User-Agent", "any/1.0"), ("Accept", "*/*"), ("Accept-Encoding", "identity"), ("Connection", "keep-alive"),
    ("TE", "trailers"), ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("amz-sdk-request", "attempt=1; max=3"), ("amz-sdk-invocation-id", "0af76519"), ("X-Amzn-Trace-Id", "Root=1-2-3"),
    ("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https"), ("Cache-Control", "no-cache"),
    ("Accept-Language", "en"), ("x-custom_name", "1"), ("Pragma", "no-cache"), ("Referer", "https://x.example/"),
)  # fmt: skip
_ABSENT = ("range", "content-type", "if-match", "cache-control", "content-md5", "expect", "x-unknown", "date-of")
_NEVER_READ = ("x-amz-user-agent", "x-amz-cf-id")


def _key(rng: random.Random) -> str:
    segments = ["".join(rng.choices(_NAMES, k=rng.randint(1, 8))) for _ in range(rng.randint(1, 3))]
    return "/".join(segment if segment.strip(".") else "x" + segment for segment in segments)


def _spelled(rng: random.Random, text: str, raw: frozenset[str], *, query: bool = False) -> str:
    """The text percent-encoded in one of the ways that mean the same."""
    out = []
    for character in text:
        if character == "/" and not query:
            out.append("/")
        elif character == " " and query and rng.random() < 0.3:
            out.append("+")
        elif (character in _UNRESERVED and rng.random() < 0.95) or (character in raw and rng.random() < 0.4):
            out.append(character)
        else:
            escaped = "".join(f"%{byte:02X}" for byte in character.encode())
            out.append(escaped.lower() if rng.random() < 0.3 else escaped)
    return "".join(out)


def _cased(rng: random.Random, name: str) -> str:
    return rng.choice([name, name.lower(), name.title(), name.upper()])


def _wanted(rng: random.Random) -> tuple[Sent, str, tuple[tuple[str, str], ...]]:
    """A job with freely spelled names; also the key, and the metadata that has to arrive."""
    drawn = job(
        rng, ["put", "put", "meta", "get", "range", "head", "delete", "list", "copy", "create", "part", "parts"]
    )
    key = _key(rng) if drawn.key else ""
    pairs = [part.partition("=")[::2] for part in drawn.query.split("&") if part]
    if drawn.name == "list":
        choices = [("delimiter", "/"), ("encoding-type", "url"), ("start-after", _key(rng)), ("fetch-owner", "")]
        choices.append(("max-keys", rng.choice(["", "7", "2147483647"])))
        pairs = [("list-type", "2"), ("prefix", _key(rng)), *rng.sample(choices, 2)]
    query = [
        _spelled(rng, name, frozenset()) + rng.choice(["=", ""] if not value else ["="]) +
        (_spelled(rng, value, _RAW_IN_QUERY, query=True) if drawn.name == "list" else value)
        for name, value in pairs
    ]  # fmt: skip
    if rng.random() < 0.2:
        query.append(rng.choice(["x-id=GetObject", "", "x-id=PutObject"]))
    rng.shuffle(query)
    headers = list(drawn.headers)
    metadata = {name: value for name, value in headers if name.startswith("x-amz-meta-")}
    if drawn.name in {"put", "meta", "create"}:
        for _ in range(rng.randint(0, 3)):
            name = "".join(rng.choices(_TOKEN, k=rng.randint(1, 5)))
            metadata |= {f"x-amz-meta-{name}": rng.choice(_WORDS)}
            metadata |= {f"x-amz-meta-{name.replace('-', '_')}": "twin"} if rng.random() < 0.3 else {}
        headers = [pair for pair in headers if pair[0] not in metadata] + list(metadata.items())
    if drawn.body is not None and rng.random() < 0.4 and "Content-Type" not in dict(headers):
        headers.append(("Content-Type", rng.choice(["text/plain; charset=utf-8", "application/x-tar", ""])))
    hosted, port = rng.random() < 0.4, rng.choice(["", "", ":80", ":443", ":9000"])
    path = f"/{_spelled(rng, key, _RAW_IN_PATH)}" if hosted else f"/{BUCKET}/{_spelled(rng, key, _RAW_IN_PATH)}"
    path = path if key or hosted else rng.choice([f"/{BUCKET}", f"/{BUCKET}/"])
    host = (f"{BUCKET}." if hosted else "") + HOST + port
    sent = Sent(drawn.method, path, (("Host", host), *headers), job=drawn.name, plain=drawn.body)
    sent = replace(sent.asking(query="&".join(query)), wanted=(key, tuple(metadata.items())))
    return sent, host, tuple(headers)


def _dressed(rng: random.Random, sent: Sent) -> Sent:
    """With harmless headers, and all of them in any order and case, with blanks around their values."""
    more = rng.sample(_HARMLESS, rng.randint(0, 5))
    known = {name.lower() for name, _ in sent.headers}
    headers = [*sent.headers, *((name, value) for name, value in more if name.lower() not in known)]
    rng.shuffle(headers)
    blanks = ("", "", " ", "  ", "\t")
    return replace(
        sent,
        headers=tuple((_cased(rng, name), rng.choice(blanks) + value + rng.choice(blanks)) for name, value in headers),
    )


def _names(rng: random.Random, sent: Sent) -> tuple[Sent, list[str]]:
    """What a signer looked at, and which names it signed: what it has to, any others, and some that never come."""
    present = {name.lower() for name, _ in sent.headers}
    signed = {name for name in present if name.startswith("x-amz-") or name in {"host", "content-md5"}}
    signed |= {name for name in sorted(present) if rng.random() < 0.5}
    absent = sorted({name for name in rng.sample(_ABSENT, rng.randint(0, 2)) if name not in present})
    view = replace(sent, headers=(*sent.headers, *((name, "") for name in absent)))
    host = sent.header("Host") or ""
    if rng.random() < 0.3:  # the library names the scheme's own port, or leaves it out
        bare = host.strip().removesuffix(":80").removesuffix(":443")
        if ":" not in bare:
            view = view.setting("Host", bare if ":" in host else bare + rng.choice([":80", ":443"]))
    return view, sorted(signed | set(absent))


def _framed(rng: random.Random, sent: Sent) -> tuple[Sent, str, str]:
    """The headers of a framing, its name and the payload hash."""
    body = sent.plain
    if body is None:
        return sent, "none", rng.choice([hashlib.sha256(b"").hexdigest(), "UNSIGNED-PAYLOAD"])
    kind = rng.choice(["hash", "unsigned", "signed", "signed-trailer", "unsigned-trailer"])
    if kind in {"hash", "unsigned"}:
        if rng.random() < 0.3:
            sent = sent.with_header("Content-MD5", b64encode(hashlib.md5(body).digest()).decode())
        return sent, kind, hashlib.sha256(body).hexdigest() if kind == "hash" else "UNSIGNED-PAYLOAD"
    sent = sent.with_header("x-amz-decoded-content-length", str(len(body)))
    sent = sent.with_header("Content-Encoding", rng.choice(["aws-chunked", "gzip, aws-chunked", "aws-chunked,gzip"]))
    if kind == "signed":
        return sent, kind, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    sent = sent.with_header("x-amz-trailer", "x-amz-checksum-crc32")
    unsigned = kind == "unsigned-trailer"
    return sent, kind, f"STREAMING-{'UNSIGNED' if unsigned else 'AWS4-HMAC-SHA256'}-PAYLOAD-TRAILER"


def _body(rng: random.Random, sent: Sent, kind: str, signer: Signer) -> Sent:
    """With the body, framed as its headers say, and a length or HTTP's own chunks."""
    plain = sent.plain
    if plain is None:
        return sent
    body = plain
    if kind not in {"hash", "unsigned"}:
        size = rng.choice([100, 1000, 8192])
        pieces = [plain[at : at + size] for at in range(0, len(plain), size)]
        value = b64encode(zlib.crc32(plain).to_bytes(4, "big")).decode()
        trailers = {} if kind == "signed" else {"x-amz-checksum-crc32": value}
        body = aws_chunks(sent, None if kind == "unsigned-trailer" else signer, pieces, trailers)
        line = f"x-amz-checksum-crc32:{value}\r\n".encode()
        if trailers and rng.random() < 0.3:  # minio-go's way
            body = body.replace(line, line.replace(b"\r\n", b"\n") + b"\r\n")
    if kind not in {"hash", "unsigned"} and rng.random() < 0.4:
        return replace(sent.with_header("Transfer-Encoding", "chunked"), body=http_chunks(body))
    return replace(sent.with_header("Content-Length", str(len(body))), body=body)


def free_header(rng: random.Random, signer: Signer) -> Sent:
    """SigV4 in the header."""
    sent, kind, payload_hash = _framed(rng, _wanted(rng)[0])
    dated = rng.random()
    if dated < 0.7:
        sent = sent.with_header("x-amz-date", signer.stamp)
    else:
        sent = sent.with_header(
            "Date", signer.stamp if dated < 0.8 else formatdate(int(signer.now), usegmt=dated < 0.9)
        )
    sent = sent.with_header("x-amz-content-sha256", payload_hash)
    if signer.pair.token is not None:
        sent = sent.with_header("x-amz-security-token", signer.pair.token)
    sent = _dressed(rng, sent)
    view, names = _names(rng, sent)
    credential, signed = f"Credential={signer.pair.key}/{signer.scope}", f"SignedHeaders={';'.join(names)}"
    parts = [credential, signed] if rng.random() < 0.7 else [signed, credential]
    parts.append(f"Signature={signer.v4_signature(view, names, payload_hash)}")
    text = f"AWS4-HMAC-SHA256 {rng.choice([', ', ',', ' ,  ']).join(parts)}"
    at = rng.randint(0, len(sent.headers))
    sent = replace(sent, headers=(*sent.headers[:at], (_cased(rng, "Authorization"), text), *sent.headers[at:]))
    covered = kind not in {"unsigned"} or sent.header("content-md5") is not None
    sent = _body(rng, replace(sent, kind="v4", covered=covered), kind, signer)
    return sent.with_header(rng.choice(_NEVER_READ), "me") if rng.random() < 0.1 else sent


def free_query(rng: random.Random, signer: Signer) -> Sent:
    """SigV4 in the query: its parts anywhere among the others, in any spelling."""
    sent = _wanted(rng)[0]
    sent = _dressed(rng, sent)
    view, names = _names(rng, sent)
    parts = [("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", f"{signer.pair.key}/{signer.scope}")]
    parts += [("X-Amz-Date", signer.stamp), ("X-Amz-Expires", str(rng.randint(1, 604800)))]
    parts.append(("X-Amz-SignedHeaders", ";".join(names)))
    if signer.pair.token is not None:
        parts.append(("X-Amz-Security-Token", signer.pair.token))
    if rng.random() < 0.3:
        parts.append(("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"))
    known = [part for part in sent.query.split("&") if part]
    written = [*known, *(f"{name}={_spelled(rng, value, _RAW_IN_QUERY, query=True)}" for name, value in parts)]
    rng.shuffle(written)
    view = view.asking(query="&".join(written))
    signature = signer.v4_signature(view, names, "UNSIGNED-PAYLOAD")
    written.insert(rng.randint(0, len(written)), f"X-Amz-Signature={signature}")
    sent = replace(sent.asking(query="&".join(written)), kind="v4 query", covered=False)
    return _body(rng, sent, "unsigned", signer)


def free_v2(rng: random.Random, signer: Signer) -> Sent:
    """SigV2 in the header, dated in either header."""
    sent = _wanted(rng)[0]
    hosted = (sent.header("Host") or "").startswith(BUCKET)
    if signer.pair.token is not None:
        sent = sent.with_header("x-amz-security-token", signer.pair.token)
    if rng.random() < 0.5:
        sent, date = sent.with_header("x-amz-date", formatdate(signer.now, usegmt=True)), ""
    else:
        date = formatdate(signer.now, usegmt=rng.random() < 0.5)
        sent = sent.with_header("Date", date)
    sent = _dressed(rng, sent)
    signature = signer.v2_signature(sent, date, BUCKET if hosted else "")
    sent = replace(sent.with_header("Authorization", f"AWS {signer.pair.key}:{signature}"), kind="v2", covered=False)
    return _body(rng, sent, "unsigned", signer)
