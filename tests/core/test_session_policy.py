"""What a session policy says of an attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from gateway.core.attempt import Attempt, Principal
from gateway.core.policy import Policy, decide, explain, only_time_can_end
from gateway.core.reasons import Reason, Refused
from gateway.core.request import ACTION_OF, Action, Operation
from gateway.core.route import Backend, Bucket
from gateway.core.session_policy import ACTIONS, needs_of
from gateway.core.session_policy_text import read_session_policy
from tests.contract.sample import NOW, key
from tests.core.session_policy_documents import CATALOGS, judged
from tests.core.test_policy import rule

ARN = "arn:aws:s3:::"


def statement(action: object, resource: object, effect: str = "Allow", **more: Any) -> dict[str, object]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def policy(*statements: Mapping[str, Any]) -> Any:
    return read_session_policy(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def attempt(operation: Operation, bucket: str = "lake", key: str = "t1/a", **more: Any) -> Attempt:
    values = {"action": ACTION_OF[operation], "peer": ip_address("10.1.2.3"), "now": NOW, **more}
    return Attempt(principal=Principal("app", "etl"), operation=operation, bucket=bucket, key=key, **values)


def everything(who: str, bucket: str) -> Policy:
    """A policy by which one app may do everything in one bucket."""
    return Policy(
        backends={"store": Backend("store")},
        buckets={bucket: Bucket(bucket, "store", "real")},
        rules=(rule(who, "read list write delete share sign", f"{bucket}/**"),),
    )


def allowed(found: Any, tried: Attempt) -> bool:
    return not list(found.objections(tried))


_OF_NO_KEY = {Operation.PREFLIGHT, Operation.CREATE_SESSION, Operation.PROVE_HOLDER}


@pytest.mark.parametrize("operation", sorted(set(Operation) - _OF_NO_KEY))
def test_every_operation_needs_what_aws_asks_for_it(operation: Operation) -> None:
    """Each operation is allowed by exactly its actions on its resource, and by none of them less."""
    tried = attempt(operation)
    needs = needs_of(tried)
    assert needs is not None
    assert allowed(policy(statement("s3:*", "*")), tried)
    for need in needs:
        assert need in ACTIONS
        others = sorted(ACTIONS - {need})
        assert not allowed(policy(statement(others, "*")), tried)
        assert allowed(policy(statement([*others, need], "*")), tried)


def test_what_has_no_action_is_never_allowed() -> None:
    """A session with a policy shares nothing and signs nothing, whatever its policy says."""
    everywhere = policy(statement("*", "*"))
    for action in (Action.SHARE, Action.SIGN):
        assert not allowed(everywhere, attempt(Operation.GET_OBJECT, action=action))
    for operation in _OF_NO_KEY:
        assert not allowed(everywhere, attempt(operation))


def test_a_denial_wins() -> None:
    """Over every statement that allows, wherever it stands."""
    allowing, denying = statement("s3:*", "*"), statement("s3:GetObject", ARN + "lake/t1/secret*", "Deny")
    for order in ((allowing, denying), (denying, allowing)):
        assert allowed(policy(*order), attempt(Operation.GET_OBJECT, key="t1/open"))
        assert not allowed(policy(*order), attempt(Operation.GET_OBJECT, key="t1/secret/1"))
        assert allowed(policy(*order), attempt(Operation.PUT_OBJECT, key="t1/secret/1"))


def test_buckets_and_objects_are_other_resources() -> None:
    """A bucket's ARN is for listing, a key's for what is in it; neither covers the other or a sibling."""
    found = policy(statement("s3:*", [ARN + "lake/t1/*"]))
    assert allowed(found, attempt(Operation.GET_OBJECT, key="t1/a/b"))
    assert not allowed(found, attempt(Operation.GET_OBJECT, key="t10/a"))
    assert not allowed(found, attempt(Operation.GET_OBJECT, bucket="lake2", key="t1/a"))
    assert not allowed(found, attempt(Operation.LIST_OBJECTS_V2, key="t1/", params={"prefix": "t1/"}))
    whole = policy(statement("s3:*", ARN + "lake"))
    assert allowed(whole, attempt(Operation.LIST_OBJECTS_V2, key="", params={}))
    assert not allowed(whole, attempt(Operation.GET_OBJECT))


def test_a_version_needs_the_action_for_versions() -> None:
    """Who may read an object may not read its earlier versions by that."""
    current, versions = policy(statement("s3:GetObject", "*")), policy(statement("s3:GetObjectVersion", "*"))
    one = attempt(Operation.GET_OBJECT, params={"versionId": "v1"})
    assert [True, False] == [allowed(current, attempt(Operation.GET_OBJECT)), allowed(current, one)]
    assert [False, True] == [allowed(versions, attempt(Operation.GET_OBJECT)), allowed(versions, one)]


def test_tags_that_come_with_an_object_need_their_own_action() -> None:
    """PutObject with `x-amz-tagging` is PutObjectTagging too."""
    found = policy(statement("s3:PutObject", "*"))
    assert allowed(found, attempt(Operation.PUT_OBJECT))
    assert not allowed(found, attempt(Operation.PUT_OBJECT, tags=True))
    assert allowed(
        policy(statement(["s3:PutObject", "s3:PutObjectTagging"], "*")), attempt(Operation.PUT_OBJECT, tags=True)
    )


def test_copies_and_batches_are_judged_key_by_key() -> None:
    """A copy's source is read, and each key of a batch is deleted."""
    found = policy(statement("s3:PutObject", ARN + "lake/out/*"), statement("s3:GetObject", ARN + "lake/in/*"),
                   statement("s3:DeleteObject", ARN + "lake/tmp/*"))  # fmt: skip
    copying = attempt(Operation.COPY_OBJECT, key="out/1")
    assert allowed(found, copying)
    assert allowed(found, copying.touching(Action.READ, "lake", "in/1"))
    assert not allowed(found, copying.touching(Action.READ, "lake", "out/1"))
    assert not allowed(found, copying.touching(Action.READ, "lake", "in/1", "v1"))
    batch = attempt(Operation.DELETE_OBJECTS, key="", action=None)
    assert allowed(found, batch)
    assert allowed(found, batch.touching(Action.DELETE, "lake", "tmp/1"))
    assert not allowed(found, batch.touching(Action.DELETE, "lake", "out/1"))
    assert not allowed(found, batch.touching(Action.DELETE, "lake", "tmp/1", "v1"))


