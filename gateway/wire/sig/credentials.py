"""Owns the reading of S3 credentials: which fields of a request are theirs, and what those present, as a value.

Refuses to own whether the signature is right (`gateway.wire.sig.sigv4`, `gateway.wire.sig.sigv2`), who holds the key
(`gateway.data.steps.authenticate`) and the fields of a POST form (`gateway.wire.sig.post_policy`).

Law: None means that nothing was presented; a malformed or doubled credential raises and never falls back to another
mechanism or to "anonymous".
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Sequence
from dataclasses import field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.request import NO_AUTH, AuthFields, RawRequest
from gateway.core.units import WEEK
from gateway.core.values import dataclass
from gateway.wire.http.date import read_http_date

MAX_EXPIRES: Final = WEEK
"""Seconds. Seven days, the lifetime of a signing key and S3's own cap on `X-Amz-Expires`."""

DIGEST_DIGITS: Final = 64
"""Of a SHA-256, or of an HMAC by it, in hexadecimal."""

# More than the two kibibytes of metadata that S3 allows could have names.
_MOST_SIGNED_HEADERS: Final = 512
ALGORITHM: Final = "AWS4-HMAC-SHA256"
_S3_ONLY: Final = frozenset({"s3"})
_V4_PARAMETERS: Final = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
)
# `X-Amz-Date` and the session token are no marks: SigV2 presigners carry them over from headers, in lower case.
_V4_MARKS: Final = frozenset(name.lower() for name in _V4_PARAMETERS) - {"x-amz-date"}
_V2_PARAMETERS: Final = ("AWSAccessKeyId", "Signature", "Expires")
_V2_MARKS: Final = frozenset(name.lower() for name in _V2_PARAMETERS)
_SESSION_TOKEN: Final = "x-amz-security-token"  # noqa: S105 (a header's name)
_SPELLING: Final = {name.lower(): name for name in (*_V4_PARAMETERS, *_V2_PARAMETERS)}
_ONCE: Final = frozenset({"authorization", "x-amz-date", "x-amz-content-sha256", _SESSION_TOKEN})
_HEADERS: Final = _ONCE | {"date"}
_PARAMETERS: Final = frozenset({*_SPELLING, _SESSION_TOKEN})

AUTH_PARAMS: Final = frozenset(
    {*_V4_PARAMETERS, *_V2_PARAMETERS, "X-Amz-Security-Token", "X-Amz-Content-Sha256", _SESSION_TOKEN}
)
"""Parameters of SigV4 and SigV2 query authentication, exactly as S3 spells them."""

_SCOPE: Final = re.compile(r"([!-.0-~]{1,128})/(\d{8})/([A-Za-z0-9._-]{1,64})/([a-z0-9]{1,32})/aws4_request", re.ASCII)
_HEADER_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_SIGNATURE: Final = DIGEST_DIGITS
_TIMESTAMP: Final = re.compile(r"(\d{8})T([01]\d|2[0-3])([0-5]\d)([0-5]\d)Z", re.ASCII)
_EXPIRES: Final = re.compile(r"[1-9]\d{0,5}", re.ASCII)
_EPOCH: Final = re.compile(r"\d{1,12}", re.ASCII)
_V2_HEADER: Final = re.compile(r"AWS ([!-9;-~]{1,128}):([!-~]{1,128})", re.ASCII)
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Scope:
    """The credential scope of SigV4: for which day, region and service a signature counts."""

    access_key_id: str
    date: str
    region: str
    service: str
    text: str = field(init=False, compare=False, repr=False)
    """The scope as it stands in a string to sign, without the access key id."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", f"{self.date}/{self.region}/{self.service}/aws4_request")

    @staticmethod
    @lru_cache(maxsize=1024)
    def parse(text: str) -> Scope:
        """Raises ValueError for anything but `KEY/YYYYMMDD/REGION/SERVICE/aws4_request`."""
        match = _SCOPE.fullmatch(text)
        if match is None:
            raise ValueError("the credential is not KEY/DATE/REGION/SERVICE/aws4_request")
        return Scope(*match.groups())


@dataclass(frozen=True, slots=True, repr=False)
class SigV4Header:
    """SigV4 in the `Authorization` header. `signed_at` is `timestamp` in seconds since the epoch."""

    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    signed_at: int
    session_token: str | None = None

    @property
    def access_key_id(self) -> str:
        return self.scope.access_key_id

    def __repr__(self) -> str:
        return f"SigV4Header({self.scope!r}, {self.timestamp!r}, …)"


@dataclass(frozen=True, slots=True, repr=False)
class SigV4Query:
    """SigV4 in a presigned query. `expires` is a lifetime in seconds, at most `MAX_EXPIRES`."""

    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    signed_at: int
    expires: int
    session_token: str | None = None

    @property
    def access_key_id(self) -> str:
        return self.scope.access_key_id

    def __repr__(self) -> str:
        return f"SigV4Query({self.scope!r}, {self.timestamp!r}, {self.expires}, …)"


@dataclass(frozen=True, slots=True, repr=False)
class SigV2Header:
    """SigV2 in the `Authorization` header. `signed_at` is the request's own date in seconds since the epoch."""

    access_key_id: str
    signature: str
    signed_at: int
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"SigV2Header({self.access_key_id!r}, …)"


