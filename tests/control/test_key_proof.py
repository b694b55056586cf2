"""Keys of apps on the control API: by signature, and shown as they are."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway.control.caller import Access
from gateway.core.attempt import Principal
from gateway.core.issued import IssuedKey
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.core.revocation_target import FeedKind, RevocationTarget
from tests.control.desk import Desk, basic, sign_control

OPS = Principal("admin", "ops")
LINK = json.dumps({"bucket": "reports", "key": "invoices/a.pdf", "uses": 1, "expires_in": 60}).encode()


async def key_of(desk: Desk, **more: Any) -> IssuedKey:
    return await desk.api.keys.issue(OPS, "billing", **more)


async def shown(desk: Desk, key: IssuedKey, **headers: str) -> Any:
    desk.token = None
    return await desk.ask("GET", "/v1/keys", headers=basic(key) | headers)


@pytest.mark.parametrize("session", [False, True])
@pytest.mark.parametrize("service", ["s3", "gateway"])
async def test_who_signs_acts_as_the_app(service: str, session: bool, desk: Desk) -> None:
    """With a body, a query, and a session token where the key has one."""
    key = await key_of(desk, session=session)
    made = await desk.sign(key, "POST", "/v1/links", LINK, service=service)
    assert (201, "app:billing") == (made.status, made.json["owner"])
    found = await desk.sign(key, "GET", "/v1/links?state=active&label=a%20b%2Fc&limit=2", service=service)
    assert 200 == found.status


@pytest.mark.parametrize("session", [False, True])
async def test_who_shows_a_key_acts_as_the_app(session: bool, desk: Desk) -> None:
    """HTTP Basic of key id and secret, from loopback as here."""
    key = await key_of(desk, session=session)
    assert 200 == (await shown(desk, key)).status


CHANGES = {
    "another secret": {"secret_key": "x" * 43},
    "another key": {"access_key": "GWK" + "A" * 34},
    "a session token too many": {"session_token": "gs_x"},
    "another service": {"service": "sts"},
    "an old date": {"ago": 901.0},
    "a future date": {"ago": -901.0},
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_signature_is_of_this_key_and_of_now(change: str, desk: Desk) -> None:
    """Anything else acts as nobody; a little skew is forgiven, as S3 does."""
    key, changed = await key_of(desk), dict(CHANGES[change])
    ago = changed.pop("ago", 0.0)
    headers = sign_control(key, "GET", desk.url + "/v1/keys", b"", desk.clock.now - float(str(ago)), **changed)  # type: ignore[arg-type]
    desk.token = None
    answer = await desk.ask("GET", "/v1/keys", headers=headers)
    assert answer.status in {400, 401, 403}, answer.text
    late = sign_control(key, "GET", desk.url + "/v1/keys", b"", desk.clock.now - 890)
    assert 200 == (await desk.ask("GET", "/v1/keys", headers=late)).status


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/links", LINK),
        ("POST", "/v1/keys", LINK),
        ("POST", "/v1/links?x=1", LINK),
        ("POST", "/v1/links", LINK.replace(b"invoices", b"invoiceZ")),
        ("POST", "/v1/links", b""),
    ],
)
async def test_a_signature_is_of_this_request(method: str, path: str, body: bytes, desk: Desk) -> None:
    """Method, path, query and body are all covered: what is not as it was signed makes nothing."""
    key = await key_of(desk)
    headers = sign_control(key, "POST", desk.url + "/v1/links", LINK, desk.clock.now)
    async with desk.session.request(method, desk.url + path, data=body, headers=headers) as answer:
        assert answer.status in {400, 401, 405, 422}, await answer.text()
    assert ["key.create"] == desk.audited()
    async with desk.session.request("POST", desk.url + "/v1/links", data=LINK, headers=headers) as answer:
        assert 201 == answer.status


@pytest.mark.parametrize("declared", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x", None])
async def test_a_body_is_signed(declared: str | None, desk: Desk) -> None:
    """A body without its SHA-256 in the signature is read by nobody."""
    key = await key_of(desk)
    headers = sign_control(key, "POST", desk.url + "/v1/links", LINK, desk.clock.now)
    headers.pop("x-amz-content-sha256")
    if declared is not None:
        headers["x-amz-content-sha256"] = declared
    async with desk.session.post(desk.url + "/v1/links", data=LINK, headers=headers) as answer:
        assert (400, "bad_request") == (answer.status, (await answer.json(content_type=None))["reason"])


async def test_a_request_without_a_body_need_not_say_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signers of other services than S3 send no `x-amz-content-sha256`: the signature has the hash of nothing."""
    key = await key_of(desk)
    request = AWSRequest("GET", desk.url + "/v1/keys?limit=2")
    signer = auth.SigV4Auth(Credentials(key.access_key_id, key.secret_access_key), "gateway", "us-east-1")
    monkeypatch.setattr(auth, "get_current_datetime", lambda: datetime.fromtimestamp(desk.clock.now, UTC))
    signer.add_auth(request)
    assert "x-amz-content-sha256" not in request.headers["Authorization"]
    desk.token = None
    assert 200 == (await desk.ask("GET", "/v1/keys?limit=2", headers=dict(request.headers))).status


