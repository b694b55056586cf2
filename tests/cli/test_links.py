"""The commands about links, before a real control API."""

from __future__ import annotations

import json
import re

import pytest

from gateway.core.token import LinkToken
from tests.cli.conftest import reply


def test_the_last_line_of_create_is_the_url_and_nothing_else_is_on_standard_output(terminal, listener):
    """A script takes the URL with no parsing at all."""
    done = terminal.run("link", "create", "reports/a.pdf", "--expires", "30d", "--uses", "3", "--label", "x")
    assert done.exit_code == 0, done.output
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{listener.url}/s/")
    LinkToken(line.rpartition("/")[2])


def test_every_option_of_create_arrives(terminal):
    """What was said is what the link is."""
    made = terminal.json(
        *("link", "create", "reports/a.pdf", "--expires", "2w", "--not-before", "2027-01-16", "--uses", "3"),
        *("--bytes", "5GiB", "--label", "for ACME", "--filename", "q3.pdf", "--content-type", "application/pdf"),
        *("--cidr", "192.0.2.0/24", "--cidr", "2001:db8::/32", "--rate", "10/s"),
    )
    told = {name: made[name] for name in ("uses", "bytes", "label", "filename", "content_type", "cidrs", "not_before")}
    assert told == {
        "uses": 3,
        "bytes": 5 * 1024**3,
        "label": "for ACME",
        "filename": "q3.pdf",
        "content_type": "application/pdf",
        "cidrs": ["192.0.2.0/24", "2001:db8::/32"],
        "not_before": "2027-01-16T00:00:00Z",
    }
    assert made["expires_at"] == "2027-01-29T08:00:00Z"
    assert made["actions"] == ["read"]
    assert made["owner"] == "admin:ops"


def test_an_owner_is_sent(terminal):
    """A link may carry an app's rights instead of the caller's."""
    made = terminal.json(
        "link", "create", "reports/invoices/a.pdf", "--owner", "app:billing", "--expires", "1h", "--uses", "1"
    )
    assert made["owner"] == "app:billing"


@pytest.mark.parametrize(
    ("place", "more", "scope", "actions"),
    [
        ("reports/a.pdf", [], ("a.pdf", None), ["read"]),
        ("reports/2026/", [], (None, "2026/"), ["list", "read"]),
        ("reports/2026/q3/", [], (None, "2026/q3/"), ["list", "read"]),
        ("reports/inbox/", ["--upload"], (None, "inbox/"), ["write"]),
        ("reports/a.pdf", ["--upload"], ("a.pdf", None), ["write"]),
        ("reports/2026/", ["--allow", "read"], (None, "2026/"), ["read"]),
    ],
)
def test_a_place_says_what_kind_of_link_it_is(terminal, place, more, scope, actions):
    """A trailing slash means all below, --upload means writing, --allow says it outright."""
    made = terminal.json("link", "create", place, *more)
    assert (made["key"], made["prefix"], made["actions"]) == (*scope, actions)


def test_a_password_is_typed_twice_or_piped_and_never_echoed(terminal):
    """It reaches the API, and no output."""
    typed = terminal.run("link", "create", "reports/a.pdf", "--password", typed="wonderful\nwonderful\n")
    piped = terminal.run("link", "create", "reports/a.pdf", "--password-stdin", typed="wonderful\n")
    for done in (typed, piped):
        assert done.exit_code == 0, done.output
        assert "wonderful" not in done.output
    assert [item["password"] for item in terminal.json("link", "ls")["links"]] == [True, True]


def test_an_empty_password_is_no_password(terminal):
    """An unset variable in a pipe must not make an open link."""
    done = terminal.run("link", "create", "reports/a.pdf", "--password-stdin", typed="")
    assert done.exit_code == 2
    assert terminal.json("link", "ls")["links"] == []


def test_a_refusal_is_one_sentence_and_exit_code_1(terminal):
    """The policy's objection, no traceback."""
    done = terminal.run("link", "create", "reports/payroll/a.pdf")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["show", "extend", "edit", "rotate", "log"])
