"""multipart/form-data as transcripts: every cut, every limit, every way to end wrongly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused
from gateway.wire.http.form_data import MAX_FIELDS, Form, FormParser

BOUNDARY = "----gateway7MA4YWxk"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
FILE = 'Content-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain'


def part(name: str, value: str) -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="{name}"', value.encode()


def body(*parts: tuple[str, bytes], boundary: str = BOUNDARY) -> bytes:
    out = b"".join(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts)
    return out + f"--{boundary}--\r\n".encode()


def parse(*data: bytes, content_type: str = CONTENT_TYPE) -> tuple[Form, bytes]:
    parser = FormParser(content_type)
    out = b"".join(b"".join(parser.feed(piece)) for piece in data)
    return parser.finish(), out


def refusal(*data: bytes, content_type: str = CONTENT_TYPE) -> Reason:
    with pytest.raises(Refused) as caught:
        parse(*data, content_type=content_type)
    return caught.value.reason


WHOLE = body(part("key", "a/${filename}"), part("Content-Type", "text/plain"), (FILE, b"line\r\n--\r\n--no\r"))


def test_a_form_is_read():
    """Fields come in order, the file's bytes come out untouched, look-alike boundaries included."""
    form, content = parse(WHOLE)
    assert form == Form((("key", "a/${filename}"), ("Content-Type", "text/plain")), "a.txt", "text/plain")
    assert content == b"line\r\n--\r\n--no\r"


def test_each_single_cut_and_byte_by_byte():
    """A cut at any one position, and at all of them, changes nothing."""
    expected = parse(WHOLE)
    for cut in range(len(WHOLE) + 1):
        assert parse(WHOLE[:cut], WHOLE[cut:]) == expected
    assert parse(*[bytes([octet]) for octet in WHOLE]) == expected


