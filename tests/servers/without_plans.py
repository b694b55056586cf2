"""The gateway, with nothing remembered of any request: `python -m tests.servers.without_plans serve …`."""

from __future__ import annotations

import runpy

from gateway.server.head import KnownHeads
from gateway.server.request import IncomingRequest

__all__ = ["forget"]


def forget() -> None:
    """From now on no head is kept in this process."""

    def keep(known: KnownHeads, wire: bytes, request: IncomingRequest) -> None:
        return None

    KnownHeads.keep = keep  # type: ignore[method-assign]


if __name__ == "__main__":
    forget()
    runpy.run_module("gateway", run_name="__main__")
