"""Owns what the processes of one gateway tell each other of the transfers that run, and how one of them is cut.

Refuses to own the transfers (`gateway.data.state.transfers`), who sees them (`gateway.control.usecases.transfers`), and
the way from process to process (`gateway.telemetry.worker_mesh`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from gateway.control.deps import Transfer
from gateway.data.state.transfers import Permit, Transfers
from gateway.telemetry.worker_mesh import WorkerMesh


class WorkerTransfers:
    """Those of this process, for all of them. `shown` and `mailbox` give addresses as the log shows them."""

    def __init__(
        self, running: Callable[[], Transfers], shown: Callable[[str], str], mailbox: Callable[[str], str]
    ) -> None:
        self._running = running
        self._shown = shown
        self._mailbox = mailbox

    @property
    def orders(self) -> dict[str, Callable[..., str]]:
        """What this process does when another one asks it."""
        return {
            "transfers": lambda: orjson.dumps([[*self._tell(permit)] for permit in self._running()]).decode(),
            "cut": lambda request_id, owner: str(self._running().cut_of(request_id, owner)),
        }

    async def all(self, mesh: WorkerMesh) -> Sequence[Transfer]:
        """Those of all processes that answer."""
        said = await mesh.ask_all("transfers")
        return [Transfer(*members) for text in said for members in orjson.loads(text)]

    async def cut(self, mesh: WorkerMesh, request_id: str, owner: str) -> bool:
        """End the one of an id and an owner, wherever it runs; whether there was one."""
        return any(int(count) for count in await mesh.ask_all("cut", request_id, owner))

    def _tell(self, permit: Permit) -> Transfer:
        exchange, attempt = permit.exchange, permit.attempt
        return Transfer(
            id=exchange.request_id,
            owner=permit.owner,
            principal=str(attempt.principal),
            operation=str(attempt.operation),
            bucket=attempt.bucket,
            key=attempt.key.encode("utf-8", "replace").decode(),
            peer="" if attempt.peer is None else self._shown(str(attempt.peer)),
            began_at=attempt.now,
            moved=max(0, exchange.bytes_in + exchange.bytes_out),
            holder="" if attempt.holder is None else self._mailbox(attempt.holder.address),
        )
