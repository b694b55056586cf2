"""`gateway link credentials`: each form holds what the link gave, quoted as that form has it."""

from __future__ import annotations

import configparser
import json
import subprocess
from typing import Any

import pytest

from gateway.cli.passes import keep_pass
from gateway.core.token import LinkToken
from tests.cli.conftest import reply

TOKEN = LinkToken.mint(b"\x06" * 21).text
SECRET = "a'b\"c$(touch evil)/+="
FOUND: dict[str, Any] = {
    "credentials": {
        "accessKeyId": "GWKX",
        "secretAccessKey": SECRET,
        "sessionToken": "gs_x",
        "expiration": "2027-01-01T00:00:00Z",
    },
    "region": "eu-central-1",
    "endpoint": "https://files.example.com",
    "bucket": "reports",
    "prefix": "2026/",
}


@pytest.fixture
def url(listener):
    listener.answers = [reply(200, json.dumps(FOUND).encode())]
    return f"{listener.url}/s/{TOKEN}"


def printed(terminal, url: str, *more: str) -> str:
    done = terminal.run("link", "credentials", url, *more)
    assert done.exit_code == 0, done.output
    return str(done.stdout)


@pytest.mark.parametrize("tail", ["", "/", "/in/a%20b?download=1"])
def test_it_is_asked_for_below_the_token(terminal, listener, url, tail):
    """Whatever stands behind the token in the address that people pass on."""
    printed(terminal, url + tail)
    method, path, headers, body = listener.seen[0]
    assert ("POST", f"/s/{TOKEN}/credentials", b"") == (method, path, body)
    assert headers["Accept"] == "application/json"


def test_who_was_proved_at_the_link_asks_for_theirs(terminal, listener, url):
    """The pass that `gateway link open` kept goes along, to this link alone."""
    printed(terminal, url)
    keep_pass(url, "a-pass", "2099-01-01T00:00:00Z")
    printed(terminal, url)
    printed(terminal, url.replace(TOKEN, LinkToken.mint(b"\x09" * 21).text))
    assert [None, "a-pass", None] == [headers.get("Gateway-Holder") for _, _, headers, _ in listener.seen]


def test_a_shell_takes_the_variables_and_runs_nothing(terminal, url, tmp_path):
    """A secret with quotes and a command in it arrives as it is."""
    script = printed(terminal, url) + '\nprintf %s "$AWS_SECRET_ACCESS_KEY|$AWS_ENDPOINT_URL_S3|$AWS_REGION"'
    done = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert f"{SECRET}|https://files.example.com|eu-central-1" == done.stdout
    assert [] == list(tmp_path.iterdir())


def test_a_credential_process_has_awss_document(terminal, url):
    """https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html"""
    expected = {
        "Version": 1,
        "AccessKeyId": "GWKX",
        "SecretAccessKey": SECRET,
        "SessionToken": "gs_x",
        "Expiration": "2027-01-01T00:00:00Z",
    }
    assert expected == json.loads(printed(terminal, url, "--as", "process"))


def test_rclone_has_a_section(terminal, url):
    """A section of its configuration, under the name that was asked for, that an INI reader reads back whole."""
    found = configparser.ConfigParser(interpolation=None)
    found.read_string(printed(terminal, url, "--as", "rclone", "--name", "acme"))
    section = dict(found["acme"])
    assert ("s3", SECRET, "gs_x", "https://files.example.com") == tuple(
        section[name] for name in ("type", "secret_access_key", "session_token", "endpoint")
    )


def test_duckdb_has_a_secret(terminal, url):
    """One statement, with a quote in a value doubled as SQL wants it, for the link's place alone."""
    text = printed(terminal, url, "--as", "duckdb")
    assert text.startswith('CREATE OR REPLACE SECRET "link" (TYPE s3, ')
    for part in ("SECRET 'a''b\"c$", "ENDPOINT 'files.example.com'", "USE_SSL true", "SCOPE 's3://reports/2026/'"):
        assert part in text


def test_s3fs_has_its_arguments(terminal, url):
    """What its constructor takes, as JSON."""
    found = json.loads(printed(terminal, url, "--as", "s3fs"))
    assert (SECRET, "gs_x") == (found["secret"], found["token"])
    assert "https://files.example.com" == found["client_kwargs"]["endpoint_url"]


@pytest.mark.parametrize("form", ["rclone", "duckdb"])
@pytest.mark.parametrize("field", ["accessKeyId", "secretAccessKey", "sessionToken", "region", "endpoint"])
@pytest.mark.parametrize("more", ["\n[other]\ntype = webdav\nbearer_token_command = touch evil", "\r.shell touch evil"])
def test_no_answer_adds_a_line(terminal, listener, url, form, field, more):
    """A link's host may be anybody's, and a line of rclone's settings or DuckDB's shell can be a command."""
    given = {**FOUND, "credentials": dict(FOUND["credentials"])}
    place = given["credentials"] if field in given["credentials"] else given
    place[field] += more
    listener.answers = [reply(200, json.dumps(given).encode())]
    done = terminal.run("link", "credentials", url, "--as", form)
    assert (1, "") == (done.exit_code, done.stdout)
    assert "Error: What answers there is no gateway that gives credentials.\n" == done.stderr


def test_json_is_the_answer_itself(terminal, url):
    """A program gets the gateway's own names."""
    assert FOUND == json.loads(printed(terminal, url, "--json"))


def test_a_password_comes_from_a_file_or_the_terminal(terminal, listener, url, tmp_path):
    """Its first line is it; both ways at once are wrong usage; it is printed nowhere."""
    word = tmp_path / "word"
    word.write_text("open sesame\nand no more\n")
    assert "sesame" not in printed(terminal, url, "--password-file", str(word))
    assert "Basic Om9wZW4gc2VzYW1l" == listener.headers(0)["Authorization"]
    assert terminal.run("link", "credentials", url, "--password", "--password-file", str(word)).exit_code == 2


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (410, {"detail": "This link was revoked."}, 1, "This link was revoked."),
        (404, {"detail": "This link does not exist."}, 4, "does not exist"),
        (403, {"detail": "This link gives no S3 credentials."}, 1, "gives no S3 credentials"),
        (502, None, 1, "The link answered 502."),
        (200, 5, 1, "no gateway"),
        (200, {"credentials": {}}, 1, "no gateway"),
    ],
)
def test_a_refusal_is_one_sentence(terminal, listener, url, status, body, code, said):
    """And an exit code; nothing that looks like credentials is printed."""
    listener.answers = [reply(status, b"<html>" if body is None else json.dumps(body).encode())]
    done = terminal.run("link", "credentials", url)
    assert (code, "") == (done.exit_code, done.stdout)
    assert said in done.stderr
    assert TOKEN not in done.output


def test_wrong_usage_is_told(terminal, url):
    """An id is no URL, and a remote's name is no place for a line break."""
    for wrong in (["l_8fKq2"], [TOKEN], [url, "--name", "a]\n[b"], [url, "--as", "curl"]):
        assert terminal.run("link", "credentials", *wrong).exit_code == 2
    assert terminal.run("link", "credentials", f"http://127.0.0.1:1/s/{TOKEN}").exit_code == 3


def test_a_link_can_be_made_to_give_none(terminal):
    """When it is made, or later; it says so where it is shown."""
    made = terminal.json("link", "create", "reports/a.pdf", "--no-credentials")
    assert made["credentials"] is False
    assert "gives credentials" in terminal.run("link", "show", made["id"]).stdout
    assert terminal.json("link", "edit", made["id"], "--credentials")["credentials"] is True
    assert "gives credentials" not in terminal.run("link", "show", made["id"]).stdout
