"""Laws of `gateway.wire.replies`."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from gateway.core.limits import Verdict
from gateway.core.reasons import TABLE, Reason, Refused, public_reason
from gateway.core.request import ObjectRequest, RawRequest
from gateway.pages.branding import Branding
from gateway.pages.refusals import refusal_page
from gateway.pages.render import Page, look_for
from gateway.wire.http.target import raw_request
from gateway.wire.parse import parse
from gateway.wire.replies import (
    RefusalDetails,
    Reply,
    page_reply,
    problem,
    rate_fields,
    refusal,
    retry_after_field,
    s3_error,
    s3_ids,
    store_error,
    store_reason,
    xml_reply,
)

ID = "REQ1"


def raw(method: str, target: str, *headers: tuple[str, str]) -> RawRequest:
    pairs = [(b"Host", b"gw"), *((name.encode(), value.encode()) for name, value in headers)]
    return raw_request(method, target, pairs)


def asked(method: str, target: str, *headers: tuple[str, str]) -> ObjectRequest:
    return parse(raw(method, target, *headers))


def field(reply: Reply, name: str) -> str | None:
    return dict(reply.headers).get(name)


def xml(reply: Reply) -> dict[str, str]:
    return {node.tag: node.text or "" for node in ET.fromstring(reply.body)}


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_an_s3_error(reason: Reason) -> None:
    """On S3 paths every reason is an error document with the table's status and code, and both ids."""
    reply = refusal(Refused(reason, "a secret detail"), None, raw("GET", "/bucket/k%20ey"), ID)
    members = xml(reply)
    assert (reply.status, members["Code"]) == (TABLE[reason].status, TABLE[reason].code)
    assert (members["Resource"], members["RequestId"]) == ("/bucket/k%20ey", ID)
    assert (field(reply, "x-amz-request-id"), field(reply, "x-amz-id-2")) == (ID, members["HostId"])
    assert b"secret detail" not in reply.body


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_problem_document(reason: Reason) -> None:
    """On link paths programs get RFC 9457 with a public reason and the request id."""
    reply = refusal(Refused(reason, "a secret detail"), None, raw("GET", "/s/tok"), ID)
    members = json.loads(reply.body)
    assert field(reply, "Content-Type") == "application/problem+json"
    assert (reply.status, members["status"]) == (TABLE[reason].link_status,) * 2
    assert (members["reason"], members["request_id"]) == (public_reason(reason).value, ID)
    assert "secret detail" not in reply.body.decode()
    assert field(reply, "Cache-Control") == "private, no-store"


def page(reason: Reason, request_id: str) -> Page:
    return refusal_page(look_for(Branding(), None), reason, request_id)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_page(reason: Reason) -> None:
    """On link paths browsers get a page that says the same, where there is somebody who makes it."""
    browser = raw("GET", "/s/tok", ("Accept", "text/html,*/*;q=0.8"))
    reply = refusal(Refused(reason), None, browser, ID, RefusalDetails(page=page))
    assert reply.status == TABLE[reason].link_status
    assert "application/problem+json" == field(refusal(Refused(reason), None, browser, ID), "Content-Type")
    assert field(reply, "Content-Type") == "text/html; charset=utf-8"
    assert field(reply, "Referrer-Policy") == "no-referrer"
    assert b"<h1>" in reply.body


def test_a_document_for_one_caller_is_kept_by_no_cache() -> None:
    """A listing that a revoked address once gave would go on there, and one cache gives it to whoever asks."""
    assert ("Cache-Control", "private, no-store") in xml_reply(b"<a/>", "r1").headers


@pytest.mark.parametrize("reason", list(Reason))
def test_no_s3_error_speaks_of_a_link(reason: Reason) -> None:
    """What was refused there is a key's request."""
    assert "link" not in xml(s3_error(reason, "r1", "/b/k"))["Message"].lower()


def test_unknown_and_out_of_scope_cannot_be_told_apart() -> None:
    """Who probes a link learns nothing from the difference between "no such link" and "not below this link"."""
    replies = {
        refusal(Refused(reason), None, raw("GET", "/s/tok"), ID)
        for reason in (Reason.UNKNOWN_TOKEN, Reason.OUT_OF_SCOPE)
    }
    assert len(replies) == 1


@pytest.mark.parametrize("target", ["/s/tok", "/bucket/k"])
def test_head_has_no_body(target: str) -> None:
    """The answer to HEAD is the answer to GET without its body."""
    reply = refusal(Refused(Reason.OBJECT_GONE), None, raw("HEAD", target), ID)
    assert (reply.status, reply.body) == (404, b"")


def test_refusal_before_anything_was_understood() -> None:
    """A request whose line was refused still gets an S3 error."""
    assert xml(refusal(Refused(Reason.BAD_REQUEST), None, None, ID))["Code"] == "InvalidRequest"


