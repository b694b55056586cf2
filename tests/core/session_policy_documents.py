"""Session policies in the shapes that table catalogs build, and random ones with requests and two other judges.

The shapes are facts of Polaris (`AwsCredentialsStorageIntegration`, by way of the AWS SDK's policy builder, which
writes what is single as a text and what is several as a list) and of Lakekeeper (`get_sts_policy_string`), old and new.

`python -m tests.core.session_policy_documents 100000` has moto and a plain reading of the grammar judge so many pairs.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult

from gateway.core.attempt import Attempt, Principal
from gateway.core.request import ACTION_OF, Action, Operation
from gateway.core.session_policy_text import read_session_policy

__all__ = ["CATALOGS", "Judged", "judged"]

_ARN = "arn:aws:s3:::"
_TABLE = "lake/db/t1"
_VERSION = "2012-10-17"


def _polaris(reads: list[str], writes: list[str], *, listing: bool) -> str:
    """Writes first, then one statement a bucket for listing and one for its location, then reads."""
    single = lambda values: values[0] if len(values) == 1 else values  # noqa: E731
    every = list(dict.fromkeys([*reads, *writes]))
    statements: list[dict[str, Any]] = []
    if writes:
        arns = [f"{_ARN}{one}/*" for one in writes]
        statements.append({"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": single(arns)})
    buckets = list(dict.fromkeys(one.partition("/")[0] for one in every))
    for bucket in buckets if listing else ():
        prefixes = [f"{one.partition('/')[2]}/*" for one in every if one.startswith(f"{bucket}/")]
        condition = {"StringLike": {"s3:prefix": single(prefixes)}}
        statements.append(
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"{_ARN}{bucket}", "Condition": condition}
        )
    statements += [
        {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": f"{_ARN}{bucket}"} for bucket in buckets
    ]
    arns = [f"{_ARN}{one}/*" for one in every]
    statements.append({"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": single(arns)})
    return json.dumps({"Version": _VERSION, "Statement": statements}, separators=(",", ":"))


_LAKEKEEPER = {
    "reads": ["s3:GetObject", "s3:GetObjectVersion"],
    "writes": ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload",
               "s3:ListMultipartUploadParts"],
    "deletes": ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts", "s3:DeleteObject"],
}  # fmt: skip


def _lakekeeper(actions: list[str], key: str, *, old: bool) -> str:
    arn = f"{_ARN}lake"
    objects: object = [f"{arn}/{key}", f"{arn}/{key}*"] if old else f"{arn}/{key}*"
    condition = {"StringLike": {"s3:prefix": f"{key}*"}}
    listing = {"Sid": "ListBucketForFolder", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn}
    statements: list[dict[str, Any]] = [
        {"Sid": "TableAccess", "Effect": "Allow", "Action": actions, "Resource": objects},
        {**listing, "Condition": condition},
    ]
    if not old:
        location = {"Sid": "GetBucketLocation", "Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": arn}
        statements.append(location)
    return json.dumps({"Version": _VERSION, "Statement": statements}, separators=(",", ":"))


CATALOGS = {
    "polaris, reads": _polaris([_TABLE], [], listing=True),
    "polaris, writes": _polaris([_TABLE], [_TABLE], listing=True),
    "polaris, two buckets": _polaris([_TABLE, "other/x"], ["lake/db/t2"], listing=True),
    "polaris, no listing": _polaris([_TABLE], [_TABLE], listing=False),
    **{f"lakekeeper, {name}": _lakekeeper(actions, "db/t1/", old=False) for name, actions in _LAKEKEEPER.items()},
    "lakekeeper, old": _lakekeeper(_LAKEKEEPER["deletes"], "db/t1/", old=True),
    "lakekeeper, a folder with marks": _lakekeeper(_LAKEKEEPER["writes"], "db/t${*}${?}${$}/", old=False),
}

# -- random pairs

_NAMES = ["a", "b", "ab", "a/b", "a/b/c", "b/a", "abc", "a/"]
_BUCKETS = ["lake", "lake2", "sea"]
_ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:Get*", "s3:*", "*",
            "s3:GetBucketLocation", "s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads", "s3:List*",
            "s3:*Object", "s3:PutObjectTagging"]  # fmt: skip
_OPERATIONS = {
    Operation.GET_OBJECT: "s3:GetObject",
    Operation.HEAD_OBJECT: "s3:GetObject",
    Operation.PUT_OBJECT: "s3:PutObject",
    Operation.UPLOAD_PART: "s3:PutObject",
    Operation.DELETE_OBJECT: "s3:DeleteObject",
    Operation.ABORT_MULTIPART_UPLOAD: "s3:AbortMultipartUpload",
    Operation.PUT_OBJECT_TAGGING: "s3:PutObjectTagging",
    Operation.LIST_OBJECTS_V2: "s3:ListBucket",
    Operation.LIST_MULTIPART_UPLOADS: "s3:ListBucketMultipartUploads",
    Operation.GET_BUCKET_LOCATION: "s3:GetBucketLocation",
}
_PEERS = ["10.0.0.1", "10.1.0.1", "192.0.2.7", "2001:db8::1"]
_TIMES = ["2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "2027-01-01T00:00:00Z"]
Judged = tuple[str, Attempt, bool, bool, bool | None]


def _some(chance: random.Random, values: list[str]) -> str | list[str]:
    picked = chance.sample(values, chance.randint(1, 3))
    return picked[0] if len(picked) == 1 else picked


def _condition(chance: random.Random) -> dict[str, Any]:
    patterns = ["*", "", "a", "a/*", "a/?", "?", "b*", "*c"]
    every: dict[str, dict[str, Any]] = {
        "StringLike": {"s3:prefix": _some(chance, patterns)},
        "StringEquals": {"s3:prefix": _some(chance, ["", "a", "a/", "a/b"]), "s3:delimiter": "/"},
        "IpAddress": {"aws:SourceIp": _some(chance, ["10.0.0.0/16", "192.0.2.7", "2001:db8::/32", "0.0.0.0/0"])},
        "DateLessThan": {"aws:CurrentTime": _some(chance, _TIMES)},
    }
    names = chance.sample(sorted(every), chance.randint(1, 2))
    return {name: every[name] for name in names}


def _document(chance: random.Random, *, rich: bool) -> dict[str, Any]:
    marks = ["*", "?"] if rich else ["*"]
    statements = []
    for _ in range(chance.randint(1, 4)):
        resources = ["*"]
        for _ in range(3):
            key = "".join(chance.choice([*"ab/", *marks]) for _ in range(chance.randint(1, 5)))
            bucket = chance.choice([*_BUCKETS, "lake*"])
            resources += [_ARN + bucket, f"{_ARN}{bucket}/{key}", f"{_ARN}{bucket}/*"]
        one: dict[str, Any] = {
            "Effect": chance.choice(["Allow", "Allow", "Deny"]),
            "Action": _some(chance, _ACTIONS),
            "Resource": _some(chance, resources),
        }
        if rich and chance.random() < 0.5:
            one["Condition"] = _condition(chance)
        statements.append(one)
    return {"Version": _VERSION, "Statement": statements}


def _attempt(chance: random.Random) -> Attempt:
    operation = chance.choice(list(_OPERATIONS))
    params = {"prefix": chance.choice(_NAMES)} if chance.random() < 0.8 else {}
    params |= {"delimiter": "/"} if chance.random() < 0.5 else {}
    listing = ACTION_OF[operation] is Action.LIST
    return Attempt(
        principal=Principal("app", "etl"),
        operation=operation,
        action=ACTION_OF[operation],
        bucket=chance.choice(_BUCKETS),
        key=params.get("prefix", "") if listing else chance.choice(_NAMES),
        peer=ipaddress.ip_address(chance.choice(_PEERS)),
        now=datetime.fromisoformat(chance.choice(_TIMES)).timestamp() - chance.choice([0, 1]),
        params=params if listing else {},
    )


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(fnmatch.translate(pattern.replace("[", "[[]")), text) is not None


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _meets(operator: str, value: str, has: str | None) -> bool:
    if has is None:
        return False
    match operator:
        case "StringLike":
            return _fits(value, has)
        case "StringEquals":
            return value == has
        case "IpAddress":
            return ipaddress.ip_address(has) in ipaddress.ip_network(value)
        case "DateLessThan":
            return float(has) < datetime.fromisoformat(value).timestamp()
    raise AssertionError(operator)


def _plainly(document: dict[str, Any], action: str, resource: str, has: dict[str, str]) -> bool:
    """The grammar as it is written down: every statement that speaks of it, denials first."""
    effects = set()
    for one in document["Statement"]:
        if (
            any(_fits(pattern.lower(), action.lower()) for pattern in _as_list(one["Action"]))
            and any(_fits(pattern, resource) for pattern in _as_list(one["Resource"]))
            and all(
                any(_meets(operator, value, has.get(key)) for value in _as_list(values))
                for operator, keys in one.get("Condition", {}).items()
                for key, values in keys.items()
            )
        ):
            effects.add(one["Effect"])
    return effects == {"Allow"}


def judged(count: int, seed: int = 1) -> Iterator[Judged]:
    """Random pairs: document, attempt, what we say, what the grammar says, what moto says.

    Moto knows neither conditions as a session policy has them (a statement whose condition does not hold denies there)
    nor `?`: of every second pair, which has one of them, it is not asked.
    """
    chance = random.Random(seed)
    for number in range(count):
        document, tried = _document(chance, rich=number % 2 == 1), _attempt(chance)
        text, action = json.dumps(document), _OPERATIONS[tried.operation]
        of_bucket = "Bucket" in action
        resource = _ARN + (tried.bucket if of_bucket else f"{tried.bucket}/{tried.key}")
        has = {"aws:SourceIp": str(tried.peer), "aws:CurrentTime": str(tried.now)}
        if tried.operation is Operation.LIST_OBJECTS_V2:
            has |= {f"s3:{name}": value for name, value in (tried.params or {}).items()}
        ours = not list(read_session_policy(text).objections(tried))
        moto = None
        if number % 2 == 0:
            moto = IAMPolicy(text).is_action_permitted(action, resource) is PermissionResult.PERMITTED
        yield text, tried, ours, _plainly(document, action, resource, has), moto


def main() -> None:
    """Print how often the judges agree; exit with 1 if we allow what one of them denies."""
    seen: Counter[str] = Counter()
    for text, tried, ours, plain, moto in judged(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1):
        seen["pairs"] += 1
        seen["allowed"] += ours
        seen["judged by moto"] += moto is not None
        seen["we allow what one denies"] += ours and (not plain or moto is False)
        seen["we deny what one allows"] += not ours and (plain or moto is True)
        if ours is not plain or (moto is not None and ours is not moto):
            sys.stdout.write(f"{text} {tried} {ours} {plain} {moto}\n")
    sys.stdout.write(f"{dict(seen)}\n")
    sys.exit(bool(seen["we allow what one denies"]))


if __name__ == "__main__":
    main()
