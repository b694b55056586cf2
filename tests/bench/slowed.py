"""The gateway with a useless loop in every request, which `make bench-check` must tell."""

from __future__ import annotations

from typing import Any

import gateway.app  # noqa: F401 (everything that takes a name has taken it)
from gateway.cli import main
from tests.bench.patching import replace

_ROUNDS = 1000


def _slowed(parse: Any) -> Any:
    def slow(*arguments: Any, **named: Any) -> Any:
        for _ in range(_ROUNDS):
            pass
        return parse(*arguments, **named)

    return slow


if __name__ == "__main__":
    replace("gateway.wire.parse:parse", _slowed)
    main()