async def test_a_presigned_url_opens_nothing(desk: Desk) -> None:
    """A credential in an address ends up in logs and histories."""
    desk.token = None
    query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/b&X-Amz-Signature=c"
    assert 401 == (await desk.ask("GET", f"/v1/keys?{query}")).status


async def test_what_has_ended_opens_nothing(desk: Desk) -> None:
    """Revoked by its id or with its owner, expired, or not yet valid; only its holder hears which."""
    revoked, owned, lapsed = [await key_of(desk, expires_in=life) for life in (None, None, 10.0)]
    assert 200 == (await shown(desk, revoked)).status
    await desk.api.revocations.end(OPS, revoked.grant, "x")
    answer = await shown(desk, revoked)
    assert (401, f"the key {revoked.grant.id} is revoked") == (answer.status, answer.json["detail"])
    wrong = replace(revoked, secret_access_key="x")
    assert "a valid token, key or signature is needed" == (await shown(desk, wrong)).json["detail"]
    desk.clock.now += 10
    assert 401 == (await shown(desk, lapsed)).status
    await desk.state.feed.revoke([RevocationTarget(FeedKind.OWNER, "app:billing")], desk.clock(), "x", "admin:ops")
    assert 401 == (await shown(desk, owned)).status
    later = await key_of(desk)
    saved = await desk.state.grants.save(replace(later.grant, not_before=desk.clock.now + 5))
    assert saved is not None
    assert 401 == (await shown(desk, later)).status
    desk.clock.now += 5
    assert 200 == (await shown(desk, later)).status


async def test_the_view_ends_a_key_before_the_store_does(desk: Desk) -> None:
    """What this process has heard of counts although the store does not say it yet."""
    key = await key_of(desk)
    object.__setattr__(desk.api.guard._keys, "_ended", lambda grant: True)
    assert 401 == (await shown(desk, key)).status


async def test_a_narrowed_key_does_not_speak_for_its_app(desk: Desk) -> None:
    """Else it would make itself one that is not narrowed."""
    key = await key_of(desk)
    assert 200 == (await shown(desk, key)).status
    await desk.state.grants.save(replace(key.grant, cidrs=(ip_network("127.0.0.0/8"),)))
    assert 403 == (await shown(desk, key)).status


async def test_keys_are_shown_where_nobody_listens(desk: Desk) -> None:
    """Over TLS, from loopback or a Unix socket; elsewhere even a right one is not looked at."""
    key = await key_of(desk)
    raw = RawRequest("GET", "/v1/keys", "", tuple(basic(key).items()))
    raw = replace(raw, headers=tuple((name.lower(), value) for name, value in raw.headers))
    admit = desk.api.guard.admit
    admitted = await admit(Access.READ, raw, ip_address("192.0.2.7"), {}, private=True)
    assert Principal("app", "billing") == admitted.principal
    with pytest.raises(Refused) as refused:
        await admit(Access.READ, raw, ip_address("192.0.2.7"), {}, private=False)
    assert (Reason.CREDENTIALS_MISSING, "a key and its secret are taken over TLS or loopback only") == (
        refused.value.reason,
        refused.value.detail,
    )


@pytest.mark.parametrize("text", ["", "x", "YTpi=", "/w==", b64encode(b"no colon").decode(), "YTpi YTpi"])
async def test_what_is_no_key_is_refused(text: str, desk: Desk) -> None:
    """Whatever stands behind `Basic`."""
    desk.token = None
    answer = await desk.ask("GET", "/v1/keys", headers={"Authorization": f"Basic {text}"})
    assert answer.status in {400, 401}, answer.text


async def test_guesses_are_throttled_and_right_keys_pass(desk: Desk) -> None:
    """Unknown ids and wrong secrets are guesses; a right key and a right signature always pass."""
    key = await key_of(desk)
    desk.token = None
    wrong = replace(key, secret_access_key="x"), replace(key, access_key_id="GWKX")
    statuses = [(await desk.ask("GET", "/v1/keys", headers=basic(wrong[number % 2]))).status for number in range(12)]
    assert [401] * 10 + [429] * 2 == statuses
    assert 200 == (await shown(desk, key)).status
    assert 200 == (await desk.sign(key, "GET", "/v1/keys")).status


async def test_links_tokens_are_no_keys(desk: Desk) -> None:
    """A link's token is found by its hash as a key's id is, and opens nothing here."""
    link = await desk.link()
    desk.token = None
    shown = b64encode(f"{link['token']}:".encode()).decode()
    assert 401 == (await desk.ask("GET", "/v1/keys", headers={"Authorization": f"Basic {shown}"})).status
