"""One seat before one desk a test; nobody is signed in yet."""

from __future__ import annotations

import pytest

from tests.control.console.seat import Seat
from tests.control.desk import Desk


@pytest.fixture
def seat(desk: Desk) -> Seat:
    return Seat(desk)
