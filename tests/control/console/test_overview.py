"""The first page, the transfers that run, and the backends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.control.deps import Transfer
from gateway.core.duty import AdminTerms, Duty
from gateway.core.reasons import Reason
from gateway.core.token import hash_secret
from gateway.telemetry.metrics import Metrics
from tests.control.console.seat import Seat
from tests.control.desk import ADMIN, APP, Desk, serving

REVOKER = "a-revokers-token"


@pytest.fixture
def told() -> dict[str, Any]:
    """What the process tells, and what it was told."""
    return {"transfers": [], "cut": [], "drained": []}


@pytest.fixture
async def desk(told: dict[str, Any]) -> AsyncIterator[Desk]:
    metrics = Metrics()
    metrics.announce_names(backends=["archive", "lab"])
    metrics.count_request("data", "GetObject", "archive", "ok", 0.5, 0.1)
    metrics.count_refusal("revoked")
    metrics.observe_answer("archive", 200, 0.25)
    metrics.count_failure("archive", Reason.UPSTREAM_TIMED_OUT)
    metrics.count_bytes("out", "archive", 4096)
    metrics.observe_revocation_lag(0.05)

    async def page(accept: str) -> tuple[str, bytes] | None:
        return metrics.render(accept) if told.get("whole", True) else None

    async def transfers() -> list[Transfer]:
        return told["transfers"]

    async def cut(name: str, owner: str) -> bool:
        told["cut"].append((name, owner))
        return True

    async def drain(name: str, drained: bool) -> int:
        told["drained"].append((name, drained))
        return 1

    admins = {hash_secret(ADMIN): AdminTerms("ops"), hash_secret(REVOKER): AdminTerms("r", frozenset({Duty.REVOKE}))}
    async with serving(metrics=page, transfers=transfers, cut=cut, drain=drain, admins=lambda: admins) as opened:
        yield opened


def transfer(name: str, owner: str) -> Transfer:
    return Transfer(name, owner, "link:l_1", "GetObject", "reports", "a <b>.pdf", "192.0.2.1", 1_799_999_990.0, 20480)


async def test_the_overview_tells_the_process_own_numbers(seat: Seat) -> None:
    """Requests, bytes, refusals by their reason, how backends answer, the age of the view and the lag."""
    await seat.sign_in()
    page = await seat.get("")
    for text in ("revoked", "4.0 KiB", "archive", "50 ms"):
        assert text in page.text, text


async def test_numbers_that_are_not_whole_are_not_shown(seat: Seat, told: dict[str, Any]) -> None:
    """As the metrics page itself has it."""
    told["whole"] = False
    seat.desk.faults["audit"] = "records cannot be written"
    await seat.sign_in()
    page = await seat.get("")
    assert "Not every process" in page.text
    assert "records cannot be written" in page.text


async def test_each_gets_the_first_page_that_is_for_them(seat: Seat) -> None:
    """Who has their own is led to their links, and who may only revoke to what they may."""
    await seat.sign_in(APP)
    assert (303, "./links") == ((page := await seat.ask("GET", "")).status, page.headers["Location"])
    for path in ("audit", "policy", "backends", "revocations", "explain", "live?page=home"):
        assert 403 == (await seat.ask("GET", path)).status, path
    await seat.sign_in(REVOKER)
    assert "./sessions" == (await seat.ask("GET", "")).headers["Location"]
    assert 403 == (await seat.ask("GET", "links")).status


async def test_transfers_are_shown_and_cut(seat: Seat, told: dict[str, Any]) -> None:
    """One's own alone; each with its rate and a button; one that has ended by itself is no fault."""
    told["transfers"] = [transfer("r1", "app:billing"), transfer("r2", "admin:ops")]
    await seat.sign_in(APP)
    page = await seat.get("transfers")
    assert (1, True, True) == (
        page.text.count('name="id"'),
        "a &lt;b&gt;.pdf" in page.text,
        "2.0 KiB/s" in page.text,
    )
    for name in ("r1", "r2", "r3"):
        assert 303 == (await seat.post("transfers", {"id": name})).status
    assert [("r1", "app:billing")] == told["cut"]
    assert ["transfer.cut"] == seat.desk.audited()
    await seat.sign_in()
    assert 2 == (await seat.get("transfers")).text.count('name="id"')


async def test_backends_are_examined_by_who_operates(seat: Seat) -> None:
    """The doctor's findings stand below the table, each with its outcome, whatever a store says in them."""
    await seat.sign_in()
    await seat.get("backends")
    page = await seat.post("backends/archive/examination")
    assert (200, True, True) == (page.status, "not in order" in page.text, "&lt;61&gt; s off" in page.text)
    assert 404 == (await seat.post("backends/none/examination")).status
    await seat.sign_in(APP)
    assert 403 == (await seat.post("backends/archive/examination")).status


async def test_backends_are_drained_by_who_may(seat: Seat, told: dict[str, Any]) -> None:
    """And not by an app; a name that is none is told."""
    await seat.sign_in()
    page = await seat.get("backends")
    assert "drained" in page.text
    assert 303 == (await seat.post("backends/archive", {"drained": "true"})).status
    assert 303 == (await seat.post("backends/lab", {"drained": "false"})).status
    assert [("archive", True), ("lab", False)] == told["drained"]
    assert 404 == (await seat.post("backends/none", {"drained": "true"})).status
    await seat.sign_in(APP)
    assert 403 == (await seat.post("backends/archive", {"drained": "true"})).status
