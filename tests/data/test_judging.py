"""A store's "no", in our words and names."""

from __future__ import annotations

import json

import pytest

from tests.data.harness import Rig
from tests.data.scripted_store import Scripted, xml

SECRET = "<Error><Code>{}</Code><Message>the key AKIASECRET of real/inside</Message><HostId>store7</HostId></Error>"
S3 = [
    (404, "NoSuchKey", 404, "NoSuchKey"),
    (404, "NoSuchBucket", 502, "BadGateway"),  # a fault of our settings, not of the caller's request
    (403, "SignatureDoesNotMatch", 502, "BadGateway"),
    (403, "InvalidAccessKeyId", 502, "BadGateway"),
    (301, "PermanentRedirect", 502, "BadGateway"),
    (416, "InvalidRange", 416, "InvalidRange"),
    (503, "SlowDown", 503, "SlowDown"),
    (500, "InternalError", 500, "InternalError"),
    (418, "Teapot", 502, "BadGateway"),
]


@pytest.mark.parametrize(("status", "code", "told", "named"), S3)
async def test_an_s3_client_hears_what_is_about_its_request(
    app: Rig, status: int, code: str, told: int, named: str
) -> None:
    """The rest is about us, and answered 502; never a word of the store's."""
    app.store.script(xml(SECRET.format(code), status))
    got = await app.ask("GET", "/reports/a")
    assert (told, True) == (got.status, f"<Code>{named}</Code>" in got.text)
    assert all(word not in got.text for word in ("AKIASECRET", "real", "inside", "store7"))


@pytest.mark.parametrize(("status", "told"), [(404, 404), (403, 502), (500, 502), (503, 502), (307, 502)])
async def test_a_link_hears_a_reason(rig: Rig, status: int, told: int) -> None:
    """In problem documents."""
    rig.store.script(xml(SECRET.format("" if status != 404 else "NoSuchKey"), status))
    got = await rig.fetch(await rig.link())
    assert told == got.status
    assert json.loads(got.body)["reason"] in {"object_gone", "upstream_refused", "upstream_unreachable"}


async def test_head_is_judged_by_its_status(app: Rig) -> None:
    """There is no document to read."""
    app.store.script(Scripted(404), Scripted(403))
    assert [404, 502] == [(await app.ask("HEAD", "/reports/a")).status for _ in range(2)]


async def test_a_huge_error_document_is_not_read(app: Rig) -> None:
    """64 KiB are enough for any error."""
    app.store.script(Scripted(500, {}, [b"x" * 100_000]))
    assert 500 <= (await app.ask("GET", "/reports/a")).status
    assert 0 == app.store.open_now
