"""The gateway with a useless loop in the one step that no request leaves out: what `make bench-check` must tell."""

from __future__ import annotations

from typing import Any

import gateway.app  # noqa: F401 (everything that takes a name has taken it)
from gateway.cli import main
from tests.bench.patching import replace

_ROUNDS = 500


def _slowed(close: Any) -> Any:
    def slow(*arguments: Any, **named: Any) -> Any:
        for _ in range(_ROUNDS):
            pass
        return close(*arguments, **named)

    return slow


if __name__ == "__main__":
    replace("gateway.data.state.records:Accounts.close", _slowed)
    main()
