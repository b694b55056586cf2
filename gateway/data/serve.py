"""Owns the eight steps of one request, in order, in one function.

Refuses to own any step. Each takes what the one before it learned; none calls another.
"""

from __future__ import annotations

import asyncio
import time

from gateway.core.request import Operation
from gateway.data.account import Account
from gateway.data.admit import Admission
from gateway.data.attempts import read_attempt
from gateway.data.authorise import authorise
from gateway.data.crossing import answer_preflight, let_in
from gateway.data.exchange import Exchange
from gateway.data.gate import Plane, Terms
from gateway.data.identify import identify
from gateway.data.opening import Opening
from gateway.data.refusal import refuse
from gateway.data.relay import relay
from gateway.data.resolve import resolve
from gateway.wire.parse import parse

__all__ = ["serve"]


async def serve(plane: Plane, exchange: Exchange, terms: Terms) -> None:
    """Answer one request, whatever it is, and leave one record of it."""
    gate = plane.gate
    account = Account(exchange, plane.clock(), time.monotonic())
    try:
        request = account.request = parse(exchange.read_head(), gate.domains)  # 1
        if request.operation is Operation.PREFLIGHT:
            await answer_preflight(plane, gate, request, exchange)
            return
        let_in(gate, request, None, exchange)
        presented = await identify(request, exchange, terms.trusted, gate.domains)  # 2
        resolved = await resolve(plane, terms, presented, request, exchange.peer, account.now)  # 3
        account.grant = resolved.grant
        let_in(gate, request, resolved.grant, exchange)
        tried = await read_attempt(request, presented, resolved, exchange, account.now)
        account.attempt = tried.attempt
        account.route = authorise(plane, tried.grant, tried.attempt)  # 4
        async with Admission(plane, gate, exchange, tried, account.route) as permit:  # 5
            account.permit = permit
            async with Opening(plane, gate, tried, permit) as opened:  # 6
                await relay(plane, tried.request, permit, opened)  # 7
    except Exception as failure:  # noqa: BLE001 (the one place where every failure becomes an answer or a cut)
        account.failure = failure
        await refuse(plane, exchange, account)
    except asyncio.CancelledError as failure:
        account.failure = failure
        raise
    finally:
        plane.accounts.close(account)  # 8
        account.failure = None  # its traceback holds this frame: a cycle, which would keep what the request held
