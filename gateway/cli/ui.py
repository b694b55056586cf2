"""Owns the command `ui`: it opens the console of the gateway that the other commands speak to.

Refuses to own signing in there (`gateway.control.console`), and which gateway it is (`gateway.cli.contexts`).

Law: no secret is in the address, nor handed to the browser in any other way: whoever signs in pastes theirs.
"""

from __future__ import annotations

import click

from gateway.cli.client import control_without_token
from gateway.cli.contexts import choose_place
from gateway.cli.output import Exit, fail, json_option, print_json, say


@click.command()
@click.option("--print", "only_print", is_flag=True, help="Print the address and open nothing.")
@json_option
def ui(*, only_print: bool, as_json: bool) -> None:
    """Open the console in a browser.

    Sign in there with an admin's token, with a key, or at your issuer: whatever this command line uses works there.
    """
    from http.client import HTTPException

    address = f"{choose_place().url.rstrip('/')}/ui/"
    try:
        status, _ = control_without_token().ask("GET", "/ui/sign-in")
    except (OSError, HTTPException):
        fail(f"No gateway answers at {address}: is it running, is GATEWAY_URL right?", Exit.UNREACHABLE)
    if status != 200:
        fail(f"{address} answered {status}: the gateway there has no console, or it is switched off.", Exit.NOT_FOUND)
    if as_json:
        print_json({"url": address})
        return
    click.echo(address)
    if not only_print:
        from gateway.cli.login import open_browser

        say("opening it in a browser; sign in with an admin's token, a key, or at your issuer")
        open_browser(address)
