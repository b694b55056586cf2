"""The head of an answer as bytes."""

from __future__ import annotations

from http.client import HTTPMessage, parse_headers
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.http.answer_head import answer_head, has_no_body

DATE = "Sun, 22 Nov 2026 05:00:00 GMT"


def read(head: bytes) -> tuple[str, HTTPMessage]:
    line, _, rest = head.partition(b"\r\n")
    return line.decode(), parse_headers(BytesIO(rest))


def test_a_known_length_is_told() -> None:
    """Status line, the fields in order, a type, the length, the date, an empty line."""
    assert (
        b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Type: application/octet-stream\r\nX-Content-Type-Options: nosniff\r\n"
        b"Content-Security-Policy: default-src 'none'; sandbox\r\nContent-Length: 5\r\n"
        b"Date: Sun, 22 Nov 2026 05:00:00 GMT\r\n\r\n"
    ) == answer_head(200, [("ETag", "x")], length=5, date=DATE)


def test_fields_of_one_answer_stand_behind_those_of_all() -> None:
    """What is kept of a head has none of them: neither the date nor any that is said of one answer."""
    for own in ("1", "2"):
        head = answer_head(204, [("ETag", "x")], length=0, date=DATE, own=[("x-amz-request-id", own)])
        assert f"HTTP/1.1 204 No Content\r\nETag: x\r\nx-amz-request-id: {own}\r\nDate: {DATE}\r\n\r\n".encode() == head
    with pytest.raises(ValueError, match="line break"):
        answer_head(204, [], length=0, date=DATE, own=[("x-amz-request-id", "1\r\nX-More: 1")])


def test_a_type_of_its_own_is_kept() -> None:
    """In either spelling; nothing is added beside it."""
    for name in ("Content-Type", "content-type"):
        _, fields = read(answer_head(200, [(name, "text/plain")], length=5, date=DATE))
        assert ["text/plain"] == fields.get_all("content-type")


@pytest.mark.parametrize("status", [200, 206, 400, 404, 500])
def test_every_body_has_a_policy(status: int) -> None:
    """Errors, documents and whatever else brings none of its own: sandboxed, and of no type but the one it says."""
    _, fields = read(answer_head(status, [("Content-Type", "application/xml")], length=None, date=DATE))
    assert ["default-src 'none'; sandbox"] == fields.get_all("content-security-policy")
    assert ["nosniff"] == fields.get_all("x-content-type-options")
    own = [("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", "default-src 'self'")]
    _, fields = read(answer_head(status, own, length=5, date=DATE))
    assert ["default-src 'self'"] == fields.get_all("content-security-policy")
    assert ["nosniff"] == fields.get_all("x-content-type-options")


@pytest.mark.parametrize("status", [204, 304])
def test_what_has_no_body_tells_no_length(status: int) -> None:
    """RFC 9110, 8.6: none in a 204; the one of a 304 would be another's."""
    _, fields = read(answer_head(status, [], length=0, date=DATE))
    assert (None, None) == (fields["content-length"], fields["content-type"])
    assert fields["content-security-policy"] is None


def test_chunks_and_a_length_are_never_told_together() -> None:
    """RFC 9112, 6.2."""
    _, fields = read(answer_head(200, [], length=5, date=DATE, chunked=True))
    assert ("chunked", None) == (fields["transfer-encoding"], fields["content-length"])


def test_the_end_of_a_connection_is_told() -> None:
    """As it is given."""
    assert "close" == read(answer_head(200, [], length=0, date=DATE, connection="close"))[1]["connection"]


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b"])
def test_a_value_cannot_be_two_lines(value: str) -> None:
    """Nothing is sent that a client could read as another field or answer."""
    for field in [("X-A", value), (value, "a")]:
        with pytest.raises(ValueError, match="line break"):
            answer_head(200, [field], length=0, date=DATE)


@given(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=("Cs",))))
def test_any_other_value_is_one_line(value: str) -> None:
    """However odd, a head has as many lines as it has fields."""
    head = answer_head(200, [("X-A", value)], length=0, date=DATE)
    assert [value.encode()] == [line[5:] for line in head.split(b"\r\n") if line.startswith(b"X-A: ")]
    assert 6 == len(head.split(b"\r\n"))


def test_bytes_that_were_no_text_leave_as_they_came() -> None:
    """What was read with surrogates is written without."""
    assert b"X-A: \xff\r\n" in answer_head(
        200, [("X-A", b"\xff".decode("utf-8", "surrogateescape"))], length=0, date=DATE
    )


@pytest.mark.parametrize(
    ("method", "status", "expected"), [("HEAD", 200, True), ("GET", 304, True), ("PUT", 204, True), ("GET", 200, False)]
)
def test_some_answers_end_with_their_head(method: str, status: int, expected: bool) -> None:
    """RFC 9112, 6.3."""
    assert expected is has_no_body(method, status)


def test_a_status_without_a_name_is_a_number() -> None:
    """Stores may answer with one."""
    assert "HTTP/1.1 299 " == read(answer_head(299, [], length=0, date=DATE))[0]