@pytest.mark.parametrize(
    ("condition", "params", "holds"),
    [
        ({"StringLike": {"s3:prefix": "t1/*"}}, {"prefix": "t1/x"}, True),
        ({"StringLike": {"s3:prefix": "t1/*"}}, {"prefix": "t1"}, False),
        ({"StringLike": {"s3:prefix": ["t1/*", "t2/?"]}}, {"prefix": "t2/a"}, True),
        ({"StringLike": {"s3:prefix": "*"}}, {}, False),
        ({"StringLike": {"s3:prefix": "t1/*", "s3:delimiter": "/"}}, {"prefix": "t1/", "delimiter": "/"}, True),
        ({"StringLike": {"s3:prefix": "t1/*", "s3:delimiter": "/"}}, {"prefix": "t1/"}, False),
        ({"StringEquals": {"s3:prefix": "t1/*"}}, {"prefix": "t1/x"}, False),
        ({"StringEquals": {"s3:prefix": "t1/*"}}, {"prefix": "t1/*"}, True),
        ({"StringEquals": {"S3:Prefix": ["", "t1/"]}}, {"prefix": ""}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {}, True),
        ({"IpAddress": {"aws:SourceIp": ["10.1.2.4", "2001:db8::/32"]}}, {}, False),
        ({"IpAddress": {"aws:SourceIp": "::ffff:10.0.0.0/104"}}, {}, True),
        ({"DateLessThan": {"aws:CurrentTime": "2000-01-01T00:00:00Z"}}, {}, False),
        ({"DateLessThan": {"aws:CurrentTime": ["2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z"]}}, {}, True),
        ({"DateLessThan": {"aws:CurrentTime": str(int(NOW))}}, {}, False),
        ({"DateLessThan": {"aws:CurrentTime": str(int(NOW) + 1)}}, {}, True),
        ({"StringLike": {"s3:prefix": "*"}, "IpAddress": {"aws:SourceIp": "10.9.0.0/16"}}, {"prefix": ""}, False),
    ],
)
def test_conditions(condition: object, params: dict[str, str], holds: bool) -> None:
    """All keys of all operators have to fit, one value each; what the request does not have fits nothing."""
    tried = attempt(Operation.LIST_OBJECTS_V2, key=params.get("prefix", ""), params=params)
    assert holds == allowed(policy(statement("s3:ListBucket", ARN + "lake", Condition=condition)), tried)


def test_prefixes_are_known_of_listings_of_objects_alone() -> None:
    """As at AWS (service authorization reference, S3), a listing of unfinished uploads has neither key: no prefix lets
    it in, and none keeps it out."""
    params = {"prefix": "t1/", "delimiter": "/"}
    listing = [Operation.LIST_OBJECTS, Operation.LIST_OBJECTS_V2, Operation.LIST_OBJECT_VERSIONS]
    for condition in ({"s3:prefix": "t1/"}, {"s3:delimiter": "/"}):
        within = policy(statement("s3:List*", "*", Condition={"StringEquals": condition}))
        without = policy(statement("s3:List*", "*"), statement("*", "*", "Deny", Condition={"StringLike": condition}))
        for operation in [*listing, Operation.LIST_MULTIPART_UPLOADS]:
            tried = attempt(operation, key="t1/", params=params)
            assert [operation in listing, operation not in listing] == [allowed(within, tried), allowed(without, tried)]


