"""Owns how the command line speaks: exit codes, one-sentence failures, tables, JSON, progress.

Refuses to own what is said (the commands) and which exceptions there are (`gateway.cli.group`).

Laws: data goes to standard output, messages for a person go to standard error. With `--json` standard output
holds one JSON document with the control API's own names, and nothing else. What others wrote, a gateway or a link's
host too, moves no cursor and writes no title: of control characters only the ends of lines come through.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from types import TracebackType
from typing import Any, Final, NoReturn, Self, TypeVar

import click

from gateway.core.names import is_shown
from gateway.core.units import format_duration, instant

_Command = TypeVar("_Command", bound=Callable[..., Any])


_WHOLE: Final = 1000


class Exit(IntEnum):
    """What the process ends with."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    SETTINGS = 5


EPILOG: Final = """\b
Exit codes:
  0  done
  1  refused or failed
  2  wrong usage
  3  the gateway cannot be reached
  4  no such link, key or object
  5  settings or policies are wrong

\b
Environment:
  GATEWAY_URL          control API; else that of the context in use,
                       else http://127.0.0.1:8081
  GATEWAY_CONTEXT      the context in use here (gateway context --help)
  GATEWAY_ADMIN_TOKEN  an admin's token; without one, a gateway key in
                       AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY acts as its app;
                       without both, whoever has signed in (gateway login)
  GATEWAY_CONFIG       what --config is unless given: the settings to serve by
  GATEWAY_CONFIG_DIR   contexts and sign-ins, ~/.config/gateway unless set
  NO_COLOR             no colours

\b
Completion (bash; zsh and fish likewise):
  eval "$(gateway completion bash)"
"""


class Commands(click.Group):
    """Commands below one name. Its help tells each by its whole first sentence, where click would cut it short."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            told = [(name, self.commands[name].get_short_help_str(_WHOLE)) for name in self.list_commands(ctx)]
            formatter.write_dl(told)


def fail(message: str, code: Exit = Exit.FAILED) -> NoReturn:
    """End the command with one sentence on standard error and this exit code."""
    click.echo(f"Error: {make_printable(message)}", err=True)
    raise click.exceptions.Exit(int(code))


def fail_with_problem(status: int, body: bytes) -> NoReturn:
    """End the command with the detail of a link's refusal."""
    try:
        problem = json.loads(body)
        text = str(problem.get("detail") or problem["title"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text = f"The link answered {status}."
    fail(text, Exit.NOT_FOUND if status == 404 else Exit.FAILED)


def say(message: str) -> None:
    """One line for the person, on standard error."""
    click.echo(make_printable(message), err=True)


def tell(line: str) -> None:
    """One line of data, on standard output."""
    click.echo(make_printable(line))


def print_json(value: Any) -> None:
    """The one document of `--json`: indented for a terminal, one line for a pipe. JSON in any encoding."""
    bare = (sys.stdout.encoding or "").lower() in {"utf-8", "utf8"}
    text = json.dumps(value, ensure_ascii=not bare, indent=2 if sys.stdout.isatty() else None)
    if not text.isprintable():  # what may stand in JSON may still be a command to the terminal
        text = "".join(letter if letter == "\n" or is_shown(letter) else json.dumps(letter)[1:-1] for letter in text)
    click.echo(text)


def report_revoked(names: Sequence[str], counts: Sequence[int | None], kind: str, *, as_json: bool) -> None:
    """Print what the revocation of each of these did; a count of None stands for an unknown name.

    Raises:
        click.exceptions.Exit: one at least is unknown.
    """
    if as_json:
        print_json({"revoked": sum(count or 0 for count in counts), "unknown": counts.count(None)})
    else:
        for name, count in zip(names, counts, strict=True):
            if count is not None:
                click.echo(f"revoked {name}" if count else f"{name} had ended before")
    unknown = [name for name, count in zip(names, counts, strict=True) if count is None]
    if unknown:
        fail(f"no such {kind}: {', '.join(unknown)}", Exit.NOT_FOUND)


def say_waiting(item: Mapping[str, Any]) -> None:
    """Tell whoever made a link or a key that it has to be approved first."""
    if item["state"] == "awaiting_approval":
        waits = item["approval"]
        say(f"Not released yet: the rule {waits['rule']!r} wants it approved, until {waits['until']}.")


def format_approval(approval: Mapping[str, Any] | None) -> dict[str, str | None]:
    """What is shown of a grant that waits, or was approved."""
    if approval is None:
        return {}
    given = ", ".join(f"{one['at']} by {one['by']} ({one['rule']})" for one in approval["given"])
    waits = f"{approval['rule']}, until {approval['until']}, asked by {', '.join(approval['asked_by'])}"
    return {"approved": given, "waits for": None if approval["rule"] is None else waits}


def json_option(command: _Command) -> _Command:
    """Adds `--json` to a command, as its parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def print_table(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> None:
    """Rows under headed columns, as wide as they need; the last column is not padded."""
    widths = {name: max([len(name), *(len(row.get(name, "")) for row in rows)]) for name in columns}
    for line in ({name: name.upper() for name in columns}, *rows):
        cells = [make_one_line(line.get(name, "")).ljust(widths[name]) for name in columns]
        click.echo("  ".join(cells).rstrip())


def make_printable(text: str) -> str:
    """What others wrote moves no cursor: of control characters only lines and tabs reach the terminal."""
    return "\n".join("\t".join(map(make_one_line, line.split("\t"))) for line in text.split("\n"))


def make_one_line(text: str) -> str:
    """The same, on one line."""
    if text.isprintable():
        return text
    return "".join(letter if is_shown(letter) else "\N{REPLACEMENT CHARACTER}" for letter in text)


def format_size(count: float | None) -> str:
    """Bytes for people: `4.0 KiB`; "" for None."""
    if count is None:
        return ""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def format_when(at: float | None, now: float) -> str:
    """An instant for people, relative to now: `in 29d 23h`, `5m ago`, `never`."""
    if at is None:
        return "never"
    return f"in {format_duration(at - now)}" if at >= now else f"{format_duration(now - at)} ago"


def format_end(text: object) -> str:
    """How far away the `expires_at` of an answer is; `never` for none."""
    return format_when(instant(text) if isinstance(text, str) else None, time.time())


class Progress:
    """A line on standard error that shows bytes moved; silent when that is no terminal.

    `total` is in bytes, None if unknown. At most ten updates a second.
    """

    def __init__(self, label: str, total: int | None, done: int = 0) -> None:
        self._label = label
        self._total = total
        self._done = done
        self._began_with = done
        self._began = self._shown = time.monotonic()
        self._visible = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._visible:
            self._show()
            click.echo(err=True)

    def moved(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if self._visible and now - self._shown >= 0.1:
            self._shown = now
            self._show()

    def _show(self) -> None:
        elapsed = max(time.monotonic() - self._began, 1e-6)
        speed = (self._done - self._began_with) / elapsed
        share = (
            f"{self._done / self._total:4.0%} of {format_size(self._total)}" if self._total else format_size(self._done)
        )
        click.echo(f"\r\x1b[K{self._label}  {share}  {format_size(speed)}/s", err=True, nl=False)
