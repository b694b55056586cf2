"""Owns AWS Signature Version 4 for S3: signing a request in headers or query, and verifying one.

Refuses to own reading what was presented (`gateway.wire.sig.credentials`), the clock (an argument) and the body's bytes
(`gateway.wire.sig.aws_chunked`, `gateway.wire.sig.checksums`).

Law: the canonical request is built from what arrived. The path is un-normalised and encoded once: what was sent is
decoded once and encoded again by S3's rule, so `a'b` and `a%27b` sign alike while `..` and `//` stay as they are. In a
query a plus is a space (in a path it is a plus), repeated names are kept, and pairs are sorted by encoded name, then
encoded value. A header that changes what is done must be signed or the request is refused. `Content-Type` is none of
them, as with S3. Headers and query are therefore read here once more: what was signed is how they were written, in
which order and how often, and that is what the one reading of a request (`gateway.wire.parse`) does away with.
Sources: the S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import quote, quote_from_bytes, unquote, unquote_to_bytes

from gateway.core.backend import Credentials
from gateway.core.reasons import Reason, Refused
from gateway.core.request import BodyFraming, RawRequest
from gateway.core.values import dataclass
from gateway.wire.http.target import decode_plus
from gateway.wire.sig.credentials import ALGORITHM, SigV4Header, SigV4Query, is_digest

SKEW: Final = 900
"""Seconds a request's date may be off in either direction, as S3 has it."""

UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"

Pairs = Iterable[tuple[str, str]]

_STREAMING: Final = frozenset({framing.value for framing in BodyFraming} - {BodyFraming.PLAIN.value})
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9/_.~-]*", re.ASCII)
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.~-]*", re.ASCII)
# A query that is canonical already but for its order: nothing unreserved is escaped, everything else is, in capitals.
_ENCODED: Final = r"(?:[A-Za-z0-9_.~-]++|%(?:2[0-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-DF]|[0189A-F][0-9A-F]))*"
_ENCODED_QUERY: Final = re.compile(rf"{_ENCODED}={_ENCODED}(?:&{_ENCODED}={_ENCODED})*", re.ASCII)
_SPACES: Final = re.compile(" {2,}")
_BLANKS: Final = re.compile(r"[ \t]+")
_MARK: Final = re.compile(r"\0(\d+)\0", re.ASCII)
_PORT: Final = re.compile(r":\d+\Z", re.ASCII)
# One vendor's SDK sends the first unsigned, a content delivery network adds the second; nothing here acts on them. The
# last, which early SDKs did not name, is the end of every canonical request, whatever is named.
_NEED_NOT_BE_NAMED: Final = frozenset({"x-amz-user-agent", "x-amz-cf-id", "x-amz-content-sha256"})

