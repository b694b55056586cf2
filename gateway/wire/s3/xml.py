"""Owns the reading of XML as a stream: a document's bytes go in piece by piece, a small tree comes out.

Refuses to own what documents mean (`gateway.wire.s3.documents`, `gateway.wire.s3.batch_delete`,
`gateway.wire.s3.listing`) and the writing of documents, of which `escape` and `UNWRITABLE` are here.

Laws: reading ends at the first thing that is not expected. A document type is never read, because entities are how a
kilobyte becomes a gigabyte (or a local file); depth, elements, attributes and the length of one tag are bounded, and so
is the memory that is used. Each byte is looked at once, so a caller may yield to other tasks between two pieces.

XML 1.0 has no way to write most control characters, but S3 does so (`&#x1;`), and so do its clients: such a reference
is read as the character that it names. Some clients write the character itself, which can be nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, overload
from xml.parsers import expat

PIECE: Final = 16 * 1024
"""Bytes that are parsed at once: a millisecond of work."""

_LONGEST_TAG: Final = 32 * 1024
_DEEPEST: Final = 16
_MOST_ELEMENTS: Final = 40_000
"""Twice what a page of a thousand versions has, with every field that a store may send."""

_SPARE_ATTRIBUTES: Final = 16
_LONGEST_REFERENCE: Final = 12
_BLANKS: Final = b" \t\r\n"

# The characters that XML cannot carry pass the parser as U+FDD1 to U+FDEF, which Unicode never assigns. One of these in
# the document itself, or U+FDD0, passes with a U+FDD0 before it, and so nothing is taken for anything else.
_MARK: Final = "\ufdd0"
_STANDING_IN: Final = re.compile(
    rb"&#(?:x0{0,4}([0-9A-Fa-f]{1,4})|0{0,4}([0-9]{1,5}));|\xef\xb7[\x90-\xaf]|[\x01-\x08\x0b\x0c\x0e-\x1f]"
)
# Whether a piece may have such a reference. Others are common: some stores write each quotation mark as one.
_REFERENCE: Final = re.compile(
    rb"&#(?:x0{0,7}(?:1?[0-9A-Fa-f]|[Ff][Dd][DEde][0-9A-Fa-f])|0{0,8}(?:[12]?[0-9]|3[01]|6[45][0-9]{3}));"
)
_STOOD_IN: Final = re.compile("\ufdd0([\ufdd0-\ufdef])|([\ufdd1-\ufdef])")
UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""The characters that XML 1.0 has no way to write."""

_CONTROLS: Final = frozenset(range(1, 32)) - {9, 10, 13}
_BARE: Final = bytes(sorted(_CONTROLS))