@dataclass(frozen=True, slots=True, repr=False)
class SigV2Query:
    """SigV2 in a presigned query. `expires_at` is the text of an instant in seconds since the epoch."""

    access_key_id: str
    signature: str
    expires_at: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"SigV2Query({self.access_key_id!r}, {self.expires_at}, …)"


Signed = SigV4Header | SigV4Query | SigV2Header | SigV2Query


def is_digest(text: str) -> bool:
    """Whether this is a SHA-256 in lower-case hexadecimal digits. (A pattern would take three times as long.)"""
    try:
        return len(text) == DIGEST_DIGITS and unhexlify(text).hex() == text
    except ValueError:
        return False


@lru_cache(maxsize=64)
def _midnight(date: str) -> int:
    return int(datetime(int(date[:4]), int(date[4:6]), int(date[6:]), tzinfo=UTC).timestamp())


@lru_cache(maxsize=1024)
def timestamp(text: str) -> int:
    """Seconds since the epoch of `YYYYMMDDTHHMMSSZ`, the only form SigV4 signs.

    Raises:
        ValueError: any other form, or a day that no calendar has.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError("a timestamp is written YYYYMMDDTHHMMSSZ")
    date, hours, minutes, seconds = match.groups()
    return _midnight(date) + int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def auth_fields(headers: Pairs, query: Pairs) -> AuthFields:
    """Those of a request's headers and decoded parameters that belong to authentication."""
    sent = [pair for pair in headers if pair[0] in _HEADERS]
    found = [pair for pair in query if pair[0].lower() in _PARAMETERS] if query else ()
    return AuthFields(tuple(sent), tuple(found)) if sent or found else NO_AUTH


def read_credentials(auth: AuthFields, *, services: frozenset[str] = _S3_ONLY) -> Signed | None:
    """What a request presents by its fields of authentication, None if it presents no S3 credential at all.

    `services` are the names a SigV4 scope may carry.

    Raises:
        Refused: CREDENTIALS_MALFORMED or CREDENTIALS_QUERY_MALFORMED for what breaks the grammar,
            CREDENTIALS_AMBIGUOUS for two mechanisms, or one of them twice.
    """
    header = _single(auth)
    query = _parameters(auth) if auth.query else {}
    in_query_v4 = not _V4_MARKS.isdisjoint(query)
    in_query_v2 = not _V2_MARKS.isdisjoint(query)
    if in_query_v4 + in_query_v2 + ("authorization" in header) > 1:
        raise Refused(Reason.CREDENTIALS_AMBIGUOUS, "more than one way of authentication in one request")
    try:
        if in_query_v4:
            return _read_v4_query(_spelled(query), header, services)
        if in_query_v2:
            return _read_v2_query(query, header)
    except ValueError as fault:
        raise Refused(Reason.CREDENTIALS_QUERY_MALFORMED, str(fault)) from None
    if "authorization" not in header:
        return None
    try:
        if header["authorization"].startswith(ALGORITHM):
            return _read_v4_header(header, auth, services)
        return _read_v2_header(header, auth)
    except ValueError as fault:
        raise Refused(Reason.CREDENTIALS_MALFORMED, str(fault)) from None