@given(
    st.lists(
        st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n", b"\r\n--", BOUNDARY[:9].encode(), b"x"]), max_size=20
    ),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_any_content_passes_untouched(pieces, cuts):
    """Content that nearly holds the boundary passes untouched, however it is cut."""
    content = b"".join(pieces)
    data = body(part("key", "k"), (FILE, content))
    cuts = sorted(min(cut, len(data)) for cut in cuts)
    parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert parse(*parts)[1] == content


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else(data):
    """Whatever is fed, parsing ends with a refusal, for no garbage is a whole form."""
    assert refusal(data) in {Reason.MALFORMED_FORM, Reason.INCOMPLETE_BODY}
    head = f"--{BOUNDARY}\r\n".encode()
    assert refusal(head + data) in {Reason.MALFORMED_FORM, Reason.INCOMPLETE_BODY}


def test_a_form_that_ends_early_is_never_whole():
    """Without its closing boundary a form is incomplete, wherever it was cut off."""
    closed = WHOLE.removesuffix(b"\r\n")
    for end in range(len(closed)):
        assert refusal(WHOLE[:end]) is Reason.INCOMPLETE_BODY
    assert parse(closed) == parse(WHOLE)


def test_the_file_is_never_kept():
    """The file's bytes leave as they come: nothing is held back but what may begin a boundary."""
    parser = FormParser(CONTENT_TYPE)
    parser.feed(f"--{BOUNDARY}\r\n{FILE}\r\n\r\n".encode())
    assert parser.form is not None
    for _ in range(50):
        assert parser.feed(b"x" * 65536) == [b"x" * 65536]
    assert b"".join(parser.feed(b"yy\r\n--" + BOUNDARY[:5].encode())) == b"yy"
    assert b"".join(parser.feed(b"z")) == b"\r\n--" + BOUNDARY[:5].encode() + b"z"


def test_a_piece_that_is_all_file_is_handed_on_uncopied():
    """A piece of the body that holds nothing but the file's bytes comes out as it came, with nothing left unread."""
    parser = FormParser(CONTENT_TYPE)
    parser.feed(f"--{BOUNDARY}\r\n{FILE}\r\n\r\nfirst\r".encode())
    parser.feed(b"\nx")
    piece = b"y" * 1000
    [found] = parser.feed(piece)
    assert found is piece


def test_the_fields_are_bounded():
    """All fields together may have 20 KiB, headers included; endless headers and values are refused as they come."""
    fits = body(part("key", "x" * (MAX_FIELDS - 300)), (FILE, b"x" * 100_000))
    assert len(parse(fits)[1]) == 100_000
    assert refusal(body(part("key", "x" * MAX_FIELDS), (FILE, b""))) is Reason.MALFORMED_FORM
    many = body(*[part(f"f{number}", "x" * 100) for number in range(200)], (FILE, b""))
    assert refusal(many) is Reason.MALFORMED_FORM
    for start in ("X: ", 'Content-Disposition: form-data; name="key"\r\n\r\n'):
        assert refusal(f"--{BOUNDARY}\r\n{start}".encode(), b"x" * (MAX_FIELDS + 200)) is Reason.MALFORMED_FORM


def test_what_follows_the_file_is_dropped():
    """Fields after the file have no effect, as with S3, and are bounded too."""
    form, content = parse(body(part("key", "k"), (FILE, b"data"), part("acl", "public-read"), part("submit", "Go")))
    assert (form.value("acl"), form.value("submit"), content) == (None, None, b"data")
    unread = ('Content-Disposition: form-data; name="key"', b"\xff")
    assert parse(body(part("key", "k"), (FILE, b""), unread))[0].key == "k"
    assert refusal(body((FILE, b""), part("submit", "x" * MAX_FIELDS))) is Reason.MALFORMED_FORM


def test_there_is_exactly_one_file():
    """A form without a file and a form with two are refused."""
    assert refusal(body(part("key", "k"))) is Reason.MALFORMED_FORM
    assert refusal(body((FILE, b"1"), (FILE, b"2"))) is Reason.MALFORMED_FORM


def test_a_field_comes_once():
    """Two fields of one name, whatever their case, are refused: two readers could take different ones."""
    assert refusal(body(part("key", "a"), part("KEY", "b"), (FILE, b""))) is Reason.MALFORMED_FORM


def test_field_names_have_no_case():
    """A field is found by its name in any case, and keeps the spelling it came with."""
    form, _ = parse(body(part("Key", "a"), (FILE, b"")))
    assert (form.value("key"), form.value("KEY"), form.fields[0][0]) == ("a", "a", "Key")


@pytest.mark.parametrize(
    ("filename", "last"),
    [
        ("a.txt", "a.txt"),
        ("C:\\docs\\a.txt", "a.txt"),
        ("/etc/passwd", "passwd"),
        ("../../x", "x"),
        ("dir/", ""),
        ('quo\\"te', 'quo"te'),
        ("grüße.pdf", "grüße.pdf"),
    ],
)
def test_a_file_name_has_no_path(filename, last):
    """Only the last step of a browser's path fills `${filename}`."""
    head = f'Content-Disposition: form-data; name="file"; filename="{filename}"'
    form, _ = parse(body(part("key", "in/${filename}"), (head, b"")))
    assert (form.filename, form.key) == (last.split("\\")[-1] if "\\" in last else last, f"in/{form.filename}")
    assert form.filename == last


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('filename="12%22 single.txt"', '12" single.txt'),
        ('filename="100%25 %0A.txt"', "100%25 %0A.txt"),
        ("filename=\"=?utf-8?B?Z3I/vMOf?=\"; filename*=utf-8''gr%C3%BC%C3%9Fe%20%22.pdf", 'gr\u00fc\u00dfe ".pdf'),
        ("filename*=UTF-8'en'gr%C3%BC%C3%9Fe.pdf; filename=gru.pdf", "gr\u00fc\u00dfe.pdf"),
        ("filename=plain.txt; filename*=iso-8859-1''gr%FC.pdf", "plain.txt"),
        ("filename*=utf-8''..%2Fsecret%5Ca.txt", "a.txt"),
    ],
)
def test_a_file_has_the_name_that_its_sender_meant(written, name):
    """Quotes as browsers and curl escape them, other scripts as .NET and PowerShell write them; never a path."""
    form, _ = parse(body(part("key", "${filename}"), (f'Content-Disposition: form-data; name="file"; {written}', b"")))
    assert name == form.filename


def test_a_file_may_have_no_name():
    """A file part without a file name is still the file."""
    form, content = parse(body(part("key", "k"), part("file", "data")))
    assert (form.filename, form.content_type, content, form.key) == ("", None, b"data", "k")


@pytest.mark.parametrize(
    "head",
    [
        "",
        "Content-Type: text/plain",
        "Content-Disposition: attachment; name=file",
        "Content-Disposition: form-data",
        'Content-Disposition: form-data; name=""',
        'Content-Disposition: form-data; name="file"; name="key"',
        'Content-Disposition: form-data; name="file"; filename="a"; filename="b"',
        "Content-Disposition: form-data; name=file; filename*=utf-8''a; filename*=utf-8''b",
        "Content-Disposition: form-data; name=file; filename*=utf-8''%FF",
        'Content-Disposition: form-data; name="file',
        'Content-Disposition: form-data; name="file"x',
        'Content-Disposition: form-data name="file"',
        'Content-Disposition : form-data; name="file"',
        ' Content-Disposition: form-data; name="file"',
        'Content-Disposition: form-data; name="fi\nle"',
        'Content-Disposition: form-data; name="fi\x00le"',
        'Content-Disposition: form-data; name="file"\r\nContent-Disposition: form-data; name="key"',
        'Content-Disposition: form-data; name="file"\r\n folded',
        'Content-Disposition: form-data; name="file"\r\nnocolon',
        'Content-Disposition: form-data; name="file"\r\nContent-Transfer-Encoding: base64',
    ],
)
def test_a_parts_headers_are_strict(head):
    """A part with malformed, missing, doubled or folded headers, or another transfer encoding, is refused."""
    assert refusal(body((head, b"x"))) is Reason.MALFORMED_FORM