def escape(text: str) -> str:
    """A text as an element's. The library's `html.escape` brings half a megabyte of names along."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Node:
    """One element, its namespace taken off. `text` is its own where it has no elements, else ""."""

    __slots__ = ("children", "tag", "text")

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.text = ""
        self.children: list[Node] | tuple[()] = ()

    def __iter__(self) -> Iterator[Node]:
        return iter(self.children)

    def find(self, tag: str) -> Node | None:
        """The first element of this name."""
        for child in self.children:
            if child.tag == tag:
                return child
        return None

    def findall(self, path: str) -> list[Node]:
        """All elements of this name; with `A/B`, those named B in all those named A."""
        tag, slash, rest = path.partition("/")
        found = [child for child in self.children if child.tag == tag]
        return [inner for child in found for inner in child.findall(rest)] if slash else found

    @overload
    def findtext(self, tag: str, default: str) -> str: ...

    @overload
    def findtext(self, tag: str) -> str | None: ...

    def findtext(self, tag: str, default: str | None = None) -> str | None:
        """The text of the first element of this name, `default` if there is none."""
        for child in self.children:
            if child.tag == tag:
                return child.text
        return default

    def texts(self) -> dict[str, str]:
        """The text of the first element of each name."""
        found: dict[str, str] = {}
        for child in self.children:
            found.setdefault(child.tag, child.text)
        return found


class Reader:
    """Reads one document.

    `roots` are the names that its root may have, any if there are none. With a `spine`, only the root and elements of
    its further names, each in the one before it, have elements inside. `most` bounds the elements. `failure` makes the
    exception that is raised for a document that is not expected.
    """

    __slots__ = ("_broken", "_failure", "_fed", "_parser", "_stand_ins", "_tree", "_waiting")

    def __init__(
        self,
        roots: Collection[str] = (),
        *,
        spine: Sequence[str] = (),
        most: int = _MOST_ELEMENTS,
        failure: Callable[[str], Exception] = ValueError,
    ) -> None:
        self._failure = failure
        self._waiting = bytearray()
        self._fed = 0
        self._stand_ins = self._broken = False
        tree = self._tree = _Tree(roots, spine, most)
        # The encoding is given, whatever the document declares.
        parser = self._parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.ordered_attributes = True
        parser.StartDoctypeDeclHandler = tree.refuse_type
        parser.StartElementHandler = tree.begin
        parser.EndElementHandler = tree.end
        parser.CharacterDataHandler = tree.text.append
        parser.StartCdataSectionHandler = tree.begin_section

    def feed(self, data: bytes) -> None:
        """Take the next bytes. What is parsed is whole pieces; the rest waits."""
        if not self._fed and not self._waiting:
            data = data.lstrip(_BLANKS)  # some stores send blanks to keep a connection alive
        self._waiting += data
        while len(self._waiting) >= 2 * PIECE:
            self._parse(_cut(self._waiting))

    def finish(self) -> Node:
        """The whole document."""
        while self._waiting:
            self._parse(_cut(self._waiting))
        self._parse(b"", last=True)
        root = self._tree.root
        if root is None or (self._tree.sections and self._stand_ins):
            raise self._failure("it is not well formed")
        return root

    def _parse(self, piece: bytes, *, last: bool = False) -> None:
        if self._broken:
            raise self._failure("it was refused already")
        self._broken = True
        if 0 in piece:  # the parser would take it for a sign of UTF-16
            raise self._failure("it is not UTF-8")
        if _REFERENCE.search(piece) or b"\xef\xb7" in piece or len(piece.translate(None, _BARE)) < len(piece):
            piece = _STANDING_IN.sub(self._stand_in, piece)
        self._fed += len(piece)
        try:
            self._parser.Parse(piece, last)
        except expat.ExpatError:
            raise self._failure("it is not well formed") from None
        except ValueError as fault:
            raise self._failure(str(fault)) from None
        if self._fed - self._parser.CurrentByteIndex > _LONGEST_TAG:
            raise self._failure("one of its tags is too long")
        self._broken = False

    def _stand_in(self, found: re.Match[bytes]) -> bytes:
        if found[1] is None and found[2] is None:
            self._tree.replaced = True
            return chr(0xFDD0 + found[0][0]).encode() if len(found[0]) == 1 else _MARK.encode() + found[0]
        code = int(found[1], 16) if found[1] is not None else int(found[2])
        if code in _CONTROLS:
            self._tree.replaced = self._stand_ins = True
            return chr(0xFDD0 + code).encode()
        if 0xFDD0 <= code <= 0xFDEF:
            self._tree.replaced = True
            return (_MARK + chr(code)).encode()
        return found[0]


class _Tree:
    """What the parser calls, and what comes of it.

    It knows neither the parser nor its reader: both are freed as soon as nobody reads, and with them the parser's tens
    of kilobytes, of which the collector knows nothing.
    """

    __slots__ = (
        "_attributes",
        "_elements",
        "_most",
        "_open",
        "_roots",
        "_spine",
        "replaced",
        "root",
        "sections",
        "text",
    )

    def __init__(self, roots: Collection[str], spine: Sequence[str], most: int) -> None:
        self._roots = roots
        self._spine = spine
        self._most = most
        self._elements = self._attributes = 0
        self._open: list[Node] = []
        self.text: list[str] = []  # of the element that was begun or ended last
        self.root: Node | None = None
        self.sections = self.replaced = False

    def refuse_type(self, *_: object) -> None:
        raise ValueError("it has a document type declaration")

    def begin_section(self) -> None:
        self.sections = True

    def begin(self, name: str, attributes: Sequence[str]) -> None:
        self._elements += 1
        if attributes:
            self._attributes += len(attributes) // 2
        if self._elements > self._most or self._attributes > self._elements + _SPARE_ATTRIBUTES:
            raise ValueError("it has too many elements or attributes")
        node = Node(name.rpartition(":")[2])
        unended = self._open
        depth = len(unended)
        if not depth:
            if self._roots and node.tag not in self._roots:
                raise ValueError(f"its root is not {' or '.join(sorted(self._roots))}")
            self.root = node
        else:
            above = unended[-1]
            if depth >= _DEEPEST or (self._spine and not self._in_spine(above.tag, depth)):
                raise ValueError("an element stands where none is expected")
            if above.children:
                above.children.append(node)
            else:
                above.children = [node]
        unended.append(node)
        self.text.clear()

    def _in_spine(self, name: str, depth: int) -> bool:
        """Whether elements may stand in this one. A root that was let in stands for the first name."""
        return depth <= len(self._spine) and (depth == 1 or name == self._spine[depth - 1])

    def end(self, name: str) -> None:
        node = self._open.pop()
        if not node.children:
            text = "".join(self.text)
            node.text = _STOOD_IN.sub(_stood_in, text) if self.replaced else text
        self.text.clear()


def _cut(waiting: bytearray) -> bytes:
    """Take the next piece off, which ends within no reference and no character that may have to be replaced."""
    end = min(PIECE, len(waiting))
    if end < len(waiting):
        reference, character = waiting.rfind(b"&", end - _LONGEST_REFERENCE, end), waiting.rfind(b"\xef", end - 2, end)
        end = min(at for at in (reference, character, end) if at >= 0)
    piece = bytes(waiting[:end])
    del waiting[:end]
    return piece


def _stood_in(found: re.Match[str]) -> str:
    return found[1] or chr(ord(found[2]) - 0xFDD0)
