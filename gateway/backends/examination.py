"""Owns the trials of a backend: its name, connection, clock, credentials and buckets, each of which is one finding.

Refuses to own who asks for them (`gateway doctor`, the console) and what is shown of them.

Law: nothing is changed in a store unless `write` asks for it, and then only below a new, random prefix, and what was
written is removed. Every request is made exactly as one for a user is.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gateway.core.backend import ChainSource
from gateway.core.finding import Finding
from gateway.core.reasons import DependencyDown, UpstreamFailed
from gateway.core.route import Bucket, Upstream, UpstreamCall
from gateway.core.said import phrase
from gateway.core.units import format_instant
from gateway.wire.s3.documents import store_fault
from gateway.wire.s3.listing import read_listing

if TYPE_CHECKING:
    from gateway.backends.credential_chain import Load
    from gateway.backends.upstream import StoreUpstream
    from gateway.core.backend import BackendSpec

_SKEW: Final = 60.0
"""Seconds. Stores refuse signatures at 900; a clock that is a minute off is on its way there."""

_REFUSED_SKEW: Final = 900.0
"""Seconds after which SigV4 refuses what was signed (AWS: "RequestTimeTooSkewed")."""

_UNREADABLE: Final = frozenset({"401", "403"})

_SMALL: Final = 64 * 1024

_SECONDS: Final = 30.0
"""For somebody who waits for a page."""


async def examine(
    upstream: Upstream, spec: BackendSpec, buckets: list[Bucket], *, write: bool = False
) -> AsyncIterator[Finding]:
    """Every trial of one backend, in the order in which each builds on the one before; stops when it cannot go on."""
    address = await _try_address(spec)
    yield address
    if address.ok is False:
        return
    if isinstance(spec.credentials, ChainSource):
        from gateway.backends.credential_chain import load_chain  # noqa: PLC0415 (a chain is rare, and slow to load)

        chain = await _try_chain(spec.name, load_chain(spec.credentials))
        yield chain
        if chain.ok is False:
            return
    try:
        async for finding in _try_service(upstream, spec.name):
            yield finding
        for bucket in buckets:
            listed, key = await _try_bucket(upstream, bucket)
            yield listed
            yield await _try_reads(upstream, bucket, key)
            if write and listed.ok:
                async for finding in _try_capabilities(spec, bucket):
                    yield finding
    except (UpstreamFailed, DependencyDown) as error:
        reason = error.reason if isinstance(error, UpstreamFailed) else error.dependency
        yield Finding(spec.name, "connection", False, error.detail or str(reason))


async def examine_in_use(
    upstream: StoreUpstream, name: str, buckets: Iterable[Bucket], seconds: float = _SECONDS
) -> list[Finding]:
    """The trials of a known backend that write nothing, over the connections of those who use it, as far as there is
    time for them."""
    spec, found = upstream.store(name).spec, list[Finding]()
    try:
        async with asyncio.timeout(seconds):
            async for finding in examine(upstream, spec, [bucket for bucket in buckets if bucket.backend == name]):
                found.append(finding)
    except TimeoutError:
        found.append(
            Finding(name, "time", False, phrase("trials_late", "not done after {seconds:g} s", seconds=seconds))
        )
    return found


async def _try_address(spec: BackendSpec) -> Finding:
    host = urlsplit(spec.endpoint).hostname or ""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return Finding(spec.name, "address", False, f"{host}: {error.strerror or error}")
    return Finding(spec.name, "address", True, f"{host}: {', '.join(sorted({str(entry[4][0]) for entry in found}))}")


async def _try_chain(name: str, load: Load) -> Finding:
    """Which of the machine's credentials there are, and until when."""
    try:
        loaded = await load()
    except Exception as error:  # noqa: BLE001 (a dozen providers with their own exceptions; all mean "none")
        return Finding(
            name,
            phrase("try_chain", "credentials chain"),
            False,
            phrase("chain_none", "no credentials were found ({error})", error=type(error).__name__),
        )
    if loaded.expires_at is None:
        return Finding(
            name,
            phrase("try_chain", "credentials chain"),
            True,
            phrase("chain_endless", "from {method}, which says nothing of an end", method=loaded.method),
        )
    if loaded.expires_at <= time.time():
        return Finding(
            name,
            phrase("try_chain", "credentials chain"),
            False,
            phrase("chain_over", "{expiry}, and nothing renews them", expiry=loaded.tell_expiry()),
        )
    return Finding(
        name,
        phrase("try_chain", "credentials chain"),
        True,
        phrase(
            "chain_until",
            "from {method}, until {expires_at}",
            method=loaded.method,
            expires_at=format_instant(loaded.expires_at),
        ),
    )


