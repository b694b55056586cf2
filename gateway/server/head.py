"""Owns the reading of heads from a connection's bytes: where one ends, and what it says.

Refuses to own the socket (`gateway.server.connection`), bodies (`gateway.server.request`), and what HTTP's rules forbid
in a head (`gateway.wire.http.target`).

Laws: llhttp reads every head, in its strict reading, and there is no other parser to fall back to (T15). It is never
fed a byte of what follows a head. What it has read once, it would read again: the same bytes say the same, and so do
heads that are alike but for the values in which they may differ (`gateway.wire.likeness`).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import httptools

from gateway.server.request import IncomingRequest
from gateway.wire.likeness import AlikeHeads

_HEAD_LIMIT: Final = 64 * 1024
_FIELD_LIMIT: Final = 16 * 1024
_MOST_FIELDS: Final = 512
_END_OF_HEAD: Final = b"\r\n\r\n"
_VERSIONS: Final = {"1.1": (1, 1), "1.0": (1, 0)}
_MOST_KNOWN: Final = 2048
_LONGEST_KNOWN: Final = 2048


class KnownHeads:
    """Requests worth remembering, by the bytes of their heads, and, by their first lines and lengths, those of which
    others that are alike may come: `most` of each, with heads of at most 2 KiB."""

    def __init__(self, most: int = _MOST_KNOWN) -> None:
        self._most = most
        self._found: OrderedDict[bytes, IncomingRequest] = OrderedDict()
        self._once = _Once(most)
        self._like_once = _Once(most)
        self._alike: OrderedDict[tuple[bytes, int], tuple[IncomingRequest, AlikeHeads]] = OrderedDict()

    def find(self, wire: bytes) -> IncomingRequest | None:
        """A request like the one that came with this head, with what was noted of it. Its body has yet to come."""
        known = self._found.get(wire)
        if known is None:
            return None
        self._found.move_to_end(wire)
        return known.again()

    def comes_again(self, wire: bytes) -> bool:
        """Whether this head came before, lately, as far as was asked here: no for the first time that it comes, so that
        nothing is kept of heads that come only once."""
        return wire in self._found or self._once.came(hash(wire))

    def like_comes_again(self, wire: bytes) -> bool:
        """The same of all heads with this first line and this length together: what is asked for only once mostly has
        not come in any other way, either."""
        name = _line_and_length(wire)
        return name in self._alike or self._like_once.came(hash(name))

    def find_alike(self, wire: bytes) -> IncomingRequest | None:
        """What this head says, if one that is alike was remembered, with what was noted of that one."""
        if not self._alike:
            return None
        name = _line_and_length(wire)
        known = self._alike.get(name)
        if known is None:
            return None
        request, heads = known
        differing = heads.read(wire)
        if differing is None:
            return None
        self._alike.move_to_end(name)
        return request.alike(heads, differing)

    def keep(self, wire: bytes, request: IncomingRequest) -> None:
        """Remember what this head says, and the note, in place of what was unused for longest."""
        self._found[wire] = request.again()
        self._found.move_to_end(wire)
        if len(self._found) > self._most:
            self._found.popitem(last=False)

    def keep_alike(self, wire: bytes, request: IncomingRequest, note: object) -> bool:
        """Remember what heads like this one say, with this note; unless there can be none, or it cannot be told."""
        heads = None if request.raw is None else AlikeHeads.of(request.raw, wire)
        if heads is None:
            return False
        kept = request.alike(heads, ())
        kept.note = note
        name = _line_and_length(wire)
        self._alike[name] = kept, heads
        self._alike.move_to_end(name)
        if len(self._alike) > self._most:
            self._alike.popitem(last=False)
        return True


class _Once:
    """What came once, by its hash: of two with the same hash, one is taken for the other. It holds no more than is kept
    of what comes again. With more, many that come in turn would each be kept, and pushed out before they come again."""

    __slots__ = ("_marks", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._marks: set[int] = set()

    def came(self, mark: int) -> bool:
        """Whether this came before, and is told now; else it is noted."""
        marks = self._marks
        if mark in marks:
            marks.remove(mark)
            return True
        if len(marks) >= self._most:
            marks.clear()
        marks.add(mark)
        return False


def _line_and_length(head: bytes) -> tuple[bytes, int]:
    return head[: head.find(b"\r")], len(head)


class HeadReader:
    """Reads one connection's heads. The `on_` methods are called by the parser, in the turn in which it is fed.

    `wire` is the head that was read last, if it is short and came in one piece.
    """

    __slots__ = ("_arrival", "_fed", "_fields", "_kept", "_known", "_parser", "_target", "wire")

    def __init__(self, known: KnownHeads) -> None:
        self._known = known
        self.wire = b""
        self._parser: httptools.HttpRequestParser | None = None
        self._arrival: IncomingRequest | None = None
        self._target = bytearray()
        self._fields: list[tuple[bytes, bytes]] = []
        self._fed = 0
        self._kept = b""  # the last bytes of a piece, in which the end of the head may have begun

    @property
    def begun(self) -> bool:
        """Whether some bytes of a head have come, but not all."""
        return self._fed > 0

    def read_head(self, data: bytes) -> tuple[IncomingRequest | None, bytes]:
        """The request whose head ends in `data`, with the bytes behind it; None while the head is not whole.

        Raises:
            ValueError: these are not the bytes of a request, or too many.
        """
        while data:
            end = self._find_end(data)
            piece, data = (data, b"") if end < 0 else (data[:end], data[end:])
            self.wire = piece if end >= 0 and not self._fed and end <= _LONGEST_KNOWN else b""
            known = (self._known.find(piece) or self._known.find_alike(piece)) if self.wire else None
            if known is not None:
                return known, data
            self._fed += len(piece)
            if self._fed > _HEAD_LIMIT:
                raise ValueError("a head that is too large")
            parser = self._parser
            if parser is None:
                parser = self._parser = httptools.HttpRequestParser(self)
            try:
                parser.feed_data(piece)
            except httptools.HttpParserUpgrade:  # to what we do not speak: the request goes on as it is
                self._parser = None
            except httptools.HttpParserError:
                raise ValueError("not a request") from None
            arrival = self._arrival
            if arrival is not None:
                if end < 0:
                    raise ValueError("a head whose end is in doubt")
                if not arrival.body.whole:
                    self._parser = None  # it waits for a body, which is read elsewhere
                self._start_over()
                return arrival, data
        return None, b""

    def comes_again(self) -> bool:
        """Whether the head that was read last came before, as `KnownHeads` has it, and can be remembered."""
        return self.wire != b"" and self._known.comes_again(self.wire)

    def like_comes_again(self) -> bool:
        """The same of heads with its first line and its length."""
        return self.wire != b"" and self._known.like_comes_again(self.wire)

    def recall(self, data: bytes) -> tuple[IncomingRequest, bytes] | None:
        """As `read_head` if `data` is a known head, or one like it, and nothing else, as most are; else None.

        It ends where the known one does: in what they have in common, or in values without an end of line.
        """
        if self._fed or self._kept or len(data) > _LONGEST_KNOWN:
            return None
        known = self._known.find(data) or self._known.find_alike(data)
        if known is None:
            return None
        self.wire = data
        return known, b""

    def keep(self, request: IncomingRequest) -> None:
        """Remember what was noted of the request whose head was read last, for all that come with that head."""
        if self.wire:
            self._known.keep(self.wire, request)

    def keep_alike(self, request: IncomingRequest, note: object) -> bool:
        """The same for all that come with a head like it, if there can be any."""
        return self.wire != b"" and self._known.keep_alike(self.wire, request, note)

    def close(self) -> None:
        """Nothing more will be read."""
        self._parser = None

    def _start_over(self) -> None:
        self._arrival = None
        self._target = bytearray()
        self._fields = []
        self._fed = 0

    def _find_end(self, data: bytes) -> int:
        """Where the head ends in `data`, -1 if it does not."""
        kept = self._kept
        end = (kept + data).find(_END_OF_HEAD) if kept else data.find(_END_OF_HEAD)
        if end >= 0:
            self._kept = b""
            return end + 4 - len(kept)
        self._kept = (kept + data[-3:])[-3:]
        return -1

    # -- what the parser calls

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > _FIELD_LIMIT:
            raise ValueError("a target that is too long")

    def on_header(self, name: bytes, value: bytes | None) -> None:
        self._fields.append((name, value or b""))

    def on_headers_complete(self) -> None:
        parser = self._parser
        if parser is None:
            return
        fields = self._fields
        # Asked here at once: until then the head's own limit holds, and in a short head no field is too long.
        if len(fields) > _MOST_FIELDS or (
            self._fed > _FIELD_LIMIT and any(len(name) + len(value) > _FIELD_LIMIT for name, value in fields)
        ):
            raise ValueError("a head that is too large")
        told = parser.get_http_version()
        version = _VERSIONS.get(told)
        if version is None:
            major, _, minor = told.partition(".")
            version = int(major), int(minor)
        self._arrival = IncomingRequest(
            parser.get_method().decode("ascii"),
            self._target.decode("latin-1"),
            fields,
            version,
            keep_alive=parser.should_keep_alive(),
        )
