"""Owns the command that tries each backend for real, before users do: name, connection, clock, credentials, buckets;
tries the state's place and the way of mails; and asks a gateway that runs with these settings whether its callers hide
behind a proxy.

Refuses to own the trials of a backend (`gateway.backends.examination`).

Law: nothing is changed in a store unless --write asks for it.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from gateway.cli.interpreter import examine_interpreter
from gateway.cli.mail_checks import examine_mail
from gateway.cli.output import Exit, fail, json_option, print_json, print_table, say
from gateway.cli.proxies import examine_proxies
from gateway.cli.serve import run_loop
from gateway.cli.state_checks import examine_state
from gateway.cli.values import config_option
from gateway.core.finding import Finding


@click.command()
@click.argument("backend", required=False)
@config_option
@click.option(
    "--write", is_flag=True, help="Try everything the profile speaks of, with objects that are removed again."
)
@click.option("--profiles", is_flag=True, help="List the kinds of store that are known.")
@json_option
def doctor(backend: str | None, config: Path, *, write: bool, profiles: bool, as_json: bool) -> None:
    """Try each backend, or one: its name, connection, clock, credentials and buckets.

    Without a name, also try the state's place and the mail server, and ask the gateway that runs here whether its
    callers come through a proxy that is not declared.

    Exits with 1 if anything is not as it has to be.
    """
    if profiles:
        _list_profiles(as_json=as_json)
        return
    found: list[Finding] = []
    run_loop(lambda: examine_all(config, backend, found, write=write, as_json=as_json))
    if as_json:
        print_json({"findings": [asdict(finding) for finding in found]})
    else:
        rows = [
            {"backend": one.backend, "check": one.check, "": _format_outcome(one), "detail": one.detail}
            for one in found
        ]
        print_table(rows, ("backend", "check", "", "detail"))
    if any(finding.ok is False for finding in found):
        raise click.exceptions.Exit(int(Exit.FAILED))


def _format_outcome(finding: Finding) -> str:
    return "-" if finding.ok is None else "ok" if finding.ok else "BAD"


def _list_profiles(*, as_json: bool) -> None:
    from gateway.backends.profiles import PROFILES

    rows = [
        {"profile": name, "title": profile.title, "can": " ".join(sorted(profile.capabilities)), "notes": profile.notes}
        for name, profile in PROFILES.items()
    ]
    if as_json:
        print_json({"profiles": [row | {"can": row["can"].split()} for row in rows]})
    else:
        print_table(rows, ("profile", "title", "notes"))


async def examine_all(config: Path, wanted: str | None, found: list[Finding], *, write: bool, as_json: bool) -> None:
    """Every trial of the wanted backend, or of all, into `found`.

    Raises:
        SettingsError: the files are wrong.
        click.exceptions.Exit: there is no such backend.
    """
    from gateway.backends.examination import examine
    from gateway.backends.profiles import PROFILES
    from gateway.backends.upstream import StoreUpstream
    from gateway.settings.watch import Reloader

    loaded = Reloader(config, os.environ, PROFILES).load()
    specs = [spec for spec in loaded.backends if wanted in {None, spec.name}]
    if not specs:
        fail(f"No backend is called {wanted!r}." if wanted else "The policies name no backend.", Exit.NOT_FOUND)
    if wanted is None:
        control = loaded.settings.control
        found.append(examine_interpreter())
        found.append(await examine_proxies(control.listen, tls=control.tls is not None))
        found.extend(await examine_state(loaded.settings.state))
        found.extend(await examine_mail(loaded.settings.mail))
    upstream = StoreUpstream(specs)
    try:
        for spec in specs:
            if not as_json:
                say(f"trying {spec.name} at {spec.endpoint} …")
            buckets = [bucket for bucket in loaded.policies.policy.buckets.values() if bucket.backend == spec.name]
            found.extend([finding async for finding in examine(upstream, spec, buckets, write=write)])
    finally:
        await upstream.close()