_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class SigningKey:
    """A derived key, ready to sign: the two hashes that HMAC begins with (RFC 2104, 4) are made once. It takes a third
    of the time that `hmac.digest` takes, which looks for its algorithm each time."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, octets: bytes) -> None:
        """Of 64 bytes at most, which is the hash's block."""
        block = octets.ljust(64, b"\0")
        self._inner = sha256(block.translate(_INNER))
        self._outer = sha256(block.translate(_OUTER))

    def sign(self, text: bytes) -> str:
        """The HMAC-SHA256 of this text, in hexadecimal digits."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.hexdigest()


class SigningKeys:
    """A bounded cache of derived signing keys; a key lives for one day, region and service. Not for several threads."""

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._keys: dict[tuple[str, str, str, str], SigningKey] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def derive(self, secret_key: str, date: str, region: str, service: str) -> SigningKey:
        """The signing key of a `YYYYMMDD` day; the oldest one leaves when the cache is full."""
        name = (secret_key, date, region, service)
        key = self._keys.get(name)
        if key is None:
            derived = hmac.digest(b"AWS4" + octets(secret_key), date.encode(), "sha256")
            for part in (region, service, "aws4_request"):
                derived = hmac.digest(derived, part.encode(), "sha256")
            key = SigningKey(derived)
            while len(self._keys) >= self._capacity > 0:
                del self._keys[next(iter(self._keys))]
            self._keys[name] = key
        return key


@dataclass(frozen=True, slots=True, repr=False)
class Verified:
    """What a right signature proved, and what the signatures of the body's chunks hang on.

    `signature` is the seed of the chunk signatures. `payload_hash` is 64 hex digits, `UNSIGNED-PAYLOAD`, or the value
    of a streaming `BodyFraming`.
    """

    access_key_id: str
    signing_key: SigningKey
    scope: str
    timestamp: str
    signature: str
    payload_hash: str

    def __repr__(self) -> str:
        return f"Verified({self.access_key_id!r}, {self.scope!r}, {self.timestamp!r}, {self.payload_hash!r})"


def encode_key(key: str) -> str:
    """A key as it stands in an S3 path: UTF-8, everything but unreserved characters and slashes percent-encoded once.

    Raises:
        ValueError: the key has no UTF-8 form (a lone surrogate).
    """
    return key if _PLAIN_PATH.fullmatch(key) else quote(key, safe="/~")


def _encode(text: str) -> str:
    return text if _PLAIN_NAME.fullmatch(text) else quote(text, safe="~")


def _joined(encoded: list[tuple[str, str]]) -> str:
    encoded.sort()
    return "&".join([f"{name}={value}" for name, value in encoded])


def encode_query(pairs: Pairs) -> str:
    """Decoded pairs as a canonical query: encoded, sorted by name then value, an equals sign always there."""
    return _joined([(_encode(name), _encode(value)) for name, value in pairs])


@lru_cache(maxsize=16)
def _date(day: int) -> str:
    return datetime.fromtimestamp(day * 86400, UTC).strftime("%Y%m%d")


@lru_cache(maxsize=16)
def _stamp(now: int) -> tuple[str, str]:
    """The day and the full timestamp of a second since the epoch."""
    day, second = divmod(now, 86400)
    date = _date(day)
    return date, f"{date}T{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}Z"


@lru_cache(maxsize=256)
def _credential(access_key: str, scope: str) -> str:
    """The credential of a presigned query, encoded."""
    return _encode(f"{access_key}/{scope}")


def _signature(key: SigningKey, stamp: str, scope: str, canonical: bytes) -> str:
    return key.sign(f"{ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical).hexdigest()}".encode())


def octets(text: str) -> bytes:
    """The bytes that came over the wire; what a header decoder could not read is kept as it was."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Refused(Reason.BAD_REQUEST, "the request has text that no bytes could have been") from None


def _squeeze(value: str) -> str:
    value = value.strip(" \t")
    return _SPACES.sub(" ", value) if "  " in value else value


def _canonical_headers(host: str, headers: Pairs) -> tuple[str, str]:
    """The signed headers' lines and their names; repeated headers are joined by a comma in their order."""
    joined = {"host": host}
    for name, value in headers:
        lowered = name.lower()
        joined[lowered] = f"{joined[lowered]},{_squeeze(value)}" if lowered in joined else _squeeze(value)
    names = sorted(joined)
    return "".join([f"{name}:{joined[name]}\n" for name in names]), ";".join(names)


