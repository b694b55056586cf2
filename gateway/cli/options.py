"""Owns the options that say what a link or a key is, shared by `create` and `edit`, and what they become in a body.

Refuses to own what each value means (`gateway.cli.values`) and what the control API makes of it.

Laws: only options that were given are sent, so that an edit changes nothing else. A password is never an argument,
where other processes of the machine could read it. A name that an option had before is still understood, and not shown.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from gateway.cli.values import EXPIRY, NONE, PLACE, SIZE, SPAN, USES, Place, parse_expiry, parse_start
from gateway.core.attempt import read_network
from gateway.core.units import Rate, size

_NOT: Final = "not:"

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _check_networks(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if value != NONE:
            try:
                read_network(value)
            except ValueError:
                raise click.BadParameter(
                    f"{value!r} is no network: write one like 192.0.2.0/24 or 2001:db8::/32."
                ) from None
    return values


def _check_rate(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value not in {None, NONE}:
        try:
            Rate.parse(str(value))
        except ValueError as error:
            raise click.BadParameter(f"{error}.") from None
    return value


def _check_undo(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    return value if value in {None, NONE} else SPAN.convert(value, param, ctx)


def _read_terms(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None or not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{value[1:]} cannot be read as a text: {error}.") from None


_OF_BOTH: Final[tuple[Callable[[Any], Any], ...]] = (
    click.option(
        "--expires",
        type=EXPIRY,
        help="When it ends: 90s, 15m, 12h, 30d, 2w from now, a date (its end in UTC), none.",
    ),
    click.option("--not-before", type=EXPIRY, help="When it begins."),
    click.option("--uses", type=USES, help="How often it may be used; ranges and resumes of one download are one use."),
    click.option("--bytes", "budget", type=SIZE, help="How much it may ever move."),
    click.option("--label", help="A name for people; lists can be filtered by it."),
    click.option(
        "--cidr", "cidrs", multiple=True, callback=_check_networks, help="Only from this network; may be repeated."
    ),
    click.option("--rate", callback=_check_rate, help="Requests in a period, like 10/s or 100/min."),
)
_OF_LINKS: Final[tuple[Callable[[Any], Any], ...]] = (
    click.option("--password", "wants_password", is_flag=True, help="Ask for a password that users of the link need."),
    click.option("--password-stdin", is_flag=True, help="Read that password from the first line of standard input."),
    click.option("--owner", help="The principal whose rights it carries, like app:billing; you, unless given."),
    click.option("--filename", help="What browsers save it as."),
    click.option("--content-type", help="What it is served as."),
    click.option(
        "--etag", help="Only while the object has this ETag: it ends for whoever asks once the object changes."
    ),
    click.option("--max-size", type=SIZE, help="The largest body an upload may have."),
    click.option("--overwrite/--no-overwrite", default=None, help="Whether an upload may replace an object."),
    click.option("--on-conflict", type=click.Choice(("refuse", "rename", "overwrite")), help="If a name is taken."),
    click.option("--max-files", type=USES, help="How many files may ever be uploaded."),
    click.option("--total-bytes", type=SIZE, help="How much all uploaded files may have together."),
    click.option("--type", "types", multiple=True, help="Only files of this type, by their bytes; may be repeated."),
    click.option("--names", help="What uploads are called, like {date}/{uuid}-{name}; keep is as they are sent."),
    click.option("--blind/--no-blind", default=None, help="Whether nobody is told that a name is taken."),
    click.option("--undo", callback=_check_undo, help="How long an uploader may take a file back: 15m; none."),
    click.option("--message", help="What the upload page says to people."),
    click.option(
        "--terms", callback=_read_terms, help="What has to be accepted before any use: a text, or @FILE; none."
    ),
    click.option(
        "--holder",
        "holders",
        metavar="ADDRESS|@DOMAIN|group:NAME|not:ADDRESS",
        multiple=True,
        help="Only for who proves to have this address, one of this domain, or to be in this group, but not: this one; "
        "none. Repeatable. An edit keeps who is excluded, unless it says not: anew; not:none is nobody.",
    ),
    click.option(
        "--holders-by", type=click.Choice(("code", "oidc")), help="By a code that is mailed to them, or by signing in."
    ),
    click.option(
        "--confirm/--no-confirm",
        default=None,
        help="Whether it asks first: bytes come by its page's button or with ?download=1, to nobody who only looks.",
    ),
    click.option(
        "--once/--no-once",
        default=None,
        help="Whether it is one whole download, after which even the same client is refused.",
    ),
    click.option(
        "--credentials/--no-credentials",
        default=None,
        help="Whether it gives S3 credentials to whoever may use it; it does unless told otherwise.",
    ),
    click.option(
        "--shows",
        multiple=True,
        type=click.Choice(["page", "sender", "card", NONE]),
        help="What people see before the file: a page with a preview, on it who you are; a card in chats. Repeatable.",
    ),
)
_OF_KEYS: Final[tuple[Callable[[Any], Any], ...]] = tuple(
    click.option(
        f"--{action}",
        action,
        metavar="BUCKET/FOLDER/|BUCKET/KEY",
        type=PLACE,
        multiple=True,
        help=f"Only there, and there it may {text}. May be repeated, and named with the others.",
    )
    for action, text in (
        ("read", "read, and list a folder"),
        ("write", "write: upload, copy to, set tags"),
        ("delete", "delete"),
    )
)
_TEXTS: Final = (
    "label",
    "filename",
    "content_type",
    "etag",
    "rate",
    "names",
    "undo",
    "message",
    "on_conflict",
    "terms",
)
_SWITCHES: Final = ("overwrite", "blind", "confirm", "once", "credentials")


def link_options(command: _Command) -> _Command:
    """Adds the options; their values arrive under their own names, None for an option that was not given."""
    return _add(command, (*_OF_BOTH, *_OF_LINKS))


def key_options(command: _Command) -> _Command:
    """As `link_options`, for keys."""
    return _add(command, (*_OF_KEYS, *_OF_BOTH))


def _add(command: _Command, options: Sequence[Callable[[Any], Any]]) -> _Command:
    for option in reversed(options):
        command = option(command)
    return command


def build_scopes(chosen: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The places of a key with what each is for. Keys of one bucket with the same actions are one place."""
    actions: dict[Place, list[str]] = {}
    for action in ("read", "write", "delete"):
        for place in chosen.get(action) or ():
            found = actions.setdefault(place, [])
            found += [action, "list"] if action == "read" and place.is_prefix else [action]
    scopes: dict[tuple[str, ...], dict[str, Any]] = {}
    for place, may in actions.items():
        if place.is_prefix:
            scopes[place.bucket, place.rest, "/"] = {**place.body(), "actions": may}
        else:
            named = scopes.setdefault((place.bucket, *may), {"bucket": place.bucket, "keys": [], "actions": may})
            named["keys"].append(place.rest)
    return list(scopes.values())


