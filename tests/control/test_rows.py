"""The table of endpoints."""

from __future__ import annotations

import inspect
from typing import get_args, get_type_hints

import pytest

from gateway.control.caller import Access
from gateway.control.endpoint import Endpoint
from gateway.control.rows import ROWS


def test_names_and_places_are_unique() -> None:
    """One row for a method and a path, and one name for a row."""
    assert len(ROWS) == len({row.name for row in ROWS}) == len({(row.method, row.path) for row in ROWS})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_handler_is_given_what_its_row_reads(row: Endpoint[object, object]) -> None:
    """The models of the row are those that the handler says it takes."""
    hints = get_type_hints(getattr(row.handler, "func", row.handler))
    query, body = get_args(hints["call"])
    assert (row.query or type(None)) == query
    assert row.form or (row.body or type(None)) == body


def test_who_may_call_is_said_of_every_row() -> None:
    """Nothing is public, or an operator's, because somebody forgot to say so."""
    assert inspect.Parameter.empty is inspect.signature(Endpoint).parameters["access"].default
    assert all(isinstance(row.access, Access) for row in ROWS)