def presign(
    credentials: Credentials,
    keys: SigningKeys,
    *,
    method: str,
    host: str,
    path: str,
    query: Sequence[tuple[str, str]] = (),
    headers: Sequence[tuple[str, str]] = (),
    region: str,
    service: str = "s3",
    now: float,
    expires: int,
) -> str:
    """The whole query of a presigned URL, signature included, to be put after `path` and a question mark.

    `path` is already encoded once (`encode_key`), `query` holds decoded pairs, `headers` are all signed beside `host`
    and must be sent as given. `now` is in seconds since the epoch, `expires` a lifetime in seconds.
    """
    date, stamp = _stamp(int(now))
    scope = f"{date}/{region}/{service}/aws4_request"
    if headers:
        lines, names = _canonical_headers(host, headers)
        payload_hash = next((v for n, v in headers if n.lower() == "x-amz-content-sha256"), UNSIGNED_PAYLOAD)
    else:
        lines, names, payload_hash = f"host:{host}\n", "host", UNSIGNED_PAYLOAD
    parts = [
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", _credential(credentials.access_key, scope)),
        ("X-Amz-Date", stamp),
        ("X-Amz-Expires", str(expires)),
        ("X-Amz-SignedHeaders", names.replace(";", "%3B")),
    ]
    if credentials.session_token:
        parts.append(("X-Amz-Security-Token", _encode(credentials.session_token)))
    parts.extend([(_encode(name), _encode(value)) for name, value in query])
    canonical_query = _joined(parts)
    canonical = f"{method}\n{path}\n{canonical_query}\n{lines}\n{names}\n{payload_hash}"
    key = keys.derive(credentials.secret_key, date, region, service)
    return f"{canonical_query}&X-Amz-Signature={_signature(key, stamp, scope, octets(canonical))}"


def sign_headers(
    credentials: Credentials,
    keys: SigningKeys,
    *,
    method: str,
    host: str,
    path: str,
    query: Sequence[tuple[str, str]] = (),
    headers: Sequence[tuple[str, str]] = (),
    region: str,
    service: str = "s3",
    now: float,
    payload_hash: str = UNSIGNED_PAYLOAD,
) -> list[tuple[str, str]]:
    """The headers to add to `headers` and `Host`; all of them are signed. Arguments as for `presign`.

    The query sent must be `encode_query(query)`. `payload_hash` is the body's SHA-256 in hex or `UNSIGNED-PAYLOAD`.
    """
    date, stamp = _stamp(int(now))
    scope = f"{date}/{region}/{service}/aws4_request"
    added = [("x-amz-content-sha256", payload_hash), ("x-amz-date", stamp)]
    if credentials.session_token:
        added.append(("x-amz-security-token", credentials.session_token))
    lines, names = _canonical_headers(host, [*headers, *added])
    canonical = f"{method}\n{path}\n{encode_query(query)}\n{lines}\n{names}\n{payload_hash}"
    key = keys.derive(credentials.secret_key, date, region, service)
    signature = _signature(key, stamp, scope, octets(canonical))
    credential = f"{credentials.access_key}/{scope}"
    added.append(
        ("authorization", f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}")
    )
    return added


def verify(
    presented: SigV4Header | SigV4Query,
    raw: RawRequest,
    secret_key: str,
    *,
    now: float,
    keys: SigningKeys,
    known: KnownCanonical | None = None,
) -> Verified:
    """Check freshness, coverage and signature of what `read_credentials` read from this very request.

    `content-md5` has to be signed in header authentication; a presigned URL covers it only if its maker chose to, as
    with S3. `known` is the canonical request of one that is alike.

    Raises:
        Refused: CLOCK_SKEWED, NOT_YET_VALID, SIGNATURE_EXPIRED, UNSIGNED_HEADER, BAD_REQUEST or BAD_ARGUMENT (payload
            hash missing or malformed), BAD_SIGNATURE.
    """
    require_fresh(presented, now)
    payload_hash = _pinned_hash(raw) if isinstance(presented, SigV4Query) else _declared_hash(raw)
    scope = presented.scope
    key = keys.derive(secret_key, scope.date, scope.region, scope.service)
    given = presented.signature.encode("utf-8", "surrogatepass")
    for canonical in _canonical_requests(presented, raw, payload_hash, known):
        expected = _signature(key, presented.timestamp, scope.text, octets(canonical))
        if hmac.compare_digest(expected.encode(), given):
            return Verified(scope.access_key_id, key, scope.text, presented.timestamp, expected, payload_hash)
    raise Refused(Reason.BAD_SIGNATURE, "the signature is not the one of this request")


