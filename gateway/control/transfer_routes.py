"""Owns what the endpoints of running transfers do: `/v1/transfers…`, and how one is answered.

Refuses to own which are shown to whom (`gateway.control.usecases.transfers`).
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from gateway.control.answers import View, When, view_reply
from gateway.control.api import Api
from gateway.control.deps import Transfer
from gateway.control.endpoint import Call
from gateway.wire.replies import Reply


class TransferView(View):
    """`rate` is in bytes per second since the transfer began."""

    id: Annotated[str, Field(description="The id of its request")]
    owner: Annotated[str, Field(description="Whose link or key it came with, or who acts without one")]
    principal: str
    operation: str
    bucket: str
    key: str
    peer: str
    began_at: When
    moved: Annotated[int, Field(description="Bytes of bodies so far, in both directions")]
    rate: int
    holder: Annotated[str, Field(description="Who proved to be one of the link's holders, as the log shows it")]

    @classmethod
    def of(cls, one: Transfer, now: float) -> Self:
        lasted = max(now - one.began_at, 0.001)
        return cls.model_validate(one._asdict() | {"rate": int(one.moved / lasted)})


class TransferListView(View):
    """The longest running first."""

    transfers: list[TransferView]


async def list_transfers(api: Api, call: Call[None, None]) -> Reply:
    now = api.deps.live.clock()
    running = await api.transfers.all(call.reach)
    return view_reply(TransferListView(transfers=[TransferView.of(one, now) for one in running]))


async def cut_transfer(api: Api, call: Call[None, None]) -> Reply:
    found = await api.transfers.cut(call.admitted, call.path_id())
    return view_reply(TransferView.of(found, api.deps.live.clock()))
