"""The value that the later steps are given."""

from __future__ import annotations

from dataclasses import replace
from typing import get_type_hints
from unittest.mock import Mock

import pytest

from gateway.core.attempt import ANONYMOUS, Attempt, Principal
from gateway.core.grant import Grant, GrantKind, Scope
from gateway.core.request import Action, BucketPlace, LinkPlace, ObjectRequest, Operation
from gateway.core.route import Answer, Backend, Bucket, Capability, Route
from gateway.core.token import hash_secret
from gateway.data.call import Call, LinkAnswer, LinkCall, S3Call, Writing
from gateway.data.state.transfers import Permit
from gateway.wire.http.target import raw_request
from gateway.wire.s3.calls import upstream_call

LINK = Grant(
    id="l1",
    kind=GrantKind.LINK,
    hash=hash_secret("secret"),
    owner=Principal("app", "billing"),
    issued_at=0.0,
    scope=Scope("reports", prefix="2026/"),
    actions=frozenset({Action.READ}),
)


def attempt(key: str) -> Attempt:
    return Attempt(
        principal=ANONYMOUS, operation=Operation.GET_OBJECT, action=None, bucket="reports", key=key, peer=None, now=0.0
    )


def understood(place: BucketPlace | LinkPlace) -> ObjectRequest:
    raw = raw_request("GET", "/reports/a", [(b"Host", b"gw")])
    return ObjectRequest(raw=raw, operation=Operation.GET_OBJECT, place=place)


def s3_call() -> S3Call:
    return S3Call(understood(BucketPlace("reports", "a")), None, attempt("a"))


def link_call(grant: Grant = LINK, key: str = "2026/a.pdf") -> LinkCall:
    place = LinkPlace("token", "a.pdf")
    return LinkCall(understood(place), place, grant, attempt(key), 0, Operation.GET_OBJECT, takes_use=True)


@pytest.mark.parametrize("call", [s3_call(), link_call()], ids=["s3", "link"])
def test_a_later_request_makes_a_call_of_its_own(call: S3Call | LinkCall) -> None:
    """It has its own attempt and position, everything else of the first one, which is as it was."""
    before = replace(call)
    again = call.again(attempt("b"), 7)
    assert before == call
    assert replace(call, attempt=attempt("b"), as_of=7) == again
    assert call.at_store is again.at_store


def test_a_links_call_has_its_grant() -> None:
    """No later step has to ask whether there is one; only a call of the S3 face may do without."""
    assert Grant is get_type_hints(LinkCall)["grant"]
    assert Grant | None == get_type_hints(S3Call)["grant"]


def test_both_faces_answer_the_same_questions() -> None:
    """What differs between a link and the S3 face is a method of both, so that no step asks which of them it has."""
    asked = {
        "own_fields",
        "overrides",
        "answer_headers",
        "answer_ids",
        "error_reply",
        "only_new",
        "takes_use",
        "verified",
        "lease",
    }
    assert all(hasattr(kind, name) for kind in (LinkCall, S3Call) for name in asked)


@pytest.mark.parametrize(
    ("filename", "label", "key", "title"),
    [
        ("Q1.pdf", "Reports", "2026/a.pdf", "Q1.pdf"),
        (None, "Reports", "2026/a.pdf", "a.pdf"),
        (None, "Reports", "2026/in/", "in"),
        (None, "Reports", "", "Reports"),
        (None, None, "", "Files"),
    ],
)
def test_a_title_is_what_a_person_would_say(filename: str | None, label: str | None, key: str, title: str) -> None:
    """The link's own name for the file, else the last part of the key, else the link's label."""
    assert title == link_call(replace(LINK, filename=filename, label=label), key).title


def test_a_page_is_an_answer_of_a_link_alone() -> None:
    """Pages and archives are no operations of S3: nothing that a signed request says leads to one."""
    assert set(LinkAnswer).isdisjoint(Operation)


def test_what_is_asked_of_a_store_is_made_once_for_the_same_route() -> None:
    """The next request that says the same asks the same; by another route something else is asked."""
    route = Route(rule="r", backend=Backend("lab"), bucket=Bucket("reports", "lab", "real", "in/"), key="a")
    for call in (s3_call(), link_call()):
        again = call.again(attempt("a"), 7)
        assert (call.request, call.grant, 7) == (again.request, again.grant, again.as_of)
        made = call.at_store.by(route, call.request)
        assert made is again.at_store.by(route, again.request)
        assert (
            "elsewhere/a"
            == again.at_store.by(replace(route, bucket=Bucket("b", "lab", "r", "elsewhere/")), again.request).key
        )


