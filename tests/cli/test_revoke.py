"""Taking much back at once, before a real control API."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def made(terminal):
    """Two links below one folder and one beside it."""
    return [terminal.json("link", "create", f"reports/{name}") for name in ("2026/a", "2026/b", "2027/a")]


def states(terminal) -> dict[str, str]:
    return {item["key"]: item["state"] for item in terminal.json("link", "ls")["links"]}


def test_a_prefix_ends_what_is_below_it(terminal, made):
    """And nothing beside it."""
    assert terminal.json("revoke", "--prefix", "reports/2026/")["revoked"] == 2
    assert states(terminal) == {"2026/a": "revoked", "2026/b": "revoked", "2027/a": "active"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--backend", "typo"), "no backend 'typo'"),
        (("--policy", "typo"), "no rule 'typo'"),
        (("--owner", "link:typo"), "no owner 'link:typo'"),
        (("--prefix", "typo/a/"), "no bucket 'typo'"),
        (("--backend", "typo", "--dry-run"), "no backend 'typo'"),
    ],
)
def test_a_name_that_nobody_has_is_told(terminal, made, arguments, named):
    """It ends nothing, says so, and exits 1; with --json too."""
    told, document = terminal.run("revoke", *arguments), terminal.run("revoke", *arguments, "--json")
    assert (1, f"Error: This gateway knows {named}.\n") == (told.exit_code, told.stderr)
    answer = json.loads(document.stdout)
    assert (1, 0, 1) == (document.exit_code, answer["revoked"], answer["unknown"])


def test_a_known_name_with_nothing_left_is_no_fault(terminal, made):
    """Revoking twice is as good as once."""
    for expected in ("revoked 3 links and keys", "revoked 0 links and keys"):
        assert expected in terminal.run("revoke", "--prefix", "reports/", "--yes").stdout


def test_one_person_is_excluded_and_nobody_else(terminal):
    """From each link that may be for them, from one alone, or from an owner's; a stranger is told as unknown."""
    ids = [
        terminal.json("link", "create", "reports/a", "--holder", who)["id"]
        for who in ("@acme.example", "bob@b.example")
    ]

    def excluded() -> list[list[str]]:
        return [terminal.json("link", "show", one)["holders"]["excluded"] for one in ids]

    dry = terminal.run("revoke", "--holder", "ann@acme.example", "--dry-run")
    assert ("would revoke ann@acme.example at 1 link\n", [[], []]) == (dry.stdout, excluded())
    done = terminal.run("revoke", "--holder", "ann@acme.example", "--link", ids[0], "--yes")
    assert ("revoked ann@acme.example at 1 link\n", [["ann@acme.example"], []]) == (done.stdout, excluded())
    again = terminal.run("revoke", "--holder", "user:Ann@acme.example", "--owner", "admin:ops", "--yes")
    assert (0, "revoked user:Ann@acme.example at 0 links\n") == (again.exit_code, again.stdout)
    unknown = terminal.run("revoke", "--holder", "eve@evil.example", "--yes")
    assert (1, True) == (unknown.exit_code, "knows no link for eve@evil.example" in unknown.stderr)
    assert [["ann@acme.example"], []] == excluded()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--holder", "a@a.example", "--role", "x"),
        ("--holder", "a@a.example", "--prefix", "reports/a/"),
        ("--holder", "a@a.example", "--link", "l", "--owner", "app:a"),
        ("--link", "l"),
        ("--holder", "a@a.example", "--from-file", "-"),
    ],
)
def test_a_holder_goes_with_a_link_or_an_owner_alone(terminal, arguments):
    """A mistake of the command line, and nothing is asked of the gateway."""
    assert 2 == terminal.run("revoke", *arguments).exit_code


def test_a_dry_run_counts_and_changes_nothing(terminal, made):
    """The same number as the real one, afterwards still true."""
    done = terminal.run("revoke", "--owner", "admin:ops", "--dry-run")
    assert done.stdout == "would revoke 3 links and keys\n"
    assert set(states(terminal).values()) == {"active"}
    assert terminal.run("revoke", "--owner", "admin:ops", "--yes").stdout == "revoked 3 links and keys\n"
    assert set(states(terminal).values()) == {"revoked"}


def test_only_what_was_issued_before_a_time(terminal, made):
    """An owner's links of the last days end or stay by their age; the API's clock stands at 2027-01-15T08:00:00Z."""
    owner = ("revoke", "--owner", "admin:ops", "--before")
    assert terminal.json(*owner, "2027-01-15T08:00:00Z")["revoked"] == 0
    assert terminal.json(*owner, "2027-01-15", "--dry-run")["revoked"] == 0
    assert set(states(terminal).values()) == {"active"}
    refused = terminal.run(*owner, "2027-01-15T08:00:01Z")
    assert refused.exit_code == 1
    assert "future" in refused.stderr


@pytest.mark.parametrize("arguments", [["--prefix", "reports/"], ["--backend", "lab"], ["--owner", "app:a", "x"]])
def test_a_time_goes_with_an_owner_or_a_rule(terminal, arguments):
    """And is a time."""
    extra = "2027-01-01" if len(arguments) == 2 else "yesterday"
    assert terminal.run("revoke", *arguments[:2], "--before", extra).exit_code == 2


def test_a_leaked_text_ends_what_it_holds(terminal, made, tmp_path):
    """URLs, tokens and access key ids in any text; unknown ones are counted, none is repeated."""
    key = terminal.json("key", "create", "billing")
    found = (made[0]["url"], made[1]["token"], key["access_key_id"], "l_11111111111111111", made[0]["url"])
    (tmp_path / "leak.txt").write_text("hi,\n<{}> and\t{}, key={}; {} {}".format(*found))
    done = terminal.run("revoke", "--from-file", str(tmp_path / "leak.txt"), "--reason", "leaked")
    assert done.exit_code == 0, done.output
    assert done.stdout == "revoked 3 links and keys\n"
    assert "1 of 4" in done.stderr
    assert made[1]["token"] not in done.output
    assert states(terminal) == {"2026/a": "revoked", "2026/b": "revoked", "2027/a": "active"}
    assert terminal.json("link", "show", made[0]["id"])["revoked_reason"] == "leaked"


def test_standard_input_is_a_file_too(terminal, made):
    """`pbpaste | gateway revoke --from-file -`."""
    answer = terminal.json("revoke", "--from-file", "-", typed=made[2]["url"])
    assert answer == {"revoked": 1, "recognised": 1, "unknown": 0, "dry_run": False}


def test_a_text_without_anything_of_ours_is_exit_code_4(terminal):
    """Nothing found must not look like everything revoked."""
    assert terminal.run("revoke", "--from-file", "-", typed="hello").exit_code == 4


@pytest.mark.parametrize("arguments", [[], ["--owner", "app:a", "--backend", "lab"], ["--prefix", "reports"]])
def test_exactly_one_thing_is_named(terminal, arguments):
    """Nothing, two things, or a bucket without its slash are wrong usage."""
    assert terminal.run("revoke", *arguments).exit_code == 2


def test_on_a_terminal_it_asks_first(terminal, made, monkeypatch):
    """With the number; a no changes nothing."""
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    refused = terminal.run("revoke", "--owner", "admin:ops", typed="n\n")
    assert refused.exit_code == 1
    assert "Revoke 3 links and keys?" in refused.stderr
    assert set(states(terminal).values()) == {"active"}
    assert terminal.run("revoke", "--owner", "admin:ops", typed="y\n").exit_code == 0
    assert set(states(terminal).values()) == {"revoked"}
