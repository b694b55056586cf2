"""Owns the endpoints that give the ledger away: `/v1/audit`, `/v1/records`.

Refuses to own retention and the chain: what is stored is answered as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from aiohttp import web
from pydantic import Field

from gateway.control.bodies import RecordQuery
from gateway.control.body import Body
from gateway.control.ledger_answers import LedgerPageView, TrailView
from gateway.control.routes import Endpoint, read_query, reply
from gateway.core.attempt import Principal
from gateway.core.reasons import Reason, Refused
from gateway.core.record import Ledger

__all__ = ["TrailQuery", "ledger_endpoints"]


class TrailQuery(Body):
    """`after` is the number of the last entry that the caller has."""

    after: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000


def ledger_endpoints(ledger: Ledger) -> tuple[Endpoint, ...]:
    """The rows about the ledger."""
    desk = _LedgerDesk(ledger)
    return (Endpoint("GET", "/v1/audit", desk.trail), Endpoint("GET", "/v1/records", desk.records))


@dataclass(frozen=True, slots=True)
class _LedgerDesk:
    ledger: Ledger

    async def trail(self, request: web.Request, actor: Principal) -> web.Response:
        query = read_query(request, TrailQuery)
        return reply(TrailView.of(await self.ledger.trail(query.after, query.limit)))

    async def records(self, request: web.Request, actor: Principal) -> web.Response:
        query = read_query(request, RecordQuery)
        try:
            page = await self.ledger.export(query.cursor, query.limit)
        except ValueError as fault:
            raise Refused(Reason.BAD_ARGUMENT, str(fault)) from None
        return reply(LedgerPageView.of(page))
