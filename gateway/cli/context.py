"""Owns the commands about contexts: add, use, ls, rm.

Refuses to own which of them a command speaks to (`gateway.cli.contexts`).
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import click

from gateway.cli.contexts import (
    CONTEXT_NAME,
    Context,
    Contexts,
    change_contexts,
    complete_context,
    read_contexts,
    warn_of_clear,
)
from gateway.cli.output import Commands, Exit, fail, json_option, print_json, print_table, say
from gateway.cli.sign_ins import has_sign_in, remove_sign_in

_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)


@click.group(cls=Commands)
def context() -> None:
    """Name several gateways, and choose between them.

    \b
    gateway context add prod --url https://gateway.acme.example:8081
    gateway login --context prod
    gateway context use prod
    gateway link ls                       # prod
    gateway link ls --context lab         # another one, this once

    What counts first: --context; then GATEWAY_URL; then the context of GATEWAY_CONTEXT, or the one in use; then
    http://127.0.0.1:8081. GATEWAY_ADMIN_TOKEN, and a gateway's key in AWS_ACCESS_KEY_ID, come before the token or the
    sign-in of a context, but not before those of --context.
    """


@context.command()
@click.argument("name")
@click.option("--url", required=True, help="The control API: https://HOST[:PORT][/PATH].")
@click.option("--ca-file", type=_FILE, help="Authorities to trust for it instead of the system's, PEM.")
@click.option("--token-file", type=_FILE, help="A file with a bearer token, read at each command.")
@click.option("--admin-token-env", metavar="VARIABLE", help="The variable that holds an admin's token.")
@click.option("--replace", is_flag=True, help="Write over the context that has this name.")
@json_option
def add(  # noqa: PLR0917 (click names them)
    name: str,
    url: str,
    ca_file: Path | None,
    token_file: Path | None,
    admin_token_env: str | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Name a gateway NAME. The first one is in use at once.

    Without a token the context is for who signs in (gateway login), or for a key in AWS_ACCESS_KEY_ID. A bearer token
    is an admin's, or one of an issuer that the gateway believes, as CI platforms make them.
    """
    if not CONTEXT_NAME.fullmatch(name):
        raise click.UsageError(f"{name!r} is no name: letters, digits and . _ -, at most 64 of them.")
    if token_file is not None and admin_token_env is not None:
        raise click.UsageError("--token-file and --admin-token-env do not go together.")
    _check_url(url)
    made = Context(
        name,
        url.rstrip("/"),
        None if ca_file is None else str(ca_file),
        None if token_file is None else str(token_file),
        admin_token_env,
    )

    def put(before: Contexts) -> Contexts:
        if name in before.known and not replace:
            fail(f"There is a context {name} already: --replace writes over it.", Exit.USAGE)
        return Contexts({**before.known, name: made}, before.current or name)

    change_contexts(put)
    _show(read_contexts(), as_json=as_json, say_what=f"{name} is {made.url}")


@context.command()
@click.argument("name", shell_complete=complete_context)
@json_option
def use(name: str, *, as_json: bool) -> None:
    """Have commands speak to the gateway NAME from now on."""
    change_contexts(lambda before: Contexts(before.known, before.named(name).name))
    _show(read_contexts(), as_json=as_json, say_what=f"{name} is in use")


@context.command()
@json_option
def ls(*, as_json: bool) -> None:
    """List the contexts; the star is at the one in use."""
    found = read_contexts()
    if not as_json and not found.known:
        say("There are none: gateway context add NAME --url URL makes one.")
    _show(found, as_json=as_json)


@context.command()
@click.argument("name", shell_complete=complete_context)
@json_option
def rm(name: str, *, as_json: bool) -> None:
    """Forget the context NAME, and the sign-in that is kept for it."""

    def take_out(before: Contexts) -> Contexts:
        before.named(name)
        rest = {other: one for other, one in before.known.items() if other != name}
        return Contexts(rest, None if before.current == name else before.current)

    change_contexts(take_out)
    remove_sign_in(name)
    _show(read_contexts(), as_json=as_json, say_what=f"{name} is forgotten")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, known = urlsplit(""), False
    if not known or parts.query or parts.fragment or parts.username is not None:
        raise click.UsageError("--url is no control API: write https://HOST[:PORT].")
    warn_of_clear(url)


def _show(contexts: Contexts, *, as_json: bool, say_what: str | None = None) -> None:
    rows = [
        {
            "name": one.name,
            "url": one.url,
            "current": one.name == contexts.current,
            "ca_file": one.ca_file,
            "identity": _describe_identity(one),
        }
        for one in contexts.known.values()
    ]
    if as_json:
        print_json({"contexts": rows})
    elif say_what is not None:
        say(say_what)
    elif rows:
        shown = [
            {"": "*" if row["current"] else "", **{name: str(row[name]) for name in ("name", "url", "identity")}}
            for row in rows
        ]
        print_table(shown, ("", "name", "url", "identity"))


def _describe_identity(one: Context) -> str:
    if one.token_file is not None:
        return f"token in {one.token_file}"
    if one.admin_token_env is not None:
        return f"token in ${one.admin_token_env}"
    return "signed in" if has_sign_in(one.name) else "none kept"
