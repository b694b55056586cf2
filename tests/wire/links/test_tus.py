"""The upload protocol's headers: read strictly, written so that nothing foreign gets into an answer."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused
from gateway.core.request import LinkPlace, Operation, RawRequest, UploadVerb
from gateway.wire.links import tus
from gateway.wire.parse import parse

ID = "0" * 48
VERSION = ("tus-resumable", "1.0.0")
BODY = ("content-type", "application/offset+octet-stream")


def raw(method: str, *headers: tuple[str, str], path: str = "/s/TOKEN", query: str = "") -> RawRequest:
    return RawRequest(method, path, query, (("host", "gw"), *headers))


def created(*headers: tuple[str, str]) -> object:
    return tus.read_step(raw("POST", VERSION, ("upload-length", "5"), *headers), None)


def named(value: bytes) -> str | None:
    step = tus.read_step(
        raw("POST", VERSION, ("upload-length", "5"), ("upload-metadata", f"filename {b64encode(value).decode()}")), None
    )
    assert step is not None
    return step.filename


def reason_of(*args: object) -> Reason:
    with pytest.raises(Refused) as caught:
        tus.read_step(*args)  # type: ignore[arg-type]
    return caught.value.reason


def test_a_creation_is_read_whole() -> None:
    """Length, name, type and checksum come out of one head; the metadata stays as it came."""
    metadata = "filename YS5wZGY=,filetype YXBwbGljYXRpb24vcGRm,private"
    step = tus.read_step(raw("POST", VERSION, ("upload-length", "9"), ("upload-metadata", metadata)), None)
    assert step is not None
    assert (UploadVerb.CREATE, 9, "a.pdf") == (step.verb, step.length, step.filename)
    assert ("application/pdf", metadata) == (step.content_type, step.metadata)


@pytest.mark.parametrize(
    ("request_", "upload"),
    [
        (raw("POST"), None),
        (raw("POST", ("content-type", "multipart/form-data; boundary=x")), None),
        (raw("PUT", VERSION), None),
        (raw("GET", VERSION), ID),
        (raw("HEAD", VERSION), None),
        (raw("OPTIONS", ("access-control-request-method", "PATCH"), ("origin", "https://a")), None),
    ],
)
def test_an_ordinary_request_is_no_step(request_: RawRequest, upload: str | None) -> None:
    """Forms, whole uploads, reads and preflights are what they were."""
    assert None is tus.read_step(request_, upload)


@pytest.mark.parametrize(
    ("expected", "request_", "upload"),
    [
        (Reason.PROTOCOL_VERSION, raw("PATCH", BODY, ("upload-offset", "0")), ID),
        (Reason.PROTOCOL_VERSION, raw("POST", ("tus-resumable", "0.2.2"), ("upload-length", "1")), None),
        (Reason.PROTOCOL_VERSION, raw("HEAD"), ID),
        (Reason.WRONG_MEDIA_TYPE, raw("PATCH", VERSION, ("upload-offset", "0")), ID),
        (Reason.WRONG_MEDIA_TYPE, raw("POST", VERSION, ("upload-length", "1"), ("content-length", "1")), None),
        (Reason.BAD_ARGUMENT, raw("PATCH", VERSION, BODY), ID),
        (Reason.BAD_ARGUMENT, raw("PATCH", VERSION, BODY, ("upload-offset", "-1")), ID),
        (Reason.BAD_REQUEST, raw("PATCH", VERSION, BODY, ("upload-offset", "1"), ("upload-offset", "2")), ID),
        (Reason.BAD_ARGUMENT, raw("PATCH", VERSION, BODY, ("upload-offset", "8"), ("upload-ahead", "yes")), ID),
        (Reason.BAD_ARGUMENT, raw("POST", VERSION), None),
        (Reason.BAD_ARGUMENT, raw("POST", VERSION, ("upload-defer-length", "2")), None),
        (Reason.BAD_ARGUMENT, raw("POST", VERSION, ("upload-length", "1"), ("upload-defer-length", "1")), None),
        (Reason.METHOD_NOT_ALLOWED, raw("PATCH", VERSION, BODY, ("upload-offset", "0")), None),
        (Reason.METHOD_NOT_ALLOWED, raw("POST", VERSION, ("upload-length", "1")), ID),
        (Reason.UPLOAD_UNKNOWN, raw("HEAD", VERSION), "../../x"),
        (Reason.BAD_ARGUMENT, raw("POST", VERSION, ("x-http-method-override", "GET")), ID),
    ],
)
def test_what_is_wrong_is_named(expected: Reason, request_: RawRequest, upload: str | None) -> None:
    """Each fault of a step has the reason whose status the protocol wants."""
    assert expected == reason_of(request_, upload)


def test_only_the_protocols_own_post_stands_for_another_method() -> None:
    """An override without the protocol, or on another method, is not heard."""
    asking = ("x-http-method-override", "PATCH")
    assert "PATCH" == tus.override(raw("POST", VERSION, asking))
    assert "POST" == tus.override(raw("POST", asking))
    assert "GET" == tus.override(raw("GET", VERSION, asking))
    step = tus.read_step(raw("POST", VERSION, asking, BODY, ("upload-offset", "3")), ID)
    assert step is not None
    assert (UploadVerb.APPEND, 3) == (step.verb, step.offset)


@pytest.mark.parametrize(
    ("ahead", "told"),
    [
        ((), None),
        ((7,), "7"),
        ((7, 8, 9, 12), "7-9,12"),
        ((3, 5), "3,5"),
        (range(2, 10001), "2-10000"),
        (range(2, 1000, 2), ",".join(map(str, range(800, 1000, 2)))),
    ],
)
def test_parts_ahead_are_told_in_runs(ahead: Sequence[int], told: str | None) -> None:
    """So that no header is long, however many there are."""
    fields = dict(tus.parts_fields(8388608, ahead))
    assert ("8388608", told) == (fields.pop("Upload-Part-Size"), fields.pop("Upload-Ahead", None))
    assert {} == fields


@pytest.mark.parametrize("name", [b"", b".", b"..", b"../x", b"/etc/x", b"a/b", b"a\\b", b"a\x00", b"\xff"])
def test_a_name_that_is_a_path_is_refused(name: bytes) -> None:
    """No name of a file leads anywhere but into the folder."""
    with pytest.raises(Refused) as caught:
        named(name)
    assert Reason.BAD_KEY == caught.value.reason


@pytest.mark.parametrize("name", ["%2e%2e", "a b.txt", "größe.pdf", "..a", ".gateway"])
def test_an_odd_name_stays_itself(name: str) -> None:
    """Nothing in a name is decoded a second time."""
    assert name == named(name.encode())


@pytest.mark.parametrize("text", ["a,a", "a YQ==, a YQ==", ",", "a b c", "a Y", "é YQ==", "a  YQ==", "a" * 3000])
def test_metadata_outside_the_grammar_is_refused(text: str) -> None:
    """What could not be sent back as it came is not taken."""
    with pytest.raises(Refused):
        created(("upload-metadata", text))


def test_a_checksum_is_an_algorithm_and_a_digest() -> None:
    """Another algorithm is 400, as is a digest that no body can have."""
    step = tus.read_step(
        raw("PATCH", VERSION, BODY, ("upload-offset", "0"), ("upload-checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=")),
        ID,
    )
    assert step is not None
    assert step.checksum is not None
    assert ("sha1", 20) == (step.checksum[0], len(step.checksum[1]))
    patch = (VERSION, BODY, ("upload-offset", "0"))
    assert Reason.BAD_ARGUMENT == reason_of(raw("PATCH", *patch, ("upload-checksum", "sha3 YQ==")), ID)
    assert Reason.INVALID_DIGEST == reason_of(raw("PATCH", *patch, ("upload-checksum", "sha1 YQ==")), ID)
    assert Reason.INVALID_DIGEST == reason_of(raw("PATCH", *patch, ("upload-checksum", "sha1 é")), ID)


@given(
    st.sampled_from(["POST", "PATCH", "HEAD", "DELETE", "OPTIONS", "GET", "PUT"]),
    st.dictionaries(
        st.sampled_from(
            [
                *("tus-resumable", "content-type", "content-length", "x-http-method-override"),
                *("upload-length", "upload-offset", "upload-metadata", "upload-checksum", "upload-defer-length"),
            ]
        ),
        st.text(max_size=40) | st.sampled_from(["1.0.0", "5", "1", BODY[1], "filename YQ==", "PATCH", "sha1 YQ=="]),
    ),
    st.none() | st.text(max_size=50) | st.just(ID),
)
@example("POST", {"tus-resumable": "1.0.0", "upload-length": "5", "upload-metadata": "filename"}, None)
def test_any_head_is_read_or_refused(method: str, headers: dict[str, str], upload: str | None) -> None:
    """Whatever is sent, there is a step, none, or a refusal; what is kept to be sent back is printable ASCII."""
    try:
        step = tus.read_step(raw(method, *headers.items()), upload)
    except Refused:
        return
    if step is not None:
        assert step.metadata.isascii()
        assert not step.metadata or step.metadata.isprintable()
        assert step.filename is None or "/" not in step.filename


@given(st.binary(max_size=60))
def test_a_name_never_leaves_its_folder(value: bytes) -> None:
    """Of all bytes there are, those that are taken are one segment."""
    try:
        name = named(value)
    except Refused:
        return
    assert name is not None
    assert name == value.decode()
    assert not {"", ".", "..", ".gateway-uploads"} & set(name.split("/"))


def test_a_location_is_the_objects_own_address() -> None:
    """Below the link, percent-encoded, with what a proxy took off in front."""
    assert f"/s/T?upload={ID}" == tus.location("", "T", None, ID)
    assert f"/files/s/T/a%20%3F/b?upload={ID}" == tus.location("/files", "T", "a ?/b", ID)


def test_a_step_is_parsed_on_a_link_path() -> None:
    """The one reading of a request knows the protocol, and policy sees an operation of S3."""
    read = parse(raw("PATCH", VERSION, BODY, ("upload-offset", "7"), path="/s/T/a%20b", query=f"upload={ID}"))
    assert (Operation.UPLOAD_PART, LinkPlace("T", "a b")) == (read.operation, read.place)
    assert read.step is not None
    assert (ID, 7) == (read.step.upload, read.step.offset)


def test_a_refusal_within_the_protocol_says_so() -> None:
    """Every answer carries the version; one about the version carries those there are."""
    assert () == tus.version_fields(raw("GET"), Reason.BAD_REQUEST)
    assert (tus.RESUMABLE,) == tus.version_fields(raw("POST", VERSION), Reason.BAD_REQUEST)
    assert ("Tus-Version", "1.0.0") in tus.version_fields(raw("PATCH"), Reason.PROTOCOL_VERSION)


def concat(value: str, *more: tuple[str, str], method: str = "POST", upload: str | None = None) -> object:
    return tus.read_step(raw(method, VERSION, ("upload-concat", value), *more), upload)


def test_a_final_upload_names_its_pieces_in_order() -> None:
    """By their addresses, with or without a host; a piece itself is read as any creation."""
    other = "1" * 48
    step = concat(f"final;/s/T/a%20b?upload={ID} https://gw/files/s/T?upload={other}")
    assert ((ID, other), False, None) == (step.partials, step.partial, step.length)
    piece = concat("partial", ("upload-length", "5"))
    assert ((), True, 5) == (piece.partials, piece.partial, piece.length)


@pytest.mark.parametrize(
    ("value", "more"),
    [
        ("final", ()),
        ("final; ", ()),
        ("FINAL;/s/T?upload=" + ID, ()),
        ("partial;/s/T?upload=" + ID, (("upload-length", "5"),)),
        ("partial", ()),
        ("final;" + f"/s/T?upload={ID} " * 101, ()),
        ("final;" + f"/s/{'x' * 4096}?upload={ID}", ()),
        (f"final;/s/T?upload={ID}", (("upload-length", "5"),)),
        (f"final;/s/T?upload={ID}", (("upload-defer-length", "1"),)),
        (f"final;/s/T?upload={ID}", (("content-length", "5"), BODY)),
        (f"final;/s/T?upload={ID}", (("transfer-encoding", "chunked"), BODY)),
    ],
)
def test_another_concatenation_than_the_protocols_is_refused(value: str, more: tuple[tuple[str, str], ...]) -> None:
    """Whatever it was to mean, half of a file would be taken for a whole one."""
    with pytest.raises(Refused) as caught:
        concat(value, *more)
    assert Reason.BAD_ARGUMENT is caught.value.reason


def test_one_client_names_the_piece_in_every_request() -> None:
    """Which changes nothing; a final upload is made by a creation alone."""
    fields = (("upload-offset", "0"), BODY)
    step = concat("partial", *fields, method="PATCH", upload=ID)
    assert (UploadVerb.APPEND, False) == (step.verb, step.partial)
    with pytest.raises(Refused):
        concat(f"final;/s/T?upload={ID}", *fields, method="PATCH", upload=ID)
