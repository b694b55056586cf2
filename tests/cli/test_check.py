"""Checking settings and policies before they matter."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta

import pytest

from tests.cli.conftest import POLICIES, SETTINGS
from tests.servers.certificate import certificate


def test_what_is_in_order_is_counted(terminal, write):
    """So that an empty directory does not look like a full one."""
    done = terminal.run("check", "--config", str(write(SETTINGS, POLICIES)))
    assert done.exit_code == 0, done.output
    assert done.stdout == "1 backend, 1 bucket, 1 rule, 0 limits, 2 examples: all in order\n"


def test_every_fault_is_told_with_its_place(terminal, write):
    """Exit code 5, all at once."""
    policies = POLICIES.replace("may: [read]", "may: [reed]").replace("profile: ceph", "profile: cef")
    done = terminal.run("check", "--config", str(write(SETTINGS, policies)))
    assert done.exit_code == 5
    assert "a.yaml:3:" in done.stderr
    assert "a.yaml:7:" in done.stderr


def test_an_example_that_is_decided_otherwise_is_a_fault(terminal, write):
    """The rules are right by themselves and do not do what they were written for."""
    done = terminal.run("check", "--config", str(write(SETTINGS, POLICIES.replace("[read]", "[list]"))))
    assert done.exit_code == 5
    assert "expected allow" in done.stderr


def test_the_revocation_list_is_checked_too(terminal, write):
    """Its faults with their lines, and an age that would refuse everything."""
    settings = SETTINGS.replace(
        'state: "sqlite:///gateway.db"', "state: {grants: memory://, revocations: {file: revoked.json, max_age: 1h}}"
    )
    config = write(settings, POLICIES)
    for text, said in (
        (None, "No such file"),
        ('{"revocations": [\n{"kind": "lnk"}]}', "revoked.json:2: revocations[0]: kind"),
        ('{"revocations": [], "as_of": "2020-01-01"}', "more than state.revocations.max_age"),
        ('{"revocations": []}', ""),
    ):
        if text is not None:
            config.with_name("revoked.json").write_text(text)
        done = terminal.run("check", "--config", str(config))
        assert said in done.stderr
        assert done.exit_code == (5 if said else 0), done.output


def test_a_missing_file_names_the_demo(terminal, tmp_path):
    """Who has nothing yet is told what needs nothing."""
    done = terminal.run("check", "--config", str(tmp_path / "gateway.yaml"))
    assert done.exit_code == 5
    assert "gateway demo" in done.stderr


def test_json_lists_the_faults(terminal, write):
    """With the same exit code."""
    done = terminal.run("check", "--json", "--config", str(write(SETTINGS + "colour: red\n", POLICIES)))
    assert done.exit_code == 5
    assert ["colour" in fault for fault in json.loads(done.stdout)["faults"]] == [True]


@pytest.mark.parametrize(("arguments", "key"), [([], "state"), (["policy"], "rules")])
def test_the_schemas_are_for_editors(terminal, arguments, key):
    """Both kinds of file have one."""
    done = terminal.run("check", "--schema", *arguments)
    assert done.exit_code == 0, done.output
    assert key in json.loads(done.stdout)["properties"]


def test_a_warning_is_told_and_is_no_fault(terminal, write):
    """Two names of one place: on standard error, with the place, and exit code 0; --json has a list for it."""
    policies = POLICIES.replace(
        "  reports: {backend: lab}", "  reports: {backend: lab}\n  again: {backend: lab, bucket: reports}"
    )
    config = str(write(SETTINGS, policies))
    done = terminal.run("check", "--config", config)
    assert done.exit_code == 0, done.output
    assert "a.yaml:6:" in done.stderr
    assert "the same place as 'reports'" in done.stderr
    assert done.stdout.endswith("all in order\n")
    found = json.loads(terminal.run("check", "--config", config, "--json").stdout)
    assert (found["faults"], len(found["warnings"])) == ([], 1)


def test_a_place_where_no_state_can_be_kept_is_warned_of(terminal, write, tmp_path):
    """And no fault: a file may be checked where nothing will run."""
    config = write(SETTINGS, POLICIES)
    for place, warned in ((f"{tmp_path}/gateway.db", False), (f"{tmp_path}/missing/gateway.db", True)):
        config.write_text(SETTINGS.replace("sqlite:///gateway.db", f"sqlite:///{place}"))
        done = terminal.run("check", "--config", str(config))
        assert (0, True) == (done.exit_code, done.stdout.endswith("all in order\n"))
        assert warned is (f"warning: state: {place}: there is no folder {tmp_path}/missing" in done.stderr)


@pytest.mark.parametrize(
    ("control", "warned"),
    [
        ("", True),
        ("identity: {issuer: https://a.example, audience: g, users: {admit: a}}", True),
        ("proxy_user: {header: X-User, from: loopback}", True),
        ("identity: {issuer: https://a.example, audience: g, users: {admit: a, groups: groups}}", False),
        ("proxy_user: {header: X-User, groups_header: X-Groups, from: loopback}", False),
    ],
)
def test_a_rule_about_groups_that_nobody_says_is_told(terminal, write, control, warned):
    """It would never count: a claim or a header has to say whose groups are which."""
    settings = SETTINGS.replace("}]}", f"}}], {control}}}") if control else SETTINGS
    config = str(write(settings, POLICIES.replace('["app:*"]', '["app:*", "group:finance"]')))
    done = terminal.run("check", "--config", config)
    assert done.exit_code == 0, done.output
    assert warned is ("a.yaml:7:5: 'all may read' names group:finance, but nobody says" in done.stderr), done.stderr


def test_a_certificate_that_has_ended_is_warned_of(terminal, write, tmp_path):
    """It is no fault: a gateway that starts with it says the same, and serves."""
    cert, key = certificate(tmp_path, begins=timedelta(days=-2), ends=timedelta(days=-1))
    tls = f"data: {{tls: {{cert: {cert}, key: {key}}}}}\n"
    done = terminal.run("check", "--config", str(write(SETTINGS + tls, POLICIES)))
    assert done.exit_code == 0, done.output
    assert f"warning: {cert}: the certificate ended at " in done.stderr


@pytest.mark.parametrize(("key", "code"), [("one", 0), ("two", 5)])
def test_a_certificate_and_a_key_that_do_not_belong_together_are_told(terminal, write, tmp_path, key, code):
    """Before a start finds out; a pair is in order."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=x")
    for name in ("one", "two"):
        files = ("-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.crt")
        subprocess.run(["openssl", "req", "-x509", *curve, *files], check=True, capture_output=True)
    tls = f"data: {{tls: {{cert: {tmp_path}/one.crt, key: {tmp_path}/{key}.key}}}}\n"
    done = terminal.run("check", "--config", str(write(SETTINGS + tls, POLICIES)))
    assert done.exit_code == code, done.output
    assert ("the key is not the certificate's own" in done.stderr) is (code != 0)
