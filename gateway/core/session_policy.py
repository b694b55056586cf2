"""Owns what a session policy is, and what it says of an attempt: a document in the language of AWS policies that
narrows one session's key below what its app may do.

Refuses to own how the document is written (`gateway.core.session_policy_text`) and the rules of the app
(`gateway.core.policy`).

Laws: nothing is allowed unless a statement allows it, and a statement that denies wins over every one that allows. What
an operation needs is what AWS asks for it, and it needs all of that; what AWS has no action for, a session with a
policy may not do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Final, Literal

from gateway.core.attempt import Attempt
from gateway.core.pattern import Wildcard
from gateway.core.request import Action, Operation
from gateway.core.values import dataclass

ConditionKey = Literal["s3:prefix", "s3:delimiter", "aws:SourceIp", "aws:CurrentTime"]

_O = Operation
_PUT: Final = ("s3:PutObject",)
_NEEDS: Final[Mapping[Operation, tuple[str, ...]]] = MappingProxyType(
    {
        _O.GET_OBJECT: ("s3:GetObject",),
        _O.HEAD_OBJECT: ("s3:GetObject",),
        _O.GET_OBJECT_ATTRIBUTES: ("s3:GetObject", "s3:GetObjectAttributes"),
        _O.GET_OBJECT_TAGGING: ("s3:GetObjectTagging",),
        _O.PUT_OBJECT_TAGGING: ("s3:PutObjectTagging",),
        _O.DELETE_OBJECT_TAGGING: ("s3:DeleteObjectTagging",),
        _O.PUT_OBJECT: _PUT,
        _O.POST_OBJECT: _PUT,
        _O.COPY_OBJECT: _PUT,
        _O.CREATE_MULTIPART_UPLOAD: _PUT,
        _O.UPLOAD_PART: _PUT,
        _O.UPLOAD_PART_COPY: _PUT,
        _O.COMPLETE_MULTIPART_UPLOAD: _PUT,
        _O.ABORT_MULTIPART_UPLOAD: ("s3:AbortMultipartUpload",),
        _O.LIST_PARTS: ("s3:ListMultipartUploadParts",),
        _O.DELETE_OBJECT: ("s3:DeleteObject",),
        _O.LIST_OBJECTS: ("s3:ListBucket",),
        _O.LIST_OBJECTS_V2: ("s3:ListBucket",),
        _O.LIST_OBJECT_VERSIONS: ("s3:ListBucketVersions",),
        _O.LIST_MULTIPART_UPLOADS: ("s3:ListBucketMultipartUploads",),
        _O.HEAD_BUCKET: ("s3:ListBucket",),
        _O.CREATE_BUCKET: ("s3:CreateBucket",),
        _O.GET_BUCKET_LOCATION: ("s3:GetBucketLocation",),
        _O.GET_BUCKET_VERSIONING: ("s3:GetBucketVersioning",),
        _O.LIST_BUCKETS: ("s3:ListAllMyBuckets",),
        # A batch needs what each of its keys needs; it is asked key by key.
        _O.DELETE_OBJECTS: (),
    }
)
"""What AWS asks of who does this. PREFLIGHT is none's: it comes without a key."""

_FURTHER: Final[Mapping[tuple[Operation, Action], tuple[str, ...]]] = MappingProxyType(
    {
        (_O.COPY_OBJECT, Action.READ): ("s3:GetObject",),
        (_O.UPLOAD_PART_COPY, Action.READ): ("s3:GetObject",),
        (_O.DELETE_OBJECTS, Action.DELETE): ("s3:DeleteObject",),
    }
)
"""What it asks for a request's effects on other keys."""

_OF_VERSIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "s3:GetObject": "s3:GetObjectVersion",
        "s3:GetObjectAttributes": "s3:GetObjectVersionAttributes",
        "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
        "s3:PutObjectTagging": "s3:PutObjectVersionTagging",
        "s3:DeleteObjectTagging": "s3:DeleteObjectVersionTagging",
        "s3:DeleteObject": "s3:DeleteObjectVersion",
    }
)
"""What it asks for instead where one version of the object is named."""

ACTIONS: Final = frozenset().union(*_NEEDS.values(), *_FURTHER.values(), _OF_VERSIONS.values())
"""Every action of AWS that something here needs."""

