"""Owns how a session policy is written: AWS's policy documents, as far as everything in them is kept to here.

Refuses to own what a policy says of an attempt (`gateway.core.session_policy`).

Law: what is not understood refuses the whole document. Nothing in one is ever ignored: it would be a condition that
does not hold, or a denial that denies nothing. Source: the IAM policy reference (grammar, elements, operators).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.core.attempt import read_network
from gateway.core.pattern import Wildcard
from gateway.core.session_policy import ACTIONS, Condition, ConditionKey, SessionPolicy, Statement
from gateway.core.units import instant

LONGEST_POLICY: Final = 2048
"""Bytes; what AWS takes as an inline session policy."""

_ARN: Final = "arn:aws:s3:::"
_SID: Final = re.compile(r"[A-Za-z0-9]*", re.ASCII)
_ACTION: Final = re.compile(r"\*|s3:[A-Za-z*?]+", re.ASCII | re.IGNORECASE)
_VERSIONS: Final = ("2012-10-17", "2008-10-17")
_EPOCH: Final = re.compile(r"\d{9,12}", re.ASCII)
"""Seconds since 1970. What is shorter would be a year or a date to who wrote it."""

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d))?", re.ASCII)
"""A date, or a date and time (the profile of ISO 8601 that AWS names: W3C, date and time formats)."""

_ACTIONS: Final[Mapping[str, str]] = MappingProxyType({action.lower(): action for action in ACTIONS})
_KEYS: Final[Mapping[str, ConditionKey]] = MappingProxyType(
    {
        "s3:prefix": "s3:prefix",
        "s3:delimiter": "s3:delimiter",
        "aws:sourceip": "aws:SourceIp",
        "aws:currenttime": "aws:CurrentTime",
    }
)
"""AWS does not tell apart capitals in the names of keys."""

_Read = Callable[[ConditionKey, list[str]], Condition]


def read_session_policy(text: str) -> SessionPolicy:
    """The policy of a document.

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST_POLICY:
        raise ValueError(f"a session policy has at most {LONGEST_POLICY} bytes")
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as fault:
        raise ValueError(f"the policy is no JSON: {fault.msg} at character {fault.pos}") from None
    except RecursionError:
        raise ValueError("the policy is no policy: it is nested too deep") from None
    document = _members(document, "the policy", needed={"Statement"}, may={"Version", "Id"})
    if document.get("Version", _VERSIONS[1]) not in _VERSIONS:
        raise ValueError(f"Version is none of {' and '.join(_VERSIONS)}")
    if not isinstance(document.get("Id", ""), str):
        raise ValueError("Id is not a text")
    if document.get("Version") != _VERSIONS[0] and "${" in json.dumps(document, ensure_ascii=False):
        raise ValueError(f"variables are known since Version {_VERSIONS[0]}")
    written = document["Statement"]
    written = [written] if isinstance(written, dict) else written
    if not isinstance(written, list) or not written:
        raise ValueError("Statement is neither a statement nor a list of some")
    names = [one["Sid"] for one in written if isinstance(one, dict) and one.get("Sid")]
    if any(name in names[:place] for place, name in enumerate(names)):
        raise ValueError("two statements have the same Sid")
    return SessionPolicy(text, tuple(_read_statement(one, place) for place, one in enumerate(written, 1)))


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} is said twice")
        found[name] = value
    return found


def _members(value: object, what: str, *, needed: set[str], may: set[str]) -> dict[str, Any]:
    """An object with these members and no other."""
    if not isinstance(value, dict):
        raise ValueError(f"{what} is not an object")
    for name in value:
        if name not in needed | may:
            raise ValueError(f"{what} has an element that is not offered here: {name!r}")
    for name in sorted(needed - value.keys()):
        raise ValueError(f"{what} has no {name}")
    return value