async def _try_service(upstream: Upstream, name: str) -> AsyncIterator[Finding]:
    """A signed listing of the service: is there an answer, is the clock right, are the credentials known?"""
    began = time.perf_counter()
    sent_at = time.time()
    async with upstream.open(UpstreamCall(backend=name, method="GET", bucket="", key="")) as answer:
        code = store_fault(await answer.body.read(16 * 1024 * 1024)) or ""
        yield Finding(
            name,
            "connection",
            True,
            phrase(
                "store_answered",
                "answered {status} in {seconds:.3f} s",
                status=answer.status,
                seconds=time.perf_counter() - began,
            ),
        )
        yield _compare_clock(name, answer.date, sent_at)
        if code in {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "InvalidSecurity"}:
            yield Finding(name, "credentials", False, code)
        elif answer.status == 200:
            yield Finding(name, "credentials", True, phrase("credentials_list", "known, and may list buckets"))
        else:
            yield Finding(
                name,
                "credentials",
                None,
                phrase(
                    "credentials_no_list",
                    "{status} {code}: listing buckets is not needed",
                    status=answer.status,
                    code=code,
                ),
            )


def _compare_clock(name: str, date: str | None, sent_at: float) -> Finding:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 (half a megabyte: only who examines a store asks)

    try:
        skew = parsedate_to_datetime(date or "").timestamp() - sent_at
    except ValueError:
        return Finding(name, "clock", None, phrase("clock_silent", "the store does not say what time it is"))
    seconds, most = round(skew), round(_REFUSED_SKEW)
    if abs(skew) >= _REFUSED_SKEW:
        detail = phrase(
            "clock_refused",
            "the store's is {seconds:+d} s from ours: it refuses every signature, as SigV4 bears {most} s (15 minutes) "
            "at most; set the clock",
            seconds=seconds,
            most=most,
        )
    elif abs(skew) >= _SKEW:
        detail = phrase(
            "clock_off",
            "the store's is {seconds:+d} s from ours: from {most} s (15 minutes) on, SigV4 signatures are refused; set "
            "the clock",
            seconds=seconds,
            most=most,
        )
    else:
        detail = phrase("clock", "the store's is {seconds:+d} s from ours", seconds=seconds)
    return Finding(name, "clock", abs(skew) < _SKEW, detail)


async def _try_bucket(upstream: Upstream, bucket: Bucket) -> tuple[Finding, str]:
    """One entry of the bucket's listing, below our prefix; and its key, or one that nothing has."""
    query = (("list-type", "2"), ("max-keys", "1"), ("prefix", bucket.prefix))
    call = UpstreamCall(backend=bucket.backend, method="GET", bucket=bucket.real_bucket, key="", query=query)
    async with upstream.open(call) as answer:
        body = await answer.body.read(_SMALL)
    key, listing = f"{bucket.prefix}gateway-doctor-{secrets.token_hex(8)}", None
    with suppress(UpstreamFailed):
        listing = read_listing(body) if answer.status == 200 else None
    if listing is not None:
        key = next((entry.key for entry in listing.found), key)
        detail = phrase("bucket_listed", "can be listed")
    elif answer.status == 200:
        detail = phrase("bucket_no_listing", "answered with something that is no listing: is the endpoint a store?")
    else:
        fault = f" {code}" if (code := store_fault(body)) else ""
        detail = phrase("bucket_answered", "answered {status}{fault}", status=answer.status, fault=fault)
    return Finding(
        bucket.backend, phrase("try_bucket", "bucket {name}", name=bucket.name), listing is not None, detail
    ), key


async def _try_reads(upstream: Upstream, bucket: Bucket, key: str) -> Finding:
    """Whether HEAD and GET of one object have the same answer: clients ask with one and then rely on the other."""
    said: dict[str, str] = {}
    for method in ("HEAD", "GET"):
        call = UpstreamCall(backend=bucket.backend, method=method, bucket=bucket.real_bucket, key=key)
        try:
            async with upstream.open(call) as answer:
                said[method] = str(answer.status)
        except UpstreamFailed as failure:
            said[method] = failure.detail or str(failure.reason)
    name = phrase("try_reads", "bucket {name}: reads", name=bucket.name)
    if said["HEAD"] != said["GET"]:
        detail = phrase(
            "reads_differ",
            "HEAD has the answer {head}, GET {get}: see what the credentials' policy allows",
            head=said["HEAD"],
            get=said["GET"],
        )
        return Finding(bucket.backend, name, False, detail)
    return Finding(
        bucket.backend,
        name,
        None if said["GET"] in _UNREADABLE else True,
        phrase("reads_same", "HEAD and GET answer {status}", status=said["GET"]),
    )


async def _try_capabilities(spec: BackendSpec, bucket: Bucket) -> AsyncIterator[Finding]:
    """What the store really does beside what its profile says. A store that does more than promised is no fault."""
    from gateway.backends.probe import probe  # noqa: PLC0415 (for those who may write)

    prefix = f"{bucket.prefix}gateway-doctor-{secrets.token_hex(8)}/"
    for one in await probe(spec, bucket.real_bucket, prefix, time.time):
        ok = True if one.agrees else None if one.seen else False
        seen = "yes" if one.seen else "no"
        if not one.answered:
            detail = "no answer:"
        else:
            detail = seen if one.agrees else f"{seen}, and the profile {spec.profile.name} says otherwise"
        yield Finding(spec.name, f"bucket {bucket.name}: {one.name}", ok, f"{detail} {one.detail}".strip())
