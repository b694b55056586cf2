"""Owns which gateway a command speaks to: contexts by name, the one in use, and what option and environment say.

Refuses to own the files (`gateway.cli.private_files`), sign-ins (`gateway.cli.sign_ins`) and the commands that change
contexts (`gateway.cli.context`).

Law: `--context` comes first, then GATEWAY_URL, then the context of GATEWAY_CONTEXT or the one in use, then the gateway
of this machine. No secret stands in a context: it names a file or a variable.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import click

from gateway.cli.output import Exit, fail, say
from gateway.cli.private_files import locked, read_object, write_object
from gateway.core.values import dataclass

DEFAULT_URL: Final = "http://127.0.0.1:8081"
CONTEXT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_FILE: Final = "contexts.json"
_CHOSEN: Final = "gateway.cli.context"
_PARTS: Final = ("ca_file", "token_file", "admin_token_env")


@dataclass(frozen=True, slots=True)
class Context:
    """One gateway: its control API, whom to believe that it is that, and where an admin's token is."""

    name: str
    url: str
    ca_file: str | None = None
    token_file: str | None = None
    admin_token_env: str | None = None


@dataclass(frozen=True, slots=True)
class Contexts:
    """All that are known, by name, and the name of the one in use."""

    known: Mapping[str, Context]
    current: str | None

    def named(self, name: str) -> Context:
        """Raises click.exceptions.Exit: there is none."""
        found = self.known.get(name)
        if found is None:
            fail(f"No context is named {name!r}: {_suggest(name, self.known)}.", Exit.USAGE)
        return found


@dataclass(frozen=True, slots=True)
class ChosenGateway:
    """The gateway that was chosen. `asked` says that the context was named as an option, so that it comes before what
    the environment says of an identity too."""

    url: str
    context: Context | None = None
    asked: bool = False

    @property
    def ca_file(self) -> str | None:
        return None if self.context is None else self.context.ca_file

    def __str__(self) -> str:
        return self.url if self.context is None else f"{self.context.name} ({self.url})"


def read_contexts() -> Contexts:
    """What the file says.

    Raises:
        click.exceptions.Exit: it is damaged, or open to others.
    """
    said = read_object(_FILE)
    try:
        known = {
            str(name): Context(str(name), str(parts["url"]), *(parts.get(part) for part in _PARTS))
            for name, parts in said.get("contexts", {}).items()
        }
    except (AttributeError, KeyError, TypeError):
        fail(f"The contexts in {_FILE} are damaged: remove it.", Exit.USAGE)
    current = said.get("current")
    return Contexts(known, current if current in known else None)


def change_contexts(change: Callable[[Contexts], Contexts]) -> None:
    """Write what follows from what is there; nobody else changes it meanwhile. Raises as `read_contexts`."""
    with locked(_FILE):
        wanted = change(read_contexts())
        contexts: dict[str, dict[str, Any]] = {}
        for name, one in wanted.known.items():
            parts = {part: getattr(one, part) for part in _PARTS}
            contexts[name] = {"url": one.url} | {part: value for part, value in parts.items() if value is not None}
        write_object(_FILE, {"current": wanted.current, "contexts": contexts})


def choose_place() -> ChosenGateway:
    """The gateway that this command speaks to.

    Raises:
        click.exceptions.Exit: a context is named that there is not, or the environment names two gateways.
    """
    ctx = click.get_current_context(silent=True)
    asked = None if ctx is None else ctx.meta.get(_CHOSEN)
    if asked is not None:
        found = read_contexts().named(asked)
        return ChosenGateway(found.url, found, asked=True)
    url, named = os.environ.get("GATEWAY_URL", ""), os.environ.get("GATEWAY_CONTEXT", "")
    if url and not named:
        return ChosenGateway(url)
    contexts = read_contexts()
    context = contexts.named(named) if named else contexts.known.get(contexts.current or "")
    if context is not None and url and url != context.url:
        fail("GATEWAY_URL and GATEWAY_CONTEXT name two gateways: unset one of them, or say --context.", Exit.USAGE)
    return ChosenGateway(DEFAULT_URL) if context is None else ChosenGateway(context.url, context)


def warn_of_clear(url: str) -> None:
    """Say it where whoever is on the way to a gateway can read what is shown to it."""
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in LOCAL_HOSTS:
        say("Without TLS, whoever is on the way reads the tokens that are sent there.")


def context_option() -> click.Option:
    """A new option `--context`, for a command or a group of them."""

    def note(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.meta[_CHOSEN] = value

    return click.Option(
        ["--context"],
        metavar="NAME",
        expose_value=False,
        callback=note,
        shell_complete=complete_context,
        help="The gateway of this context; gateway context ls shows them.",
    )


def complete_context(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The names of contexts, for a shell. Whatever is wrong with the file, there are none."""
    try:
        return [name for name in read_contexts().known if name.startswith(incomplete)]
    except click.exceptions.Exit:
        return []


def _suggest(name: str, known: Mapping[str, Context]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}" if close else "gateway context ls shows them, gateway context add makes one"