@pytest.mark.parametrize(
    "data",
    [
        b"preamble\r\n" + WHOLE,
        b"\r\npreamble\r\n" + WHOLE,
        b"\n" + WHOLE,
        b" \r\n" + WHOLE,
        b"\r\n" * MAX_FIELDS + WHOLE,
        WHOLE.replace(b"\r\n", b"\n"),
        WHOLE + b"epilogue",
        WHOLE + b"\r\nepilogue",
        WHOLE + WHOLE,
        WHOLE + b"\r\n" * MAX_FIELDS,
        WHOLE.replace(f"--{BOUNDARY}\r\n".encode(), f"--{BOUNDARY} \r\n".encode(), 1),
        WHOLE.replace(f"--{BOUNDARY}\r\n".encode(), f"--{BOUNDARY}x\r\n".encode(), 1),
        f"--{BOUNDARY}--\r\n".encode(),
        body(('Content-Disposition: form-data; name="key"', b"\xff"), (FILE, b"")),
    ],
)
def test_the_framing_is_strict(data):
    """No preamble, no epilogue, no bare line feeds, nothing between a boundary and its line's end, only UTF-8."""
    assert refusal(data) is Reason.MALFORMED_FORM


def test_on_the_s3_face_the_file_is_the_field_of_that_name():
    """Another one is a field, whatever file name it has, as S3 has it; a policy knows of fields alone."""
    other = part("x-amz-meta-a", "y")[0] + '; filename="b.txt"'
    form, content = parse(body((other, b"y"), (FILE, b"x")))
    assert ((("x-amz-meta-a", "y"),), b"x") == (form.fields, content)
    assert Reason.MALFORMED_FORM is refusal(body((other, b"y")))


@pytest.mark.parametrize("before", [b"", b"\r\n", b"\r\n\r\n"])
@pytest.mark.parametrize("after", [b"", b"\r\n", b"\r\n\r\n", b"\n"])
def test_blank_lines_around_a_form_say_nothing(before, after):
    """form-data-encoder, which got, formdata-node and what builds on them use, ends a form with one more; others begin
    with one. Wherever the body is cut, the form is the same."""
    expected, data = parse(WHOLE), before + WHOLE + after
    for cut in range(len(data) + 1):
        assert expected == parse(data[:cut], data[cut:])
    assert expected == parse(*[bytes([octet]) for octet in data])
    assert Reason.INCOMPLETE_BODY is refusal(before)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
        "application/x-www-form-urlencoded",
        f"{CONTENT_TYPE}; boundary=other",
        "multipart/form-data; boundary=" + "x" * 71,
        "multipart/form-data; boundary=a\r\nb",
        "multipart/form-data; boundary=ä",
        'multipart/form-data; boundary="a',
        'multipart/form-data; boundary="ends in a space "',
    ],
)
def test_the_boundary_is_strict(content_type):
    """A missing, doubled, too long or malformed boundary is refused before a byte is read."""
    with pytest.raises(Refused) as caught:
        FormParser(content_type)
    assert caught.value.reason is Reason.MALFORMED_FORM


@pytest.mark.parametrize("content_type", [f'Multipart/Form-Data; charset=utf-8; Boundary="{BOUNDARY}"', CONTENT_TYPE])
def test_the_boundary_may_be_quoted(content_type):
    """A quoted boundary, other parameters and any case of names are understood."""
    assert parse(WHOLE, content_type=content_type) == parse(WHOLE)


def test_the_first_fault_is_final():
    """After a refusal nothing can be fed and nothing counts as whole."""
    parser = FormParser(CONTENT_TYPE)
    for data in (b"garbage", WHOLE):
        with pytest.raises(Refused):
            parser.feed(data)
    with pytest.raises(Refused):
        parser.finish()


def test_a_fault_in_the_middle_is_final():
    """A parser that refused one field does not go on with the next one."""
    data = body(('Content-Disposition: form-data; name="key"', b"ab\xff"), (FILE, b"x"))
    cut = data.index(b"\xff")
    parser = FormParser(CONTENT_TYPE)
    assert parser.feed(data[:cut]) == []
    for piece in (data[cut:], b""):
        with pytest.raises(Refused):
            parser.feed(piece)


def test_no_repr_shows_a_value():
    """A form's repr names its fields and hides their values, among which are signatures and tokens."""
    form, _ = parse(body(part("x-amz-signature", "s3cr3t"), (FILE, b"")))
    assert "x-amz-signature" in repr(form)
    assert "s3cr3t" not in repr(form)
