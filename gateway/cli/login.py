"""Owns the commands `login` and `logout`: a person signs in at an issuer that the gateway believes, and out again.

Refuses to own the protocol (`gateway.cli.oidc`) and what is kept (`gateway.cli.sign_ins`).

Law: whose issuers count is said by the gateway, over the connection on which its tokens are sent; nothing is kept
before the gateway has said who it takes the person for.
"""

from __future__ import annotations

import os
import secrets
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.client import Control
from gateway.cli.contexts import ChosenGateway, choose_place, warn_of_clear
from gateway.cli.output import Exit, fail, json_option, print_json, say, tell
from gateway.cli.sign_ins import drop_sign_in, find_sign_in, keep_sign_in

if TYPE_CHECKING:
    from gateway.cli.oidc import Issuer, Tokens
    from gateway.core.identity import PublicClient

_BROWSER_SECONDS: Final = 300.0
"""Seconds for somebody to sign in in a browser."""


@click.command()
@click.argument("issuer", required=False)
@click.option("--device", is_flag=True, help="Sign in in a browser elsewhere, by a code to type there.")
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@json_option
def login(issuer: str | None, *, device: bool, no_browser: bool, as_json: bool) -> None:
    """Sign in to a gateway as yourself, at an OpenID Connect issuer that it believes.

    Opens a browser and waits for it on this machine. The gateway says which issuers there are; where there are several,
    name one. What the issuer gives is kept for you alone in GATEWAY_CONFIG_DIR, else ~/.config/gateway, and is renewed
    by itself as long as the issuer lets it. Every command then acts as you: gateway whoami.

    \b
    gateway login
    gateway login --context prod
    gateway login --device                # on a machine without a browser
    """
    from gateway.cli.oidc import discover

    place = choose_place()
    warn_of_clear(place.url)
    doors = discover(_choose_offer(place, issuer), place.ca_file)
    tokens = _by_device(doors) if device else _by_browser(doors, opened=not no_browser)
    known = Control(place.url, tokens.token, ca_file=place.ca_file).ask_who()
    if known is None:
        fail(f"{place} does not take what {doors.offer.issuer} says of you: its `users` may not admit you.")
    keep_sign_in(place, doors, tokens)
    if as_json:
        print_json({**known, "context": place.context and place.context.name, "url": place.url})
        return
    tell(known["principal"])
    say(f"Signed in to {place}" + (", renewed by itself." if tokens.refresh else f" until {known['until']}."))


@click.command()
@json_option
def logout(*, as_json: bool) -> None:
    """Forget your sign-in, and have the issuer take back what renews it."""
    place = choose_place()
    kept = find_sign_in(place)
    taken_back = False
    if kept is not None:
        from gateway.cli.oidc import withdraw

        drop_sign_in(place)
        taken_back = withdraw(*kept.parts())
    if as_json:
        print_json({"signed_out": kept is not None, "taken_back": taken_back})
    else:
        say(f"Signed out of {place}." if kept is not None else f"Nobody was signed in to {place}.")


def _choose_offer(place: ChosenGateway, issuer: str | None) -> PublicClient:
    from gateway.core.identity import PublicClient

    api = Control(place.url, "", ca_file=place.ca_file)
    said: list[dict[str, Any]] = api.call("GET", "/v1/sign-in", missing={"issuers": []})["issuers"]
    offers = {
        str(one["issuer"]): PublicClient(one["issuer"], one["client_id"], one["audience"], tuple(one["scopes"]))
        for one in said
    }
    if not offers:
        fail(f"{place} has nobody sign in here: control.identity[].cli is not set.")
    if issuer is None and len(offers) > 1:
        fail(f"Name one of its issuers: gateway login {' | '.join(offers)}", Exit.USAGE)
    found = next(iter(offers.values())) if issuer is None else offers.get(issuer)
    if found is None:
        fail(f"{place} does not believe {issuer}: it believes {', '.join(offers)}.", Exit.USAGE)
    return found


def _by_browser(issuer: Issuer, *, opened: bool) -> Tokens:
    from gateway.cli.loopback import ELSEWHERE, Loopback, own_terminal
    from gateway.cli.oidc import AuthorizationRequest, exchange_code

    if issuer.authorization is None:
        fail(f"{issuer.offer.issuer} has no way through a browser: try --device.")
    with Loopback() as back:
        question = AuthorizationRequest(issuer, back.address, *(secrets.token_urlsafe(48) for _ in range(3)))
        say(f"Sign in at {issuer.offer.issuer}:\n\n  {question.address}\n")
        terminal = None if opened else own_terminal()
        if opened:
            open_browser(question.address)
        elif terminal is not None:
            say(ELSEWHERE)
        code = question.read_answer(back.take_answer(_BROWSER_SECONDS, terminal=terminal))
    return exchange_code(question, code)


def _by_device(issuer: Issuer) -> Tokens:
    from gateway.cli.oidc import ask_on_a_device

    return ask_on_a_device(
        issuer, show=lambda address, code: say(f"Open {address} in any browser, and type this code:\n\n  {code}\n")
    )


def open_browser(address: str) -> bool:
    """Whether one was opened. Only one with a window: one in the terminal would hide what stands there."""
    windows = sys.platform in {"darwin", "win32"} or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if not windows:
        return False
    import webbrowser

    return webbrowser.open(address)
