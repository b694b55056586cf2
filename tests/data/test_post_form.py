"""POST forms, on both faces: decided on by the very key that is written, never stored when not whole."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from botocore.auth import HmacV1PostAuth, S3SigV4PostAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from gateway.core.attempt import SignatureVersion
from gateway.core.backend import Credentials
from gateway.core.record import Outcome
from gateway.core.request import Action
from tests.data.harness import NOW, Rig, deny, policy, request, rule, running
from tests.wire import peer

FORM = {"Content-Type": "multipart/form-data; boundary=b"}
WRITE = frozenset({Action.WRITE})


def form(
    fields: dict[str, str], body: bytes = b"data", filename: str = "a.txt", end: bytes = b"\r\n--b--\r\n"
) -> bytes:
    parts = "".join(f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items())
    file = (
        f'--b\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: text/plain\r\n\r\n'
    )
    return parts.encode() + file.encode() + body + end


def signed(
    credentials: Credentials, kind: str = "v4", sizes: tuple[int, int] = (0, 100), **fields: str
) -> dict[str, str]:
    """A form's fields as botocore signs them, for keys below `up/`."""
    given = {"key": "up/${filename}"} | fields
    conditions: list = [{"bucket": "reports"}, ["starts-with", "$key", "up/"], ["content-length-range", *sizes]]
    conditions += [{name: value} for name, value in fields.items() if name != "key"]
    asked = AWSRequest("POST", "http://gw/reports")
    asked.context["s3-presign-post-fields"] = given
    expires = datetime.fromtimestamp(NOW + 600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    asked.context["s3-presign-post-policy"] = {"expiration": expires, "conditions": conditions}
    pair = BotocoreCredentials(credentials.access_key, credentials.secret_key)
    with peer.frozen(NOW):
        (S3SigV4PostAuth(pair, "s3", "us-east-1") if kind == "v4" else HmacV1PostAuth(pair)).add_auth(asked)
    return asked.context["s3-presign-post-fields"]


@pytest.mark.parametrize("kind", ["v4", "v2"])
async def test_a_signed_form_writes_its_key(rig: Rig, kind: str) -> None:
    """Below the bucket's own place, and answered 204 as S3 does."""
    credentials, grant = await rig.key()
    got = await rig.ask("POST", "/reports", FORM, form(signed(credentials, kind)))
    assert (204, b"data") == (got.status, rig.store.stored("inside/up/a.txt"))
    record = await rig.last()
    assert (grant.id, "PostObject", "up/a.txt") == (record.grant_id, record.operation, record.key)


@pytest.mark.parametrize("on", ["v4", "v2"])
@pytest.mark.parametrize("kind", ["v4", "v2"])
async def test_a_form_signed_in_a_version_that_is_off_is_refused(kind: str, on: SignatureVersion) -> None:
    """By the listener's switch, before its key is looked up, or by a rule; the version that is on passes both."""
    alone = frozenset({on})
    async with running(signatures=alone) as rig:
        credentials, _ = await rig.key()
        got = await rig.ask("POST", "/reports", FORM, form(signed(credentials, kind)))
        assert (204 if kind == on else 400) == got.status
        assert (kind == on) == bool(rig.store.seen)
        if kind != on:
            assert "signature_version_refused" == (await rig.last()).reason
    async with running(policy(rule("one version", signatures=alone))) as rig:
        credentials, _ = await rig.key()
        got = await rig.ask("POST", "/reports", FORM, form(signed(credentials, kind)))
        assert (204 if kind == on else 403) == got.status
        assert (kind == on) == bool(rig.store.seen)


async def test_a_form_without_a_signature_is_nobodys(rig: Rig) -> None:
    """And never a trusted listener's app's: a page elsewhere could have sent it."""
    got = await rig.ask("POST", "/reports", FORM, form({"key": "up/a"}))
    assert 403 == got.status
    assert [] == rig.store.seen


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"key": "elsewhere/a"}, 403),
        ({"key": "up/../secret"}, 400),
        ({"x-amz-meta-more": "1"}, 403),
        ({"policy": b64encode(b"{}").decode()}, 403),
        ({"bucket": "other"}, 403),
        ({"success_action_redirect": "https://evil.example"}, 403),
    ],
)
async def test_a_form_that_was_changed_is_refused(rig: Rig, change: dict[str, str], status: int) -> None:
    """Nothing beyond what its policy covers."""
    credentials, _ = await rig.key()
    got = await rig.ask("POST", "/reports", FORM, form(signed(credentials) | change))
    assert status == got.status
    assert [] == rig.store.seen


@pytest.mark.parametrize("size", [1, 2, 8, 9])
async def test_the_policys_sizes_hold_for_the_file(rig: Rig, size: int) -> None:
    """Both ends included, and a file outside is not stored."""
    credentials, _ = await rig.key()
    got = await rig.ask("POST", "/reports", FORM, form(signed(credentials, sizes=(2, 8)), b"x" * size))
    fits = 2 <= size <= 8
    assert (204 if fits else 400) == got.status
    assert fits == (rig.store.stored("inside/up/a.txt") is not None)


async def test_the_rules_hold_for_the_key_of_a_form(rig: Rig) -> None:
    """The one authorisation function, for the key as filled in."""
    rig.use(policy(rule("everything"), deny("no", "reports/up/a.txt")))
    credentials, _ = await rig.key()
    assert 403 == (await rig.ask("POST", "/reports", FORM, form(signed(credentials)))).status
    assert 204 == (await rig.ask("POST", "/reports", FORM, form(signed(credentials), filename="b.txt"))).status


