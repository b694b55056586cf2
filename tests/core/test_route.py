"""The laws of a route and of an upstream call."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from gateway.core.limits import Limit
from gateway.core.route import Answer, Backend, Bucket, Delivery, EmptyBody, Route


def test_the_real_key_is_prefix_and_key() -> None:
    """Nothing is added, folded or dropped between the bucket's prefix and the key."""
    route = Route(rule="r", backend=Backend("s"), bucket=Bucket("b", "s", "real", "prod/"), key="/a//b")
    assert "prod//a//b" == route.real_key


def test_a_route_to_another_key_differs_in_that_alone() -> None:
    """Whatever else it says holds for both, a field that is new as well."""
    route = Route(
        rule="r",
        backend=Backend("s"),
        bucket=Bucket("b", "s", "real", "prod/"),
        key="a",
        limits=(Limit("app:a"),),
        delivery=Delivery.SIGN,
        max_size=7,
    )
    assert replace(route, key="b") == route.at("b")
    assert all(getattr(route, field.name) != field.default for field in fields(Route))


async def test_an_answer_without_a_body_ends_at_once() -> None:
    """An empty body yields nothing and reads as nothing."""
    answer = Answer(204, {}, 0)
    assert [] == [chunk async for chunk in EmptyBody()]
    assert b"" == await answer.body.read(10)


def test_an_answer_has_the_date_of_its_store() -> None:
    """Beside what is the same for many answers, or among its headers; else nobody knows."""
    kept = Answer(200, {"date": "then"}, 0, wire=b"HTTP/1.1 200 OK\r\nDate:  now\r\n\r\n")
    assert ("now", "then", None) == (kept.date, replace(kept, wire=b"").date, Answer(200, {}, 0).date)


@pytest.mark.parametrize(
    ("status", "told", "size"),
    [
        (200, {}, 5),
        (206, {"content-range": "bytes 0-4/9"}, 9),
        (206, {"content-range": "bytes 0-4/*"}, 5),
        (206, {"content-range": "bytes 0-4/" + "9" * 40}, 5),
        (200, {"content-range": "bytes 0-4/9"}, 5),
    ],
)
def test_an_answer_tells_the_whole_objects_size(status: int, told: dict[str, str], size: int) -> None:
    """Of one range, what stands behind it, where it is a size; a range is one of a 206 alone."""
    assert size == Answer(status, told, 5).whole_size
    assert Answer(200, {}, None).whole_size is None


@pytest.mark.parametrize(
    ("status", "told", "within"),
    [
        (206, {"content-range": "bytes 1-4/9"}, True),
        (206, {"content-range": "bytes 0-4/9"}, False),
        (206, {}, False),
        (200, {"content-range": "bytes 1-4/9"}, False),
        (200, {}, False),
    ],
)
def test_an_answer_tells_whether_it_begins_within(status: int, told: dict[str, str], *, within: bool) -> None:
    """Only a range does whose first byte is not the object's."""
    assert within == Answer(status, told, 5).begins_within
