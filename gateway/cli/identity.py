"""Owns as whom a command speaks to a gateway: an admin's token, an app's key, or a person's sign-in.

Refuses to own which gateway that is (`gateway.cli.contexts`) and whether it takes them.

Laws: the environment comes before what a context keeps, but after the context that `--context` names. What is shown to
a gateway was meant for it: a key of another store is none, and a sign-in goes where it was made for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cli.contexts import ChosenGateway, Context
from gateway.cli.output import Exit, fail
from gateway.core.values import dataclass

if TYPE_CHECKING:
    from gateway.cli.sign_ins import KeptSignIn
    from gateway.core.backend import Credentials

KEY_MARK: Final = "GWK"
"""What the access key ids of gateways begin with."""

_ADMIN: Final = "GATEWAY_ADMIN_TOKEN"


@dataclass(frozen=True, slots=True)
class ShownCredentials:
    """What a command shows: one of the three. `source` is where it is from, for people."""

    source: str
    token: str = field(default="", repr=False)
    key: Credentials | None = None
    sign_in: KeptSignIn | None = None


_Look = Callable[[], ShownCredentials | None]


def choose_credentials(place: ChosenGateway) -> ShownCredentials | None:
    """What to show at this place; None if there is nothing.

    Raises:
        click.exceptions.Exit: what there is cannot be read.
    """
    surroundings: tuple[_Look, ...] = (lambda: _read_variable(_ADMIN), _read_key)
    kept: tuple[_Look, ...] = (lambda: _read_kept(place.context), lambda: _find_sign_in(place))
    for look in (*kept, *surroundings) if place.asked else (*surroundings, *kept):
        found = look()
        if found is not None:
            return found
    return None


def _read_kept(context: Context | None) -> ShownCredentials | None:
    if context is None:
        return None
    if context.token_file is not None:
        try:
            text = Path(context.token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            fail(f"{context.token_file}: {getattr(error, 'strerror', None) or 'no text'}.", Exit.USAGE)
        return ShownCredentials(context.token_file, _check_token(context.token_file, text))
    if context.admin_token_env is not None:
        found = _read_variable(context.admin_token_env)
        if found is None:
            fail(f"{context.admin_token_env} is not set: the context {context.name} has its token there.", Exit.USAGE)
        return found
    return None


def _read_variable(name: str) -> ShownCredentials | None:
    token = os.environ.get(name, "").strip()
    return ShownCredentials(name, _check_token(name, token)) if token else None


def _check_token(source: str, token: str) -> str:
    """A client's own message about such a header would show it."""
    if not token or not (token.isascii() and token.isprintable()):
        fail(f"{source} holds characters that no token has." if token else f"{source} holds no token.", Exit.USAGE)
    return token


def _read_key() -> ShownCredentials | None:
    """A gateway's key in the variables of AWS's own tools. A key of anybody else's is not for a gateway to see."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    public, secret, session = (os.environ.get(name, "").strip() for name in names)
    if not public.startswith(KEY_MARK) or not secret:
        return None
    from gateway.core.backend import Credentials

    return ShownCredentials("AWS_ACCESS_KEY_ID", key=Credentials(public, secret, session or None))


def _find_sign_in(place: ChosenGateway) -> ShownCredentials | None:
    from gateway.cli.sign_ins import find_sign_in

    found = find_sign_in(place)
    return None if found is None else ShownCredentials("your sign-in", sign_in=found)