def test_a_write_that_may_not_replace_is_another_call() -> None:
    """Whether a link may overwrite can change between two requests that say the same: what was made before is not
    asked then."""
    backend = Backend("lab", frozenset({Capability.CONDITIONAL_WRITES}))
    route = Route(rule="r", backend=backend, bucket=Bucket("reports", "lab", "real", "in/"), key="a")
    raw = raw_request("PUT", "/reports/a", [(b"Host", b"gw"), (b"Content-Length", b"3")])
    request = ObjectRequest(raw=raw, operation=Operation.PUT_OBJECT, place=BucketPlace("reports", "a"))
    call = S3Call(request, None, attempt("a"))
    grants = [replace(LINK, overwrite=overwrite) for overwrite in (True, False)]
    found: list[Writing] = []

    def find_out(call: Call, permit: Permit) -> Writing:
        only_new = permit.grant is None or not permit.grant.overwrite
        store_call = upstream_call(permit.route, call.request, body_length=3, only_new=only_new)
        found.append(Writing(store_call, 3, only_new, conditional=True, whole=True))
        return found[-1]

    permits = [Permit(Mock(), grants[number], call.attempt, route) for number in (0, 1, 1, 0)]
    made = [call.at_store.writing(call, permit, find_out) for permit in permits]
    assert [False, True, True, False] == [("if-none-match", "*") in how.store_call.headers for how in made]
    assert made[1] is made[2]
    assert 3 == len(found)


def test_whose_use_it_is_is_made_once_for_the_same_caller() -> None:
    """From another address the same call is another caller's, and by another route it is about another object."""
    call, route, made = link_call(), Mock(), []

    def key(address: str, by: Mock = route) -> str:
        exchange = Mock(address_class=address)
        permit = Permit(exchange=exchange, grant=LINK, attempt=call.attempt, route=by)
        return call.again(call.attempt, 1).at_store.use_key("cookie", permit, make)

    def make(cookie: str | None, permit: Permit) -> str:
        made.append((cookie, permit.exchange.address_class))
        return f"use {len(made)}"

    assert ["use 1", "use 1", "use 2", "use 3"] == [key("::1"), key("::1"), key("::2"), key("::2", Mock())]
    assert [("cookie", "::1"), ("cookie", "::2"), ("cookie", "::2")] == made


def test_what_a_client_is_shown_is_made_once_for_answers_that_say_the_same() -> None:
    """The next answer with the same head is shown the same; another head, another grant, or a head that nobody knows is
    shown anew."""
    call = link_call()
    permit = Permit(exchange=Mock(), grant=LINK, attempt=call.attempt, route=Mock())
    same = Answer(200, {"content-type": "image/png"}, 3, known=object())
    shown = call.answer_headers(same, permit)
    assert ("Content-Disposition", 'inline; filename="a.pdf"') in shown
    assert shown is call.again(attempt("2026/a.pdf"), 1).answer_headers(same, permit)
    other = replace(same, headers={"content-type": "image/gif"}, known=object())
    assert ("Content-Type", "image/gif") in call.answer_headers(other, permit)
    permit.grant = replace(LINK, content_type="text/html")
    assert ("Content-Type", "text/html") in call.answer_headers(other, permit)
    for kind in ("image/png", "image/gif"):
        unknown = replace(same, headers={"content-type": kind}, known=None)
        assert ("Content-Type", kind) in s3_call().answer_headers(unknown, permit)


def test_ids_are_of_one_answer() -> None:
    """What the S3 face says under each request's own number is no part of what is kept."""
    call = s3_call()
    permit = Permit(exchange=Mock(request_id="R1"), grant=None, attempt=call.attempt, route=Mock())
    answer = Answer(200, {"etag": '"a"'}, 3, known=object())
    assert "R1" not in str(call.answer_headers(answer, permit))
    assert ("x-amz-request-id", "R1") in call.answer_ids("R1")
    assert () == link_call().answer_ids("R1")
