"""Owns the command that tries each backend for real, before users do: name, connection, clock, credentials, buckets;
and asks a gateway that runs with these settings whether its callers hide behind a proxy.

Refuses to own signing and sockets (`gateway.backends`): every request here is made exactly as one for a user is.

Law: nothing is changed in a store unless --write asks for it, and then only below a new, random prefix, and what was
written is removed.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from gateway.cli.finding import Finding
from gateway.cli.output import Exit, fail, json_option, print_json, print_table, say
from gateway.cli.proxies import examine_proxies
from gateway.cli.serve import run_loop
from gateway.cli.values import config_option
from gateway.core.reasons import DependencyDown, UpstreamFailed
from gateway.core.route import Bucket, UpstreamCall
from gateway.wire.s3.documents import store_fault

if TYPE_CHECKING:
    from gateway.backends.upstream import StoreUpstream
    from gateway.core.backend import BackendSpec

__all__ = ["doctor", "examine", "examine_all"]

_SKEW: Final = 60.0
"""Seconds. Stores refuse signatures at 900; a clock that is a minute off is on its way there."""

_SMALL: Final = 64 * 1024


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

    Without a name, also ask the gateway that runs here whether its callers come through a proxy that is not declared.

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
    from gateway.backends.profiles import PROFILES
    from gateway.backends.upstream import StoreUpstream
    from gateway.settings.watch import Reloader

    loaded = Reloader(config, os.environ, PROFILES).load()
    specs = [spec for spec in loaded.backends if wanted in {None, spec.name}]
    if not specs:
        fail(f"No backend is called {wanted!r}." if wanted else "The policies name no backend.", Exit.NOT_FOUND)
    if wanted is None:
        control = loaded.settings.control
        found.append(await examine_proxies(control.listen, tls=control.tls is not None))
    upstream = StoreUpstream(specs)
    try:
        for spec in specs:
            if not as_json:
                say(f"trying {spec.name} at {spec.endpoint} …")
            buckets = [bucket for bucket in loaded.policies.policy.buckets.values() if bucket.backend == spec.name]
            found.extend([finding async for finding in examine(upstream, spec, buckets, write=write)])
    finally:
        await upstream.close()


async def examine(
    upstream: StoreUpstream, spec: BackendSpec, buckets: list[Bucket], *, write: bool = False
) -> AsyncIterator[Finding]:
    """Every trial of one backend, in the order in which each builds on the one before; stops when it cannot go on."""
    address = await _try_address(spec)
    yield address
    if address.ok is False:
        return
    try:
        async for finding in _try_service(upstream, spec.name):
            yield finding
        for bucket in buckets:
            listed = await _try_bucket(upstream, bucket)
            yield listed
            if write and listed.ok:
                async for finding in _try_capabilities(spec, bucket):
                    yield finding
    except (UpstreamFailed, DependencyDown) as error:
        reason = error.reason if isinstance(error, UpstreamFailed) else error.dependency
        yield Finding(spec.name, "connection", False, error.detail or str(reason))


async def _try_address(spec: BackendSpec) -> Finding:
    host = urlsplit(spec.endpoint).hostname or ""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return Finding(spec.name, "address", False, f"{host}: {error.strerror or error}")
    return Finding(spec.name, "address", True, f"{host}: {', '.join(sorted({str(entry[4][0]) for entry in found}))}")


async def _try_service(upstream: StoreUpstream, name: str) -> AsyncIterator[Finding]:
    """A signed listing of the service: is there an answer, is the clock right, are the credentials known?"""
    began = time.perf_counter()
    sent_at = time.time()
    async with upstream.open(UpstreamCall(backend=name, method="GET", bucket="", key="")) as answer:
        code = store_fault(await answer.body.read(16 * 1024 * 1024)) or ""
        yield Finding(name, "connection", True, f"answered {answer.status} in {time.perf_counter() - began:.3f} s")
        yield _compare_clock(name, answer.headers.get("date"), sent_at)
        if code in {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "InvalidSecurity"}:
            yield Finding(name, "credentials", False, code)
        elif answer.status == 200:
            yield Finding(name, "credentials", True, "known, and may list buckets")
        else:
            yield Finding(name, "credentials", None, f"{answer.status} {code}: listing buckets is not needed")


def _compare_clock(name: str, date: str | None, sent_at: float) -> Finding:
    try:
        skew = parsedate_to_datetime(date or "").timestamp() - sent_at
    except ValueError:
        return Finding(name, "clock", None, "the store does not say what time it is")
    return Finding(name, "clock", abs(skew) < _SKEW, f"the store's is {round(skew):+d} s from ours")


async def _try_bucket(upstream: StoreUpstream, bucket: Bucket) -> Finding:
    """One entry of the bucket's listing, below our prefix."""
    query = (("list-type", "2"), ("max-keys", "1"), ("prefix", bucket.prefix))
    call = UpstreamCall(backend=bucket.backend, method="GET", bucket=bucket.real_bucket, key="", query=query)
    async with upstream.open(call) as answer:
        code = store_fault(await answer.body.read(_SMALL)) or ""
    outcome = "can be listed" if answer.status == 200 else f"answered {answer.status}"
    return Finding(bucket.backend, f"bucket {bucket.name}", answer.status == 200, f"{outcome} {code}".rstrip())


async def _try_capabilities(spec: BackendSpec, bucket: Bucket) -> AsyncIterator[Finding]:
    """What the store really does beside what its profile says. A store that does more than promised is no fault."""
    from gateway.backends.probe import probe

    prefix = f"{bucket.prefix}gateway-doctor-{secrets.token_hex(8)}/"
    for one in await probe(spec, bucket.real_bucket, prefix, time.time):
        ok = True if one.agrees else None if one.seen else False
        seen = "yes" if one.seen else "no"
        detail = seen if one.agrees else f"{seen}, and the profile {spec.profile.name} says otherwise"
        yield Finding(spec.name, f"bucket {bucket.name}: {one.name}", ok, f"{detail} {one.detail}".strip())
