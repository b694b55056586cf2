"""Owns AWS Signature Version 2 for S3: presigning a query, and verifying header and query signatures.

Refuses to own reading what was presented (`gateway.wire.sig.credentials`) and the clock (an argument).

Law: SigV2 signs the method, `Content-MD5`, `Content-Type`, a date, every `x-amz-*` header, the path as sent and a
closed list of sub-resources, all as they were written, which is why they are read from the raw request here. It does
not cover the host nor any other query parameter: that is its weakness and no verifier can repair it, so policy decides
on the whole request, as on every other.
Source: the S3 developer guide, "Signing and Authenticating REST Requests (Signature Version 2)".
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable, Sequence
from itertools import product
from operator import itemgetter
from typing import Final
from urllib.parse import quote, unquote

from gateway.core.backend import Credentials
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.wire.http.target import decode_plus
from gateway.wire.sig.credentials import SigV2Header, SigV2Query
from gateway.wire.sig.sigv4 import SKEW, octets

SUB_RESOURCES: Final = frozenset(
    """accelerate acl analytics cors defaultObjectAcl delete encryption inventory legal-hold lifecycle location logging
    metrics notification object-lock partNumber policy publicAccessBlock replication requestPayment
    response-cache-control response-content-disposition response-content-encoding response-content-language
    response-content-type response-expires restore retention select select-type storageClass tagging torrent uploadId
    uploads versionId versioning versions website""".split()  # noqa: SIM905 (one name a line would hide the list)
)
"""The query parameters that are part of the signed resource."""

Pairs = Iterable[tuple[str, str]]


def presign(
    credentials: Credentials,
    *,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]] = (),
    headers: Sequence[tuple[str, str]] = (),
    now: float,
    expires: int,
    bucket_from_host: str | None = None,
) -> str:
    """The whole query of a presigned URL, signature included, to be put after `path` and a question mark.

    `path` is already encoded once and is the one on the wire; `bucket_from_host` is the bucket if it stands in the host
    name instead. `query` holds decoded pairs. `headers` must be sent as given if they are signed (see the module's
    law). `now` is in seconds since the epoch, `expires` a lifetime in seconds.
    """
    expires_at = str(int(now) + expires)
    pairs = list(query)
    amz = list(headers)
    if credentials.session_token:
        pairs.append(("x-amz-security-token", credentials.session_token))
        amz.append(("x-amz-security-token", credentials.session_token))
    # A sub-resource without a value is signed and sent by its bare name.
    resource = _resource(path, bucket_from_host, [name if not value else f"{name}={value}" for name, value in query])
    signature = _signature(credentials.secret_key, _text(method, amz, expires_at, resource))
    pairs += [("AWSAccessKeyId", credentials.access_key), ("Expires", expires_at), ("Signature", signature)]
    return "&".join([f"{_encode(name)}={_encode(value)}" if value else _encode(name) for name, value in pairs])


def verify(
    presented: SigV2Header | SigV2Query,
    raw: RawRequest,
    secret_key: str,
    *,
    now: float,
    bucket_from_host: str | None = None,
) -> None:
    """Check freshness and signature of what `read_credentials` read from this very request.

    `bucket_from_host` is the bucket that a virtual-host request names. Two conventions exist for sub-resource values,
    signed decoded and by the bare name when they are empty (S3 itself) or as sent, and two for a path that is a bucket
    alone, signed as sent or with a slash behind it (botocore); all are accepted, because none can be read as another
    resource.

    Raises:
        Refused: CLOCK_SKEWED, SIGNATURE_EXPIRED, CREDENTIALS_QUERY_MALFORMED (an `x-amz-*` name both in the query
            and as a header), UNSIGNED_HEADER (an `x-amz-*` parameter that no signature covers), BAD_SIGNATURE.
    """
    headers = list(raw.headers)
    parts = [part for part in raw.query.split("&") if part]
    if isinstance(presented, SigV2Query):
        if now >= int(presented.expires_at):
            raise Refused(Reason.SIGNATURE_EXPIRED, f"the URL expired {now - int(presented.expires_at):.0f} s ago")
        date = presented.expires_at
        headers += _hoisted(parts, raw)
    else:
        if abs(now - presented.signed_at) > SKEW:
            raise Refused(Reason.CLOCK_SKEWED, f"the request is dated {presented.signed_at - now:.0f} s from now")
        # Where x-amz-date is present it stands among the x-amz lines, and the date's own line is empty.
        date = "" if raw.header("x-amz-date") is not None else raw.header("date") or ""
        if _hoisted(parts, raw):
            # They take effect as headers and would be unsigned: only a presigned query's signature covers them.
            raise Refused(Reason.UNSIGNED_HEADER, "an x-amz-* parameter next to a signature in the header")
    given = presented.signature.encode("utf-8", "surrogatepass")
    bare = raw.path.count("/") == 1 and len(raw.path) > 1 and bucket_from_host is None
    paths = (raw.path, raw.path + "/") if bare else (raw.path,)
    # As sent, a plus would be signed as one and read as a space.
    forms = (True,) if "+" in raw.query else (True, False)
    for path, decode in product(paths, forms):
        resource = _resource(path, bucket_from_host, [_decoded(part) for part in parts] if decode else parts)
        expected = _signature(secret_key, _text(raw.method, headers, date, resource))
        if hmac.compare_digest(expected.encode(), given):
            return
    raise Refused(Reason.BAD_SIGNATURE, "the signature is not the one of this request")


def _hoisted(parts: list[str], raw: RawRequest) -> list[tuple[str, str]]:
    """The `x-amz-*` headers that a presigner moved into the query; they are signed as headers."""
    found = []
    for part in parts:
        name, _, value = part.partition("=")
        lowered = unquote(name).lower()
        if lowered.startswith("x-amz-"):
            if raw.header(lowered) is not None:
                raise Refused(Reason.CREDENTIALS_QUERY_MALFORMED, f"{lowered} came in the query and as a header")
            found.append((lowered, _plain(value)))
    return found


def _plain(text: str) -> str:
    return unquote(decode_plus(text), errors="surrogateescape") if "%" in text or "+" in text else text


def _decoded(part: str) -> str:
    name, _, value = part.partition("=")
    return f"{_plain(name)}={_plain(value)}" if value else _plain(name)


def _encode(text: str) -> str:
    return quote(text, safe="~")


def _resource(path: str, bucket: str | None, parts: list[str]) -> str:
    """The canonicalised resource: always with the bucket, and with the sub-resources sorted by name."""
    named = [(unquote(part.partition("=")[0]), part) for part in parts]
    signed = [part for _, part in sorted((pair for pair in named if pair[0] in SUB_RESOURCES), key=itemgetter(0))]
    return f"{f'/{bucket}' if bucket else ''}{path}{'?' if signed else ''}{'&'.join(signed)}"


def _text(method: str, headers: Pairs, date: str, resource: str) -> bytes:
    """The string to sign."""
    single = {"content-md5": "", "content-type": ""}
    amz: dict[str, list[str]] = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered.startswith("x-amz-"):
            amz.setdefault(lowered, []).append(value.strip())
        elif lowered in single:
            single[lowered] = value.strip()
    lines = "".join([f"{name}:{','.join(amz[name])}\n" for name in sorted(amz)])
    return octets(f"{method}\n{single['content-md5']}\n{single['content-type']}\n{date}\n{lines}{resource}")


def _signature(secret_key: str, text: bytes) -> str:
    return b64encode(hmac.digest(octets(secret_key), text, "sha1")).decode()
