"""Bodies and queries on their way in."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request
from pydantic import ValidationError

from gateway.control.answers import StatusView
from gateway.control.bodies import LinkQuery, NoQuery
from gateway.control.body import faults_of
from gateway.control.routes import path_id, read_query, reply
from gateway.core.reasons import Reason, Refused


@pytest.mark.parametrize(
    ("query", "names"), [("a=1", ["/a"]), ("limit=1&limit=1", ["/limit"]), ("state=x&limit=y", ["/state", "/limit"])]
)
def test_a_query_is_read_whole_or_not(query: str, names: list[str]) -> None:
    """Unknown, doubled and wrong parameters are all named."""
    with pytest.raises(ValidationError) as error:
        read_query(make_mocked_request("GET", f"/v1/links?{query}"), LinkQuery)
    assert [pointer for pointer, _ in faults_of(error.value)] == names


def test_a_known_query_is_typed() -> None:
    """A query's texts become numbers and states."""
    query = read_query(make_mocked_request("GET", "/v1/links?limit=7&state=used_up"), LinkQuery)
    assert (query.limit, str(query.state)) == (7, "used_up")
    assert read_query(make_mocked_request("GET", "/"), NoQuery) == NoQuery()


@pytest.mark.parametrize("text", ["", "a b", "l_\x00", "é", "x" * 65, "../l_1"])
def test_only_ids_are_looked_up(text: str) -> None:
    """A text that can be no id never reaches a store."""
    with pytest.raises(Refused) as refused:
        path_id(make_mocked_request("GET", "/", match_info={"id": text}))
    assert refused.value.reason is Reason.UNKNOWN_TOKEN


def test_views_are_json() -> None:
    """An answer is JSON with its status."""
    answer = reply(StatusView(), 201)
    assert (answer.status, answer.body, answer.content_type) == (201, b'{"status":"ok"}', "application/json")
