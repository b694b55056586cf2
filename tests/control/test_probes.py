"""Health, readiness, metrics and the description."""

from __future__ import annotations

from tests.control.desk import Desk, serving


async def test_readiness_tells_its_faults(desk: Desk) -> None:
    """A gateway that cannot serve says 503 and names every fault; it is alive all the same."""
    assert (await desk.ask("GET", "/readyz")).json == {"status": "ok"}
    desk.faults |= {"grants": "the database is locked", "draining": "the process is shutting down"}
    answer = await desk.ask("GET", "/readyz")
    assert answer.status == 503
    assert [fault["detail"] for fault in answer.json["errors"]] == [
        "grants: the database is locked",
        "draining: the process is shutting down",
    ]
    assert (await desk.ask("GET", "/healthz")).status == 200


async def test_metrics_pass_through(desk: Desk) -> None:
    """The metrics' own content type and text are answered as they are."""
    answer = await desk.ask("GET", "/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text == "gateway_up 1\n"


async def test_metrics_of_a_part_are_no_metrics() -> None:
    """When a process of this gateway does not answer, the scrape fails: half a sum would look like a reset."""

    async def none(accept: str) -> None:
        return None

    async with serving(metrics=none) as desk:
        assert (await desk.ask("GET", "/metrics")).status == 503