@pytest.mark.parametrize(
    ("reason", "target", "status"),
    [
        (Reason.TOO_MANY_REQUESTS, "/s/tok", 429),
        (Reason.TOO_MANY_REQUESTS, "/bucket/k", 503),
        (Reason.VIEW_TOO_OLD, "/s/tok", 503),
        (Reason.DEPENDENCY_DOWN, "/bucket/k", 503),
    ],
)
def test_not_now_says_when(reason: Reason, target: str, status: int) -> None:
    """429 and 503 carry whole seconds to wait, rounded up, and the limit that was hit."""
    verdict = Verdict(False, 2.1, 0, 200, 7.2)
    reply = refusal(Refused(reason, retry_after=2.1), None, raw("GET", target), ID, RefusalDetails(verdict=verdict))
    assert (reply.status, field(reply, "Retry-After")) == (status, "3")
    assert field(reply, "RateLimit") == '"requests";r=0;t=8'
    assert field(reply, "RateLimit-Policy") == '"requests";q=200'
    assert field(refusal(Refused(reason), None, raw("GET", target), ID), "Retry-After") == "1"


def test_retry_after_is_at_least_a_second() -> None:
    """A wait below one second is still one: clients read 0 as "now"."""
    assert retry_after_field(0.01) == ("Retry-After", "1")
    assert rate_fields(Verdict(True, 0, -1, 5, 0.2))[1] == ("RateLimit", '"requests";r=0;t=1')


def test_method_not_allowed_says_what_is() -> None:
    """405 carries Allow (RFC 9110, 15.5.6)."""
    refused = Refused(Reason.METHOD_NOT_ALLOWED)
    assert field(refusal(refused, None, raw("PATCH", "/s/tok"), ID), "Allow") == "GET, HEAD, OPTIONS, POST, PUT"
    assert "DELETE" in (field(refusal(refused, None, raw("PATCH", "/bucket/k"), ID), "Allow") or "")
    request = asked("GET", "/s/tok")
    assert field(refusal(refused, request, request.raw, ID, RefusalDetails(allow=("GET",))), "Allow") == "GET"


@pytest.mark.parametrize("reason", [Reason.PASSWORD_REQUIRED, Reason.PASSWORD_WRONG])
def test_password_is_asked_for(reason: Reason) -> None:
    """Programs get a Basic challenge; browsers a form, without the dialogue that Basic would put over it."""
    told = refusal(Refused(reason), None, raw("GET", "/s/tok"), ID)
    assert (told.status, (field(told, "WWW-Authenticate") or "").split(",")[0]) == (401, 'Basic realm="link"')
    shown = refusal(Refused(reason), None, raw("GET", "/s/tok", ("Accept", "text/html")), ID, RefusalDetails(page=page))
    assert (shown.status, b'type="password"' in shown.body) == (401, True)
    assert "Basic" not in (field(shown, "WWW-Authenticate") or "")
    for by_page in (("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Mode", "no-cors"), ("Tus-Resumable", "1.0.0")):
        fetched = refusal(Refused(reason), None, raw("GET", "/s/tok", ("Accept", "*/*"), by_page), ID)
        assert (401, 'Form realm="link"') == (fetched.status, field(fetched, "WWW-Authenticate")), (
            "nor over a page's own"
        )
    assert (b"The password is wrong" in shown.body) is (reason is Reason.PASSWORD_WRONG)


_AS_BROWSER = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")


