"""What a copy's headers mean, by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused
from gateway.core.request import ObjectRequest, Operation
from gateway.wire.http.target import raw_request
from gateway.wire.parse import parse
from gateway.wire.s3.batch_delete import Tag
from gateway.wire.s3.copy_headers import (
    check_copy,
    part_range,
    part_upload,
    require_conditions,
    source_request,
    tags_request,
    whole_upload,
)

FOUND = {
    "etag": '"abc"',
    "last-modified": "Fri, 02 Jan 2026 03:04:05 GMT",
    "content-type": "text/x",
    "x-amz-meta-a": "1",
    "x-amz-storage-class": "COLD",
    "content-length": "5",
}
BEFORE, AT, AFTER = (f"Fri, 02 Jan 2026 03:04:{second:02} GMT" for second in (4, 5, 6))


def copying(target: str = "/bucket/k", **headers: str) -> ObjectRequest:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return parse(raw_request("PUT", target, [(b"Host", b"h"), (b"x-amz-copy-source", b"/bucket/a"), *named]))


def reason_of(request: ObjectRequest) -> Reason | None:
    try:
        require_conditions(request, FOUND)
    except Refused as refused:
        return refused.reason
    return None


@given(st.integers(0, 10**17), st.integers(0, 10**17))
def test_a_range_is_first_and_last(first: int, last: int) -> None:
    """Both ends are there and in order, or there is no range."""
    request = copying(x_amz_copy_source_range=f"bytes={first}-{last}")
    if first <= last:
        assert (first, last) == part_range(request)
        assert f"bytes={first}-{last}" == source_request(request, None).headers["range"]
        return
    with pytest.raises(Refused):
        part_range(request)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20))
def test_no_other_text_is_a_range(text: str) -> None:
    """S3 takes one form only, and neither do we guess."""
    with pytest.raises(Refused) as caught:
        check_copy(copying(x_amz_copy_source_range=text))
    assert caught.value.reason is Reason.BAD_ARGUMENT


@pytest.mark.parametrize("name", ["x_amz_metadata_directive", "x_amz_tagging_directive"])
def test_directives_are_copy_or_replace(name: str) -> None:
    """Anything else would be taken for one of the two by somebody."""
    for value in ("COPY", "REPLACE"):
        check_copy(copying(**{name: value}))
    for value in ("replace", "REPLACE ALL", "x"):
        with pytest.raises(Refused) as caught:
            check_copy(copying(**{name: value}))
        assert caught.value.reason is Reason.BAD_ARGUMENT


@pytest.mark.parametrize(
    ("conditions", "met"),
    [
        ({}, True),
        ({"match": '"abc"'}, True),
        ({"match": "abc"}, True),
        ({"match": '"x", "abc"'}, True),
        ({"match": "*"}, True),
        ({"match": '"x"'}, False),
        ({"none-match": '"abc"'}, False),
        ({"none-match": "*"}, False),
        ({"none-match": '"x"'}, True),
        ({"unmodified-since": BEFORE}, False),
        ({"unmodified-since": AT}, True),
        ({"modified-since": BEFORE}, True),
        ({"modified-since": AT}, False),
        ({"modified-since": AFTER}, False),
        ({"match": '"abc"', "unmodified-since": BEFORE}, True),
        ({"none-match": '"abc"', "modified-since": BEFORE}, False),
        ({"none-match": '"x"', "modified-since": AFTER}, True),
        ({"match": '"abc"', "none-match": '"abc"'}, False),
    ],
)
def test_conditions_on_the_source(conditions: dict[str, str], met: bool) -> None:
    """An entity tag outweighs its date, as S3 documents it for copies."""
    headers = {f"x-amz-copy-source-if-{name}": value for name, value in conditions.items()}
    assert reason_of(copying(**headers)) is (None if met else Reason.PRECONDITION_FAILED)


def test_a_date_that_is_none_guards_nothing_silently() -> None:
    """It is refused, and a source without a date meets no condition that protects."""
    assert reason_of(copying(x_amz_copy_source_if_unmodified_since="yesterday")) is Reason.BAD_ARGUMENT
    with pytest.raises(Refused):
        require_conditions(copying(x_amz_copy_source_if_unmodified_since=AT), {"etag": "e"})


def test_the_source_is_a_plain_read() -> None:
    """Nothing of the copy's own headers goes to the store that is read from."""
    request = copying(Content_Type="a/b", x_amz_meta_b="2", if_none_match="*", x_amz_copy_source_if_match="abc")
    reading = source_request(request, "v1")
    assert (Operation.GET_OBJECT, {"versionId": "v1"}, {}) == (reading.operation, reading.params, reading.headers)
    tags = tags_request(reading)
    assert (Operation.GET_OBJECT_TAGGING, {"versionId": "v1", "tagging": ""}) == (tags.operation, tags.params)


def test_what_a_copy_keeps() -> None:
    """COPY takes the source's description, REPLACE the request's; conditions and class are the copy's own."""
    asked = {"Content_Type": "a/b", "x_amz_meta_b": "2", "if_none_match": "*", "x_amz_storage_class": "WARM"}
    own = {"if-none-match": "*", "x-amz-storage-class": "WARM"}
    kept = whole_upload(copying(**asked), FOUND, 5, [Tag("a b", "&")])
    assert {"content-type": "text/x", "x-amz-meta-a": "1", "x-amz-tagging": "a+b=%26"} | own == kept.headers
    assert (Operation.PUT_OBJECT, 5) == (kept.operation, kept.content_length)
    replaced = copying(
        **asked, x_amz_metadata_directive="REPLACE", x_amz_tagging_directive="REPLACE", x_amz_tagging="c=d"
    )
    taken = whole_upload(replaced, FOUND, 5, [])
    assert {"content-type": "a/b", "x-amz-meta-b": "2", "x-amz-tagging": "c=d"} | own == taken.headers


def test_a_part_has_no_description() -> None:
    """Its object's was given when the upload began."""
    part = part_upload(copying("/bucket/k?partNumber=1&uploadId=u", Content_Type="a/b"), 5)
    assert (Operation.UPLOAD_PART, {}, 5) == (part.operation, part.headers, part.content_length)
