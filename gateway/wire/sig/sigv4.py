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
from gateway.wire.sig.credentials import ALGORITHM, SignedAlike, SigV4Header, SigV4Query, is_digest

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

_BODY_HASH: Final = "x-amz-content-sha256"
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


def _hash(canonical: str) -> str:
    return sha256(octets(canonical)).hexdigest()


def _signature(key: SigningKey, stamp: str, scope: str, canonical_hash: str) -> str:
    return key.sign(f"{ALGORITHM}\n{stamp}\n{scope}\n{canonical_hash}".encode())


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
    return f"{canonical_query}&X-Amz-Signature={_signature(key, stamp, scope, _hash(canonical))}"


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
    signature = _signature(key, stamp, scope, _hash(canonical))
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
) -> Verified:
    """Check freshness, coverage and signature of what `read_credentials` read from this very request.

    `content-md5` has to be signed in header authentication; a presigned URL covers it only if its maker chose to, as
    with S3.

    Raises:
        Refused: CLOCK_SKEWED, NOT_YET_VALID, SIGNATURE_EXPIRED, UNSIGNED_HEADER, BAD_REQUEST or BAD_ARGUMENT (payload
            hash missing or malformed), BAD_SIGNATURE.
    """
    require_fresh(presented, now)
    payload_hash = _pinned_hash(raw) if isinstance(presented, SigV4Query) else _declared_hash(raw)
    key = _key_for(presented, secret_key, keys)
    for canonical in _canonical_requests(presented, raw, payload_hash):
        verified = _prove(presented, key, _hash(canonical), payload_hash)
        if verified is not None:
            return verified
    raise Refused(Reason.BAD_SIGNATURE, "the signature is not the one of this request")


def _key_for(presented: SigV4Header | SigV4Query, secret_key: str, keys: SigningKeys) -> SigningKey:
    scope = presented.scope
    return keys.derive(secret_key, scope.date, scope.region, scope.service)


def _prove(
    presented: SigV4Header | SigV4Query, key: SigningKey, canonical_hash: str, payload_hash: str
) -> Verified | None:
    """What the signature proves, if it is that of the canonical request with this hash."""
    scope, given = presented.scope, presented.signature
    expected = _signature(key, presented.timestamp, scope.text, canonical_hash)
    if given.isascii() and hmac.compare_digest(expected, given):
        return Verified(scope.access_key_id, key, scope.text, presented.timestamp, expected, payload_hash)
    return None


class _Begun:
    """The beginning of a text, whose hash is begun once for all that go on from it."""

    __slots__ = ("_begun",)

    def __init__(self, beginning: bytes) -> None:
        self._begun = sha256(beginning)

    def hash(self, rest: bytes) -> str:
        """Of the whole text."""
        whole = self._begun.copy()
        whole.update(rest)
        return whole.hexdigest()


@dataclass(frozen=True, slots=True, repr=False)
class KnownCanonical:
    """The canonical request of all that are alike (`gateway.wire.likeness`) and signed alike, in the reading in which
    one of them was proved. It says what that reading said of a request that had marks in place of the values in which
    they differ: `begun` is what stands before the first of them, `others` are which of them each is, with what stands
    behind it. `payload` is the body's hash, or which of the values that is.
    """

    signed: SignedAlike
    begun: _Begun
    others: tuple[tuple[int, bytes], ...]
    payload: str | int

    @classmethod
    def of(
        cls, presented: SigV4Header, raw: RawRequest, differing: Sequence[int], proved: Verified
    ) -> KnownCanonical | None:
        """`differing` are the places of the fields that differ; `proved` is what `verify` said of this request."""
        names = [raw.headers[place][0] for place in differing]
        signed = SignedAlike.of(presented, raw, names)
        if signed is None:
            return None
        payload: str | int = names.index(_BODY_HASH) if _BODY_HASH in names else proved.payload_hash
        marked = raw.with_values([(place, _mark(at)) for at, place in enumerate(differing)])
        told = _canonical_requests(presented, raw, proved.payload_hash)
        known = _canonical_requests(presented, marked, payload if isinstance(payload, str) else _mark(payload))
        for canonical, text in zip(told, known, strict=True):
            if _prove(presented, proved.signing_key, _hash(canonical), proved.payload_hash) is not None:
                first, *rest = _MARK.split(text)
                others = zip(map(int, rest[::2]), map(octets, rest[1::2]), strict=True)
                return cls(signed, _Begun(octets(first)), tuple(others), payload)
        return None

    def verify(
        self, presented: SigV4Header, differing: Sequence[bytes], secret_key: str, *, now: float, keys: SigningKeys
    ) -> Verified | None:
        """What the module's `verify` proves of a request that is alike and `presented` this; None if it may refuse it.

        Raises:
            Refused: CLOCK_SKEWED.
        """
        require_fresh(presented, now)
        canonical_hash = self.begun.hash(b"".join([differing[at] + text for at, text in self.others]))
        payload = self.payload
        payload_hash = payload if isinstance(payload, str) else differing[payload].decode()
        return _prove(presented, _key_for(presented, secret_key, keys), canonical_hash, payload_hash)


def _mark(number: int) -> str:
    """No field's value has a control byte."""
    return f"\0{number}\0"


def _canonical_requests(presented: SigV4Header | SigV4Query, raw: RawRequest, payload_hash: str) -> Iterator[str]:
    """The canonical request in the forms in which signers read it; the commonest one first.

    Raises:
        Refused: UNSIGNED_HEADER, BAD_REQUEST, BAD_SIGNATURE.
    """
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
    value = raw.header(_BODY_HASH)
    if value is None:
        raise Refused(Reason.BAD_REQUEST, "x-amz-content-sha256 is missing")
    return _checked_hash(value)


def _pinned_hash(raw: RawRequest) -> str:
    """The payload hash of a presigned URL: a signed header's, a parameter's, or none."""
    header = raw.header(_BODY_HASH)
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
