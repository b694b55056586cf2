"""What is loaded, why it decides so, and presigning."""

from __future__ import annotations

import pytest

from tests.control.desk import Desk


async def test_backends_show_no_secret(desk: Desk) -> None:
    """A backend is a name, a profile and what it can do; no endpoint, no real bucket."""
    answer = await desk.ask("GET", "/v1/backends")
    assert answer.json["backends"] == [
        {"name": "archive", "profile": "ceph", "capabilities": [], "drained": False},
        {"name": "lab", "profile": "ceph", "capabilities": [], "drained": True},
    ]


async def test_the_policy_is_shown_with_its_sources(desk: Desk) -> None:
    """Rules are shown as they were compiled, with file and line; real bucket names are not."""
    answer = await desk.ask("GET", "/v1/policy")
    rules = {rule["name"]: rule for rule in answer.json["rules"]}
    invoices = rules["billing shares invoices"]
    assert invoices["who"] == ["app:billing"]
    assert invoices["may"] == ["read", "share"]
    assert invoices["on"] == ["reports/invoices/**"]
    assert invoices["links"]["max_expires"] == 86400.0
    assert invoices["source"].startswith("policies/test.yaml:")
    assert rules["nobody touches payroll"]["effect"] == "deny"
    assert "acme" not in answer.text


async def test_explain_names_the_rule(desk: Desk) -> None:
    """An allowed attempt is explained by the rule that allows it."""
    body = {"who": "app:billing", "do": "GetObject", "on": "reports/invoices/1.pdf", "from": "192.0.2.7"}
    answer = (await desk.ask("POST", "/v1/policy/explain", body)).json
    assert answer["allowed"] is True
    assert answer["rule"] == "billing shares invoices"
    assert answer["delivery"] == "stream"
    assert {rule["rule"]: rule["verdict"] for rule in answer["rules"]} == {
        "nobody touches payroll": "covers other names",
        "billing shares invoices": "allows",
    }


async def test_explain_gives_all_reasons(desk: Desk) -> None:
    """A refused attempt is explained by every objection."""
    body = {"who": "app:billing", "do": "write", "on": "drafts/../x"}
    answer = (await desk.ask("POST", "/v1/policy/explain", body)).json
    assert answer["allowed"] is False
    assert [found["reason"] for found in answer["objections"]] == ["bad_key", "not_allowed", "backend_drained"]


async def test_explain_through_a_link(desk: Desk) -> None:
    """With a link's id, its own conditions count too."""
    link = await desk.link(cidrs=["192.0.2.0/24"], expires_in=60)
    body = {"link": link["id"], "do": "read", "on": "reports/a.pdf", "from": "192.0.2.7"}
    assert (await desk.ask("POST", "/v1/policy/explain", body)).json["allowed"] is True
    desk.clock.now += 61
    late = (await desk.ask("POST", "/v1/policy/explain", body | {"from": "198.51.100.1"})).json
    assert [found["reason"] for found in late["objections"]] == ["expired", "peer_not_allowed"]
    assert (await desk.ask("POST", "/v1/policy/explain", body | {"link": "l_none"})).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"do": "read", "on": "reports/a"},
        {"do": "Fly", "who": "app:a", "on": "reports/a"},
        {"do": "read", "who": "a", "on": "x"},
        {"do": "read", "who": "app:a", "on": "x", "from": "here"},
        {"do": "read", "who": "app:a", "on": "x", "holder": "ann@acme.example"},
        {"do": "read", "link": "l_1", "on": "x", "holder": "ann"},
    ],
)
async def test_wrong_questions_are_faults(desk: Desk, body: dict[str, object]) -> None:
    """A question needs somebody, a known doing and real addresses."""
    assert (await desk.ask("POST", "/v1/policy/explain", body)).status == 422


async def test_presign_needs_a_sign_rule(desk: Desk) -> None:
    """A presigned URL is given only where a rule lets the principal sign, and do what the URL does."""
    body = {"bucket": "reports", "key": "signed/a b.bin", "as": "app:signer", "expires_in": "15m"}
    answer = await desk.ask("POST", "/v1/presign", body)
    assert answer.status == 200, answer.text
    call, seconds = desk.upstream.calls[0]
    assert (call.backend, call.method, call.bucket, call.key) == (
        "archive", "GET", "acme-secret-name", "prod/signed/a b.bin",
    )  # fmt: skip
    assert seconds == 900
    assert answer.json["expires_at"] == "2027-01-15T08:15:00Z"
    assert any(lost.startswith("revocation") for lost in answer.json["lost"])
    assert desk.audited() == ["presign"]
    for wrong in ({"as": "app:billing"}, {"key": "a"}, {"method": "DELETE"}, {"as": None}):
        refused = await desk.ask("POST", "/v1/presign", body | wrong)
        assert refused.status == 403, wrong
        assert refused.json["reason"] == "not_allowed"
    assert len(desk.upstream.calls) == 1


async def test_presign_signs_headers_of_a_list(desk: Desk) -> None:
    """Only headers of an allow-list are signed, without control bytes."""
    body = {"bucket": "reports", "key": "signed/a", "as": "app:signer", "method": "PUT"}
    headers = {"content-type": "text/plain", "x-amz-meta-a": "1"}
    answer = await desk.ask("POST", "/v1/presign", body | {"headers": headers})
    assert answer.json["headers"] == headers
    spelt = await desk.ask(
        "POST", "/v1/presign", body | {"headers": {"Content-Type": "text/plain", "X-Amz-Meta-A": "1"}}
    )
    assert spelt.json["headers"] == headers
    doubled = await desk.ask("POST", "/v1/presign", body | {"headers": {"Range": "bytes=0-1", "range": "bytes=2-3"}})
    assert doubled.json["errors"] == [{"detail": "a header is named twice", "pointer": "/headers"}]
    assert desk.upstream.calls[0][0].headers == (("content-type", "text/plain"), ("x-amz-meta-a", "1"))
    for name, value in (
        ("host", "x"),
        ("x-amz-copy-source", "/b/k"),
        ("x-amz-acl", "p"),
        ("content-type", "a\r\nb: c"),
    ):
        assert (await desk.ask("POST", "/v1/presign", body | {"headers": {name: value}})).status == 422
    assert (await desk.ask("POST", "/v1/presign", body | {"expires_in": "8d"})).status == 422


async def test_the_life_told_is_the_life_signed(desk: Desk) -> None:
    """When a profile caps a URL's life, the answer says when it really ends."""
    desk.upstream.capped = 60
    body = {"bucket": "reports", "key": "signed/a", "as": "app:signer", "expires_in": 900}
    assert (await desk.ask("POST", "/v1/presign", body)).json["expires_at"] == "2027-01-15T08:01:00Z"