def build_members(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a body for the options that were given, `none` as null."""
    body: dict[str, Any] = {name: _none_as_null(chosen[name]) for name in _TEXTS if chosen.get(name) is not None}
    body |= {name: chosen[name] for name in ("owner", *_SWITCHES) if chosen.get(name) is not None}
    body |= _build_holders(chosen.get("holders") or (), chosen.get("holders_by"))
    for name, member in (("budget", "bytes"), ("max_size", "max_size"), ("total_bytes", "total_bytes")):
        if chosen.get(name) is not None:
            body[member] = None if chosen[name] == NONE else size(chosen[name])
    for name in ("uses", "max_files"):
        if chosen.get(name) is not None:
            body[name] = None if chosen[name] == NONE else int(chosen[name])
    if chosen.get("types"):
        body["types"] = [kind for kind in chosen["types"] if kind != NONE] or None
    if chosen.get("expires") is not None:
        body |= parse_expiry(chosen["expires"])
    if chosen.get("not_before") is not None:
        body["not_before"] = None if chosen["not_before"] == NONE else parse_start(chosen["not_before"])
    if chosen.get("shows"):
        body["shows"] = [shown for shown in chosen["shows"] if shown != NONE]
    if chosen.get("cidrs"):
        body["cidrs"] = [cidr for cidr in chosen["cidrs"] if cidr != NONE]
    return body


def _build_holders(named: Sequence[str], by: str | None) -> dict[str, Any]:
    """The member that says whom a link is for, if that was said. An edit names all of them anew.

    Raises:
        click.UsageError: it is said how they prove who they are, and not who.
    """
    people = [one for one in named if one != NONE and not one.startswith(_NOT)]
    excluded = [one.removeprefix(_NOT) for one in named if one.startswith(_NOT)]
    if by is not None and not people:
        raise click.UsageError("--holders-by goes with --holder: say whom the link is for.")
    if excluded and not people:
        raise click.UsageError(f"--holder {_NOT}… goes with another --holder: say whom the link is for.")
    if not people:
        return {"holders": None} if named else {}
    groups = [one.removeprefix("group:") for one in people if one.startswith("group:")]
    domains = [one.removeprefix("@") for one in people if one.startswith("@")]
    emails = [one for one in people if not one.startswith(("@", "group:"))]
    members: dict[str, Any] = {"emails": emails, "domains": domains, "groups": groups}
    if excluded:
        members["excluded"] = [one for one in excluded if one != NONE]
    return {"holders": members | ({} if by is None else {"by": by})}


def _none_as_null(text: str) -> str | None:
    return None if text == NONE else text


class RenamedOption(click.Option):
    """An option that is also taken by its `former` name, which neither help nor completion shows."""

    def __init__(self, *given: Any, former: str, **more: Any) -> None:
        super().__init__(*given, **more)
        self._former = former

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        super().add_to_parser(parser, ctx)
        parser.add_option(self, [self._former], dest=self.name, action="store", nargs=self.nargs)


password_file_option: Final = click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file whose first line is the link's password.",
)


def read_password_file(file: Path) -> str:
    """The password that a file holds: its first line."""
    return file.read_text().partition("\n")[0].rstrip("\r")


def read_known_password(file: Path | None, *, wants_password: bool) -> str | None:
    """The password of a link that there is, from a file or asked for on the terminal; None if neither was wanted.

    Raises:
        click.UsageError: both ways were wanted.
    """
    if wants_password and file is not None:
        raise click.UsageError("--password and --password-file do not go together.")
    if file is not None:
        return read_password_file(file)
    return ask_password() if wants_password else None


def ask_password(*, confirm: bool = False) -> str:
    """A password from the terminal, unseen; typed twice when it is a new one."""
    word: str = click.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True)
    return word


def read_password(chosen: Mapping[str, Any]) -> str | None:
    """A new password, asked for on the terminal or read from standard input, None if neither was wanted.

    Raises:
        click.UsageError: it is empty, or both ways were wanted.
    """
    if chosen.get("wants_password") and chosen.get("password_stdin"):
        raise click.UsageError("--password and --password-stdin do not go together.")
    if chosen.get("password_stdin"):
        word = sys.stdin.readline().rstrip("\r\n")
    elif chosen.get("wants_password"):
        word = ask_password(confirm=True)
    else:
        return None
    if not word:
        raise click.UsageError("The password is empty.")
    return word