@dataclass(frozen=True, slots=True, repr=False)
class SignedAlike:
    """What `read_credentials` says of requests that are alike (`gateway.wire.likeness`): what it said of one of them,
    `before`, but for signature, time and session. Those stand at their places among the values that differ."""

    before: SigV4Header
    signature: int
    time: int
    session_token: int | None
    by_date: bool
    """Whether the time is that of `Date`."""

    @classmethod
    def of(cls, before: SigV4Header, raw: RawRequest, names: Sequence[str]) -> SignedAlike | None:
        """`names` are those of the fields that differ; None if what is presented stands elsewhere as well."""
        by_date = raw.header("x-amz-date") is None
        time, token = "date" if by_date else "x-amz-date", before.session_token
        if not {"authorization", time, *([] if token is None else [_SESSION_TOKEN])}.issubset(names):
            return None
        at = {name: place for place, name in enumerate(names)}
        return cls(before, at["authorization"], at[time], at.get(_SESSION_TOKEN), by_date)

    def read(self, differing: Sequence[bytes]) -> SigV4Header:
        """What the request presents that has these values.

        Raises:
            Refused: as `read_credentials`.
        """
        before, moment, place = self.before, differing[self.time].decode(), self.session_token
        try:
            if self.by_date:
                moment = _as_timestamp([moment])
            signed_at = _dated(before.scope, moment, _S3_ONLY)
        except ValueError as fault:
            raise Refused(Reason.CREDENTIALS_MALFORMED, str(fault)) from None
        token = None if place is None else differing[place].decode()
        return SigV4Header(
            before.scope, before.signed_headers, differing[self.signature].decode(), moment, signed_at, token
        )


def _single(auth: AuthFields) -> dict[str, str]:
    """The headers that authentication reads, each of which may come once."""
    found: dict[str, str] = {}
    for name, value in auth.headers:
        if name in _ONCE:
            if name in found:
                ambiguous = name == "authorization"
                reason = Reason.CREDENTIALS_AMBIGUOUS if ambiguous else Reason.CREDENTIALS_MALFORMED
                raise Refused(reason, f"{name} came more than once")
            found[name] = value
    return found


def _parameters(auth: AuthFields) -> dict[str, tuple[str, str]]:
    """Lower-cased name to (name as spelled, value), each of which may come once."""
    found: dict[str, tuple[str, str]] = {}
    for name, value in auth.query:
        lowered = name.lower()
        if lowered in found:
            raise Refused(Reason.CREDENTIALS_QUERY_MALFORMED, f"{lowered} came more than once")
        found[lowered] = (name, value)
    return found


