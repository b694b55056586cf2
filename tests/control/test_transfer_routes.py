"""`/v1/transfers`."""

from __future__ import annotations

from gateway.control.deps import Transfer
from tests.control.desk import APP, START, serving


async def test_transfers_are_listed_with_their_rate_and_ended() -> None:
    """Bytes per second since they began, even for one that has just begun."""
    running = [
        Transfer("r1", "app:billing", "app:billing", "GetObject", "reports", "a", "192.0.2.1", START - 10, 1000),
        Transfer("r2", "admin:ops", "link:l_1", "PutObject", "reports", "b", "", START, 10),
    ]

    async def transfers() -> list[Transfer]:
        return running

    async def cut(name: str, owner: str) -> bool:
        running[:] = [one for one in running if (one.id, one.owner) != (name, owner)]
        return True

    async with serving(transfers=transfers, cut=cut) as desk:
        found = (await desk.ask("GET", "/v1/transfers")).json["transfers"]
        assert [("r1", 100), ("r2", 10000)] == [(one["id"], one["rate"]) for one in found]
        desk.token = APP
        assert ["r1"] == [one["id"] for one in (await desk.ask("GET", "/v1/transfers")).json["transfers"]]
        assert 404 == (await desk.ask("DELETE", "/v1/transfers/r2")).status
        assert 200 == (await desk.ask("DELETE", "/v1/transfers/r1")).status
        assert 404 == (await desk.ask("DELETE", "/v1/transfers/r1")).status
