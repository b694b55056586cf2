"""The STS API, asked by the SDK: sessions of roles and of users, their policies, their ends, and every refusal."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from gateway.core.attempt import Principal
from gateway.core.grant import Grant
from gateway.core.issued import IssuedKey
from gateway.core.pattern import NamePattern
from gateway.core.session_role import SessionRole
from gateway.core.source import holders_of, session_of
from gateway.core.token import hash_secret
from tests.control.desk import Desk, serving, sign_control
from tests.core.session_policy_documents import CATALOGS

ROLE = "arn:aws:iam::000000000000:role/lake"
_STATEMENT = {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::reports/invoices/*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": _STATEMENT})
ROLES = {
    "lake": SessionRole("billing", (NamePattern.parse("app:catalog"),), 7200.0),
    "other": SessionRole("signer", (NamePattern.parse("app:billing"),), 3600.0),
    "own": SessionRole("catalog", (NamePattern.parse("app:*"),), 3600.0),
}
ADMIN = Principal("admin", "ops")


@pytest.fixture
async def sts() -> AsyncIterator[Desk]:
    desks: list[Desk] = []
    async with serving(
        sts_roles=lambda: ROLES, ended=lambda grant: desks[0].view.revoked(grant, "", "", "") is not None
    ) as desk:
        desks.append(desk)
        desk.clock.now = time.time()  # which the SDK signs with
        yield desk


async def key_of(desk: Desk, app: str = "catalog", **more: Any) -> IssuedKey:
    return await desk.api.keys.issue(ADMIN, app, **more)


def ask(desk: Desk, key: IssuedKey, call: str, **arguments: Any) -> dict[str, Any]:
    client = boto3.client(
        "sts",
        endpoint_url=f"{desk.url}/sts",
        region_name="us-east-1",
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
        aws_session_token=key.session_token,
        config=Config(retries={"max_attempts": 0}, parameter_validation=False),
    )
    found: dict[str, Any] = getattr(client, call)(**arguments)
    return found


async def refused(desk: Desk, key: IssuedKey, call: str, **arguments: Any) -> str:
    with pytest.raises(ClientError) as failure:
        await asyncio.to_thread(ask, desk, key, call, **arguments)
    return str(failure.value.response["Error"]["Code"])


async def assume(desk: Desk, key: IssuedKey, role: str = ROLE, name: str = "etl-1", **more: Any) -> dict[str, Any]:
    return await asyncio.to_thread(ask, desk, key, "assume_role", RoleArn=role, RoleSessionName=name, **more)


async def grant_of(desk: Desk, answer: dict[str, Any]) -> Grant:
    found = await desk.state.grants.find(hash_secret(answer["Credentials"]["AccessKeyId"]))
    assert found is not None
    return found


def issued(grant: Grant, answer: dict[str, Any]) -> IssuedKey:
    shown = answer["Credentials"]
    return IssuedKey(grant, shown["AccessKeyId"], shown["SecretAccessKey"], shown["SessionToken"])


async def test_a_role_gives_a_session_of_its_app(sts: Desk) -> None:
    """Whoever the settings name for a role gets a key of the role's app, with a session token and an hour to live."""
    answer = await assume(sts, await key_of(sts))
    grant = await grant_of(sts, answer)
    assert "app:billing" == str(grant.owner)
    assert 3600.0 == (grant.expires_at or 0) - grant.issued_at
    assert hash_secret(answer["Credentials"]["SessionToken"]) == grant.session_hash
    assert ("lake", "etl-1") == session_of(grant.source)
    assert "arn:aws:sts::000000000000:assumed-role/lake/etl-1" == answer["AssumedRoleUser"]["Arn"]
    assert grant.session_policy is None


async def test_a_policy_is_kept_with_the_session(sts: Desk) -> None:
    """The session's key carries the policy by the letter."""
    answer = await assume(sts, await key_of(sts), Policy=POLICY, DurationSeconds=900)
    grant = await grant_of(sts, answer)
    assert grant.session_policy is not None
    assert POLICY == grant.session_policy.text
    assert 0 < answer["PackedPolicySize"] <= 100
    for document in CATALOGS.values():
        assert "Credentials" in await assume(sts, await key_of(sts), Policy=document, ExternalId="polaris")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"role": "arn:aws:iam::000000000000:role/other"}, "AccessDenied"),
        ({"role": "arn:aws:iam::000000000000:role/none"}, "AccessDenied"),
        ({"role": "arn:aws:iam::000000000000:user/lake1"}, "ValidationError"),
        ({"name": "a b"}, "ValidationError"),
        ({"DurationSeconds": 899}, "ValidationError"),
        ({"DurationSeconds": 7201}, "ValidationError"),
        ({"Policy": POLICY.replace("Sid", "sid")}, "MalformedPolicyDocument"),
        ({"Policy": "{"}, "MalformedPolicyDocument"),
        ({"Policy": " " * 2049}, "PackedPolicyTooLarge"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]}, "ValidationError"),
        ({"SerialNumber": "GAHT12345678", "TokenCode": "123456"}, "ValidationError"),
    ],
)
async def test_what_a_role_is_not_given_for(sts: Desk, changes: dict[str, Any], code: str) -> None:
    """A role for others, a wrong duration or name, a policy that is not understood: no key is made."""
    holder = await key_of(sts)
    values = {"RoleArn": changes.pop("role", ROLE), "RoleSessionName": changes.pop("name", "etl-1"), **changes}
    assert code == await refused(sts, holder, "assume_role", **values)
    assert [holder.grant.id] == [one["id"] for one in (await sts.ask("GET", "/v1/keys")).json["keys"]]