@dataclass(frozen=True, slots=True, repr=False)
class KnownCanonical:
    """The canonical request of all that are alike and signed alike: what stands before, between and behind the values
    in which they differ, and which field each of those is. It says what the one reading of canonical requests said of
    a request that had marks in place of those values."""

    signed_headers: tuple[str, ...]
    first: str
    others: tuple[tuple[int, str], ...]

    @classmethod
    def of(cls, presented: SigV4Header, raw: RawRequest, differing: Sequence[int]) -> KnownCanonical:
        """`differing` are the places of fields whose values may be others in a request that is alike: any without
        blanks that a signer takes away.

        Raises:
            Refused: as `verify`, but for the signature.
        """
        headers = list(raw.headers)
        payload_hash = _declared_hash(raw)
        for place in differing:
            name, _ = headers[place]
            headers[place] = name, _mark(place)
            if name == "x-amz-content-sha256":
                payload_hash = _mark(place)
        marked = RawRequest(raw.method, raw.path, raw.query, tuple(headers), raw.version)
        first, *others = _MARK.split(next(_canonical_requests(presented, marked, payload_hash)))
        return cls(presented.signed_headers, first, tuple(zip(map(int, others[::2]), others[1::2], strict=True)))

    def filled(self, raw: RawRequest) -> str:
        """The canonical request of one that is alike, in the commonest reading of its signed headers."""
        headers = raw.headers
        return self.first + "".join([headers[place][1] + text for place, text in self.others])


def _mark(place: int) -> str:
    """No field's value has a control byte."""
    return f"\0{place}\0"


def _canonical_requests(
    presented: SigV4Header | SigV4Query, raw: RawRequest, payload_hash: str, known: KnownCanonical | None = None
) -> Iterator[str]:
    """The canonical request in the forms in which signers read it; the commonest one first.

    Raises:
        Refused: UNSIGNED_HEADER, BAD_REQUEST, BAD_SIGNATURE.
    """
    if known is not None and known.signed_headers == presented.signed_headers:
        yield known.filled(raw)
    values = _signed_values(presented.signed_headers, raw)
    if isinstance(presented, SigV4Query):
        values = _hoisted_values(presented.signed_headers, raw) | values
    elif "content-md5" not in values and raw.header("content-md5") is not None:
        raise Refused(Reason.UNSIGNED_HEADER, "content-md5 is present and not signed")
    _fill_absent(values, presented.signed_headers)
    names = ";".join(presented.signed_headers)
    start = f"{raw.method}\n{_received_path(raw.path)}\n{_received_query(raw.query)}"
    for reading in _readings(values):
        lines = "\n".join([f"{name}:{reading[name]}" for name in presented.signed_headers])
        yield f"{start}\n{lines}\n\n{names}\n{payload_hash}"


def _readings(values: dict[str, str]) -> Iterator[dict[str, str]]:
    """The signed headers' values in the forms in which signers read the same request; the commonest one first.

    Some signers collapse tabs as they do spaces. Some name the scheme's own port with the host and their HTTP library
    leaves it out; which scheme the client spoke is not known behind a proxy. Some never sign a port, whichever they
    send (Haskell's, in git-annex): it chooses nothing here.
    """
    yield values
    if any("\t" in value for value in values.values()):
        yield {name: _BLANKS.sub(" ", value) for name, value in values.items()}
    host = values["host"]
    bare = _PORT.sub("", host)
    if bare != host:
        yield values | {"host": bare}
    else:
        yield from (values | {"host": host + port} for port in (":80", ":443"))


def require_fresh(presented: SigV4Header | SigV4Query, now: float) -> None:
    """The part of `verify` that time changes.

    Raises:
        Refused: CLOCK_SKEWED, NOT_YET_VALID, SIGNATURE_EXPIRED.
    """
    age = now - presented.signed_at
    if isinstance(presented, SigV4Header):
        if abs(age) > SKEW:
            raise Refused(Reason.CLOCK_SKEWED, f"the request is dated {-age:.0f} s from now")
        return
    if age < -SKEW:
        raise Refused(Reason.NOT_YET_VALID, f"the URL is dated {-age:.0f} s in the future")
    if age >= presented.expires:
        raise Refused(Reason.SIGNATURE_EXPIRED, f"the URL expired {age - presented.expires:.0f} s ago")


