"""How the command line speaks."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import output
from gateway.cli.output import (
    Commands,
    Exit,
    Progress,
    fail,
    fail_with_problem,
    format_size,
    format_when,
    print_json,
    print_table,
    say,
    tell,
)
from gateway.core.names import is_shown


def printed(work) -> tuple[str, str]:
    done = CliRunner().invoke(click.command()(work))
    return done.stdout, done.stderr


def test_a_failure_is_one_sentence_on_standard_error():
    """Standard output stays empty for the next program."""

    @click.command()
    def work():
        fail("It broke.", Exit.NOT_FOUND)

    done = CliRunner().invoke(work)
    assert (done.exit_code, done.stdout, done.stderr) == (4, "", "Error: It broke.\n")


def test_exit_codes_are_the_documented_ones():
    """Each code of the enum stands in the help."""
    for code in Exit:
        assert f"\n  {int(code)}  " in output.EPILOG
    assert [int(code) for code in Exit] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("kind", [Commands, click.Group])
def test_each_command_is_told_by_its_whole_sentence(kind):
    """However narrow the terminal. Control: click's own groups cut it short."""
    sentence = "Say why somebody would be allowed, or refused, to do something at a place: all reasons"
    group = kind(commands=[click.Command("explain", help=f"{sentence}.\n\nAnd more.")])
    told = " ".join(CliRunner().invoke(group, ["--help"]).output.partition("Commands:")[2].split())
    assert (kind is Commands, kind is not Commands, False) == (sentence in told, "..." in told, "And more" in told)


def test_json_for_a_pipe_is_one_line():
    """And unescaped, so that names stay readable."""
    out, _ = printed(lambda: print_json({"a": ["ü", 1]}))
    assert out == '{"a": ["ü", 1]}\n'
    assert json.loads(out) == {"a": ["ü", 1]}


@given(st.lists(st.text(), max_size=5))
def test_a_row_of_a_table_is_one_line_whatever_is_in_it(cells):
    """Names chosen by others cannot add rows or commands to a terminal."""
    out, _ = printed(lambda: print_table([{"a": cell, "b": "x"} for cell in cells], ("a", "b")))
    assert len(out.splitlines()) == len(cells) + 1
    assert all(map(is_shown, out.replace("\n", "")))


_COMMANDS = "\x1b]0;title\x07\x1b[2J\r\x08\x9b2J\u202egpj.exe"


@pytest.mark.parametrize("speak", [say, tell, print_json, lambda text: fail_with_problem(403, _problem(text))])
def test_what_others_wrote_gives_a_terminal_no_command(speak):
    """A link's host or a gateway may be anybody's: neither colours, titles nor turned letters come from them."""
    out, err = printed(lambda: _until_exit(speak, _COMMANDS))
    assert "title" in out + err
    assert all(map(is_shown, (out + err).replace("\n", "")))


@pytest.mark.parametrize("text", ["Grüße an Łukasz\nund zwei\tSpalten", "a\u00a0b", "می\u200cخواهم", "👨\u200d👩"])
def test_what_people_write_is_told_as_it_is(text):
    """Lines, columns, blanks that do not break, and joiners."""
    assert ("", f"{text}\n") == printed(lambda: say(text))
    assert text == json.loads(printed(lambda: print_json(text))[0])


def test_what_json_hides_is_read_again_as_it_was():
    """What is escaped for the terminal's sake is the same text to a program."""
    assert _COMMANDS + "\U000e0001" == json.loads(printed(lambda: print_json(_COMMANDS + "\U000e0001"))[0])


def test_a_problem_that_nests_too_deeply_is_told_by_its_status():
    """No traceback, whatever a host answers."""
    _, err = printed(lambda: _until_exit(partial(fail_with_problem, 403), b"[" * 50_000))
    assert "Error: The link answered 403.\n" == err


def _problem(text):
    return json.dumps({"detail": text}).encode()


def _until_exit(speak, text):
    with suppress(click.exceptions.Exit):
        speak(text)


def test_columns_line_up():
    """As wide as their widest cell."""
    out, _ = printed(lambda: print_table([{"a": "1", "b": "2"}, {"a": "333", "b": "4"}], ("a", "b")))
    assert out.splitlines() == ["A    B", "1    2", "333  4"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, ""), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 1024**3, "5.0 GiB"), (3 * 1024**4, "3.0 TiB")],
)
def test_sizes_are_for_people(count, text):
    """In binary units, as the settings take them."""
    assert format_size(count) == text


@pytest.mark.parametrize(("at", "text"), [(None, "never"), (90.0, "in 1m 20s"), (10.0, "in 0s"), (7.0, "3s ago")])
def test_instants_are_relative_to_now(at, text):
    """Now is the eleventh second."""
    assert format_when(at, 10.0) == text


def test_progress_is_silent_where_nobody_looks():
    """Into a log file goes no carriage return."""

    def work():
        with Progress("a", 100) as progress:
            progress.moved(50)

    assert printed(work) == ("", "")


def test_progress_shows_share_and_speed_on_a_terminal(monkeypatch, capsys):
    """The last state is always shown."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with Progress("a.bin", 2048) as progress:
        progress.moved(1024)
    shown = capsys.readouterr().err
    assert "a.bin   50% of 2.0 KiB" in shown
    assert shown.endswith("/s\n")
