"""Owns a second reading of S3's signing rules, made for these tests: every kind of signature that a client makes.

Shares no line with `gateway.wire`, so that a misreading there does not sign its own forgery here.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import formatdate
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

from tests.fuzz.sent import Sent

__all__ = ["SUB_RESOURCES", "Pair", "Signer", "aws_chunks", "form_body", "md5_of", "uri"]

SUB_RESOURCES = frozenset(
    [
        "acl",
        "cors",
        "delete",
        "encryption",
        "inventory",
        "legal-hold",
        "lifecycle",
        "location",
        "logging",
        "notification",
        "object-lock",
        "partNumber",
        "policy",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "select-type",
        "storageClass",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
        "accelerate",
        "analytics",
        "metrics",
        "publicAccessBlock",
        "defaultObjectAcl",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
    ]
)


def uri(text: str | bytes, safe: str = "") -> str:
    return quote_from_bytes(text, safe=safe + "~") if isinstance(text, bytes) else quote(text, safe=safe + "~")


def md5_of(body: bytes) -> str:
    return b64encode(hashlib.md5(body).digest()).decode()


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()


@dataclass(frozen=True, slots=True)
class Pair:
    """A key pair and its session token, if it has one."""

    key: str
    secret: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs as a client would at `now` (seconds since the epoch)."""

    pair: Pair
    now: float
    region: str = "us-east-1"
    service: str = "s3"

    @property
    def stamp(self) -> str:
        return datetime.fromtimestamp(int(self.now), UTC).strftime("%Y%m%dT%H%M%SZ")

    @property
    def scope(self) -> str:
        return f"{self.stamp[:8]}/{self.region}/{self.service}/aws4_request"

    @property
    def key(self) -> bytes:
        key = ("AWS4" + self.pair.secret).encode()
        for part in (self.stamp[:8], self.region, self.service, "aws4_request"):
            key = _mac(key, part)
        return key

    def v4_signature(self, sent: Sent, signed: Sequence[str], payload_hash: str) -> str:
        path = quote_from_bytes(unquote_to_bytes(sent.path), safe="/~")
        query = "&".join(f"{uri(name)}={uri(value)}" for name, value in sorted(sent.pairs(), key=_encoded))
        values: dict[str, list[str]] = {}
        for name, value in sent.headers:
            values.setdefault(name.lower(), []).append(value.strip(" \t"))
        lines = "".join(f"{name}:{','.join(_one_space(text) for text in values[name])}\n" for name in signed)
        canonical = "\n".join([sent.method, path, query, lines, ";".join(signed), payload_hash])
        digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
        return _mac(self.key, f"AWS4-HMAC-SHA256\n{self.stamp}\n{self.scope}\n{digest}").hex()

    def v4(self, sent: Sent, payload_hash: str, *, unsigned: Sequence[str] = ()) -> Sent:
        """SigV4 in the header. Everything is signed but what `unsigned` names."""
        added = [("X-Amz-Date", self.stamp), ("X-Amz-Content-Sha256", payload_hash)]
        if self.pair.token is not None:
            added.append(("X-Amz-Security-Token", self.pair.token))
        sent = replace(sent, headers=(*sent.headers, *added), kind="v4")
        out = {*(name.lower() for name in unsigned), "user-agent", "connection", "transfer-encoding", "expect"}
        signed = sorted({name.lower() for name, _ in sent.headers} - out)
        signature = self.v4_signature(sent, signed, payload_hash)
        credential = f"Credential={self.pair.key}/{self.scope}, SignedHeaders={';'.join(signed)}"
        return sent.with_header("Authorization", f"AWS4-HMAC-SHA256 {credential}, Signature={signature}")

    def v4_query(
        self, sent: Sent, expires: int = 3600, payload_hash: str = "UNSIGNED-PAYLOAD", *, pinned: bool = False
    ) -> Sent:
        """A presigned URL; all of the request's headers are signed. `pinned` writes the payload hash down."""
        signed = sorted({name.lower() for name, _ in sent.headers} - {"content-length", "user-agent"})
        pairs = [("X-Amz-Content-Sha256", payload_hash)] if pinned else []
        pairs += [("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", f"{self.pair.key}/{self.scope}")]
        pairs += [("X-Amz-Date", self.stamp), ("X-Amz-Expires", str(expires))]
        if self.pair.token is not None:
            pairs.append(("X-Amz-Security-Token", self.pair.token))
        pairs.append(("X-Amz-SignedHeaders", ";".join(signed)))
        query = "&".join([*filter(None, [sent.query]), *(f"{uri(name)}={uri(value)}" for name, value in pairs)])
        sent = replace(sent.asking(query=query), kind="v4 query", covered=payload_hash != "UNSIGNED-PAYLOAD")
        return sent.asking(query=f"{query}&X-Amz-Signature={self.v4_signature(sent, signed, payload_hash)}")

    def v2_signature(self, sent: Sent, date: str, bucket: str) -> str:
        amz: dict[str, list[str]] = {}
        for name, value in sent.headers:
            if name.lower().startswith("x-amz-"):
                amz.setdefault(name.lower(), []).append(value.strip())
        lines = "".join(f"{name}:{','.join(amz[name])}\n" for name in sorted(amz))
        pairs = [
            (name.decode(), value.decode(), bool(value) or ("=" in part and "%" not in part))
            for part in sent.query.split("&")
            if part
            for name, value in replace(sent, target=f"/?{part}").pairs()
        ]
        named = [
            f"{name}={value}" if equals else name for name, value, equals in sorted(pairs) if name in SUB_RESOURCES
        ]
        resource = f"{'/' + bucket if bucket else ''}{sent.path}{'?' if named else ''}{'&'.join(named)}"
        single = [(sent.header(name) or "").strip() for name in ("Content-MD5", "Content-Type")]
        text = "\n".join([sent.method, *single, date, lines + resource])
        return b64encode(hmac.new(self.pair.secret.encode(), text.encode(), hashlib.sha1).digest()).decode()

    def v2(self, sent: Sent, bucket: str = "") -> Sent:
        """SigV2 in the header, dated by x-amz-date; `bucket` is the one in the host name, if it stands there."""
        if self.pair.token is not None:
            sent = sent.with_header("x-amz-security-token", self.pair.token)
        sent = replace(sent.with_header("x-amz-date", formatdate(self.now, usegmt=True)), kind="v2")
        return sent.with_header("Authorization", f"AWS {self.pair.key}:{self.v2_signature(sent, '', bucket)}")

    def v2_query(self, sent: Sent, expires: int = 3600) -> Sent:
        """SigV2 in the query."""
        until = str(int(self.now) + expires)
        signed = sent if self.pair.token is None else sent.with_header("x-amz-security-token", self.pair.token)
        pairs = [
            ("AWSAccessKeyId", self.pair.key),
            ("Signature", self.v2_signature(signed, until, "")),
            ("Expires", until),
        ]
        if self.pair.token is not None:
            pairs.append(("x-amz-security-token", self.pair.token))
        query = "&".join([*filter(None, [sent.query]), *(f"{uri(name)}={uri(value)}" for name, value in pairs)])
        return replace(sent.asking(query=query), kind="v2 query", covered=sent.header("Content-MD5") is not None)

    def form(self, fields: Mapping[str, str], conditions: Sequence[object], *, version: int = 4) -> dict[str, str]:
        """The fields of a form with its policy and signature; each field given is pinned unless a condition is."""
        fields = dict(fields)
        if version == 4:
            fields |= {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self.pair.key}/{self.scope}"}
            fields["X-Amz-Date"] = self.stamp
        if self.pair.token is not None:
            fields["x-amz-security-token"] = self.pair.token
        loose = {item[1][1:].lower() for item in conditions if isinstance(item, list) and item[0] == "starts-with"}
        pinned = [{name: value} for name, value in fields.items() if name.lower() not in loose]
        until = datetime.fromtimestamp(self.now + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        document = {"expiration": until, "conditions": [*pinned, *conditions]}
        policy = b64encode(json.dumps(document).encode()).decode()
        fields["Policy"] = policy
        if version == 4:
            fields["X-Amz-Signature"] = _mac(self.key, policy).hex()
        else:
            digest = hmac.new(self.pair.secret.encode(), policy.encode(), hashlib.sha1).digest()
            fields |= {"AWSAccessKeyId": self.pair.key, "Signature": b64encode(digest).decode()}
        return fields


def _encoded(pair: tuple[bytes, bytes]) -> tuple[str, str]:
    return uri(pair[0]), uri(pair[1])


def _one_space(text: str) -> str:
    while "  " in text:
        text = text.replace("  ", " ")
    return text.strip()


def aws_chunks(sent: Sent, signer: Signer | None, pieces: Sequence[bytes], trailers: Mapping[str, str]) -> bytes:
    """An aws-chunked body. With a `signer`, chunks are signed, hung on the signature that `sent` already has."""
    previous = (sent.header("Authorization") or "").rpartition("Signature=")[2]
    out = b""
    for piece in [*pieces, b""]:
        extension = b""
        if signer is not None:
            hashes = f"{hashlib.sha256().hexdigest()}\n{hashlib.sha256(piece).hexdigest()}"
            text = f"AWS4-HMAC-SHA256-PAYLOAD\n{signer.stamp}\n{signer.scope}\n{previous}\n{hashes}"
            previous = _mac(signer.key, text).hex()
            extension = f";chunk-signature={previous}".encode()
        out += b"%x%s\r\n" % (len(piece), extension) + piece + (b"\r\n" if piece else b"")
    out += b"".join(f"{name}:{value}\r\n".encode() for name, value in trailers.items())
    if signer is not None and trailers:
        lines = "".join(f"{name}:{value}\n" for name, value in trailers.items())
        digest = hashlib.sha256(lines.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256-TRAILER\n{signer.stamp}\n{signer.scope}\n{previous}\n{digest}"
        out += f"x-amz-trailer-signature:{_mac(signer.key, text).hex()}\r\n".encode()
    return out + b"\r\n"


def form_body(fields: Mapping[str, str], filename: str, content: bytes, boundary: str) -> bytes:
    """A form as a browser sends it: the fields, then the file."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
    parts.append(head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode()