@pytest.mark.parametrize(
    ("fields", "scheme"),
    [
        ((_AS_BROWSER, ("User-Agent", "wget2/1.99.1")), "Basic"),
        ((("Accept", "text/html, image/gif, image/jpeg, */*; q=0.2"), ("User-Agent", "Java/17.0.1")), "Basic"),
        ((_AS_BROWSER, ("Range", "bytes=0-")), "Basic"),
        ((_AS_BROWSER, ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")), "Form"),
        ((_AS_BROWSER, ("Range", "bytes=0-"), ("Sec-Fetch-Mode", "navigate")), "Form"),
    ],
)
def test_programs_that_accept_pages_are_asked_as_programs(fields: tuple[tuple[str, str], ...], scheme: str) -> None:
    """Who fetches files with a browser's Accept, and has a password to give, hears the challenge that it waits for."""
    refused = Refused(Reason.PASSWORD_REQUIRED)
    told = refusal(refused, None, raw("GET", "/s/tok", *fields), ID, RefusalDetails(page=page))
    assert (field(told, "WWW-Authenticate") or "").split()[0] == scheme


def test_error_documents_escape_the_resource() -> None:
    """A name from outside stays text in XML, whatever it is made of."""
    reply = s3_error(Reason.OBJECT_GONE, ID, "/b/<&>\"'\x00\udcff")
    assert xml(reply)["Resource"] == "/b/<&>\"'??"


def test_problem_and_page_take_more_headers() -> None:
    """A caller of these functions can add headers, which come last."""
    extra = (("X-Extra", "1"),)
    assert problem(Reason.EXPIRED, ID, headers=extra).headers[-1:] == extra
    assert page_reply(page(Reason.EXPIRED, ID), headers=extra).headers[-1:] == extra


def test_ids_depend_on_the_request_only() -> None:
    """Both ids are made from the request id, so that support can go from one to the other."""
    assert s3_ids("a") == s3_ids("a") != s3_ids("b")


@pytest.mark.parametrize(
    ("status", "code", "told", "reason"),
    [
        (404, "NoSuchKey", (404, "NoSuchKey"), Reason.OBJECT_GONE),
        (404, "", (404, "NoSuchKey"), Reason.OBJECT_GONE),
        (404, "NoSuchUpload", (404, "NoSuchUpload"), Reason.UPSTREAM_REFUSED),
        (412, "PreconditionFailed", (412, "PreconditionFailed"), Reason.PRECONDITION_FAILED),
        (416, "InvalidRange", (416, "InvalidRange"), Reason.BAD_RANGE),
        (400, "InvalidPart", (400, "InvalidPart"), Reason.UPSTREAM_REFUSED),
        (503, "SlowDown", (503, "SlowDown"), Reason.OVERLOADED),
        (403, "AccessDenied", (502, "BadGateway"), Reason.UPSTREAM_REFUSED),
        (403, "SignatureDoesNotMatch", (502, "BadGateway"), Reason.UPSTREAM_REFUSED),
        (403, "", (502, "BadGateway"), Reason.UPSTREAM_REFUSED),
        (404, "NoSuchBucket", (502, "BadGateway"), Reason.UPSTREAM_REFUSED),
        (301, "PermanentRedirect", (502, "BadGateway"), Reason.UPSTREAM_REFUSED),
        (418, "Teapot<script>", (502, "BadGateway"), Reason.UPSTREAM_REFUSED),
    ],
)
def test_store_errors_are_told_in_our_words(status: int, code: str, told: tuple[int, str], reason: Reason) -> None:
    """What is about the caller's request is relayed by code; what is about our settings is our fault."""
    reply = store_error(status, code, asked("GET", "/bucket/k"), ID)
    assert (reply.status, xml(reply)["Code"]) == told
    assert store_reason(status, code) is reason
    assert xml(reply)["Resource"] == "/bucket/k"


@pytest.mark.parametrize(
    ("status", "code", "reason", "words"),
    [
        (412, "PreconditionFailed", Reason.PRECONDITION_FAILED, "At least one of the pre-conditions you specified did"),
        (404, "NoSuchKey", Reason.OBJECT_GONE, "The specified key does not exist."),
        (404, "NoSuchKey", Reason.UNKNOWN_TOKEN, "The specified key does not exist."),
    ],
)
def test_what_programs_know_by_its_words_is_told_in_the_words_of_s3(
    status: int, code: str, reason: Reason, words: str
) -> None:
    """s3fs knows a file that changed while it was read by "pre-conditions", users of minio-go a missing one."""
    for reply in (store_error(status, code, asked("GET", "/bucket/k"), ID), s3_error(reason, ID, "/bucket/k")):
        assert xml(reply)["Message"].startswith(words)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("InvalidPart", Reason.BAD_ARGUMENT),
        ("InvalidPartOrder", Reason.BAD_PART_ORDER),
        ("NoSuchUpload", Reason.OBJECT_GONE),
        ("InvalidTag", Reason.BAD_TAG),
        ("NoSuchKey", Reason.OBJECT_GONE),
        ("AccessDenied", Reason.UPSTREAM_REFUSED),
    ],
)
def test_what_an_app_does_wrong_is_recorded_as_its_fault(code: str, reason: Reason) -> None:
    """A record that blames the store wakes its operator; of an app's own mistakes it does not."""
    assert store_reason(400, code, link=False) is reason


def test_store_errors_on_links_are_problems() -> None:
    """A link's holder gets the same facts as a problem document."""
    reply = store_error(404, "NoSuchKey", asked("GET", "/s/tok"), ID)
    assert json.loads(reply.body)["reason"] == "object_gone"
    assert store_error(404, "NoSuchKey", asked("HEAD", "/bucket/k"), ID).body == b""


def test_store_that_asks_to_slow_down_says_when() -> None:
    """In seconds, as every 503 does."""
    reply = store_error(503, "SlowDown", asked("GET", "/bucket/k"), ID)
    assert field(reply, "Retry-After") == "1"