def test_an_unknown_link_is_exit_code_4(terminal, command):
    """So a script can tell "gone" from "refused"."""
    more = {"extend": ["1d"], "edit": ["--uses", "1"]}.get(command, [])
    assert terminal.run("link", command, "l_11111111111111111", *more).exit_code == 4


def test_a_url_where_an_id_belongs_is_explained_and_not_sent(terminal, listener):
    """The secret stays out of the control API's paths, and out of the message."""
    url = terminal.run("link", "create", "reports/a.pdf").stdout.strip()
    done = terminal.run("link", "show", url)
    assert done.exit_code == 2
    assert "link's id" in done.stderr
    assert url.rpartition("/")[2] not in done.stderr


def test_ls_filters_and_shows_no_secret(terminal):
    """A table for people, the API's own names with --json."""
    url = terminal.run("link", "create", "reports/a.pdf", "--label", "one").stdout.strip()
    terminal.run("link", "create", "reports/b/c.pdf", "--label", "two", "--uses", "5")
    assert [item["label"] for item in terminal.json("link", "ls")["links"]] == ["two", "one"]
    assert [item["label"] for item in terminal.json("link", "ls", "--label", "one")["links"]] == ["one"]
    assert [
        item["label"] for item in terminal.json("link", "ls", "--bucket", "reports", "--prefix", "b/")["links"]
    ] == ["two"]
    shown = terminal.run("link", "ls").stdout
    assert [line.split()[0] for line in shown.splitlines()] == ["ID", *re.findall(r"l_\w{17}", shown)]
    assert "0/5" in shown
    assert "0/∞" in shown
    assert url.rpartition("/")[2] not in shown


def test_ls_goes_on_to_the_next_page(terminal):
    """More links than one page holds are all there, and --limit is a limit."""
    for _ in range(7):
        terminal.run("link", "create", "reports/a.pdf")
    assert len(terminal.json("link", "ls", "--limit", "5")["links"]) == 5
    assert "There may be more" in terminal.run("link", "ls", "--limit", "5").stderr
    assert len(terminal.json("link", "ls")["links"]) == 7


def test_control_characters_of_a_label_do_not_reach_the_terminal(terminal):
    """Others choose keys: an escape sequence in one must not be obeyed."""
    made = terminal.run("link", "create", "reports/a\u202eb.pdf")
    assert made.exit_code == 0, made.output
    assert "\u202e" not in terminal.run("link", "ls").stdout


def test_show_tells_everything_but_the_secret(terminal):
    """Each limit, in words."""
    made = terminal.json("link", "create", "reports/a.pdf", "--expires", "30d", "--uses", "3", "--cidr", "192.0.2.0/24")
    shown = terminal.run("link", "show", made["id"]).stdout
    assert "0 of 3" in shown
    assert "192.0.2.0/24" in shown
    assert made["token"] not in shown
    upload_link = terminal.json("link", "create", "reports/in/", "--upload", "--max-size", "2GiB", "--overwrite")
    asking = terminal.json("link", "create", "reports/a.pdf", "--confirm", "--once")
    shown = terminal.run("link", "show", upload_link["id"]).stdout
    assert "2.0 GiB" in shown
    assert ["overwrites", "yes"] in [line.split() for line in shown.splitlines()]
    assert (True, True, 1) == (asking["confirm"], asking["once"], asking["uses"])
    assert "token" not in terminal.json("link", "show", made["id"])


def test_edit_changes_what_was_said_and_nothing_else(terminal):
    """Several fields in one call; `none` takes a limit away."""
    made = terminal.json("link", "create", "reports/a.pdf", "--expires", "30d", "--uses", "3", "--label", "x")
    edited = terminal.json("link", "edit", made["id"], "--uses", "none", "--expires", "none", "--label", "y")
    changed = {name for name in edited if edited[name] != made.get(name)} - {"version"}
    assert changed == {"uses", "expires_at", "label"}
    assert (edited["uses"], edited["expires_at"], edited["label"]) == (None, None, "y")


def test_edit_sets_and_takes_away_a_password(terminal):
    """The only field that is asked for."""
    ident = terminal.json("link", "create", "reports/a.pdf")["id"]
    assert terminal.json("link", "edit", ident, "--password-stdin", typed="secret\n")["password"] is True
    assert terminal.json("link", "edit", ident, "--no-password")["password"] is False


