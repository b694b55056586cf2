"""The gateway, held to a model of permission: what it remembers lets nobody in, and keeps nobody out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from gateway.core import password
from tests.model.draws import draw
from tests.model.faults import FAULTS, SOON, Fault, planted
from tests.model.run import find_difference, run

_STEPS = 150


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Passwords cost next to nothing here, and nobody reads the log."""
    monkeypatch.setattr(password, "_COST", 2)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("seed", range(8))
async def test_every_answer_is_what_the_model_says(seed: int) -> None:
    """Whatever is made, changed, revoked and reloaded in between: allowed where the model allows, refused for a true
    reason where it refuses. `python -m tests.model --first SEED --runs 1` tells the shortest run that differs."""
    assert None is await run(draw(seed, _STEPS))


@pytest.mark.skipif("config.getoption('--without-plans')", reason="of what is not remembered nothing is forgotten")
@pytest.mark.parametrize("fault", SOON, ids=str)
async def test_a_memory_that_forgets_to_forget_is_found(fault: Fault) -> None:
    """Control: with one question less, or one thing less forgotten, some answer differs."""
    with planted(fault):
        assert None is not await find_difference(range(100), _STEPS)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_every_fault_has_its_place(fault: Fault) -> None:
    """Those that only long runs plant follow the code, too."""
    with planted(fault):
        pass