def _texts(value: object, what: str) -> list[str]:
    """One text or a list of some."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{what} is neither a text nor a list of some")
    return texts


def _read_statement(value: object, place: int) -> Statement:
    what = f"statement {place}"
    written = _members(value, what, needed={"Effect", "Action", "Resource"}, may={"Sid", "Condition"})
    sid = written.get("Sid", "")
    if not isinstance(sid, str) or not _SID.fullmatch(sid):
        raise ValueError(f"the Sid of {what} has other characters than letters and digits")
    if written["Effect"] not in ("Allow", "Deny"):
        raise ValueError(f"the Effect of {what} is neither Allow nor Deny")
    actions = frozenset[str]().union(*map(_read_action, _texts(written["Action"], f"the Action of {what}")))
    resources = tuple(map(_read_resource, _texts(written["Resource"], f"the Resource of {what}")))
    conditions = tuple(_read_conditions(written["Condition"], what)) if "Condition" in written else ()
    return Statement(sid or str(place), written["Effect"] == "Allow", actions, resources, conditions)


def _read_action(text: str) -> frozenset[str]:
    """The actions that a text names. One that nothing here needs is refused: who wrote it means something else."""
    pattern = Wildcard.parse(text.lower())
    found = frozenset(action for lower, action in _ACTIONS.items() if pattern.matches(lower))
    if not _ACTION.fullmatch(text) or not found:
        raise ValueError(f"{text!r} is no action of S3 that is offered here")
    return found


def _read_resource(text: str) -> Wildcard:
    if text == "*":
        return Wildcard.parse(text)
    if not text.startswith(_ARN) or text == _ARN:
        raise ValueError(f"{text!r} is no bucket or object of S3: write {_ARN}BUCKET/KEY")
    return Wildcard.parse(text.removeprefix(_ARN))


def _read_conditions(value: object, what: str) -> Iterable[Condition]:
    what = f"the Condition of {what}"
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{what} is not an object with operators in it")
    for operator, keys in value.items():
        if operator not in _OPERATORS:
            raise ValueError(f"{what} has an operator that is not offered here: {operator!r}")
        known, read = _OPERATORS[operator]
        if not isinstance(keys, dict) or not keys:
            raise ValueError(f"{what} has {operator} without keys")
        seen: set[str] = set()
        for name, values in keys.items():
            key = _KEYS.get(name.lower())
            if key not in known or key in seen:
                raise ValueError(f"{what} has a key that {operator} is not offered for, or has it twice: {name!r}")
            seen.add(key)
            yield read(key, _texts(values, f"{name} in {what}"))


def _like(key: ConditionKey, values: list[str]) -> Condition:
    return Condition(key, patterns=tuple(map(Wildcard.parse, values)))


def _equals(key: ConditionKey, values: list[str]) -> Condition:
    return Condition(key, patterns=tuple(Wildcard.parse(value, marks=False) for value in values))


def _networks(key: ConditionKey, values: list[str]) -> Condition:
    return Condition(key, networks=tuple(map(read_network, values)))


def _before(key: ConditionKey, values: list[str]) -> Condition:
    return Condition(key, before=tuple(map(_read_instant, values)))


def _read_instant(text: str) -> float:
    if _EPOCH.fullmatch(text):
        return float(text)
    if not _INSTANT.fullmatch(text):
        raise ValueError(f"{text!r} is no time: write 2027-01-31T12:00:00Z, a date, or seconds since 1970")
    return instant(text)


_OF_LISTINGS: Final = frozenset[ConditionKey]({"s3:prefix", "s3:delimiter"})
_OPERATORS: Final[Mapping[str, tuple[frozenset[ConditionKey], _Read]]] = MappingProxyType(
    {
        "StringEquals": (_OF_LISTINGS, _equals),
        "StringLike": (_OF_LISTINGS, _like),
        "IpAddress": (frozenset[ConditionKey]({"aws:SourceIp"}), _networks),
        "DateLessThan": (frozenset[ConditionKey]({"aws:CurrentTime"}), _before),
    }
)
