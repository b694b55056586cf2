"""The bundle for whoever helps: whole where it can be, and without a secret."""

from __future__ import annotations

import gzip
import json
import tarfile

import pytest

from tests.cli.conftest import POLICIES, SETTINGS
from tests.control.desk import ADMIN

CANARIES = {
    "SOME_TOKEN": "canary-Admin-Token-7fQ2mZ",
    "A_KEY": "canary-Store-Key-9sT4wX",
    "STATE": "postgresql://gateway:canary-Db-Word@127.0.0.1/gateway",
}


@pytest.fixture
def bundle(terminal, write, tmp_path, monkeypatch):
    """Made beside a running API, with a secret of every kind around; gives its parts and every secret."""
    settings = write(SETTINGS.replace('"sqlite:///gateway.db"', '"env:STATE"'), POLICIES)
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    key = terminal.json("key", "create", "billing")
    link = terminal.json("link", "create", "reports/a", "--password-stdin", typed="canary-password-1\n")
    terminal.json("revoke", "--from-file", "-", typed=link["url"])
    file = tmp_path / "bundle.tar.gz"
    said = terminal.json("support-bundle", "--config", str(settings), "-o", str(file))
    with tarfile.open(file) as archive:
        parts = {entry.name.rpartition("/")[2]: archive.extractfile(entry).read().decode() for entry in archive}
    secrets = (key["secret_access_key"], key["access_key_id"], link["token"], "canary", ADMIN)
    return said, file, parts, secrets


def test_no_secret_is_in_a_bundle(bundle):
    """Tokens, keys, passwords, credentials of stores and of the state: none in any part, nor in the archive's frame."""
    _, file, parts, secrets = bundle
    whole = gzip.decompress(file.read_bytes()).decode("utf-8", "replace")
    assert [] == [secret for secret in secrets if secret.lower() in whole.lower()]
    assert "env:SOME_TOKEN" in parts["settings.txt"]
    assert 0o600 == file.stat().st_mode & 0o777


def test_a_bundle_is_whole(bundle):
    """Each part says what it is for."""
    said, _, parts, _ = bundle
    assert [] == said["missing"]
    assert sorted(parts) == said["parts"]
    assert [] == json.loads(parts["check.json"])["faults"]
    assert "connection" in {finding["check"] for finding in json.loads(parts["doctor.json"])["findings"]}
    assert "gateway_up" in parts["metrics.txt"]
    assert "link.revoke" in {entry["act"] for entry in json.loads(parts["audit.json"])["entries"]}
    assert {"archive", "lab"} == {one["name"] for one in json.loads(parts["backends.json"])["backends"]}


def test_what_cannot_be_had_is_named_and_the_rest_comes(terminal, tmp_path):
    """A gateway that is down, with settings that are wrong, is when a bundle is wanted."""
    terminal.url = "http://127.0.0.1:1"
    (tmp_path / "gateway.yaml").write_text("data: [")
    said = terminal.json("support-bundle", "--config", str(tmp_path / "gateway.yaml"), "-o", str(tmp_path / "b.tar.gz"))
    assert ["check.json", "contents.json", "version.json"] == said["parts"]
    assert {"audit.json", "metrics.txt", "settings.txt", "doctor.json"} <= set(said["missing"])


def test_a_bundle_writes_over_nothing(terminal, tmp_path):
    """A file that is there stays as it is."""
    (tmp_path / "b.tar.gz").write_text("mine")
    done = terminal.run("support-bundle", "--config", str(tmp_path / "none.yaml"), "-o", str(tmp_path / "b.tar.gz"))
    assert 2 == done.exit_code
    assert "mine" == (tmp_path / "b.tar.gz").read_text()


def test_a_token_that_nobody_can_send_is_in_no_bundle(terminal, tmp_path):
    """What the client says of a header with a line end holds the header."""
    file = tmp_path / "b.tar.gz"
    done = terminal.run("support-bundle", "-o", str(file), GATEWAY_ADMIN_TOKEN="canary-one\ncanary-two")
    assert 2 == done.exit_code
    assert "canary" not in done.output
    assert not file.exists()
