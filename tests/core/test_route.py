"""The laws of a route and of an upstream call."""

from __future__ import annotations

from dataclasses import replace

from gateway.core.route import Answer, Backend, Bucket, EmptyBody, Route


def test_the_real_key_is_prefix_and_key() -> None:
    """Nothing is added, folded or dropped between the bucket's prefix and the key."""
    route = Route(rule="r", backend=Backend("s"), bucket=Bucket("b", "s", "real", "prod/"), key="/a//b")
    assert "prod//a//b" == route.real_key


async def test_an_answer_without_a_body_ends_at_once() -> None:
    """An empty body yields nothing and reads as nothing."""
    answer = Answer(204, {}, 0)
    assert [] == [chunk async for chunk in EmptyBody()]
    assert b"" == await answer.body.read(10)


def test_an_answer_has_the_date_of_its_store() -> None:
    """Beside what is the same for many answers, or among its headers; else nobody knows."""
    kept = Answer(200, {"date": "then"}, 0, wire=b"HTTP/1.1 200 OK\r\nDate:  now\r\n\r\n")
    assert ("now", "then", None) == (kept.date, replace(kept, wire=b"").date, Answer(200, {}, 0).date)