async def test_durations_are_the_roles(sts: Desk) -> None:
    """From 900 seconds to the role's maximum; a session taken with a session has an hour at most."""
    answer = await assume(sts, await key_of(sts), DurationSeconds=7200)
    grant = await grant_of(sts, answer)
    assert 7200.0 == (grant.expires_at or 0) - grant.issued_at
    chained = issued(grant, answer)
    other = "arn:aws:iam::000000000000:role/other"
    assert "Credentials" in await assume(sts, chained, other)
    assert "ValidationError" == await refused(
        sts, chained, "assume_role", RoleArn=other, RoleSessionName="etl", DurationSeconds=3601
    )


async def test_sessions_come_from_few_keys_one_behind_the_other(sts: Desk) -> None:
    """A role that its own app may take makes no chain without end, whose every use would cost the square of its length,
    and whose length would end the search for keys without a source."""
    own, key = "arn:aws:iam::000000000000:role/own", await key_of(sts)
    for _ in range(8):
        answer = await assume(sts, key, own)
        key = issued(await grant_of(sts, answer), answer)
    assert 8 == len(holders_of(key.grant.source))
    assert "AccessDenied" == await refused(sts, key, "assume_role", RoleArn=own, RoleSessionName="etl")
    assert "Arn" in await asyncio.to_thread(ask, sts, key, "get_caller_identity")


async def test_a_session_ends_with_the_key_that_asked(sts: Desk) -> None:
    """It lives no longer than that key, and is revoked with it, its owner, and whatever that one came from."""
    holder = await key_of(sts, expires_in=1000.0)
    first = await assume(sts, holder)
    grant = await grant_of(sts, first)
    assert holder.grant.expires_at == grant.expires_at
    chained = await grant_of(sts, await assume(sts, issued(grant, first), "arn:aws:iam::000000000000:role/other"))
    beside = await grant_of(sts, await assume(sts, await key_of(sts)))

    async def ended(*targets: dict[str, str]) -> list[bool]:
        for target in targets:
            assert 200 == (await sts.ask("POST", "/v1/revocations", target)).status
        return [sts.view.revoked(one, "", "", "") is not None for one in (grant, chained, beside)]

    assert [False, False, False] == await ended()
    assert [True, True, False] == await ended({"key": holder.grant.id})
    assert [True, True, True] == await ended({"owner": "app:catalog"})
    later = await grant_of(sts, await assume(sts, await key_of(sts)))
    assert sts.view.revoked(later, "", "", "") is None


async def test_a_session_ends_with_the_rule_of_the_key_that_asked(sts: Desk) -> None:
    """What a rule's approval let a key do ends with all that the rule let be, the sessions behind it too."""
    holder, beside = await key_of(sts), await grant_of(sts, await assume(sts, await key_of(sts)))
    assert await sts.state.grants.save(replace(holder.grant, rule="looked at")) is not None
    first = await assume(sts, holder)
    grant = await grant_of(sts, first)
    chained = await grant_of(sts, await assume(sts, issued(grant, first), "arn:aws:iam::000000000000:role/other"))
    done = await sts.ask("POST", "/v1/revocations", {"policy": "looked at"})
    assert (200, 3) == (done.status, done.json["revoked"])
    assert [True, True, False] == [sts.view.revoked(one, "", "", "") is not None for one in (grant, chained, beside)]


@pytest.mark.parametrize(
    ("target", "gone"),
    [
        ({"session": "etl-1"}, [True, False, True]),
        ({"role": "lake"}, [True, True, False]),
        ({"owner": "app:billing"}, [True, True, False]),
        ({"session": "nobody"}, [False, False, False]),
        ({"role": "etl-1"}, [False, False, False]),
    ],
)
async def test_sessions_are_revoked_by_role_and_by_name(sts: Desk, target: dict[str, str], gone: list[bool]) -> None:
    """All that live of a role or of a name, and no other; a dry run ends none."""
    roles = [(ROLE, "etl-1"), (ROLE, "etl-2"), ("arn:aws:iam::000000000000:role/other", "etl-1")]
    holders = [await key_of(sts), await key_of(sts), await key_of(sts, "billing")]
    grants = [await grant_of(sts, await assume(sts, *pair)) for pair in
              ((holder, *role) for holder, role in zip(holders, roles, strict=True))]  # fmt: skip
    dry = await sts.ask("POST", "/v1/revocations", {**target, "dry_run": True})
    assert sum(gone) == dry.json["revoked"] - (target == {"owner": "app:billing"})
    done = await sts.ask("POST", "/v1/revocations", target)
    assert dry.json["revoked"] == done.json["revoked"]
    stored = [await sts.state.grants.get(grant.id) for grant in grants]
    assert gone == [one is not None and one.revoked_at is not None for one in stored]


