"""Owns the command `ui`: it opens the console of the gateway that the other commands speak to, as whoever they act as.

Refuses to own signing in there (`gateway.control.console`), and which gateway it is (`gateway.cli.contexts`).

Law: no token, key or sign-in is handed to the browser. It is given a code that counts once, for a minute, and stands
where no request or log has it: behind `#` in the address.
"""

from __future__ import annotations

import click

from gateway.cli.client import Control, control_without_token
from gateway.cli.contexts import choose_place
from gateway.cli.output import Exit, fail, json_option, print_json, say, tell


@click.command()
@click.option("--print", "only_print", is_flag=True, help="Print the address and open nothing.")
@json_option
def ui(*, only_print: bool, as_json: bool) -> None:
    """Open the console in a browser, signed in as whoever this command line acts as.

    The browser asks before it signs you in. Whoever has no token, key or sign-in here signs in there: with an admin's
    token, with a key, or at your issuer. An address that is printed with a code counts once, for a minute.
    """
    from http.client import HTTPException

    place, control = choose_place(), control_without_token()
    address = f"{place.url.rstrip('/')}/ui/"
    try:
        status, _ = control.ask("GET", "/ui/sign-in")
    except (OSError, HTTPException):
        fail(f"No gateway answers at {address}: is it running, is GATEWAY_URL right?", Exit.UNREACHABLE)
    if status != 200:
        fail(f"{address} answered {status}: the gateway there has no console, or it is switched off.", Exit.NOT_FOUND)
    entrance = _ask_for_entrance(control) or address
    if as_json:
        print_json({"url": entrance})
        return
    if not only_print:
        from gateway.cli.login import open_browser

        if open_browser(entrance):
            tell(address)
            say("opened in a browser" if entrance != address else "opened in a browser; sign in there")
            return
    tell(entrance)
    if entrance != address:
        say("the address counts once, for a minute")


def _ask_for_entrance(control: Control) -> str:
    """The address that signs a browser in; "" for who acts as nobody, and where a gateway knows no such address.

    Raises:
        click.exceptions.Exit: the gateway does not take what this command line shows.
    """
    if not (control.token or control.key or control.sign_in):
        return ""
    answer = control.call("POST", "/v1/console/codes", {"url": control.url}, missing={})
    return str(answer.get("url", ""))
