"""The IETF's draft of resumable uploads as headers: what is read of a request, and what is written of an upload."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused
from gateway.core.request import Operation, RawRequest, UploadStep, UploadVerb
from gateway.wire.links.upload_draft import (
    DRAFT_ASKED,
    complete_field,
    draft_version,
    interim_fields,
    limit_field,
    read_draft_step,
)
from gateway.wire.parse import parse

UPLOAD = "0" * 48
V6 = ("upload-draft-interop-version", "6")
V3 = ("upload-draft-interop-version", "3")
WHOLE, PARTLY = ("upload-complete", "?1"), ("upload-complete", "?0")
TYPED = ("content-type", "application/partial-upload")


def raw(method: str, *headers: tuple[str, str], path: str = "/s/t/", query: str = "") -> RawRequest:
    return RawRequest(method, path, query, headers)


def reason(request: RawRequest, upload: str | None) -> Reason:
    with pytest.raises(Refused) as caught:
        read_draft_step(request, upload)
    return caught.value.reason


@pytest.mark.parametrize(
    ("value", "version"),
    [("3", 3), ("6", 6), (" 8 ", 8), ("2", 0), ("9", 0), ("06", 0), ("", 0), ("6;a", 0), ("six", 0), ("٦", 0)],
)
def test_only_versions_that_are_known_are_spoken(value: str, version: int) -> None:
    """Any other is as if nothing had been said, and twice is not at all."""
    assert version == draft_version(raw("PUT", ("upload-draft-interop-version", value)))
    assert 0 == draft_version(raw("PUT", V6, V6))


@pytest.mark.parametrize(
    ("request_", "upload"),
    [
        (raw("PUT", WHOLE), None),
        (raw("PUT", ("upload-draft-interop-version", "99"), WHOLE), None),
        (raw("PUT", V6), None),
        (raw("PUT", V6, ("upload-complete", "yes")), None),
        (raw("PUT", V6, WHOLE, PARTLY), None),
        (raw("PUT", V6, ("upload-incomplete", "?0")), None),
        (raw("POST", V6, WHOLE, ("content-type", "multipart/form-data; boundary=b")), None),
        (raw("PUT", V6, WHOLE, ("if-none-match", "*")), None),
        (raw("PUT", V6, WHOLE, ("content-encoding", "gzip")), None),
        (raw("GET", V6), UPLOAD),
        (raw("HEAD", V6), None),
        (raw("OPTIONS", V6), None),
        (raw("DELETE", V6), None),
        (raw("DELETE", V6, ("upload-undo", "x")), UPLOAD),
    ],
)
def test_an_ordinary_request_is_no_step(request_: RawRequest, upload: str | None) -> None:
    """What does not ask for the draft, or says what an upload in steps could not keep, is what it ever was."""
    assert None is read_draft_step(request_, upload)


@pytest.mark.parametrize(
    ("expected", "request_", "upload"),
    [
        (Reason.BAD_REQUEST, raw("PUT", V6, WHOLE, ("tus-resumable", "1.0.0")), None),
        (Reason.LENGTH_MISMATCH, raw("PUT", V6, WHOLE, ("content-length", "3"), ("upload-length", "4")), None),
        (Reason.BAD_KEY, raw("POST", V6, WHOLE, ("content-disposition", 'inline; filename="../x"')), None),
        (Reason.METHOD_NOT_ALLOWED, raw("PATCH", V6, WHOLE, TYPED, ("upload-offset", "0")), None),
        (Reason.METHOD_NOT_ALLOWED, raw("PUT", V6, WHOLE), UPLOAD),
        (Reason.METHOD_NOT_ALLOWED, raw("POST", V6, WHOLE, ("x-http-method-override", "PUT")), UPLOAD),
        (Reason.UPLOAD_UNKNOWN, raw("HEAD", V6), "x"),
        (Reason.WRONG_MEDIA_TYPE, raw("PATCH", V6, WHOLE, ("upload-offset", "0")), UPLOAD),
        (Reason.BAD_ARGUMENT, raw("PATCH", V6, WHOLE, TYPED), UPLOAD),
        (Reason.BAD_ARGUMENT, raw("PATCH", V6, WHOLE, TYPED, ("upload-offset", "-1")), UPLOAD),
        (Reason.BAD_ARGUMENT, raw("PATCH", V6, TYPED, ("upload-offset", "0")), UPLOAD),
    ],
)
def test_what_is_wrong_is_named(expected: Reason, request_: RawRequest, upload: str | None) -> None:
    """Each fault has its own reason, before anything is looked up."""
    assert expected is reason(request_, upload)


def test_a_creation_is_read_whole() -> None:
    """Name and type come from the headers of any upload; the length in either way."""
    disposed = ("content-disposition", "inline; filename=\"a.jpg\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.jpg")
    step = read_draft_step(
        raw("POST", V6, WHOLE, ("content-length", "7"), ("content-type", "image/jpeg"), disposed), None
    )
    assert (
        UploadStep(verb=UploadVerb.CREATE, length=7, filename="größe.jpg", content_type="image/jpeg", draft=6) == step
    )
    step = read_draft_step(raw("POST", V6, PARTLY, TYPED, ("content-length", "7"), ("upload-length", "9")), None)
    assert UploadStep(verb=UploadVerb.CREATE, length=9, draft=6, more=True) == step
    step = read_draft_step(raw("PUT", V6, WHOLE, ("transfer-encoding", "chunked")), None)
    assert UploadStep(verb=UploadVerb.CREATE, draft=6) == step
    metadata = ("upload-metadata", "filename YS50eHQ=,filetype dGV4dC9wbGFpbg==")
    step = read_draft_step(raw("POST", V6, PARTLY, TYPED, metadata), None)
    assert UploadStep(verb=UploadVerb.CREATE, filename="a.txt", content_type="text/plain", draft=6, more=True) == step


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('attachment; filename="a b.txt"', "a b.txt"),
        ("inline;filename=a.txt", "a.txt"),
        (r'inline; filename="a\"b.txt"', 'a"b.txt'),
        ("inline; FILENAME*=utf-8'en'%e2%82%ac.txt; filename=x", "€.txt"),
        ("inline", None),
        ('inline; name="filename=x"', None),
    ],
)
def test_a_file_may_be_named_by_its_disposition(value: str, name: str | None) -> None:
    """As RFC 6266 has it."""
    step = read_draft_step(raw("POST", V6, WHOLE, ("content-disposition", value)), None)
    assert step is not None
    assert name == step.filename


def test_an_append_says_where_and_whether_that_is_all() -> None:
    """The last one also tells the length; the oldest version says it the other way around, and has no type."""
    more = (("upload-offset", "5"), ("content-length", "2"))
    step = read_draft_step(raw("PATCH", V6, PARTLY, TYPED, *more), UPLOAD)
    assert UploadStep(verb=UploadVerb.APPEND, upload=UPLOAD, offset=5, draft=6, more=True) == step
    step = read_draft_step(raw("PATCH", V6, WHOLE, TYPED, *more), UPLOAD)
    assert UploadStep(verb=UploadVerb.APPEND, upload=UPLOAD, offset=5, length=7, draft=6) == step
    step = read_draft_step(raw("PATCH", V3, ("upload-incomplete", "?1"), *more), UPLOAD)
    assert UploadStep(verb=UploadVerb.APPEND, upload=UPLOAD, offset=5, draft=3, more=True) == step
    step = read_draft_step(raw("POST", V6, WHOLE, TYPED, *more, ("x-http-method-override", "PATCH")), UPLOAD)
    assert UploadStep(verb=UploadVerb.APPEND, upload=UPLOAD, offset=5, length=7, draft=6) == step


def test_each_version_has_its_words() -> None:
    """What was renamed is said as the client's version says it."""
    assert ("Upload-Incomplete", "?1") == complete_field(3, complete=False)
    assert ("Upload-Complete", "?0") == complete_field(4, complete=False)
    assert () == limit_field(5, 10, 60)
    assert (("Upload-Limit", "max-size=10, expires=60"),) == limit_field(6, 10, 60.9)
    assert (("Upload-Limit", "max-age=0"),) == limit_field(8, None, -1)
    assert () == limit_field(8, None, None)
    assert ("Upload-Draft-Interop-Version", "6") == interim_fields(6)[0]


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "HEAD", "DELETE"])
def test_the_draft_is_spoken_where_it_is_set_alone(method: str) -> None:
    """Without the setting a request is read, or refused, just as without the version's header."""
    fields = (PARTLY if method == "PATCH" else WHOLE, TYPED, ("upload-offset", "0"), ("content-length", "0"))
    query = "" if method in {"PUT", "POST"} else f"upload={UPLOAD}"

    def read(*more: tuple[str, str], drafts: bool) -> tuple[Operation, UploadStep | None] | Reason:
        try:
            request = parse(raw(method, *fields, *more, path="/s/t/a", query=query), drafts=drafts)
        except Refused as refused:
            return refused.reason
        return request.operation, request.step

    assert read(drafts=False) == read(V6, drafts=False) == read(drafts=True)
    found = read(V6, drafts=True)
    assert isinstance(found, tuple)
    assert found[1] is not None
    assert 6 == found[1].draft


@given(
    st.sampled_from(["PUT", "POST", "PATCH", "HEAD", "DELETE", "OPTIONS", "GET"]),
    st.dictionaries(
        st.sampled_from([*sorted(DRAFT_ASKED), "upload-offset", "upload-length", "content-length", "upload-metadata"]),
        st.one_of(st.sampled_from(["?0", "?1", "3", "6", "0"]), st.text(max_size=20)),
    ),
    st.sampled_from([None, UPLOAD, "x"]),
)
def test_any_head_is_read_or_refused(method: str, headers: dict[str, str], upload: str | None) -> None:
    """Nothing else comes of it, whatever it is given."""
    if "content-length" in headers and not headers["content-length"].isdecimal():
        del headers["content-length"]
    try:
        step = read_draft_step(raw(method, *headers.items()), upload)
    except Refused:
        return
    assert step is None or step.draft
