"""XML as a stream: what is read is what an ordinary parser reads, and nothing that is sent grows."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.s3.xml import PIECE, Node, Reader


def read(body: bytes, size: int = 100_000, **how) -> Node:
    reader = Reader(**how)
    for start in range(0, len(body), size):
        reader.feed(body[start : start + size])
    return reader.finish()


def shown(node: Node) -> tuple:
    return node.tag, "" if node.children else node.text, [shown(child) for child in node]


def known(node: ET.Element) -> tuple:
    name, inner = node.tag.rpartition("}")[2], list(node)
    return name, "" if inner else node.text or "", [known(child) for child in inner]


_TEXT = st.text(st.sampled_from("abé\U0001f600<&>\"' \n\t]\ufdd0\ufdd1\ufdef"), max_size=8)


@st.composite
def _elements(draw, depth: int = 3) -> ET.Element:
    node = ET.Element(draw(st.sampled_from(["A", "B", "{urn:x}C"])))
    if depth and draw(st.booleans()):
        node.extend(draw(st.lists(_elements(depth - 1), min_size=1, max_size=3)))
    else:
        node.text = draw(_TEXT)
    return node


@given(_elements(), st.integers(1, 40))
def test_a_document_is_read_as_an_ordinary_parser_reads_it(root: ET.Element, size: int) -> None:
    """Names, texts and nesting, in whatever pieces it comes."""
    body = ET.tostring(root)
    assert known(ET.fromstring(body)) == shown(read(body, size))


@pytest.mark.parametrize("body", [b"<A><B>1</B></A>", b"<A><B></A>", b"<!DOCTYPE A><A/>", b"<A><B>"])
def test_nothing_is_left_to_the_collector(body: bytes) -> None:
    """A reader is gone when nobody has it any more, whether its document was read, refused, or never ended."""
    gc.collect()
    gc.disable()
    try:
        with suppress(ValueError):
            Reader().feed(body)
            read(body)
        assert 0 == gc.collect()
    finally:
        gc.enable()


def test_of_elements_with_one_name_the_first_counts() -> None:
    """Whether one of them is asked for, or all are."""
    node = read(b"<A><K>1</K><L/><K>2</K><M><N>3</N></M></A>")
    assert {"K": "1", "L": "", "M": ""} == node.texts()
    assert node.texts() == {tag: node.findtext(tag) for tag in "KLM"}
    assert (None, "") == (node.findtext("O"), node.findtext("O", ""))


@given(st.text(st.sampled_from("a&;#x1\x01\x1f\ufdd1\ufdd0"), max_size=20), st.integers(0, 60))
def test_control_characters_are_read_as_references_name_them(text: str, before: int) -> None:
    """S3 writes them so, though XML has no way to; what stands in for them inside is never taken for one."""
    written = "".join(f"&#x{ord(letter):x};" if letter < " " else letter for letter in text.replace("&", "&amp;"))
    body = f"<K>{'-' * (PIECE - before)}{written}</K>".encode()
    assert text == read(body).text.lstrip("-")


@pytest.mark.parametrize("reference", [b"&#1;", b"&#x1;", b"&#x01;", b"&#0001;", b"&#x1F;", b"&#x1f;"])
def test_a_reference_may_be_spelled_as_xml_allows(reference: bytes) -> None:
    """In decimal or hexadecimal digits, with zeros in front."""
    assert read(b"<K>%b</K>" % reference).text in {"\x01", "\x1f"}


@pytest.mark.parametrize("form", ["&#{}{};", "&#x{}{:x};", "&#x{}{:X};"])
def test_a_reference_is_the_character_that_it_names(form: str) -> None:
    """Whichever that is, and however many zeros stand before it, with nothing beside it that anybody looks for."""
    for code in [*range(1, 300), *range(0xFDC8, 0xFDF8)]:
        for zeros in range(5):
            assert chr(code) == read(f"<K>{form.format('0' * zeros, code)}</K>".encode()).text


def test_a_bare_control_character_is_itself() -> None:
    """Some clients write the character and not its reference: it can be nothing else, wherever it stands."""
    for code in sorted(set(range(1, 32)) - {9, 10, 13}):
        character = bytes([code])
        assert f"a{chr(code)}b" == read(b"<K>a" + character + b"b</K>").text
    with pytest.raises(ValueError, match="not"):
        read(b"<K\x01>a</K\x01>")


@pytest.mark.parametrize("text", ["&#0;", "&#xd800;", "&#xffff;", "&#x110000;", "&#x1", "&#x;", "&#x 1;"])
def test_what_names_no_character_is_refused(text: str) -> None:
    """A control character as it is, half a reference, or one to nothing."""
    with pytest.raises(ValueError, match="well formed"):
        read(f"<K>{text}</K>".encode())


def test_a_section_has_no_references() -> None:
    """In a CDATA section they would be text: a document with both is not read at all."""
    assert "a&#x41;" == read(b"<K><![CDATA[a&#x41;]]></K>").text
    with pytest.raises(ValueError, match="well formed"):
        read(b"<K><![CDATA[&#x1;]]></K>")


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE K [<!ENTITY a "b">]><K>&a;</K>',
        b'<!DOCTYPE K SYSTEM "file:///etc/passwd"><K/>',
        "<!DOCTYPE K><K/>".encode("utf-16"),
        "<K/>".encode("utf-16-le"),
        "<K/>".encode("utf-16"),
        b"<K/><K/>",
        b"<K>",
        b"<K></L>",
        b"K",
        b"",
        b"<K>&a;</K>",
        b"<K>\xff</K>",
        b"<K>\xed\xa0\x80</K>",
    ],
)
def test_only_whole_documents_in_utf_8_without_a_type_are_read(body: bytes) -> None:
    """Nothing is expanded, guessed or repaired."""
    with pytest.raises(ValueError, match="it "):
        read(body)


SPINE = {"spine": ("Delete", "Object"), "roots": {"Delete"}}


@pytest.mark.parametrize(
    "body",
    [
        b"<Delete><Object><Key><b/></Key></Object></Delete>",
        b"<Delete><Quiet><Object/></Quiet></Delete>",
        b"<Delete><Other><Key>k</Key></Other></Delete>",
        b"<Delete><Object><Object><Key>k</Key></Object></Object></Delete>",
        b"<Other/>",
    ],
)
def test_an_element_where_none_is_expected_ends_the_reading(body: bytes) -> None:
    """Only the spine's own elements hold others, each where it belongs."""
    with pytest.raises(ValueError, match=r"expected|root"):
        read(body, **SPINE)