async def test_users_get_sessions_of_their_own(sts: Desk) -> None:
    """GetSessionToken gives a key of the same app; GetFederationToken one with nothing but its policy."""
    holder = await key_of(sts)
    session = await asyncio.to_thread(ask, sts, holder, "get_session_token", DurationSeconds=129600)
    grant = await grant_of(sts, session)
    assert ("app:catalog", None, 129600.0) == (
        str(grant.owner),
        grant.session_policy,
        (grant.expires_at or 0) - grant.issued_at,
    )
    federated = await asyncio.to_thread(ask, sts, holder, "get_federation_token", Name="anna", Policy=POLICY)
    assert "arn:aws:sts::000000000000:federated-user/anna" == federated["FederatedUser"]["Arn"]
    narrowed = (await grant_of(sts, federated)).session_policy
    assert narrowed is not None
    assert POLICY == narrowed.text
    nothing = (
        await grant_of(sts, await asyncio.to_thread(ask, sts, holder, "get_federation_token", Name="anna"))
    ).session_policy
    assert nothing is not None
    assert not any(statement.allows for statement in nothing.statements)
    for call, more in (("get_session_token", {}), ("get_federation_token", {"Name": "anna"})):
        assert "AccessDenied" == await refused(sts, issued(grant, session), call, **more)
        assert "ValidationError" == await refused(sts, holder, call, DurationSeconds=129601, **more)


async def test_who_one_is(sts: Desk) -> None:
    """GetCallerIdentity answers every living key, narrowed ones too."""
    holder = await key_of(sts)
    answer = await assume(sts, holder, Policy=POLICY)
    narrowed = issued(await grant_of(sts, answer), answer)
    assert (
        "arn:aws:iam::000000000000:user/catalog"
        == (await asyncio.to_thread(ask, sts, holder, "get_caller_identity"))["Arn"]
    )
    found = await asyncio.to_thread(ask, sts, narrowed, "get_caller_identity")
    assert "arn:aws:sts::000000000000:assumed-role/lake/etl-1" == found["Arn"]


async def test_a_narrowed_key_makes_no_session(sts: Desk) -> None:
    """What narrows it would be shed; neither by STS nor at the control API does it speak for its app."""
    answer = await assume(sts, await key_of(sts, "catalog"), Policy=POLICY)
    narrowed = issued(await grant_of(sts, answer), answer)
    other = "arn:aws:iam::000000000000:role/other"
    assert "AccessDenied" == await refused(sts, narrowed, "assume_role", RoleArn=other, RoleSessionName="etl")
    sts.token = None
    assert 403 == (await sts.sign(narrowed, "GET", "/v1/links")).status
    whole = await assume(sts, await key_of(sts, "catalog"))
    assert 200 == (await sts.sign(issued(await grant_of(sts, whole), whole), "GET", "/v1/links")).status


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda key: replace(key, access_key_id="GWKUNKNOWNUNKNOWNUNK"), "InvalidClientTokenId"),
        (lambda key: replace(key, secret_access_key="wrong"), "SignatureDoesNotMatch"),
        (lambda key: replace(key, session_token="gs_wrong"), "InvalidClientTokenId"),
    ],
)
async def test_wrong_keys(sts: Desk, spoil: Callable[[IssuedKey], IssuedKey], code: str) -> None:
    """Each in the words of STS."""
    assert code == await refused(sts, spoil(await key_of(sts)), "get_caller_identity")


async def test_a_key_that_counts_no_longer(sts: Desk) -> None:
    """An expired one hears ExpiredToken, a revoked one InvalidClientTokenId."""
    expired, revoked = await key_of(sts, expires_in=1.0), await key_of(sts)
    sts.clock.now += 2.0
    await sts.ask("DELETE", f"/v1/keys/{revoked.grant.id}")
    assert "ExpiredToken" == await refused(sts, expired, "get_caller_identity")
    assert "InvalidClientTokenId" == await refused(sts, revoked, "get_caller_identity")


async def test_the_body_is_what_was_signed(sts: Desk) -> None:
    """A body that another one was exchanged for is not taken; nor is a field that comes twice, or no signature."""
    async with sts.session.post(f"{sts.url}/sts", data={"Action": "GetCallerIdentity"}) as answer:
        assert 403 == answer.status
        assert "<Code>MissingAuthenticationToken</Code>" in await answer.text()
    twice = b"Action=GetCallerIdentity&Action=GetCallerIdentity"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with sts.session.post(f"{sts.url}/sts", data=twice, headers=headers) as answer:
        assert "<Code>MalformedInput</Code>" in await answer.text()
    key = await key_of(sts)
    signed = sign_control(key, "POST", f"{sts.url}/sts", b"Action=GetCallerIdentity", sts.clock.now, service="sts")
    for body, status in ((b"Action=GetCallerIdentity", 200), (b"Action=GetSessionToken", 403)):
        async with sts.session.post(f"{sts.url}/sts", data=body, headers={**signed, **headers}) as answer:
            assert status == answer.status, await answer.text()
