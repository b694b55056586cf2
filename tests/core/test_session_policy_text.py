"""How a session policy is written: what is not understood refuses the whole document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.session_policy import ACTIONS
from gateway.core.session_policy_text import LONGEST_POLICY, read_session_policy
from tests.core.session_policy_documents import CATALOGS

PLAIN: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}


def text(**changes: Any) -> str:
    """A document with one statement, and what is to be different in it."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{**PLAIN, **changes}]})


@pytest.mark.parametrize("document", CATALOGS.values(), ids=CATALOGS.keys())
def test_what_table_catalogs_build_is_read(document: str) -> None:
    """The documents that Polaris and Lakekeeper send, by the letter."""
    assert document == read_session_policy(document).text


@pytest.mark.parametrize(
    "document",
    [
        json.dumps({"Statement": PLAIN}),
        json.dumps({"Version": "2008-10-17", "Id": "any text: of one's own", "Statement": [PLAIN]}),
        text(Action=["S3:getobject", "s3:Put*", "s3:?etObjectTagging"]),
        text(Action="*", Resource="*", Effect="Deny", Sid="Nothing1"),
        text(Sid=""),
        text(Resource=["arn:aws:s3:::b", "arn:aws:s3:::b/a?c/*/${*}"]),
        text(Condition={"StringLike": {"s3:prefix": ["a/*"]}, "DateLessThan": {"AWS:currenttime": "2027-01-01"}}),
        text(Condition={"DateLessThan": {"aws:CurrentTime": ["2027-01-31T12:00:00.5+01:00", "1800000000"]}}),
        text(Resource="arn:aws:s3:::b/" + "x" * (LONGEST_POLICY - len(text(Resource="arn:aws:s3:::b/")))),
    ],
)
def test_what_is_offered(document: str) -> None:
    """One statement or several, single texts or lists, actions and keys in any capitals, up to 2,048 bytes."""
    assert read_session_policy(document).statements


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "null",
        '"text"',
        "{",
        "[" * 2000,
        "{}",
        '{"Statement": []}',
        '{"Statement": [1]}',
        '{"Statement": {}}',
        json.dumps({"Version": "2012-10-18", "Statement": PLAIN}),
        json.dumps({"Version": ["2012-10-17"], "Statement": PLAIN}),
        json.dumps({"Version": None, "Statement": PLAIN}),
        json.dumps({"Id": 1, "Statement": PLAIN}),
        json.dumps({"Statement": PLAIN, "Statements": []}),
        json.dumps({"statement": PLAIN}),
        json.dumps({"Version": "2012-10-17", "Statement": [{**PLAIN, "Sid": "A"}, {**PLAIN, "Sid": "A"}]}),
        '{"Statement": {"Effect": "Deny", "Effect": "Allow", "Action": "*", "Resource": "*"}}',
        text(Sid="with space"),
        text(Sid=1),
        text(Effect="allow"),
        text(Effect=["Allow"]),
        text(Principal="*"),
        text(NotAction="s3:GetObject"),
        text(NotResource="arn:aws:s3:::b/*"),
        text(Action=[]),
        text(Action=1),
        text(Action=[["s3:GetObject"]]),
        text(Action=""),
        text(Action="GetObject"),
        text(Action="s3:"),
        text(Action="s3:PutBucketPolicy"),
        text(Action="s3:GetObjectAcl"),
        text(Action=["s3:GetObject", "kms:Decrypt"]),
        text(Action="iam:*"),
        text(Action="**"),
        text(Action="s?:GetObject"),
        text(Resource=[]),
        text(Resource="arn:aws:s3:::"),
        text(Resource="b/*"),
        text(Resource="arn:aws:sqs:::b"),
        text(Resource="arn:aws:s3:eu-west-1::b/*"),
        text(Resource="arn:*:s3:::b/*"),
        text(Resource="arn:aws-cn:s3:::b/*"),
        text(Resource="arn:aws:s3:::b/${aws:username}/*"),
        text(Resource="arn:aws:s3:::b/${"),
        json.dumps({"Version": "2008-10-17", "Statement": {**PLAIN, "Resource": "arn:aws:s3:::b/${*}"}}),
        json.dumps({"Statement": {**PLAIN, "Resource": "arn:aws:s3:::b/${*}"}}),
        text(Condition={}),
        text(Condition=[]),
        text(Condition={"StringLike": {}}),
        text(Condition={"StringLike": {"s3:prefix": []}}),
        text(Condition={"StringLike": {"s3:prefix": 1}}),
        text(Condition={"StringLike": {"s3:max-keys": "1"}}),
        text(Condition={"StringLike": {"aws:SourceIp": "10.0.0.0/8"}}),
        text(Condition={"StringLike": {"s3:prefix": "a", "S3:PREFIX": "b"}}),
        text(Condition={"StringEquals": {"s3:prefix": "${aws:userid}"}}),
        text(Condition={"StringNotLike": {"s3:prefix": "a"}}),
        text(Condition={"StringLikeIfExists": {"s3:prefix": "a"}}),
        text(Condition={"ForAllValues:StringLike": {"s3:prefix": "a"}}),
        text(Condition={"ForAnyValue:StringEquals": {"s3:prefix": "a"}}),
        text(Condition={"StringEqualsIgnoreCase": {"s3:prefix": "a"}}),
        text(Condition={"Null": {"s3:prefix": "true"}}),
        text(Condition={"NumericLessThanEquals": {"s3:max-keys": "10"}}),
        text(Condition={"StringLike": {"s3:prefix": "home/${aws:username, 'nobody'}/*"}}),
        text(Condition={"StringLike": {"s3:prefix": ["a", None]}}),
        text(NotPrincipal="*"),
        text(Condition={"stringlike": {"s3:prefix": "a"}}),
        text(Condition={"Bool": {"aws:SecureTransport": "true"}}),
        text(Condition={"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
        text(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.300"}}),
        text(Condition={"IpAddress": {"aws:SourceIp": ""}}),
        text(Condition={"IpAddress": {"aws:SourceIp": "fe80::1%eth0"}}),
        text(Condition={"IpAddress": {"aws:VpcSourceIp": "10.0.0.0/8"}}),
        text(Condition={"DateLessThan": {"aws:CurrentTime": "tomorrow"}}),
        text(Condition={"DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00"}}),
        text(Condition={"DateLessThan": {"aws:CurrentTime": "2027"}}),
        text(Condition={"DateLessThan": {"aws:CurrentTime": "20270131"}}),
        text(Condition={"DateLessThan": {"aws:CurrentTime": "2027-W04-7"}}),
        text(Condition={"DateLessThan": {"aws:CurrentTime": "1800000000000"}}),
        text(Condition={"DateGreaterThan": {"aws:CurrentTime": "2027-01-01"}}),
        text(Condition={"DateLessThan": {"aws:TokenIssueTime": "2027-01-01"}}),
        text(Resource="arn:aws:s3:::b/" + "x" * (LONGEST_POLICY + 1 - len(text(Resource="arn:aws:s3:::b/")))),
        text(Resource="arn:aws:s3:::b/" + "é" * 1000, Sid="A").replace("\\u00e9", "é"),
    ],
)
def test_everything_else_is_refused(document: str) -> None:
    """Each with a sentence; nothing of a document is ignored."""
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        read_session_policy(document)


def test_a_wildcard_names_only_what_is_offered() -> None:
    """`s3:Get*` is each of our reading actions and no writing one."""
    [one] = read_session_policy(text(Action="s3:Get*")).statements
    assert frozenset(action for action in ACTIONS if action.startswith("s3:Get")) == one.actions
    [every] = read_session_policy(text(Action="s3:*")).statements
    assert ACTIONS == every.actions