def _signed_values(names: tuple[str, ...], raw: RawRequest) -> dict[str, str]:
    """The canonical values of the signed headers that came, after a look at those that should have been signed."""
    signed = frozenset(names)
    found: dict[str, str] = {}
    for name, value in raw.headers:
        if name in signed:
            found[name] = f"{found[name]},{_squeeze(value)}" if name in found else _squeeze(value)
        elif name.startswith("x-amz-") and name not in _NEED_NOT_BE_NAMED:
            raise Refused(Reason.UNSIGNED_HEADER, f"{name} is present and not signed")
    return found


def _fill_absent(values: dict[str, str], names: tuple[str, ...]) -> None:
    """A header that was signed and did not come counts as an empty one: a signer may name what its client leaves out.

    Not so for what says where the request goes and what is done.
    """
    if len(values) < len(names):
        for name in names:
            if name not in values:
                if name == "host" or name.startswith("x-amz-"):
                    raise Refused(Reason.BAD_SIGNATURE, f"the signed header {name} is missing")
                values[name] = ""


def _hoisted_values(names: tuple[str, ...], raw: RawRequest) -> dict[str, str]:
    """What a presigned URL's own parameters say of signed `x-amz-*` headers: one presigner (JavaScript SDK 2) signs a
    header and moves it into the query as well, for clients that will not send it."""
    wanted = {name for name in names if name.startswith("x-amz-")}
    values: dict[str, str] = {}
    for part in raw.query.split("&") if wanted else ():
        name, _, value = part.partition("=")
        if name.lower() in wanted:
            if name.lower() in values:
                raise Refused(Reason.BAD_REQUEST, f"the parameter {name.lower()} came more than once")
            decoded = unquote_to_bytes(octets(decode_plus(value)))
            values[name.lower()] = _squeeze(decoded.decode("utf-8", "surrogateescape"))
    return values


def _declared_hash(raw: RawRequest) -> str:
    value = raw.header("x-amz-content-sha256")
    if value is None:
        raise Refused(Reason.BAD_REQUEST, "x-amz-content-sha256 is missing")
    return _checked_hash(value)


def _pinned_hash(raw: RawRequest) -> str:
    """The payload hash of a presigned URL: a signed header's, a parameter's, or none."""
    header = raw.header("x-amz-content-sha256")
    values = [] if header is None else [header]
    if "content-sha256=" in raw.query.lower():
        for part in raw.query.split("&"):
            name, _, value = part.partition("=")
            if name.lower() == "x-amz-content-sha256":
                values.append(unquote(value))
    if len(set(values)) > 1:
        raise Refused(Reason.BAD_ARGUMENT, "two different payload hashes")
    return _checked_hash(values[0]) if values else UNSIGNED_PAYLOAD


def _checked_hash(value: str) -> str:
    if value != UNSIGNED_PAYLOAD and value not in _STREAMING and not is_digest(value):
        raise Refused(Reason.BAD_ARGUMENT, "x-amz-content-sha256 has none of its known forms")
    return value


def _recode(text: str, safe: str) -> str:
    return quote_from_bytes(unquote_to_bytes(octets(text)), safe=safe)


def _received_path(path: str) -> str:
    return path if _PLAIN_PATH.fullmatch(path) else _recode(path, "/")


def _received_query(query: str) -> str:
    """The query as sent, made canonical, without the signature itself."""
    if not query:
        return ""
    pairs = [(name, value) for name, _, value in [part.partition("=") for part in query.split("&") if part]]
    if not _ENCODED_QUERY.fullmatch(query):
        pairs = [(_recode(decode_plus(name), ""), _recode(decode_plus(value), "")) for name, value in pairs]
    return _joined([pair for pair in pairs if pair[0] != "X-Amz-Signature"])
