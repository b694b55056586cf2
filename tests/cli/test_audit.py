"""The commands about the ledger, before a real control API."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def trail(terminal, tmp_path):
    """An exported trail of three entries, and its file."""
    for app in ("billing", "payroll", "search"):
        terminal.json("key", "create", app)
    file = tmp_path / "trail.jsonl"
    done = terminal.run("audit", "export", "--out", str(file))
    assert done.exit_code == 0, done.output
    assert "3 entries, head 3:" in done.stderr
    return file


def test_an_untouched_trail_is_whole(terminal, trail):
    """At the gateway and in the file, and both have the same head."""
    there, here = terminal.json("audit", "verify"), terminal.json("audit", "verify", "--file", str(trail))
    assert there == here
    assert (here["entries"], here["faults"]) == (3, [])
    assert "3 entries are whole" in terminal.run("audit", "verify", "--head", here["head"]).stdout


@pytest.mark.parametrize("tamper", ["edit", "delete", "swap", "cut", "garbage"])
def test_a_touched_export_is_exit_code_1(terminal, trail, tamper):
    """Whatever was done to its lines."""
    lines = trail.read_text().splitlines()
    match tamper:
        case "edit":
            lines[1] = lines[1].replace("payroll", "billing").replace("admin:", "app:")
        case "delete":
            del lines[1]
        case "swap":
            lines[0], lines[1] = lines[1], lines[0]
        case "cut":
            lines = lines[:2]
        case "garbage":
            lines[1] = '{"hello": 1}'
    trail.write_text("\n".join(lines) + "\n")
    done = terminal.run("audit", "verify", "--file", str(trail))
    assert done.exit_code == 1
    assert "fault" in done.stderr


def test_a_noted_head_that_is_not_in_the_trail_is_a_fault(terminal, trail):
    """That is how a trail that was made anew shows; a head of another form is wrong usage."""
    anew = terminal.run("audit", "verify", "--head", f"2:{'ab' * 32}")
    assert anew.exit_code == 1
    assert "made anew" in anew.stderr
    assert terminal.run("audit", "verify", "--head", "2").exit_code == 2


def test_a_file_of_something_else_is_told(terminal, tmp_path):
    """One sentence, exit code 1."""
    other = tmp_path / "other"
    other.write_text("hello\n")
    done = terminal.run("audit", "verify", "--file", str(other))
    assert done.exit_code == 1
    assert "line 1 is no JSON object" in done.stderr


def test_no_secret_is_exported(terminal, trail):
    """Neither the ids nor the secrets of the keys that were made."""
    made = terminal.json("key", "create", "billing")
    text = terminal.run("audit", "export").stdout
    assert made["id"] in text
    assert made["access_key_id"] not in text
    assert made["secret_access_key"] not in text


def test_records_are_json_lines(terminal):
    """One line a record; none yet is an empty output."""
    done = terminal.run("audit", "records")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "0 records" in done.stderr


def test_the_last_line_of_an_export_is_its_head(trail):
    """So that lines missing at the end show."""
    *entries, last = map(json.loads, trail.read_text().splitlines())
    assert last == {"head": {"number": 3, "digest": entries[-1]["digest"]}}
