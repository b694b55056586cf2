"""From valid entries to one policy: nothing is lost on the way, and a rule that could never matter is a fault."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from gateway.core.request import Action
from gateway.core.route import Bucket, Cors, Delivery
from gateway.core.rule import Effect, LinkLimits
from gateway.core.units import Rate
from tests.settings.conftest import Folder

HEAD = """\
backends: {near: {profile: regional, credentials: chain}}
buckets: {reports: {backend: near}, media: {backend: near}}
"""


def test_a_bucket_is_compiled_whole(folder: Folder) -> None:
    """The real name and prefix, the cross-origin rules, the delivery."""
    policy = folder.policy(
        """
backends: {near: {profile: regional, credentials: chain}}
buckets:
  plain: {backend: near}
  full:
    backend: near
    bucket: Acme_2030
    prefix: a/b/
    delivery: redirect
    cors:
      - {origins: "*"}
      - {origins: ["https://a.example"], methods: [PUT, POST], headers: ["*"], expose: ETag, max_age: 1h}
"""
    ).policy
    assert Bucket("plain", "near", "plain") == policy.buckets["plain"]
    assert (
        Bucket(
            "full",
            "near",
            "Acme_2030",
            "a/b/",
            (Cors(("*",)), Cors(("https://a.example",), ("PUT", "POST"), ("*",), ("ETag",), 3600)),
            Delivery.REDIRECT,
        )
        == policy.buckets["full"]
    )


def test_a_rule_is_compiled_whole(folder: Folder) -> None:
    """Every key of it reaches the decision."""
    [rule] = folder.policy(
        HEAD
        + """
rules:
  - name: all of it
    who: [app:a, "app:b-*"]
    may: [read, share]
    on: [reports/a/**, media/*.mp4]
    from: [10.0.0.0/8, 192.0.2.1]
    max_size: 1MiB
    links:
      {actions: [read, list], max_expires: 2d, max_uses: 3, max_size: 5, max_files: 7, total_bytes: 1KiB,
       types: image/*, password: required, holders: required}
    delivery: redirect
    when: size < 5
"""
    ).policy.rules
    assert "all of it" == rule.name
    assert Effect.ALLOW is rule.effect
    assert ["app:a", "app:b-*"] == [pattern.text for pattern in rule.who]
    assert {Action.READ, Action.SHARE} == rule.may
    assert ["reports/a/**", "media/*.mp4"] == [pattern.text for pattern in rule.on]
    assert (ip_network("10.0.0.0/8"), ip_network("192.0.2.1/32")) == rule.networks
    assert 1024**2 == rule.max_size
    limits = LinkLimits(
        frozenset({Action.READ, Action.LIST}), 2 * 86400, 3, 5, 7, 1024, ("image/*",), password=True, holders=True
    )
    assert limits == rule.links
    assert Delivery.REDIRECT is rule.delivery
    assert rule.condition is not None
    assert "size < 5" == rule.condition.text
    assert f"{folder.policies}/a.yaml:5:5" == rule.source


def test_what_is_left_out_limits_nothing(folder: Folder) -> None:
    """The least that a rule can say, and a deny rule."""
    deny, allow = folder.policy(
        HEAD
        + "rules: [{name: d, effect: deny, who: anonymous, may: write, on: '**'}, "
        + "{name: a, who: '*', may: share, on: reports/**, links: {}}]"
    ).policy.rules
    assert Effect.DENY is deny.effect
    for rule in (deny, allow):
        assert ((), None, None, None) == (rule.networks, rule.max_size, rule.delivery, rule.condition)
    assert None is deny.links
    assert LinkLimits() == allow.links


def test_a_limit_is_compiled_whole(folder: Folder) -> None:
    """Rates with their burst, bandwidth in bytes per second, transfers at once, and who shares the count."""
    first, second = folder.policy(
        HEAD
        + "limits: [{who: 'app:*', requests: 200/s, burst: 400, bandwidth: 2MiB/s, concurrent: 9}, "
        + "{who: 'link:*', per: link, requests: 10/min}]"
    ).policy.limits
    assert (Rate(200, 1.0, 400), 2 * 1024**2, 9, "principal") == (
        first.requests,
        first.bandwidth,
        first.concurrent,
        first.per,
    )
    assert (Rate(10, 60.0, 10), None, None, "link") == (
        second.requests,
        second.bandwidth,
        second.concurrent,
        second.per,
    )
    assert f"{folder.policies}/a.yaml:3:10" == first.source
    assert second.who.matches("link:l_1")


@pytest.mark.parametrize(
    ("deny", "allow", "pointless"),
    [
        ("who: '*', may: [read, write], on: '**'", "who: 'app:x', may: read, on: reports/a/**", True),
        ("who: 'app:*', may: read, on: reports/**", "who: [app:x, 'app:y-*'], may: read, on: reports/a/**", True),
        ("who: app:x, may: read, on: reports/a/**", "who: app:x, may: read, on: reports/a/**", True),
        ("who: [app:x, app:y], may: read, on: '**'", "who: [app:y, app:x], may: read, on: [media/x, reports/y]", True),
        ("who: 'app:x', may: read, on: reports/**", "who: 'app:*', may: read, on: reports/**", False),
        ("who: 'app:*', may: read, on: reports/**", "who: 'admin:x', may: read, on: reports/**", False),
        ("who: '*', may: read, on: reports/**", "who: app:x, may: [read, write], on: reports/**", False),
        ("who: '*', may: read, on: reports/**", "who: app:x, may: read, on: [reports/**, media/**]", False),
        ("who: '*', may: read, on: reports/**", "who: group:a, may: read, on: reports/**", True),
        ("who: 'group:*', may: read, on: reports/**", "who: group:a, may: read, on: reports/**", True),
        ("who: 'group:*', may: read, on: reports/**", "who: group:/a, may: read, on: reports/**", False),
        ("who: 'group:a', may: read, on: reports/**", "who: 'user:*', may: read, on: reports/**", False),
        ("who: '*', may: read, on: '**', from: 10.0.0.0/8", "who: app:x, may: read, on: reports/**", False),
        ("who: '*', may: read, on: '**', signatures: [v2]", "who: app:x, may: read, on: reports/**", False),
        ("who: '*', may: read, on: '**', when: size > 0", "who: app:x, may: read, on: reports/**", False),
    ],
)  # fmt: skip
def test_an_allow_rule_that_is_always_denied_is_a_fault(folder: Folder, deny: str, allow: str, pointless: bool) -> None:
    """Somebody believes that it allows something."""
    text = f"{HEAD}rules: [{{name: d, effect: deny, {deny}}}, {{name: a, {allow}}}]"
    if pointless:
        [fault] = folder.policy_faults(text)
        assert fault.endswith("rules[1]: never allows anything: the rule 'd' denies all of it")
    else:
        assert 2 == len(folder.policy(text).policy.rules)