def test_what_is_expected_is_read() -> None:
    """The twin of the refusals: prefixes, comments, declarations, unknown texts beside the known ones."""
    body = (
        b"\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8' standalone='yes'?>\n<!-- by hand -->\n"
        b"<s:Delete xmlns:s='http://s3.amazonaws.com/doc/2006-03-01/'><s:Quiet>true</s:Quiet>"
        b"<s:Object><s:Key><![CDATA[a<b]]></s:Key><s:Hint/></s:Object><?go on?></s:Delete>"
    )
    root = read(body, **SPINE)
    assert ("true", ["a<b"]) == (root.findtext("Quiet"), [node.findtext("Key") for node in root.findall("Object")])


def _worst() -> Iterator[tuple[str, bytes]]:
    """Two megabytes of each thing that might grow."""
    size = 2_000_000
    yield "elements", b"<Delete>" + b"<a/>" * (size // 4)
    yield "names", b"<Delete>" + b"".join(b"<n%d/>" % number for number in range(size // 9))
    yield "depth", b"<Delete>" * (size // 8)
    yield "attributes", b"<Delete" + b" a=''" * (size // 5)
    yield "names of attributes", b"<Delete>" + b"".join(b"<a b%d='' c%d=''/>" % (at, at) for at in range(size // 24))
    yield "prefixes", b"<Delete>" + b"".join(b"<a xmlns:b%d='u' xmlns:c%d='u'/>" % (at, at) for at in range(size // 40))
    yield "a tag", b"<Delete " + b"x" * size
    yield "a comment", b"<Delete><!--" + b"x" * size
    yield "an instruction", b"<Delete><?x " + b"x" * size
    yield "an attribute", b"<Delete a='" + b"x" * size
    yield "comments", b"<Delete>" + b"<!---->" * (size // 7)
    yield "a text", b"<Delete><Key>" + b"x" * size
    yield "lines", b"<Delete><Key>" + b"\n" * size
    yield "references", b"<Delete><Key>" + b"&#x1;" * (size // 5)
    yield "blanks", b" " * size


@pytest.mark.parametrize("spine", [("Delete", "Object"), ()], ids=["request", "store"])
@pytest.mark.parametrize(("what", "body"), [pytest.param(*case, id=case[0]) for case in _worst()])
def test_no_document_takes_more_memory_than_a_few_times_its_size(
    what: str, body: bytes, spine: tuple[str, ...]
) -> None:
    """Whatever it consists of, two megabytes of it."""
    reader = Reader(spine=spine)
    tracemalloc.start()
    try:
        with suppress(ValueError):
            for start in range(0, len(body), PIECE):
                reader.feed(body[start : start + PIECE])
            reader.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * 1024**2


def test_memory_is_measured() -> None:
    """The control: a tree of the same elements takes several times as much as is allowed here."""
    tracemalloc.start()
    try:
        ET.fromstring(b"<Delete>" + b"<a/>" * 500_000 + b"</Delete>")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak > 20 * 1024**2


def test_a_tag_ends_within_its_bound() -> None:
    """What has begun is looked at again with each piece that follows; no store's tag is a tenth as long."""
    for size, refused in ((20_000, False), (70_000, True)):
        reader = Reader()
        with pytest.raises(ValueError, match="too long") if refused else nullcontext():
            reader.feed(b'<a b="' + b"x" * size + b'"/>')
            reader.finish()


def test_a_large_batch_is_far_below_the_bounds() -> None:
    """The twin of the bounds: a thousand keys, ten thousand parts with all checksums, a page of a thousand versions."""
    keys = b"<Object><Key>%b</Key><VersionId>%b</VersionId></Object>" % (b"k" * 1024, b"v" * 100)
    assert 1000 == len(read(b"<Delete>%b</Delete>" % (keys * 1000), most=8000, **SPINE).children)
    sums = b"".join(b"<Checksum%d>c</Checksum%d>" % (number, number) for number in range(6))
    parts = b"<Part><PartNumber>1</PartNumber><ETag>e</ETag>%b</Part>" % sums
    assert 10_000 == len(read(b"<C>%b</C>" % (parts * 10_000), most=90_010).children)
    fields = b"".join(b"<F%d>f</F%d>" % (number, number) for number in range(20))
    page = b"<Version>%b<Owner xsi:type='x'><ID>i</ID></Owner></Version>" % fields
    assert 1000 == len(read(b"<L>%b</L>" % (page * 1000)).children)


def test_what_was_refused_stays_refused() -> None:
    """Nothing can be fed to a reader afterwards."""
    reader = Reader()
    reader.feed(b"<K></L>")
    for _ in range(2):
        with pytest.raises(ValueError, match="it "):
            reader.finish()


@given(st.binary(max_size=80))
def test_reading_raises_nothing_else(body: bytes) -> None:
    """Whatever it is given, the reader answers or refuses."""
    with suppress(ValueError):
        read(b"<K>" + body + b"</K>")