def test_who_has_no_address_is_in_no_network() -> None:
    """A request over a Unix socket meets no IpAddress."""
    found = policy(statement("s3:*", "*", Condition={"IpAddress": {"aws:SourceIp": ["0.0.0.0/0", "::/0"]}}))
    assert allowed(found, attempt(Operation.GET_OBJECT))
    assert not allowed(found, attempt(Operation.GET_OBJECT, peer=None))


def test_the_decision_is_the_apps_and_the_policys() -> None:
    """A session may do what its app may and its policy allows; neither gives what the other does not."""
    rules, narrowed = everything("app:etl", "lake"), policy(statement("s3:GetObject", ARN + "lake/t1/*", Sid="Read"))
    grant = replace(key(), owner=Principal("app", "etl"), expires_at=None, session_policy=narrowed)
    assert "lake" == decide(rules, grant, attempt(Operation.GET_OBJECT)).bucket.name
    with pytest.raises(Refused) as refused:
        decide(rules, grant, attempt(Operation.GET_OBJECT, key="t2/a"))
    assert Reason.DENIED_BY_SESSION is refused.value.reason
    with pytest.raises(Refused):
        decide(Policy(backends=rules.backends, buckets=rules.buckets), grant, attempt(Operation.GET_OBJECT))
    assert (
        "lake"
        == decide(rules, replace(grant, session_policy=None), attempt(Operation.GET_OBJECT, key="t2/a")).bucket.name
    )


def test_explain_names_the_statement() -> None:
    """By its Sid, or by its place: the one that allows, the one that denies, or that there is none."""
    found = policy(statement("s3:GetObject", "*", Sid="Read"), statement("s3:GetObject", ARN + "lake/no/*", "Deny"))
    rules = everything("app:etl", "lake")
    grant = replace(key(), owner=Principal("app", "etl"), expires_at=None, session_policy=found)
    explained = explain(rules, grant, attempt(Operation.GET_OBJECT))
    assert ("the statement Read of the session policy allows s3:GetObject",) == explained.session
    refused = explain(rules, grant, attempt(Operation.GET_OBJECT, key="no/1"))
    assert "the statement 2 of the session policy denies s3:GetObject" == refused.objections[0].detail
    assert () == refused.session
    nothing = explain(rules, grant, attempt(Operation.PUT_OBJECT))
    assert "no statement of the session policy allows s3:PutObject" == nothing.objections[0].detail


def test_what_time_or_address_decides_is_asked_every_time() -> None:
    """A decision that rests on when and from where is remembered for no other request."""
    rules, tried = everything("app:etl", "lake"), attempt(Operation.GET_OBJECT)
    grant = replace(key(), owner=Principal("app", "etl"), expires_at=None)
    conditions: tuple[tuple[dict[str, Any], bool], ...] = (
        ({}, True),
        ({"Condition": {"StringLike": {"s3:prefix": "*"}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, False),
        ({"Condition": {"DateLessThan": {"aws:CurrentTime": "2100-01-01T00:00:00Z"}}}, False),
    )
    for more, lasting in conditions:
        narrowed = replace(grant, session_policy=policy(statement("s3:*", "*", **more)))
        assert lasting == only_time_can_end(rules, narrowed, tried)


def test_other_judges_say_the_same() -> None:
    """Of random policies and requests, moto and a plain reading of the grammar allow exactly what we allow."""
    seen = [(ours, plain, ours if moto is None else moto) for _, _, ours, plain, moto in judged(600)]
    assert {(True, True, True), (False, False, False)} == set(seen)


@pytest.mark.parametrize("name", CATALOGS)
def test_what_catalogs_vend_reaches_its_table_and_nothing_beside(name: str) -> None:
    """Reading and listing inside the table; not its sibling, not the bucket, not another one."""
    found, folder = read_session_policy(CATALOGS[name]), "db/t*?$" if "marks" in name else "db/t1"
    assert allowed(found, attempt(Operation.GET_OBJECT, key=f"{folder}/data/1.parquet"))
    assert not allowed(found, attempt(Operation.GET_OBJECT, key="db/t10/data/1.parquet"))
    assert not allowed(found, attempt(Operation.GET_OBJECT, key="db/txx$/1"))
    assert not allowed(found, attempt(Operation.GET_OBJECT, bucket="lake2", key=f"{folder}/1"))
    listed = {prefix: attempt(Operation.LIST_OBJECTS_V2, key=prefix, params={"prefix": prefix}) for prefix in
              (f"{folder}/", f"{folder}/data", "db/", "")}  # fmt: skip
    may_list = "no listing" not in name
    assert [may_list, may_list, False, False] == [allowed(found, tried) for tried in listed.values()]
    writes = not name.endswith("reads")
    write_folder = "db/t2" if "two buckets" in name else folder
    assert writes == allowed(found, attempt(Operation.PUT_OBJECT, key=f"{write_folder}/data/2.parquet"))
    assert not allowed(found, attempt(Operation.PUT_OBJECT, key="db/other"))
