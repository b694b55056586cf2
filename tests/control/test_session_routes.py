"""Container credentials and the STS shape, read by the SDK that asks for them."""

from __future__ import annotations

import asyncio
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from gateway.core.identity import Proved
from gateway.core.issued import IssuedKey
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.source import Source
from gateway.core.token import hash_secret
from tests.control.desk import APP, Desk, serving


async def test_an_app_gets_a_session_and_the_same_again(desk: Desk) -> None:
    """The app's token gives a session key, reused until half its life is over or it is revoked."""
    desk.token = None
    headers = {"Authorization": APP}
    first = (await desk.ask("GET", "/v1/credentials/billing", headers=headers)).json
    assert set(first) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert first["Expiration"] == "2027-01-15T09:00:00Z"
    grant = await desk.state.grants.find(hash_secret(first["AccessKeyId"]))
    assert grant is not None
    assert str(grant.owner) == "app:billing"
    assert grant.session_hash == hash_secret(first["Token"])
    desk.clock.now += 1799
    assert (await desk.ask("GET", "/v1/credentials/billing", headers=headers)).json == first
    desk.clock.now += 1
    second = (await desk.ask("GET", "/v1/credentials/billing", headers=headers)).json
    assert second["AccessKeyId"] != first["AccessKeyId"]


async def test_parallel_callers_share_one_session(desk: Desk) -> None:
    """Many calls at once make one key."""
    headers = {"Authorization": f"Bearer {APP}"}
    asked = (desk.ask("GET", "/v1/credentials/billing", headers=headers) for _ in range(8))
    answers = await asyncio.gather(*asked)
    assert len({answer.json["AccessKeyId"] for answer in answers}) == 1


async def test_a_revoked_session_is_not_handed_out(desk: Desk) -> None:
    """After the owner was revoked the next call makes a new key, issued after the revocation."""
    headers = {"Authorization": f"Bearer {APP}"}
    first = (await desk.ask("GET", "/v1/credentials/billing", headers=headers)).json
    await desk.ask("POST", "/v1/revocations", {"owner": "app:billing"})
    second = (await desk.ask("GET", "/v1/credentials/billing", headers=headers)).json
    assert second["AccessKeyId"] != first["AccessKeyId"]
    grant = await desk.state.grants.find(hash_secret(second["AccessKeyId"]))
    assert grant is not None
    assert desk.view.revoked(grant, "reports", "x", "archive") is None


@pytest.mark.parametrize(("app", "token"), [("billing", APP + "2"), ("other", APP), ("nobody", APP), ("billing", "")])
async def test_an_apps_token_is_for_that_app(desk: Desk, app: str, token: str) -> None:
    """A wrong token, another app's token and an unknown app are one uniform 401."""
    desk.token = None
    answer = await desk.ask("GET", f"/v1/credentials/{app}", headers={"Authorization": token})
    assert answer.status == 401
    assert answer.json["detail"] == "a valid token, key or signature is needed"


class _Verifier:
    """Knows one token, for one role."""

    async def prove(self, token: str, role: str) -> Proved | None:
        if role == "down":
            raise DependencyDown("grants", "the issuer is away")
        known = (token, role) == ("a-good-token", "billing-role")
        return Proved("billing", "https://issuer.example", "gateway", "someone") if known else None


def _assume(url: str, token: str, role: str, **more: Any) -> dict[str, Any]:
    client = boto3.client(
        "sts",
        endpoint_url=url,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, retries={"max_attempts": 0}),
    )
    found: dict[str, Any] = client.assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::123456789012:role/{role}", RoleSessionName="pod-1", WebIdentityToken=token, **more
    )
    return found