@pytest.mark.parametrize("end", [b"", b"\r\n--b", b"\r\n--c--\r\n"])
async def test_a_form_without_its_end_is_not_stored(rig: Rig, end: bytes) -> None:
    """The closing boundary is what makes it whole."""
    credentials, _ = await rig.key()
    got = await rig.ask("POST", "/reports", FORM, form(signed(credentials), end=end))
    assert (400, None) == (got.status, rig.store.stored("inside/up/a.txt"))


async def test_a_client_that_breaks_off_stores_nothing(rig: Rig) -> None:
    """And is recorded as gone."""
    credentials, _ = await rig.key()
    body = form(signed(credentials), b"x" * 50)
    async with rig.client() as client:
        await client.send(request("POST", "/reports", FORM | {"Content-Length": str(len(body))}, body[:-20]))
    assert Outcome.CLIENT_GONE == (await rig.recorded(1))[0].outcome
    assert None is rig.store.stored("inside/up/a.txt")


async def test_answers_to_forms(rig: Rig) -> None:
    """201 with a document, 200 without, or a redirect that was signed for."""
    credentials, _ = await rig.key()
    got = await rig.ask("POST", "/reports", FORM, form(signed(credentials, success_action_status="201")))
    assert (201, True) == (got.status, b"<Key>up/a.txt</Key>" in got.body)
    assert b"<Location>http://gw/reports/up/a.txt</Location>" in got.body
    assert (
        200 == (await rig.ask("POST", "/reports", FORM, form(signed(credentials, success_action_status="200")))).status
    )
    back = {"success_action_redirect": "https://app.example/done?x=1"}
    got = await rig.ask("POST", "/reports", FORM, form(signed(credentials, **back)))
    assert 303 == got.status
    location = got.header("location") or ""
    assert location.startswith("https://app.example/done?x=1&bucket=reports&key=up%2Fa.txt&etag=")


NOWHERE = ["javascript:alert(1)", "//evil.example", "file:///etc/passwd", "http://[x", "http://x/\0"]


@pytest.mark.parametrize("target", NOWHERE)
async def test_a_redirect_leads_to_the_web_or_nowhere(rig: Rig, target: str) -> None:
    """Only http and https with a host; what is no address at all spoils no upload."""
    credentials, _ = await rig.key()
    got = await rig.ask("POST", "/reports", FORM, form(signed(credentials, success_action_redirect=target)))
    assert (204, False) == (got.status, target in (got.header("location") or ""))


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data", "multipart/form-data; boundary="])
async def test_a_body_that_is_no_form_is_malformed(rig: Rig, content_type: str) -> None:
    """400, and nothing was asked of anybody."""
    assert (await rig.ask("POST", "/reports", {"Content-Type": content_type}, b"x")).status in {400, 501}
    assert [] == rig.store.seen


# links


async def test_a_form_through_a_link_is_named_by_its_file(rig: Rig) -> None:
    """Below the link's folder, with the file's own type; a receipt comes back."""
    token = await rig.link(prefix="in/", actions=WRITE)
    got = await rig.ask("POST", f"/s/{token}", FORM | {"Accept": "application/json"}, form({}, b"hello", "new.txt"))
    assert 201 == got.status
    assert ("new.txt", 5) == (json.loads(got.body)["name"], json.loads(got.body)["size"])
    assert b"hello" == rig.store.stored("inside/in/new.txt")
    assert "text/plain" == rig.store.seen[-1].header("content-type")


@pytest.mark.parametrize("filename", ["../../secret", "C:\\\\windows\\\\x.txt", "/etc/passwd", "a/b"])
async def test_a_file_name_is_no_path(rig: Rig, filename: str) -> None:
    """Only its last step counts, whatever the browser named."""
    token = await rig.link(prefix="in/", actions=WRITE)
    await rig.ask("POST", f"/s/{token}", FORM, form({}, b"hello", filename))
    keys = {key for _, key in rig.store.objects}
    assert all(key.startswith("inside/in/") and key.count("/") == 2 for key in keys)


async def test_a_form_that_names_no_file_is_refused(rig: Rig) -> None:
    """There is no name to write it under."""
    token = await rig.link(prefix="in/", actions=WRITE)
    assert 400 == (await rig.ask("POST", f"/s/{token}", FORM, form({}, b"hello", ""))).status
    assert {} == rig.store.objects


async def test_a_link_holds_forms_to_its_size(rig: Rig) -> None:
    """The file's bytes, not the form's."""
    token = await rig.link(prefix="in/", actions=WRITE, max_size=10)
    assert 201 == (await rig.ask("POST", f"/s/{token}", FORM, form({}, b"x" * 10))).status
    assert 413 == (await rig.ask("POST", f"/s/{token}", FORM, form({}, b"x" * 11, "b.txt"))).status
    assert {("real", "inside/in/a.txt")} == set(rig.store.objects)


async def test_a_form_never_overwrites_through_a_link(rig: Rig) -> None:
    """As a PUT does not."""
    token = await rig.link(prefix="in/", actions=WRITE)
    assert 201 == (await rig.ask("POST", f"/s/{token}", FORM, form({}, b"one"))).status
    assert 409 == (await rig.ask("POST", f"/s/{token}", FORM, form({}, b"two"))).status
    assert b"one" == rig.store.stored("inside/in/a.txt")
