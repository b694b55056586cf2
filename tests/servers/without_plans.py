"""The gateway, with nothing remembered of any request or answer: `python -m tests.servers.without_plans serve …`."""

from __future__ import annotations

import runpy

from gateway.backends import head
from gateway.server.head import KnownHeads
from gateway.server.request import IncomingRequest

__all__ = ["forget"]


def forget() -> None:
    """From now on nothing is kept of any request in this process, and of no store's answer."""

    def keep(known: KnownHeads, wire: bytes, request: IncomingRequest) -> None:
        return None

    def keep_alike(known: KnownHeads, wire: bytes, request: IncomingRequest, note: object) -> bool:
        return False

    KnownHeads.keep = keep  # type: ignore[method-assign]
    KnownHeads.keep_alike = keep_alike  # type: ignore[method-assign]
    head._LONGEST_KNOWN = 0  # type: ignore[misc]


if __name__ == "__main__":
    forget()
    runpy.run_module("gateway", run_name="__main__")