def test_edit_without_a_change_is_wrong_usage(terminal):
    """Nothing is sent."""
    assert terminal.run("link", "edit", "l_11111111111111111").exit_code == 2


def test_extend_adds_to_the_end_or_sets_it(terminal):
    """BY counts from the present end, a DATE is that date."""
    made = terminal.json("link", "create", "reports/a.pdf", "--expires", "1d")
    assert made["expires_at"] == "2027-01-16T08:00:00Z"
    assert terminal.json("link", "extend", made["id"], "2d")["expires_at"] == "2027-01-18T08:00:00Z"
    assert terminal.json("link", "extend", made["id"], "2027-02-01")["expires_at"] == "2027-02-01T23:59:59Z"


def test_extend_leaves_a_link_without_an_end_alone(terminal):
    """It cannot live longer than for ever, and must not begin to end."""
    ident = terminal.json("link", "create", "reports/a.pdf")["id"]
    assert terminal.run("link", "extend", ident, "1d").exit_code == 1
    assert terminal.json("link", "show", ident)["expires_at"] is None


def test_revoke_takes_ids_tokens_and_urls(terminal):
    """Whatever leaked is enough to end it, and no secret is repeated."""
    made = [terminal.json("link", "create", "reports/a.pdf") for _ in range(3)]
    done = terminal.run("link", "revoke", made[0]["id"], made[1]["token"], made[2]["url"])
    assert done.exit_code == 0, done.output
    assert {item["state"] for item in terminal.json("link", "ls")["links"]} == {"revoked"}
    assert made[1]["token"] not in done.output
    assert made[2]["token"] not in done.output


def test_an_unknown_link_keeps_no_other_from_being_revoked(terminal):
    """Who ends a list of leaked links ends all of them, and hears which were none of ours."""
    made = [terminal.json("link", "create", "reports/a.pdf")["id"] for _ in range(2)]
    done = terminal.run("link", "revoke", made[0], "l_11111111111111111", made[1])
    assert done.exit_code == 4
    assert done.stdout.splitlines() == [f"revoked {name}" for name in made]
    assert "l_11111111111111111" in done.stderr
    assert {item["state"] for item in terminal.json("link", "ls")["links"]} == {"revoked"}


def test_rotate_prints_the_new_url_last(terminal):
    """The id stays, the secret does not."""
    made = terminal.json("link", "create", "reports/a.pdf")
    done = terminal.run("link", "rotate", made["id"])
    assert done.stdout.strip().startswith(made["url"].rpartition("/")[0])
    assert done.stdout.strip() != made["url"]
    assert terminal.json("link", "ls")["links"][0]["id"] == made["id"]


def test_qr_is_drawn_before_the_url(terminal):
    """The URL stays the last line."""
    done = terminal.run("link", "create", "reports/a.pdf", "--qr")
    *drawn, url = done.stdout.splitlines()
    assert len(drawn) > 10
    assert "/s/gl_" in url


def test_log_of_an_unused_link_is_an_empty_table(terminal):
    """Headers and no rows; an empty list with --json."""
    ident = terminal.json("link", "create", "reports/a.pdf")["id"]
    assert terminal.json("link", "log", ident) == {"records": []}
    assert terminal.run("link", "log", ident).stdout.split() == [
        *("AT", "FROM", "OPERATION", "STATUS", "OUTCOME", "IN", "OUT", "KEY")
    ]


def test_file_is_uploaded_through_a_link_that_is_gone_afterwards(terminal, listener, tmp_path):
    """Only one URL stays good: the one printed, and it reads."""
    (tmp_path / "q3.pdf").write_bytes(b"%PDF" * 1000)
    listener.answers = [reply(201)]
    done = terminal.run("link", "create", "reports/2026/", "--file", str(tmp_path / "q3.pdf"), "--expires", "1d")
    assert done.exit_code == 0, done.output
    ((method, path, headers, body),) = listener.seen
    assert (method, headers["Content-Type"], body) == ("PUT", "application/pdf", b"%PDF" * 1000)
    links = terminal.json("link", "ls")["links"]
    assert [(item["actions"], item["key"], item["state"]) for item in links] == [
        (["read"], "2026/q3.pdf", "active"),
        (["write"], "2026/q3.pdf", "revoked"),
    ]
    assert path not in done.stdout


