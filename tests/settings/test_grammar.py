"""What a policy file may say: every section and key, and the guide that explains each of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.settings.grammar import SECTIONS, PolicyFile
from tests.settings.conftest import Folder

GUIDE = Path(__file__).parents[2] / "policies" / "README.md"

HEAD = """\
backends: {near: {profile: regional, credentials: chain}}
buckets: {reports: {backend: near}}
"""
RULE = "rules: [{name: r, who: 'app:x', may: read, on: reports/**"
ASKS = "approval: {by: 'user:ann'}"
MISFIT = "3:9: rules[0]: "
RULE_KEYS = "allowed: approval, delivery, effect, from, keys, links, max_size, may, name, on, signatures, when, who"
WAYS = "must be exactly one of: chain, {access_key, secret_key[, session_token]}, {profile}"
FAULTS = [
    ("backends: {near: {profile: regional}}", "1:18: backends.near: the key 'credentials' is missing"),
    ("backends: {near: {credentials: chain}}", "1:18: backends.near: the key 'profile' is missing"),
    (
        "backends: {near: {profile: regional, credentials: chain, endpoint: 'https://h/bucket'}}",
        "1:68: backends.near.endpoint: has a path, query or fragment: write http(s)://HOST or http(s)://HOST:PORT",
    ),
    (
        "backends: {near: {profile: regional, credentials: chain, addressing: vhost}}",
        "1:70: backends.near.addressing: 'vhost' is not allowed (allowed: path, virtual)",
    ),
    (
        "backends: {near: {profile: regional, credentials: chain, signature: v3}}",
        "1:69: backends.near.signature: 'v3' is not allowed (allowed: v2, v4)",
    ),
    (
        "backends: {near: {profile: regional, credentials: chain, ca_file: no.pem}}",
        "1:67: backends.near.ca_file: there is no file no.pem",
    ),
    (
        "backends: {near: {profile: regional, credentials: chain, ca_file: a.yaml}}",
        "1:67: backends.near.ca_file: the file a.yaml holds no certificate authorities in PEM",
    ),
    (
        "backends: {near: {profile: regional, credentials: chain, max_connections: 0}}",
        "1:75: backends.near.max_connections: must be at least 1",
    ),
    (
        "backends: {near: {profile: regional, credentials: chain, capabilities: {add: [ranges], remove: [ranges]}}}",
        "1:72: backends.near.capabilities: adds and removes ranges",
    ),
    (
        "backends: {near: {profile: regional, credentials: chain, single_put_limit: 1MiB}}",
        "1:76: backends.near.single_put_limit: must be at least 5242880 bytes, the smallest part a store accepts",
    ),
    (
        "backends: {near: {profile: regional, credentials: chain, drained: maybe}}",
        "1:67: backends.near.drained: must be true or false",
    ),
    (
        "backends: {near: {profile: regional, credentials: auto}}",
        "1:51: backends.near.credentials: must be chain, or a mapping of references",
    ),
    (
        "backends: {near: {profile: regional, credentials: {}}}",
        f"1:51: backends.near.credentials: {WAYS}",
    ),
    (
        "backends: {near: {profile: regional, credentials: {chain: true, profile: x}}}",
        f"1:51: backends.near.credentials: {WAYS}",
    ),
    (
        "backends: {near: {profile: regional, credentials: {access_key: env:K}}}",
        "1:51: backends.near.credentials: needs both access_key and secret_key",
    ),
    (
        "backends: {near: {profile: regional, credentials: {profile: x, session_token: env:K}}}",
        "1:51: backends.near.credentials: session_token belongs to access_key and secret_key",
    ),
    (
        "backends: {near: {profile: regional, credentials: {role_arn: x}}}",
        "1:51: backends.near.credentials: a role to assume belongs in a shared profile: write {profile: NAME}",
    ),
    (
        HEAD + "buckest: {}",
        "3:1: buckest: unknown key (did you mean 'buckets'? allowed: " + ", ".join(sorted(SECTIONS)) + ")",
    ),
    (HEAD.replace("{backend: near}", "{}"), "2:20: buckets.reports: the key 'backend' is missing"),
    (HEAD.replace("near}}\n", "near, bucket: a/b}}\n"), "2:44: buckets.reports.bucket: must be the name of a bucket"),
    (
        HEAD.replace("near}}\n", "near, delivery: sign}}\n"),
        "2:46: buckets.reports.delivery: 'sign' is not allowed (allowed: redirect, stream)",
    ),
    (
        HEAD.replace("near}}\n", "near, cors: [{}]}}\n"),
        "2:43: buckets.reports.cors[0]: the key 'origins' is missing",
    ),
    (
        HEAD.replace("near}}\n", "near, cors: [{origins: '*', methods: TRACE}]}}\n"),
        "2:67: buckets.reports.cors[0].methods: 'TRACE' is not allowed (allowed: DELETE, GET, HEAD, PATCH, POST, PUT)",
    ),
    (
        HEAD.replace("near}}\n", "near, cors: [{origins: []}]}}\n"),
        "2:53: buckets.reports.cors[0].origins: must have at least 1 entry",
    ),
    (
        HEAD.replace("near}}\n", "near, cors: [{origins: '*', credentials: true}]}}\n"),
        "2:58: buckets.reports.cors[0].credentials: unknown key (allowed: expose, headers, max_age, methods, origins)",
    ),
    (HEAD + "rules: [{who: '*', may: read, on: '**'}]", "3:9: rules[0]: the key 'name' is missing"),
    (HEAD + RULE.replace("may: read", "may: []") + "}]", "3:38: rules[0].may: must have at least 1 entry"),
    (
        HEAD + RULE + ", form: 10.0.0.0/8}]",
        f"3:60: rules[0].form: unknown key (did you mean 'from'? {RULE_KEYS})",
    ),
    (
        HEAD + RULE + ", networks: 10.0.0.0/8}]",
        f"3:60: rules[0].networks: unknown key ({RULE_KEYS})",
    ),
    (HEAD + RULE + ", from: []}]", "3:66: rules[0].from: must have at least 1 entry"),
    (
        HEAD + RULE + ", effect: denny}]",
        "3:68: rules[0].effect: 'denny' is not allowed (did you mean 'deny'? allowed: allow, deny)",
    ),
    (
        HEAD + RULE + ", links: {actions: read}}]",
        MISFIT + "`links` says what shared links may be, but the rule does not allow share",
    ),
    (
        HEAD + RULE + ", effect: deny, max_size: 5}]",
        MISFIT + "`max_size` on a deny rule would deny the small bodies: write an allow rule with max_size",
    ),
    (
        HEAD + RULE + ", effect: deny, delivery: stream}]",
        MISFIT + "`links`, `keys` and `delivery` belong to allow rules",
    ),
    (HEAD + RULE + f", effect: deny, {ASKS}}}]", MISFIT + "`approval` belongs to allow rules"),
    (
        HEAD + RULE.replace("read", "sign") + f", {ASKS}}}]",
        MISFIT + "`approval` is asked for links and keys, and `sign` needs neither: write a rule of its own for it",
    ),
    (
        HEAD + RULE.replace("'app:x'", "['user:*', 'group:x']") + f", {ASKS}}}]",
        MISFIT + "`approval` is asked for links and keys: keys are apps', and without share it lets nobody make links",
    ),
    (
        HEAD + RULE + ", approval: {by: [anonymous, 'link:*']}}]",
        "3:70: rules[0].approval: nobody could ever approve: name apps, users, groups or admins",
    ),
    (HEAD + RULE + ", approval: {within: 1h}}]", "3:70: rules[0].approval: the key 'by' is missing"),
    (
        HEAD + RULE.replace("'app:x'", "['link:x', 'link:*']") + "}]",
        MISFIT + "no attempt ever matches: a link acts for its owner, so name the owner",
    ),
    (
        HEAD + RULE.replace("read", "share") + ", links: {actions: delete}}]",
        "3:78: rules[0].links.actions: 'delete' is nothing a link can do (allowed: list, read, write)",
    ),
    (
        HEAD + RULE.replace("read", "share") + ", links: {password: yes}}]",
        "3:79: rules[0].links.password: 'yes' is not allowed (allowed: required)",
    ),
    (HEAD + "limits: [{who: '*'}]", "3:10: limits[0]: limits nothing: write requests, bandwidth or concurrent"),
    (HEAD + "limits: [{who: '*', concurrent: 1, burst: 5}]", "3:10: limits[0]: `burst` belongs to `requests`"),
    (
        HEAD + "limits: [{who: '*', concurrent: 1, per: bucket}]",
        "3:41: limits[0].per: 'bucket' is not allowed (allowed: address, link, principal)",
    ),
    (
        HEAD + "limits: [{who: ['app:x'], concurrent: 1}]",
        "3:16: limits[0].who: must name somebody: app:NAME, app:*, user:NAME, group:NAME, admin:NAME, anonymous or *",
    ),
    (HEAD + "examples: [{who: app:x, do: GetObject, on: reports/a}]", "3:12: examples[0]: the key 'expect' is missing"),
    (HEAD + "rules: {}", "3:8: rules: must be a list"),
    (HEAD + "rules: [5]", "3:9: rules[0]: must be a mapping of keys and values"),
]


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_a_wrong_entry_is_told_with_its_place(folder: Folder, text: str, fault: str) -> None:
    """Line and column, path, what is wrong, and what is allowed."""
    assert [f"a.yaml:{fault}"] == folder.policy_faults(text, K="k")


def test_every_key_is_explained_in_the_guide() -> None:
    """Each key of each section stands in policies/README.md, in code type."""
    schema = PolicyFile.model_json_schema()
    keys = {key for model in schema["$defs"].values() for key in model.get("properties", {})} - {"chain"}
    explained = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`", GUIDE.read_text().replace("```", "")))))
    assert set() == keys - explained


def test_every_section_is_explained_in_the_guide() -> None:
    """And the guide's headings name no section that does not exist."""
    headings = [line for line in GUIDE.read_text().splitlines() if line.startswith("## ")]
    assert list(SECTIONS) == [heading.split()[1].rstrip(":").lower() for heading in headings][: len(SECTIONS)]


def test_nothing_is_no_fault(folder: Folder) -> None:
    """A section whose every line is commented out says nothing."""
    loaded = folder.policy("backends:\nbuckets:\nrules:\nlimits:\nexamples:\n")
    assert () == loaded.policy.rules == loaded.backends == loaded.examples
