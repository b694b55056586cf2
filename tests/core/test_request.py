"""The laws of the canonical request."""

from __future__ import annotations

import pytest

from gateway.core.request import ACTION_OF, BucketPlace, LinkPlace, ObjectRequest, Operation, RawRequest


def test_every_operation_has_its_effect() -> None:
    """No operation is without an entry, so none can slip past the policy."""
    assert set(Operation) == set(ACTION_OF)


def test_a_link_places_repr_holds_no_token() -> None:
    """What is logged of a link request does not open the link."""
    assert "secret" not in repr(LinkPlace("gl_secret", "a/b"))


def test_a_requests_repr_holds_nothing_that_was_sent_as_proof() -> None:
    """Neither token, signature nor password, whoever prints it."""
    raw = RawRequest("GET", "/s/gl_secret", "X-Amz-Signature=secret", (("authorization", "Basic secret"),))
    asked = ObjectRequest(raw=raw, operation=Operation.GET_OBJECT, place=LinkPlace("gl_secret", None))
    assert "secret" not in f"{raw!r} {asked!r}"


def test_headers_keep_order_and_repetition() -> None:
    """The first value answers for a header that may come once; all of them are there for who must see them."""
    raw = RawRequest("GET", "/", "", (("a", "1"), ("b", "2"), ("a", "3")))
    assert ("1", None, ["1", "3"]) == (raw.header("a"), raw.header("c"), raw.header_values("a"))


@pytest.mark.parametrize(
    ("headers", "has_body"),
    [
        ((), False),
        ((("content-length", "0"),), False),
        ((("content-length", "5"),), True),
        ((("transfer-encoding", "chunked"),), True),
    ],
)
def test_whether_body_bytes_follow(headers: tuple[tuple[str, str], ...], has_body: bool) -> None:
    """A length above zero or a transfer coding says that a body is on the wire."""
    raw = RawRequest("PUT", "/b/k", "", headers)
    request = ObjectRequest(raw=raw, operation=Operation.PUT_OBJECT, place=BucketPlace("b", "k"))
    assert has_body == request.has_body