async def test_boto3_assumes_a_role() -> None:
    """The SDK's own STS client gets a working session for the app that the token proves."""
    async with serving(identity=_Verifier()) as desk:
        answer = await asyncio.to_thread(
            _assume, f"{desk.url}/sts", "a-good-token", "billing-role", DurationSeconds=900
        )
        credentials = answer["Credentials"]
        grant = await desk.state.grants.find(hash_secret(credentials["AccessKeyId"]))
        assert grant is not None
        assert str(grant.owner) == "app:billing"
        assert grant.session_hash == hash_secret(credentials["SessionToken"])
        assert credentials["Expiration"].isoformat() == "2027-01-15T08:15:00+00:00"
        for token, role, code in (
            ("a-bad-token", "billing-role", "InvalidIdentityToken"),
            ("a-good-token", "admin-role", "InvalidIdentityToken"),
            ("a-good-token", "down", "IDPCommunicationError"),
        ):
            with pytest.raises(ClientError) as refused:
                await asyncio.to_thread(_assume, f"{desk.url}/sts", token, role)
            assert refused.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, "InvalidAction"),
        ({"Action": "AssumeRoleWithSAML"}, "InvalidAction"),
        ({"RoleArn": "billing-role"}, "ValidationError"),
        ({"RoleSessionName": "a b"}, "ValidationError"),
        ({"DurationSeconds": "899"}, "ValidationError"),
        ({"DurationSeconds": "9" * 400}, "ValidationError"),
        ({"WebIdentityToken": "x"}, "ValidationError"),
        ({"WebIdentityToken": "wrong"}, "InvalidIdentityToken"),
    ],
)
async def test_sts_faults_are_xml(form: dict[str, str], code: str) -> None:
    """Every wrong form is a fault in the STS shape."""
    whole = {
        "Action": "AssumeRoleWithWebIdentity",
        "RoleArn": "arn:aws:iam::1:role/billing-role",
        "RoleSessionName": "pod",
        "WebIdentityToken": "a-good-token",
    }
    async with serving(identity=_Verifier()) as desk:
        async with desk.session.post(f"{desk.url}/sts", data=whole | form if form else {}) as answer:
            assert answer.status == 400
            assert f"<Code>{code}</Code>" in await answer.text()
        assert (await desk.ask("GET", "/v1/keys")).json["keys"] == []


async def test_sts_guesses_are_throttled() -> None:
    """An address that tries many tokens is told to wait."""
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "RoleArn": "arn:aws:iam::1:role/billing-role",
        "RoleSessionName": "pod",
        "WebIdentityToken": "wrong",
    }
    async with serving(identity=_Verifier()) as desk:
        texts = []
        for _ in range(11):
            async with desk.session.post(f"{desk.url}/sts", data=form) as answer:
                texts.append(await answer.text())
        assert "InvalidIdentityToken" in texts[9]
        assert "Throttling" in texts[10]


async def test_sts_without_a_provider_is_closed(desk: Desk) -> None:
    """No identity provider means no session, never an open door."""
    form = {"Action": "AssumeRoleWithWebIdentity", "WebIdentityToken": "a-good-token"}
    async with desk.session.post(f"{desk.url}/sts", data=form) as answer:
        assert answer.status == 400
        assert "IDPCommunicationError" in await answer.text()


class _Central:
    """A central gateway that answers with what it is told to."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    async def issue_session(self, app: str, seconds: float, label: str, source: Source) -> IssuedKey:
        raise self.failure


@pytest.mark.parametrize(
    ("failure", "status", "code", "told"),
    [
        (DependencyDown("grants", "it is away"), 503, "ServiceUnavailable", "it is away"),
        (Refused(Reason.NOT_ALLOWED, "app:billing is not named"), 403, "AccessDenied", "app:billing is not named"),
    ],
    ids=["away", "refused"],
)
async def test_what_a_central_gateway_says_is_told(failure: Exception, status: int, code: str, told: str) -> None:
    """To whoever asks for container credentials as a problem, to whoever assumes a role in the STS shape."""
    async with serving(issuer=_Central(failure), identity=_Verifier()) as desk:
        answer = await desk.ask("GET", "/v1/credentials/billing", headers={"Authorization": APP})
        assert answer.status == status
        assert told in answer.json["detail"]
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "RoleArn": "arn:aws:iam::1:role/billing-role",
            "RoleSessionName": "pod",
            "WebIdentityToken": "a-good-token",
        }
        async with desk.session.post(f"{desk.url}/sts", data=form) as answered:
            text = await answered.text()
            assert answered.status == status
            assert f"<Code>{code}</Code>" in text
            assert told in text
        assert (await desk.ask("GET", "/v1/keys")).json["keys"] == []
