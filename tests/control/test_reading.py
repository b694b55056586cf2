"""Queries and bodies on their way in."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.control.bodies import LinkQuery, NoQuery
from gateway.control.body import faults_of
from gateway.control.reading import read_query
from gateway.core.reasons import Reason, Refused
from tests.control.desk import ADMIN, Desk


@pytest.mark.parametrize(
    ("query", "names"), [("a=1", ["/a"]), ("limit=1&limit=1", ["/limit"]), ("state=x&limit=y", ["/state", "/limit"])]
)
def test_a_query_is_read_whole_or_not(query: str, names: list[str]) -> None:
    """Unknown, doubled and wrong parameters are all named."""
    with pytest.raises(ValidationError) as error:
        read_query(query, LinkQuery)
    assert names == [pointer for pointer, _ in faults_of(error.value)]


def test_a_known_query_is_typed() -> None:
    """A query's texts become numbers and states."""
    query = read_query("limit=7&state=used_up&label=a+b%26c", LinkQuery)
    assert (7, "used_up", "a b&c") == (query.limit, str(query.state), query.label)
    assert NoQuery() == read_query("", NoQuery)


def test_a_query_is_utf8() -> None:
    """Bytes that are none are refused."""
    with pytest.raises(Refused) as refused:
        read_query("label=%ff", LinkQuery)
    assert Reason.BAD_REQUEST is refused.value.reason


async def test_a_parameter_that_is_not_known_is_told(desk: Desk) -> None:
    """Of rows that know none, too; but what machines probe may be asked with parameters of theirs."""
    answer = await desk.ask("GET", "/v1/policy?verbose=1")
    assert (422, "verbose") == (answer.status, answer.json["errors"][0]["parameter"])
    assert 200 == (await desk.ask("GET", "/healthz?verbose=1")).status


@pytest.mark.parametrize("path", ["/v1/links", "/v1/keys", "/v1/revocations", "/v1/presign", "/v1/policy/explain"])
async def test_bodies_are_checked_before_they_are_read(desk: Desk, path: str) -> None:
    """Another media type is 415, broken JSON 400, a large body 413, and something that is no object 422."""
    url = desk.url + path
    headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}

    async def status(data: bytes, **more: str) -> int:
        async with desk.session.post(url, data=data, headers=headers | more) as answer:
            assert "application/problem+json" == answer.headers["Content-Type"]
            return answer.status

    assert 415 == await status(b"{}", **{"Content-Type": "text/plain"})
    assert 415 == await status(b"{}", **{"Content-Encoding": "identity"})
    assert 422 == await status(b"{}", **{"Content-Type": "Application/JSON; charset=utf-8"})
    assert 422 == await status(b"\xef\xbb\xbf{}"), "a mark before a text is no part of it"
    assert 400 == await status(b"\xef\xbb\xbf" * 2 + b"{}")
    assert 400 == await status(b"{")
    assert 400 == await status(b"")
    assert 413 == await status(b'{"bucket": "' + b"a" * 70_000 + b'"}')
    assert 422 == await status(b"[1]")
    assert 422 == await status(b'"text"')
    assert 422 == await status(b"null")
