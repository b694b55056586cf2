"""Owns answers that take long to make: what their clients are sent meanwhile, so that they do not give up.

Refuses to own the work itself.

Laws: after a while the head goes out with status 200, then white space, then the document, which may be an error, as
S3 does it for copies, completions and batches (S3 API reference, CopyObject); the work never outlives its request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

from gateway.core.reasons import Refused, UpstreamFailed, as_refused
from gateway.core.request import ObjectRequest
from gateway.core.route import Answer
from gateway.data.state.transfers import Permit
from gateway.wire.replies import Reply, refusal, s3_ids

KEEPALIVE_SECONDS = 5.0
"""Seconds before the head, and between two signs of life; clients commonly give up after sixty."""

_DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n'
"""As every document of ours begins; XML allows nothing before it, and white space after it."""


class KeepAliveReply:
    """A document that is still being made."""

    def __init__(self, work: asyncio.Task[Reply]) -> None:
        self._work = work

    async def deliver(self, request: ObjectRequest, permit: Permit) -> None:
        """Send signs of life, then what came of the work.

        Raises:
            Refused: CLIENT_GONE, or the reason this exchange was cut for.
        """
        exchange = permit.exchange
        try:
            head = [("Content-Type", "application/xml"), *s3_ids(exchange.request_id)]
            await exchange.start(200, head, None)
            await exchange.write(_DECLARATION)
            while not await _wait(self._work):
                await exchange.write(b" ")
            reply = self._outcome(request, permit)
            await exchange.write_document(reply.body.removeprefix(_DECLARATION))
            await exchange.finish()
        finally:
            await _stop(self._work)

    def _outcome(self, request: ObjectRequest, permit: Permit) -> Reply:
        try:
            return self._work.result()
        except (Refused, UpstreamFailed) as failure:
            refused = as_refused(failure)
            permit.store_error = refused.reason
            return refusal(refused, request, permit.exchange.raw, permit.exchange.request_id)


Opened = Answer | Reply | KeepAliveReply
"""What step 6 may open: a store's answer, one of ours, or one that is still being made."""


async def answer_or_keep_alive(work: Coroutine[Any, Any, Reply], permit: Permit) -> Reply | KeepAliveReply:
    """What comes of the work if that is known soon, else a reply that is delivered while it goes on.

    Raises:
        Refused, UpstreamFailed: what the work raises before anything was sent.
    """
    raw = permit.exchange.raw
    if raw is None or raw.version < (1, 1):
        return await work  # there is no way to say that an answer has not ended
    task = asyncio.get_running_loop().create_task(work)
    try:
        if not await _wait(task):
            return KeepAliveReply(task)
    except BaseException:
        await _stop(task)
        raise
    return task.result()


async def _wait(task: asyncio.Task[Reply]) -> bool:
    done, _ = await asyncio.wait({task}, timeout=KEEPALIVE_SECONDS)
    return bool(done)


async def _stop(task: asyncio.Task[Reply]) -> None:
    """Nobody waits for it any more."""
    if not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError, Refused, UpstreamFailed):
            await task