_NO_ACTION: Final = frozenset({Action.SHARE, Action.SIGN})
_LISTINGS: Final = frozenset({_O.LIST_OBJECTS, _O.LIST_OBJECTS_V2, _O.LIST_OBJECT_VERSIONS, _O.LIST_MULTIPART_UPLOADS})
_OF_KEYS: Final = _LISTINGS - {_O.LIST_MULTIPART_UPLOADS}
"""The listings whose prefix and delimiter conditions can look at: AWS knows neither of one of unfinished uploads."""

_OF_BUCKETS: Final = _LISTINGS | {_O.HEAD_BUCKET, _O.CREATE_BUCKET, _O.GET_BUCKET_LOCATION, _O.GET_BUCKET_VERSIONING}


def needs_of(attempt: Attempt) -> tuple[str, ...] | None:
    """The actions of AWS that an attempt needs, all of them; None for what AWS has no action for."""
    operation, action = attempt.operation, attempt.action
    if action in _NO_ACTION:
        return None
    needs = None if action is None else _FURTHER.get((operation, action))
    if needs is None:
        needs = _NEEDS.get(operation)
        if needs is not None and attempt.tags:
            needs = (*needs, "s3:PutObjectTagging")
    if needs is not None and "versionId" in (attempt.params or ()):
        needs = tuple(_OF_VERSIONS.get(need, need) for need in needs)
    return needs


def _resource_of(attempt: Attempt) -> str:
    """What is touched, without what all names begin with: a bucket, an object in it, or all buckets."""
    if attempt.operation is Operation.LIST_BUCKETS:
        return "*"
    return attempt.bucket if attempt.operation in _OF_BUCKETS else f"{attempt.bucket}/{attempt.key}"


@dataclass(frozen=True, slots=True)
class Condition:
    """One key of a statement's conditions, with the values of which one has to fit.

    They are patterns, but for networks (`aws:SourceIp`) and instants in seconds since the epoch (`aws:CurrentTime`),
    which the time has to come before.
    """

    key: ConditionKey
    patterns: tuple[Wildcard, ...] = ()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    before: tuple[float, ...] = ()

    def holds(self, attempt: Attempt) -> bool:
        """A key that the request does not have fits nothing."""
        match self.key:
            case "aws:CurrentTime":
                return any(attempt.now < instant for instant in self.before)
            case "aws:SourceIp":
                return attempt.peer is not None and any(attempt.peer in network for network in self.networks)
            case "s3:prefix" | "s3:delimiter":
                value = (attempt.params or {}).get(self.key[3:]) if attempt.operation in _OF_KEYS else None
                return value is not None and any(pattern.matches(value) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `name` is its Sid, or its place in the document; `resources` are without `arn:aws:s3:::`."""

    name: str
    allows: bool
    actions: frozenset[str]
    resources: tuple[Wildcard, ...]
    conditions: tuple[Condition, ...] = ()

    def speaks_of(self, need: str, resource: str, attempt: Attempt) -> bool:
        return (
            need in self.actions
            and any(pattern.matches(resource) for pattern in self.resources)
            and all(condition.holds(attempt) for condition in self.conditions)
        )


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """A session policy. Two are the same if their texts are."""

    text: str
    statements: tuple[Statement, ...] = field(compare=False, repr=False)

    @property
    def passing(self) -> bool:
        """Whether who asks, and when, changes what it says."""
        keys = {condition.key for statement in self.statements for condition in statement.conditions}
        return not keys.isdisjoint({"aws:SourceIp", "aws:CurrentTime"})

    def objections(self, attempt: Attempt) -> Iterator[str]:
        """Why it does not allow the attempt; nothing if each action that is needed is allowed and none is denied."""
        needs = needs_of(attempt)
        if needs is None:
            yield f"a session policy never allows to {attempt.action or attempt.operation}"
            return
        resource = _resource_of(attempt)
        for need in needs:
            spoken = [one for one in self.statements if one.speaks_of(need, resource, attempt)]
            denying = next((one.name for one in spoken if not one.allows), None)
            if denying is not None:
                yield f"the statement {denying} of the session policy denies {need}"
            elif not spoken:
                yield f"no statement of the session policy allows {need}"

    def allowing(self, attempt: Attempt) -> tuple[str, ...]:
        """For each action that is needed, which statement allows it; of an attempt without objections."""
        resource = _resource_of(attempt)
        found = []
        for need in needs_of(attempt) or ():
            names = (one.name for one in self.statements if one.allows and one.speaks_of(need, resource, attempt))
            name = next(names, None)
            found += [] if name is None else [f"the statement {name} of the session policy allows {need}"]
        return tuple(found)