def _spelled(query: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Insists on the exact spelling, so that no other layer can read the same query differently."""
    for lowered, (name, _) in query.items():
        if name != (_SPELLING.get(lowered) or "X-Amz-Security-Token"):
            raise ValueError(f"{lowered} is not spelled as S3 spells it")
    return dict(query.values())


def _session_token(in_query: str | None, header: dict[str, str]) -> str | None:
    in_header = header.get(_SESSION_TOKEN)
    if in_query is not None and in_header is not None:
        raise ValueError("the session token came in the query and in a header")
    token = in_query if in_query is not None else in_header
    if token == "":
        raise ValueError("the session token is empty")
    return token


def _read_v4_query(query: dict[str, str], header: dict[str, str], services: frozenset[str]) -> SigV4Query:
    missing = [name for name in _V4_PARAMETERS if not query.get(name)]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing or empty")
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise ValueError("the algorithm is not AWS4-HMAC-SHA256")
    expires = query["X-Amz-Expires"]
    if not _EXPIRES.fullmatch(expires) or int(expires) > MAX_EXPIRES:
        raise ValueError(f"X-Amz-Expires is not a whole number from 1 to {MAX_EXPIRES}")
    scope = Scope.parse(query["X-Amz-Credential"])
    moment = query["X-Amz-Date"]
    return SigV4Query(
        scope=scope,
        signed_headers=_signed_headers(query["X-Amz-SignedHeaders"]),
        signature=query["X-Amz-Signature"],
        timestamp=moment,
        signed_at=_dated(scope, moment, services),
        expires=int(expires),
        session_token=_session_token(query.get("X-Amz-Security-Token"), header),
    )


def _read_v4_header(header: dict[str, str], auth: AuthFields, services: frozenset[str]) -> SigV4Header:
    text = header["authorization"]
    start, end = text[:-_SIGNATURE], text[-_SIGNATURE:]
    if start.endswith("Signature=") and is_digest(end):
        scope, signed_headers, signature = _read_start(start)
        signature += end
    else:
        scope, signed_headers, signature = _read_authorization(text)
    moment = header.get("x-amz-date")
    if moment is None:
        moment = _as_timestamp(_dates(auth))
    return SigV4Header(
        scope=scope,
        signed_headers=signed_headers,
        signature=signature,
        timestamp=moment,
        signed_at=_dated(scope, moment, services),
        session_token=_session_token(None, header),
    )


@lru_cache(maxsize=1024)
def _read_start(start: str) -> tuple[Scope, tuple[str, ...], str]:
    """What an `Authorization` header says that ends with hexadecimal digits, whichever those are, and what of its
    signature stands before them: nothing. It is the same for all that a key signs on one day in one way."""
    scope, signed_headers, signature = _read_authorization(start + "0" * _SIGNATURE)
    return scope, signed_headers, signature[:-_SIGNATURE]


def _read_authorization(text: str) -> tuple[Scope, tuple[str, ...], str]:
    """Scope, signed headers and signature."""
    algorithm, _, rest = text.partition(" ")
    parts: dict[str, str] = {}
    for part in rest.split(","):
        name, _, value = part.strip(" ").partition("=")
        if name in parts or not value:
            raise ValueError("a part of the Authorization header is doubled or empty")
        parts[name] = value
    if algorithm != ALGORITHM or parts.keys() != {"Credential", "SignedHeaders", "Signature"}:
        raise ValueError("the Authorization header does not have the three parts of AWS4-HMAC-SHA256")
    return Scope.parse(parts["Credential"]), _signed_headers(parts["SignedHeaders"]), parts["Signature"]


def _dates(auth: AuthFields) -> list[str]:
    return [value for name, value in auth.headers if name == "date"]


def _as_timestamp(dates: list[str]) -> str:
    """The signing time of a request that has a `Date` instead of `x-amz-date`."""
    return datetime.fromtimestamp(_signing_time(dates), UTC).strftime("%Y%m%dT%H%M%SZ")


def _signing_time(dates: list[str]) -> int:
    """The one date of a request that is signed in its header; a missing or odd one is S3's AccessDenied."""
    try:
        [date] = dates
        return timestamp(date) if _TIMESTAMP.fullmatch(date) else read_http_date(date)
    except ValueError as fault:
        detail = str(fault) if len(dates) == 1 else "neither x-amz-date nor exactly one Date header"
        raise Refused(Reason.CREDENTIALS_UNDATED, detail) from None


def _dated(scope: Scope, moment: str, services: frozenset[str]) -> int:
    if scope.service not in services:
        raise ValueError(f"the credential is for another service than {', '.join(sorted(services))}")
    if scope.date != moment[:8]:
        raise ValueError("the day of the credential is not the day of the request")
    return timestamp(moment)


@lru_cache(maxsize=256)
def _signed_headers(text: str) -> tuple[str, ...]:
    names = text.split(";")
    if len(names) > _MOST_SIGNED_HEADERS:
        raise ValueError("SignedHeaders has too many names")
    if not all(map(_HEADER_NAME.fullmatch, names)):
        raise ValueError("SignedHeaders has an empty name or one that is no lower-case header name")
    if any(first >= second for first, second in pairwise(names)):
        raise ValueError("SignedHeaders is not sorted or repeats a name")
    if "host" not in names:
        raise ValueError("SignedHeaders lacks host")
    return tuple(names)


def _read_v2_header(header: dict[str, str], auth: AuthFields) -> SigV2Header:
    match = _V2_HEADER.fullmatch(header["authorization"])
    if match is None:
        raise ValueError("the Authorization header has no scheme that S3 knows, or breaks its grammar")
    moment = header.get("x-amz-date")
    signed_at = _signing_time([moment] if moment is not None else _dates(auth))
    return SigV2Header(match[1], match[2], signed_at, _session_token(None, header))


def _read_v2_query(query: dict[str, tuple[str, str]], header: dict[str, str]) -> SigV2Query:
    token = query.pop(_SESSION_TOKEN, None)
    if token is not None and token[0] != _SESSION_TOKEN:
        raise ValueError("the session token of SigV2 is spelled in lower case")
    values = _spelled({name: pair for name, pair in query.items() if name in _V2_MARKS})
    if any(not values.get(name) for name in _V2_PARAMETERS):
        raise ValueError("AWSAccessKeyId, Signature or Expires is missing or empty")
    if not _EPOCH.fullmatch(values["Expires"]):
        raise ValueError("Expires is not a number of seconds since the epoch")
    return SigV2Query(
        access_key_id=values["AWSAccessKeyId"],
        signature=values["Signature"],
        expires_at=values["Expires"],
        session_token=_session_token(token[1] if token else None, header),
    )
