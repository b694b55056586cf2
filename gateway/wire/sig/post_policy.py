"""Owns S3's POST forms beyond their bytes: the credentials among the fields, the signed policy and its conditions.

Refuses to own the stream (`gateway.wire.http.form_data`), who holds the key, and what the fields then do.

Law: a policy is a signed promise about one form. Every field that could have an effect must be covered by a
condition, conditions are judged on the very values that are used afterwards (`${filename}` filled in, the bucket the
request was addressed to), and a condition that cannot be understood fails the form.
Sources: the S3 API reference, "Creating a POST policy" and "Browser-based uploads using POST".
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any, Final, Literal, NoReturn, cast

from gateway.core.reasons import Reason, Refused
from gateway.core.values import dataclass
from gateway.wire.http.form_data import Form
from gateway.wire.sig.credentials import ALGORITHM, MAX_EXPIRES, Scope, timestamp
from gateway.wire.sig.sigv4 import SKEW, SigningKeys, octets

_SIZE: Final = re.compile(r"\d{1,18}", re.ASCII)
_EXPIRATION: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
# Fields that a policy never has to cover (the last one is a prefix, see `_needs_cover`).
_UNCOVERED: Final = frozenset({"x-amz-signature", "file", "policy", "awsaccesskeyid", "signature"})
_IGNORED_PREFIX: Final = "x-ignore-"
_V4_FIELDS: Final = ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
_V2_FIELDS: Final = ("awsaccesskeyid", "signature")


@dataclass(frozen=True, slots=True, repr=False)
class SigV4Form:
    """A form signed with SigV4. `policy` is the base64 text that was signed."""

    scope: Scope
    signature: str
    signed_at: int
    policy: str
    session_token: str | None = None

    @property
    def access_key_id(self) -> str:
        return self.scope.access_key_id

    def __repr__(self) -> str:
        return f"SigV4Form({self.scope!r}, …)"


@dataclass(frozen=True, slots=True, repr=False)
class SigV2Form:
    """A form signed with SigV2. `policy` is the base64 text that was signed."""

    access_key_id: str
    signature: str
    policy: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"SigV2Form({self.access_key_id!r}, …)"


SignedForm = SigV4Form | SigV2Form


def read_form(form: Form) -> SignedForm | None:
    """What the form's fields present, None if they present no S3 credential at all.

    Raises:
        Refused: CREDENTIALS_MALFORMED for a part that is missing or breaks the grammar, CREDENTIALS_AMBIGUOUS for
            SigV4 and SigV2 together.
    """
    values = {name.lower(): value for name, value in form.fields}
    v4 = any(name in values for name in _V4_FIELDS)
    v2 = any(name in values for name in _V2_FIELDS)
    if v4 and v2:
        raise Refused(Reason.CREDENTIALS_AMBIGUOUS, "a form with two signatures")
    needed = _V4_FIELDS if v4 else _V2_FIELDS if v2 else ()
    if not needed and "policy" not in values:
        return None
    policy, token = values.get("policy"), values.get("x-amz-security-token")
    if not needed or not policy or token == "" or not all(values.get(name) for name in needed):
        raise Refused(Reason.CREDENTIALS_MALFORMED, "the form lacks its policy or a part of its signature")
    if v2:
        return SigV2Form(values["awsaccesskeyid"], values["signature"], policy, token)
    try:
        scope = Scope.parse(values["x-amz-credential"])
        signed_at = timestamp(values["x-amz-date"])
    except ValueError as fault:
        raise Refused(Reason.CREDENTIALS_MALFORMED, str(fault)) from None
    if values["x-amz-algorithm"] != ALGORITHM or scope.service != "s3" or scope.date != values["x-amz-date"][:8]:
        raise Refused(Reason.CREDENTIALS_MALFORMED, "the form's algorithm, service or day is wrong")
    return SigV4Form(scope, values["x-amz-signature"], signed_at, policy, token)


def verify_form(presented: SignedForm, secret_key: str, *, now: float, keys: SigningKeys) -> None:
    """Check that the holder of `secret_key` signed the form's policy. How long it counts is in the policy itself.

    Raises:
        Refused: BAD_SIGNATURE; CLOCK_SKEWED or SIGNATURE_EXPIRED for a SigV4 form dated in the future or more than
            the life of a signing key (seven days) ago.
    """
    text = octets(presented.policy)
    if isinstance(presented, SigV2Form):
        expected = b64encode(hmac.digest(octets(secret_key), text, "sha1")).decode()
    else:
        if presented.signed_at > now + SKEW:
            raise Refused(Reason.CLOCK_SKEWED, "the form is dated in the future")
        if presented.signed_at + MAX_EXPIRES <= now:
            raise Refused(Reason.SIGNATURE_EXPIRED, "the form was signed more than seven days ago")
        scope = presented.scope
        key = keys.derive(secret_key, scope.date, scope.region, scope.service)
        expected = key.sign(text)
    if not hmac.compare_digest(expected.encode(), presented.signature.encode("utf-8", "surrogatepass")):
        raise Refused(Reason.BAD_SIGNATURE, "the policy's signature is wrong")


@dataclass(frozen=True, slots=True)
class SizeRange:
    """How many bytes the file may have, both ends included; `maximum` None is no limit of the form's own."""

    minimum: int = 0
    maximum: int | None = None

    def refuses(self, size: int, *, whole: bool) -> Reason | None:
        """Why a file of `size` bytes so far does not pass; too small can only be said of a `whole` one."""
        if self.maximum is not None and size > self.maximum:
            return Reason.TOO_LARGE
        return Reason.TOO_SMALL if whole and size < self.minimum else None


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on one field, named in lower case."""

    operator: Literal["eq", "starts-with"]
    field: str
    value: str

    def holds(self, actual: str | None) -> bool:
        """A field that is not there meets no condition."""
        if actual is None:
            return False
        if self.operator == "eq":
            return actual == self.value
        if self.field == "content-type":
            return all(part.strip().startswith(self.value) for part in actual.split(","))
        return actual.startswith(self.value)


@dataclass(frozen=True, slots=True)
class FormPolicy:
    """A policy document that was understood. `expires_at` is in seconds since the epoch."""

    expires_at: float
    conditions: tuple[Condition, ...]
    sizes: SizeRange

    @classmethod
    def parse(cls, text: str) -> FormPolicy:
        """The document in a form's `policy` field.

        Raises:
            Refused: MALFORMED_FORM for anything that is not exactly a policy.
        """
        try:
            document = json.loads(
                b64decode(text, validate=True).decode(),
                object_pairs_hook=_without_repetition,
                parse_constant=_refuse_constant,
            )
            if not isinstance(document, dict) or document.keys() != {"expiration", "conditions"}:
                raise ValueError("a policy has an expiration and conditions, and nothing else")
            return cls(_expiration(document["expiration"]), *_conditions(document["conditions"]))
        except (ValueError, RecursionError) as fault:
            raise Refused(Reason.MALFORMED_FORM, f"the policy is malformed: {fault}") from None

    def check(self, form: Form, *, bucket: str, now: float) -> SizeRange:
        """Hold the form against the policy; `bucket` is the one the request was addressed to.

        Returns the sizes the file may have, which only its bytes can prove.

        Raises:
            Refused: FORM_POLICY_VIOLATED, or MALFORMED_FORM for a form without a key.
        """
        if now >= self.expires_at:
            raise Refused(Reason.FORM_POLICY_VIOLATED, "the policy expired")
        values = {name.lower(): value for name, value in form.fields}
        if form.key is None:
            raise Refused(Reason.MALFORMED_FORM, "the form has no key")
        if values.get("bucket", bucket) != bucket:
            raise Refused(Reason.FORM_POLICY_VIOLATED, "the form names another bucket than its address")
        values |= {"bucket": bucket, "key": form.key}
        for condition in self.conditions:
            if not condition.holds(values.get(condition.field)):
                raise Refused(Reason.FORM_POLICY_VIOLATED, f"the condition on {condition.field} does not hold")
        covered = {condition.field for condition in self.conditions}
        bare = sorted(name for name in values.keys() - covered if _needs_cover(name))
        if bare:
            raise Refused(Reason.FORM_POLICY_VIOLATED, f"no condition covers {', '.join(bare)}")
        return self.sizes


def _needs_cover(name: str) -> bool:
    return name not in _UNCOVERED and not name.startswith(_IGNORED_PREFIX)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _expiration(value: object) -> float:
    if not isinstance(value, str) or not _EXPIRATION.fullmatch(value):
        raise ValueError("the expiration is not written like 2030-01-31T12:00:00Z")
    return datetime.fromisoformat(value.removesuffix("Z")).replace(tzinfo=UTC).timestamp()


def _conditions(value: object) -> tuple[tuple[Condition, ...], SizeRange]:
    if not isinstance(value, list):
        raise ValueError("the conditions are not a list")
    conditions: list[Condition] = []
    minimum, maximum = 0, None
    for item in value:
        match item:
            case dict() if len(item) == 1:
                ((name, wanted),) = item.items()
                conditions.append(_condition("eq", f"${name}", wanted))
            case [str(word), low, high] if word.lower() == "content-length-range":
                least, most = _size(low), _size(high)
                if least > most:
                    raise ValueError("a range of sizes ends before it begins")
                minimum = max(minimum, least)
                maximum = most if maximum is None else min(maximum, most)
            case [str(word), name, wanted] if word.lower() in {"eq", "starts-with"}:
                conditions.append(_condition(word.lower(), name, wanted))
            case _:
                raise ValueError("a condition has none of the known shapes")
    return tuple(conditions), SizeRange(minimum, maximum)


def _size(value: object) -> int:
    """A number of bytes; some makers of policies write every value as a text."""
    text = _text(value)
    if not isinstance(text, str) or not _SIZE.fullmatch(text):
        raise ValueError("a size is not a whole number")
    return int(text)


def _text(value: object) -> object:
    """A whole number as the text that a field has; anything else as it is. (JSON's true is a number to Python.)"""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _condition(operator: str, name: object, wanted: object) -> Condition:
    wanted = _text(wanted)
    if not isinstance(name, str) or not isinstance(wanted, str) or name[:1] != "$" or len(name) < 2:
        raise ValueError("a condition names a field as $name and wants a text")
    return Condition(cast("Literal['eq', 'starts-with']", operator), name[1:].lower(), wanted)
