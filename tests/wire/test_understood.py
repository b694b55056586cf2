"""Laws of `gateway.wire.understood`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.reasons import Reason, Refused
from gateway.core.request import Operation, RawRequest, UploadStep, UploadVerb
from gateway.wire.understood import require_understood

ID = "0" * 48


TUS = UploadStep(verb=UploadVerb.APPEND)
DRAFT = UploadStep(verb=UploadVerb.APPEND, draft=6)


def ask(
    method: str, *headers: tuple[str, str], operation: Operation = Operation.PUT_OBJECT, step: UploadStep | None = None
) -> bool:
    """Whether the request passes."""
    try:
        require_understood(RawRequest(method, "/b/k", "", headers), operation, step=step)
    except Refused as refused:
        assert Reason.HEADER_NOT_OFFERED is refused.reason  # noqa: PT017 (the reason is part of the answer)
        return False
    return True


@pytest.mark.parametrize(
    ("value", "length", "whole"),
    [
        ("bytes 0-9/10", "10", True),
        ("Bytes 0-9/10", "10", True),
        ("bytes 0-9/*", "10", False),
        ("bytes 0-9/20", "10", False),
        ("bytes 10-19/20", "10", False),
        ("bytes 0-9/10", "9", False),
        ("bytes 0-9/10", None, False),
        ("items 0-9/10", "10", False),
        ("bytes */10", "10", False),
        ("nonsense", "10", False),
    ],
)
def test_a_piece_of_a_file_is_not_the_file(value: str, length: str | None, whole: bool) -> None:
    """RFC 9110, 14.5: a PUT with a Content-Range is refused, unless the range says that the body is all."""
    headers = (("content-range", value), *((("content-length", length),) if length is not None else ()))
    assert whole is ask("PUT", *headers)
    assert ask("GET", *headers), "on a read it means nothing"


@pytest.mark.parametrize("name", ["x-http-method-override", "x-http-method", "x-method-override"])
def test_no_method_stands_for_another(name: str) -> None:
    """Except in a step of an upload, whose reader knows the one header for it."""
    for method in ("GET", "PUT", "POST"):
        assert not ask(method, (name, "DELETE"))
        assert ask(method, (name, method.lower()))
    assert (name == "x-http-method-override") is ask("POST", (name, "PATCH"), step=TUS)
    assert not ask("PATCH", (name, "DELETE"), step=TUS)


CONDITIONS = ("if-match", "if-none-match", "if-unmodified-since", "if")
OFFERED = {
    Operation.PUT_OBJECT: CONDITIONS[:2],
    Operation.POST_OBJECT: CONDITIONS[:2],
    Operation.COPY_OBJECT: CONDITIONS[:2],
    Operation.COMPLETE_MULTIPART_UPLOAD: CONDITIONS[:2],
    Operation.DELETE_OBJECT: CONDITIONS[:1],
}


@pytest.mark.parametrize("operation", Operation)
def test_a_condition_on_a_write_holds_or_refuses_it(operation: Operation) -> None:
    """None is passed over, since what it was to protect would be lost; HTTP has If-Modified-Since ignored."""
    passed = tuple(name for name in CONDITIONS if ask("PUT", (name, '"e"'), operation=operation))
    assert OFFERED.get(operation, ()) == passed
    assert not any(ask("PATCH", (name, '"e"'), operation=operation, step=TUS) for name in CONDITIONS)
    assert all(ask("GET", (name, '"e"'), operation=operation) for name in CONDITIONS)
    assert ask("PUT", ("if-modified-since", "Fri, 02 Jan 2026 03:04:05 GMT"), operation=operation)


@pytest.mark.parametrize(
    ("header", "plain", "step"),
    [
        (("upload-concat", "partial"), False, True),
        (("upload-ahead", "1"), False, False),
        (("upload-offset", "5"), False, True),
        (("upload-offset", "0"), False, True),
        (("upload-defer-length", "1"), False, True),
        (("upload-checksum", "sha1 x"), False, True),
        (("upload-length", "5"), False, True),
        (("upload-metadata", "a YQ=="), True, True),
        (("upload-draft-interop-version", "6"), True, True),
        (("upload-complete", "?1"), True, True),
        (("upload-complete", "?0"), False, False),
        (("upload-incomplete", "?0"), True, True),
        (("upload-incomplete", "?1"), False, False),
        (("upload-unheard-of", "1"), True, False),
        (("content-encoding", "gzip"), True, False),
        (("content-encoding", "identity"), True, True),
        (("tus-resumable", "1.0.0"), True, True),
        (("x-requested-with", "XMLHttpRequest"), True, True),
    ],
)
def test_what_is_only_a_part_of_an_upload_is_known_as_one(header: tuple[str, str], plain: bool, step: bool) -> None:
    """A plain upload that says it is a piece is refused; a step may say what the protocol has, and no more."""
    assert (plain, step) == (ask("PUT", header), ask("PATCH", header, step=TUS))


def test_only_a_part_that_comes_ahead_says_so() -> None:
    """Not the beginning of an upload, whose bytes are at its offset."""
    assert ask("PATCH", ("upload-ahead", "1"), step=replace(TUS, ahead=True))
    assert not ask("POST", ("upload-ahead", "1"), step=replace(TUS, verb=UploadVerb.CREATE))


def test_a_told_length_is_the_bodys() -> None:
    """Some clients say the length of a plain upload twice."""
    assert ask("PUT", ("upload-length", "5"), ("content-length", "5"))
    assert not ask("PUT", ("upload-length", "9"), ("content-length", "5"))


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        (("upload-complete", "?0"), True),
        (("upload-complete", "?1"), True),
        (("upload-incomplete", "?1"), True),
        (("upload-length", "5"), True),
        (("upload-defer-length", "1"), True),
        (("upload-checksum", "sha1 x"), False),
        (("upload-concat", "partial"), False),
        (("upload-ahead", "1"), False),
        (("upload-key", "x"), False),
        (("content-encoding", "gzip"), False),
        (("if-match", "*"), False),
        (("upload-unheard-of", "1"), False),
    ],
)
def test_a_step_of_the_draft_has_the_drafts_own(header: tuple[str, str], taken: bool) -> None:
    """That more is to come is for a step of the draft to say, and for no other; what is of tus alone is refused."""
    assert taken is ask("PATCH", header, step=DRAFT)
