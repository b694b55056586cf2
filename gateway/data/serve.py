"""Owns the eight steps of one request, in order, in one function.

Refuses to own any step. Each takes what the one before it learned; none calls another.
"""

from __future__ import annotations

import asyncio
import time

from gateway.core.request import Operation
from gateway.data.plane import DataPlane, Terms
from gateway.data.plans import follow, keep
from gateway.data.state.records import Account
from gateway.data.steps.admit import Admission
from gateway.data.steps.attempt import read_call
from gateway.data.steps.authenticate import resolve
from gateway.data.steps.authorise import authorise
from gateway.data.steps.cors import answer_preflight
from gateway.data.steps.identify import identify
from gateway.data.steps.open import open_answer
from gateway.data.steps.refuse import refuse
from gateway.data.steps.relay import relay
from gateway.server.exchange import ClientExchange
from gateway.wire.http.cors import actual_headers
from gateway.wire.parse import parse


async def serve(plane: DataPlane, exchange: ClientExchange, terms: Terms) -> None:
    """Answer one request, whatever it is, and leave one record of it."""
    snapshot = plane.snapshot
    account = Account(exchange, plane.clock(), time.monotonic())
    try:
        found = follow(plane, snapshot, terms, account)  # what steps 1 to 4 have found, if all it rests on stands
        if found is None:
            request = account.request = parse(exchange.read_head(), snapshot.domains, drafts=snapshot.drafts)  # 1
            if request.operation is Operation.PREFLIGHT:
                await answer_preflight(plane, snapshot, request, exchange)
                return
            if request.place.bucket:  # a link's is known with its grant
                exchange.extra = actual_headers(snapshot.cors_of(request.place.bucket), request.raw)
            presented = await identify(request, exchange, terms.trusted, snapshot.domains)  # 2
            resolved = await resolve(plane, terms, presented, request, exchange.peer, account.now)  # 3
            account.grant = resolved.grant
            call = await read_call(snapshot, request, resolved, exchange, account.now, plane.entropy)
            account.attempt = call.attempt
            found = call, authorise(plane, call.grant, call.attempt)  # 4
            keep(snapshot, terms, presented, found, exchange)
        call, account.route = found
        async with Admission(plane, snapshot, exchange, call, found[1]) as permit:  # 5
            account.permit = permit
            opened = await open_answer(plane, snapshot, call, permit)  # 6
            await relay(plane, call, permit, opened)  # 7
    except Exception as failure:  # noqa: BLE001 (the one place where every failure becomes an answer or a cut)
        account.failure = failure
        await refuse(plane, exchange, account)
    except asyncio.CancelledError as failure:
        account.failure = failure
        if not await exchange.wait_refused():
            raise
    finally:
        plane.accounts.close(account)  # 8
        account.failure = None  # its traceback holds this frame: a cycle, which would keep what the request held
