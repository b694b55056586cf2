"""Owns what the endpoints that give the ledger away do: `/v1/audit`, `/v1/records`.

Refuses to own retention and the chain: what is stored is answered as it is.
"""

from __future__ import annotations

from gateway.control.answers import view_reply
from gateway.control.api import Api
from gateway.control.bodies import RecordQuery, TrailQuery
from gateway.control.endpoint import Call
from gateway.control.ledger_answers import LedgerPageView, TrailView
from gateway.core.reasons import Reason, Refused
from gateway.wire.replies import Reply


async def read_trail(api: Api, call: Call[TrailQuery, None]) -> Reply:
    return view_reply(TrailView.of(await api.deps.stores.ledger.trail(call.query.after, call.query.limit)))


async def export_records(api: Api, call: Call[RecordQuery, None]) -> Reply:
    try:
        page = await api.deps.stores.ledger.export(call.query.cursor, call.query.limit)
    except ValueError as fault:
        raise Refused(Reason.BAD_ARGUMENT, str(fault)) from None
    return view_reply(LedgerPageView.model_validate(page))
