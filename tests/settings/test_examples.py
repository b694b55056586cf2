"""Worked examples: decided like real requests, and never able to prove nothing."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from gateway.core.reasons import SettingsError
from gateway.core.request import Action, Operation
from gateway.settings.examples import DEFAULT_AT
from gateway.settings.policies import check_examples
from tests.settings.conftest import Folder

POLICY = """\
backends: {near: {profile: regional, credentials: chain}}
buckets: {reports: {backend: near}}
rules:
  - {name: reads, who: app:a, may: [read, list], on: reports/a/**}
  - {name: shares, who: app:a, may: share, on: reports/a/public/**}
  - {name: office, who: app:b, may: write, on: reports/**, from: 10.0.0.0/8, max_size: 1KiB}
  - {name: evenings, who: app:c, may: read, on: reports/**, when: now.getHours() >= 18}
examples:
"""


def failed(folder: Folder, *examples: str) -> list[str]:
    loaded = folder.policy(POLICY + "\n".join(f"  - {{{example}}}" for example in examples))
    assert len(examples) == len(loaded.examples)
    return [fault.replace(f"{folder.policies}/", "") for fault in check_examples(loaded)]


def test_right_examples_pass(folder: Folder) -> None:
    """Each way of asking: objects, listings, bucket questions, sharing, networks, sizes, times."""
    assert [] == failed(
        folder,
        "who: app:a, do: GetObject, on: reports/a/x, expect: allow",
        "who: app:a, do: GetObject, on: reports/b/x, expect: deny",
        "who: app:a, do: ListObjectsV2, on: reports/a/, expect: allow",
        "who: app:a, do: ListObjectsV2, on: reports, expect: deny",
        "who: app:a, do: HeadBucket, on: reports, expect: allow",
        "who: app:z, do: HeadBucket, on: reports, expect: deny",
        "who: app:a, do: share, on: reports/a/public/x, expect: allow",
        "who: app:a, do: share, on: reports/a/x, expect: deny",
        "who: app:a, do: sign, on: reports/a/x, expect: deny",
        "who: app:b, do: PutObject, on: reports/x, from: 10.1.1.1, size: 1024, expect: allow",
        "who: app:b, do: PutObject, on: reports/x, from: 10.1.1.1, size: 1025, expect: deny",
        "who: app:b, do: PutObject, on: reports/x, from: 192.0.2.1, size: 1, expect: deny",
        "who: app:b, do: PutObject, on: reports/x, size: 1, expect: deny",
        "who: app:c, do: GetObject, on: reports/x, at: '2031-01-01T18:00:00Z', expect: allow",
        "who: app:c, do: GetObject, on: reports/x, expect: deny",
        "who: app:a, do: GetObject, on: reports/a/../b/x, expect: deny",
        "who: anonymous, do: GetObject, on: reports/a/x, expect: deny",
    )


def test_a_wrong_example_says_what_decided(folder: Folder) -> None:
    """With its place, who tried what, what was expected and why, and the rule or objection."""
    assert [
        "a.yaml:9:5: app:a GetObject reports/a/x: expected deny (it is private), but the rule 'reads' allows it",
        "a.yaml:10:5: app:a PutObject reports/a/x: expected allow, but: no rule allows app:a to write this",
        "a.yaml:11:5: app:z share reports/x: expected allow, but: no rule allows app:z to share this",
    ] == failed(
        folder,
        "who: app:a, do: GetObject, on: reports/a/x, expect: deny, reason: it is private",
        "who: app:a, do: PutObject, on: reports/a/x, expect: allow",
        "who: app:z, do: share, on: reports/x, expect: allow",
    )


@pytest.mark.parametrize(
    ("example", "fault"),
    [
        (
            "who: app:a, do: GetObject, on: report/x, expect: deny",
            "a.yaml:9:37: examples[0].on: no bucket is named 'report' (did you mean 'reports'? allowed: reports)",
        ),
        (
            "who: app:a, do: GetObject, on: reports, expect: deny",
            "a.yaml:9:37: examples[0].on: GetObject needs a key: write BUCKET/KEY",
        ),
        (
            "who: 'link:l_1', do: GetObject, on: reports/x, expect: deny",
            "a.yaml:9:11: examples[0].who: a link acts for its owner: name the owner",
        ),
    ],
)
def test_an_example_that_proves_nothing_is_a_fault(folder: Folder, example: str, fault: str) -> None:
    """A misspelt bucket would be denied for ever, and pass."""
    assert [fault] == folder.policy_faults(f"{POLICY}  - {{{example}}}")


def test_a_drained_backend_makes_no_example_fail(folder: Folder) -> None:
    """Taking a store out for an hour must not need another policy."""
    text = POLICY.replace("credentials: chain", "credentials: chain, drained: true")
    loaded = folder.policy(text + "  - {who: app:a, do: GetObject, on: reports/a/x, expect: allow}")
    assert True is loaded.policy.backends["near"].drained
    assert [] == check_examples(loaded)


def test_an_example_is_an_attempt(folder: Folder) -> None:
    """What stands in the file is what is decided, at a fixed time unless it names one."""
    loaded = folder.policy(
        POLICY
        + "  - {who: app:a, do: UploadPart, on: reports/a/x, from: 10.1.1.1, size: 5MiB, expect: deny, reason: why}\n"
        "  - {who: app:a, do: sign, on: reports/a/x, at: '1970-01-01T00:01:00Z', expect: deny}"
    )
    part, sign = loaded.examples
    assert (Operation.UPLOAD_PART, Action.WRITE) == (part.attempt.operation, part.attempt.action)
    assert ("app:a", "reports", "a/x") == (str(part.attempt.principal), part.attempt.bucket, part.attempt.key)
    assert (ip_address("10.1.1.1"), 5 * 1024**2, DEFAULT_AT) == (part.attempt.peer, part.attempt.size, part.attempt.now)
    assert (Operation.GET_OBJECT, Action.SIGN, 60.0) == (sign.attempt.operation, sign.attempt.action, sign.attempt.now)
    assert ("deny", "why", f"{folder.policies}/a.yaml:9:5") == (part.expect, part.reason, part.source)


_GROUPS = """\
backends: {near: {profile: regional, credentials: chain}}
buckets: {reports: {backend: near}}
rules:
  - {name: finance, who: ["group:finance", "user:*@audit.example"], may: read, on: reports/**}
  - {name: contractors, who: "group:/teams/contractors", may: read, on: reports/plans/**, effect: deny}
examples:
"""


def test_an_example_may_say_a_users_groups(folder: Folder) -> None:
    """Rules that name groups are tried like others; and what goes wrong says the groups."""
    loaded = folder.policy(
        _GROUPS
        + """\
  - {who: user:ann@acme.example, groups: finance, do: GetObject, on: reports/a, expect: allow}
  - {who: user:ann@acme.example, groups: [ops], do: GetObject, on: reports/a, expect: deny}
  - {who: user:eve@audit.example, do: GetObject, on: reports/a, expect: allow}
  - {who: user:ann, groups: [finance, /teams/contractors], do: GetObject, on: reports/plans/a, expect: deny}
  - {who: user:ann@acme.example, groups: [ops, it], do: GetObject, on: reports/a, expect: allow}
"""
    )
    [fault] = check_examples(loaded)
    assert "user:ann@acme.example of it, ops GetObject reports/a: expected allow" in fault


@pytest.mark.parametrize("who", ["app:a", "anonymous", "admin:ops"])
def test_only_a_user_has_groups(folder: Folder, who: str) -> None:
    """An example of anybody else with groups proves nothing."""
    with pytest.raises(SettingsError, match="`groups` are a user's"):
        folder.policy(_GROUPS + f"  - {{who: {who}, groups: finance, do: GetObject, on: reports/a, expect: deny}}")