def test_a_failed_upload_leaves_no_link(terminal, listener, tmp_path):
    """The refusal of the store is told, the upload link is revoked, no read link is made."""
    (tmp_path / "q3.pdf").write_bytes(b"x")
    problem = json.dumps({"title": "An object with this name exists already."}).encode()
    listener.answers = [reply(409, problem)]
    done = terminal.run("link", "create", "reports/2026/", "--file", str(tmp_path / "q3.pdf"))
    assert done.exit_code == 1
    assert "exists already" in done.stderr
    assert {item["state"] for item in terminal.json("link", "ls")["links"]} == {"revoked"}


def test_terms_are_a_text_or_a_files_and_can_be_taken_away(terminal, tmp_path):
    """As they are written, with their lines; a file that is none is exit code 2."""
    path = tmp_path / "terms.txt"
    path.write_text("Only for us.\nNot for others.\n")
    made = terminal.json("link", "create", "reports/a.pdf", "--terms", f"@{path}")
    assert "Only for us.\nNot for others.\n" == made["terms"]
    assert "Only for us." in terminal.run("link", "show", made["id"]).stdout
    assert "For all." == terminal.json("link", "edit", made["id"], "--terms", "For all.")["terms"]
    assert terminal.json("link", "edit", made["id"], "--terms", "none")["terms"] is None
    assert 2 == terminal.run("link", "create", "reports/a.pdf", "--terms", f"@{tmp_path}/no").exit_code


def test_who_is_excluded_is_named_among_the_holders(terminal):
    """An edit of the others keeps them; one that names some names all, and not:none is nobody."""
    who = ("--holder", "@acme.example", "--holder", "not:eve@acme.example")
    made = terminal.json("link", "create", "reports/a.pdf", *who)
    assert (["acme.example"], ["eve@acme.example"]) == (made["holders"]["domains"], made["holders"]["excluded"])
    assert "@acme.example, not:eve@acme.example; by code" in terminal.run("link", "show", made["id"]).stdout
    for more, excluded in (((), ["eve@acme.example"]), (("--holder", "not:none"), [])):
        edited = terminal.json("link", "edit", made["id"], "--holder", "@b.example", *more)
        assert (["b.example"], excluded) == (edited["holders"]["domains"], edited["holders"]["excluded"])
    alone = terminal.run("link", "edit", made["id"], "--holder", "not:eve@acme.example")
    assert (2, True) == (alone.exit_code, "another --holder" in alone.output)


def test_holders_are_named_one_by_one_and_can_be_taken_off(terminal):
    """Addresses, domains with an @, groups with their word; an edit names all of them anew."""
    who = ("--holder", "ann@acme.example", "--holder", "@partner.example")
    made = terminal.json("link", "create", "reports/a.pdf", *who)
    named = {"emails": ["ann@acme.example"], "domains": ["partner.example"], "groups": [], "by": "code", "excluded": []}
    assert named == made["holders"]
    assert "ann@acme.example, @partner.example; by code" in terminal.run("link", "show", made["id"]).stdout
    signed = ("--holder", "group:a:b", "--holders-by", "oidc")
    assert ["a:b"] == terminal.json("link", "edit", made["id"], *signed)["holders"]["groups"]
    assert "group:a:b; by oidc" in terminal.run("link", "show", made["id"]).stdout
    assert terminal.json("link", "edit", made["id"], "--label", "x")["holders"] is not None
    assert terminal.json("link", "edit", made["id"], "--holder", "none")["holders"] is None
    assert 2 == terminal.run("link", "edit", made["id"], "--holders-by", "code").exit_code
    wrong = terminal.run("link", "create", "reports/a.pdf", "--holder", "ann")
    assert (True, True) == (wrong.exit_code != 0, "ann@acme.example" in wrong.stderr)
