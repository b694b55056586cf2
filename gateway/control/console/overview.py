"""Owns the first page of whoever sees everything, and the page of transfers that run: what changes while one looks.

Refuses to own the numbers (the metrics, and `GET /v1/transfers`).

Law: the part that changes is drawn by one template, for the page and for its events alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.control.caller import Access
from gateway.control.console.live import Stream
from gateway.control.console.looks import draw
from gateway.control.console.numbers import Numbers, read_numbers
from gateway.control.console.visit import Visit
from gateway.core.duty import Duty
from gateway.core.reasons import Reason, Refused
from gateway.core.said import phrase
from gateway.wire.replies import Reply

_REFUSALS: Final = 12


async def show_home(visit: Visit) -> Reply:
    """The overview for whoever sees everything, their links for everybody else."""
    who = visit.who
    if who is None or not who.all or Duty.READ not in who.may:
        return visit.go("links" if who is not None and Duty.READ in who.may else "sessions")
    return visit.show("console/home.html", live="home", **await _overview(visit))


async def _overview(visit: Visit) -> dict[str, Any]:
    await visit.admit(Access.AUDIT)
    process = visit.api.deps.process
    page = await process.metrics("")
    numbers = Numbers({}) if page is None else read_numbers(page[1].decode())
    running = await visit.need("listTransfers")
    lags = numbers.total("gateway_revocation_lag_seconds_count")
    return {
        "complete": page is not None,
        "faults": dict(process.ready()),
        "version": process.version,
        "processes": process.processes,
        "requests": numbers.by("gateway_requests_total", "outcome", plane="data"),
        "moved": numbers.by("gateway_bytes_total", "direction"),
        "refusals": dict(list(numbers.by("gateway_refusals_total", "reason").items())[:_REFUSALS]),
        "cuts": numbers.by("gateway_streams_cut_total", "reason"),
        "backends": await _backends(visit, numbers),
        "view_age": numbers.total("gateway_revocation_view_age_seconds"),
        "lag": numbers.total("gateway_revocation_lag_seconds_sum") / lags if lags else None,
        "transfers": len(running["transfers"]),
        "rate": sum(one["rate"] for one in running["transfers"]),
    }


async def _backends(visit: Visit, numbers: Numbers) -> list[dict[str, Any]]:
    """What is loaded, and how each of them has answered so far."""
    loaded = await visit.need("listBackends")
    found: list[dict[str, Any]] = []
    for backend in loaded["backends"]:
        statuses = numbers.by("gateway_upstream_requests_total", "status", backend=backend["name"])
        failed = sum(count for status, count in statuses.items() if status == "none" or status.startswith("5"))
        count = numbers.total("gateway_upstream_duration_seconds_count", backend=backend["name"])
        seconds = numbers.total("gateway_upstream_duration_seconds_sum", backend=backend["name"])
        answered = {"asked": sum(statuses.values()), "failed": failed, "mean": seconds / count if count else None}
        found.append(backend | answered | {"statuses": statuses})
    return found


async def show_transfers(visit: Visit) -> Reply:
    return visit.show("console/transfers.html", live="transfers", **await visit.need("listTransfers"))


async def cut_transfer(visit: Visit) -> Reply:
    answer = await visit.ask("cutTransfer", values={"id": visit.form.get("id")})
    if answer.ok or answer.status == 404:  # it may have ended by itself
        return visit.go("transfers")
    raise answer.refusal()


async def follow(visit: Visit) -> Stream:
    """The events of one of the two pages."""
    page = visit.query.get("page")
    if page == "home":
        await visit.admit(Access.AUDIT)
        return Stream(visit, _draw_home)
    if page == "transfers":
        await visit.admit(Access.READ)
        return Stream(visit, _draw_transfers)
    raise Refused(Reason.UNKNOWN_TOKEN, phrase("page_still", "this page does not change"))


async def _draw_home(visit: Visit) -> str:
    return draw(visit, "console/home-live.html", **await _overview(visit))


async def _draw_transfers(visit: Visit) -> str:
    return draw(visit, "console/transfers-live.html", **await visit.need("listTransfers"))


async def show_backends(visit: Visit) -> Reply:
    return await _show_backends(visit)


async def examine_backend(visit: Visit) -> Reply:
    """What `gateway doctor` finds."""
    name = visit.values["name"]
    found = await visit.need("examineBackend", values={"name": name})
    return await _show_backends(visit, name, found["findings"])


async def _show_backends(visit: Visit, examined: str = "", findings: Sequence[Mapping[str, Any]] = ()) -> Reply:
    page = await visit.api.deps.process.metrics("")
    numbers = Numbers({}) if page is None else read_numbers(page[1].decode())
    faults = dict(visit.api.deps.process.ready())
    backends = await _backends(visit, numbers)
    shown: dict[str, Any] = {"backends": backends, "faults": faults, "examined": examined, "findings": findings}
    return visit.show("console/backends.html", **shown)


async def drain_backend(visit: Visit) -> Reply:
    drained = visit.form.get("drained") == "true"
    await visit.need("drainBackend", values={"name": visit.values["name"]}, body={"drained": drained})
    return visit.go("backends")
