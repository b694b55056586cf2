"""Owns the bytes around the files of an archive: ZIP and tar, both of a length known beforehand.

Refuses to own the files' own bytes, where they come from, and their names (`gateway.wire.links.archive_names`).

Laws: the length is exact before the first byte, so a download that breaks can never look whole. Nothing is compressed,
because the bytes pass through and most of them are compressed already. A program that reads a ZIP from its beginning,
without the directory at its end, reads all of it.

A checksum that is known only behind the data needs a data descriptor, and few streaming readers take one behind a
stored entry, whose end nothing marks (`java.util.zip.ZipInputStream` refuses it). So such an entry is of the deflate
method, in stored blocks, which mark their end, and whose length is known: five bytes for every 65,535.
Sources: APPNOTE.TXT 6.3.10 (4.3.7 local header, 4.3.9 data descriptor, 4.3.12 central directory, 4.3.14 ZIP64 end,
4.5.3 ZIP64 extra field); RFC 1951, 3.2.4; POSIX.1-2001 pax.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Final, Protocol

from gateway.core.values import dataclass

_MAX32: Final = 0xFFFFFFFF
_MAX16: Final = 0xFFFF
_UTF8: Final = 1 << 11
_CHECKSUM_FOLLOWS: Final = 1 << 3
_STORED: Final = 0
_DEFLATED: Final = 8
_MOST_IN_BLOCK: Final = 0xFFFF
_BLOCK_HEAD: Final = 5
_ZIP64_VERSION: Final = 45
_PLAIN_VERSION: Final = 20
_MADE_BY_UNIX: Final = 3 << 8 | _ZIP64_VERSION
_FILE_MODE: Final = 0o100644 << 16
_FOLDER_MODE: Final = 0o040755 << 16 | 0x10
_BLOCK: Final = 512


@dataclass(frozen=True, slots=True)
class Member:
    """One file: its name in the archive, its size in bytes, and when it changed (seconds since the epoch).

    A name that ends with a slash is a folder's. `crc32` is None where it is known only when all bytes were seen.
    """

    name: str
    size: int
    modified: float = 0.0
    crc32: int | None = None

    @property
    def folder(self) -> bool:
        return self.name.endswith("/")


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a ZIP says of a member twice: before its bytes, and in the directory. `size` is that of its content there,
    in `blocks` or as it is."""

    name: bytes
    size: int
    wide: bool
    blocks: bool
    flags: int
    method: int
    time: int
    date: int

    @classmethod
    def of(cls, member: Member) -> _Frame:
        size, blocks = _framed(member), _in_blocks(member)
        flags, method = (_UTF8 | _CHECKSUM_FOLLOWS, _DEFLATED) if blocks else (_UTF8, _STORED)
        return cls(member.name.encode(), size, size >= _MAX32, blocks, flags, method, *_dos_time(member.modified))


class Archive(Protocol):
    """The frame of an archive. First `add` every member; `length` is true from then on.

    Then call `before`, `within` for each piece of the file, `after`, member by member; then `end`; and send it all.
    """

    content_type: str
    suffix: str

    @property
    def length(self) -> int: ...

    def add(self, member: Member) -> None: ...

    def before(self, member: Member) -> bytes: ...

    def within(self, piece: bytes) -> list[bytes | memoryview]: ...

    def after(self, member: Member, crc32: int) -> bytes: ...

    def end(self) -> bytes: ...


class ZipArchive:
    """A ZIP. Sizes stand in the local headers, a checksum that is not known yet follows in a data descriptor."""

    content_type = "application/zip"
    suffix = ".zip"

    def __init__(self) -> None:
        self._count = self._offset = self._directory = 0  # of what was added
        self._position = 0  # of what was written
        self._entries: list[bytes] = []
        self._frame: _Frame | None = None  # of the member at hand
        self._begun = 0
        self._left: int | None = None  # bytes of the file at hand that are still to come, if they are in blocks
        self._in_block = 0

    @property
    def length(self) -> int:
        return self._offset + self._directory + (76 if self._wide_end else 0) + 22

    @property
    def _wide_end(self) -> bool:
        return self._count >= _MAX16 or self._offset >= _MAX32 or self._directory >= _MAX32

    def add(self, member: Member) -> None:
        name, framed = len(member.name.encode()), _framed(member)
        wide = framed >= _MAX32
        fields = (2 if wide else 0) + (1 if self._offset >= _MAX32 else 0)
        self._directory += 46 + name + (4 + 8 * fields if fields else 0)
        self._offset += 30 + name + framed + (20 if wide else 0)
        if _in_blocks(member):
            self._offset += 24 if wide else 16
        self._count += 1

    def before(self, member: Member) -> bytes:
        self._frame = frame = _Frame.of(member)
        extra = struct.pack("<HHQQ", 1, 16, member.size, frame.size) if frame.wide else b""
        header = struct.pack(
            "<4sHHHHHIIIHH",
            b"PK\x03\x04",
            _ZIP64_VERSION if frame.wide else _PLAIN_VERSION,
            frame.flags,
            frame.method,
            frame.time,
            frame.date,
            member.crc32 or 0,
            _MAX32 if frame.wide else frame.size,
            _MAX32 if frame.wide else member.size,
            len(frame.name),
            len(extra),
        )
        self._begun = self._position
        self._position += len(header) + len(frame.name) + len(extra) + frame.size
        self._left, self._in_block = member.size if frame.blocks else None, 0
        return header + frame.name + extra

    def within(self, piece: bytes) -> list[bytes | memoryview]:
        """The piece in its blocks: each has its head before it, the last one is marked."""
        if self._left is None:
            return [piece]
        if len(piece) <= self._in_block < self._left:
            self._in_block -= len(piece)
            self._left -= len(piece)
            return [piece]
        out: list[bytes | memoryview] = []
        at, view = 0, memoryview(piece)
        while at < len(piece):
            if not self._in_block:
                size = self._in_block = min(self._left, _MOST_IN_BLOCK)
                out.append(struct.pack("<BHH", size == self._left, size, size ^ _MAX16))
            part = view[at : at + self._in_block]
            out.append(part)
            at += len(part)
            self._in_block -= len(part)
            self._left -= len(part)
            if not self._left and at < len(piece):
                raise ValueError("a file is longer than it was said to be")
        return out

    def after(self, member: Member, crc32: int) -> bytes:
        frame, descriptor = self._frame, b""
        if frame is None:
            raise ValueError("no file has begun")
        if frame.blocks:
            form = "<4sIQQ" if frame.wide else "<4sIII"
            descriptor = struct.pack(form, b"PK\x07\x08", crc32, frame.size, member.size)
        self._position += len(descriptor)
        self._entries.append(self._directory_entry(member, frame, crc32))
        return descriptor

    def end(self) -> bytes:
        directory = b"".join(self._entries)
        start, count = self._position, len(self._entries)
        tail = b""
        if self._wide_end:
            tail = struct.pack(
                "<4sQHHIIQQQQ",
                b"PK\x06\x06",
                44,
                _MADE_BY_UNIX,
                _ZIP64_VERSION,
                0,
                0,
                count,
                count,
                len(directory),
                start,
            ) + struct.pack("<4sIQI", b"PK\x06\x07", 0, start + len(directory), 1)
        shown = min(count, _MAX16)
        tail += struct.pack(
            "<4sHHHHIIH", b"PK\x05\x06", 0, 0, shown, shown, min(len(directory), _MAX32), min(start, _MAX32), 0
        )
        return directory + tail

    def _directory_entry(self, member: Member, frame: _Frame, crc32: int) -> bytes:
        far = self._begun >= _MAX32
        fields = ([member.size, frame.size] if frame.wide else []) + ([self._begun] if far else [])
        extra = struct.pack(f"<HH{len(fields)}Q", 1, 8 * len(fields), *fields) if fields else b""
        header = struct.pack(
            "<4sHHHHHHIIIHHHHHII",
            b"PK\x01\x02",
            _MADE_BY_UNIX,
            _ZIP64_VERSION if fields else _PLAIN_VERSION,
            frame.flags,
            frame.method,
            frame.time,
            frame.date,
            crc32,
            _MAX32 if frame.wide else frame.size,
            _MAX32 if frame.wide else member.size,
            len(frame.name),
            len(extra),
            0,
            0,
            0,
            _FOLDER_MODE if member.folder else _FILE_MODE,
            _MAX32 if far else self._begun,
        )
        return header + frame.name + extra


class TarArchive:
    """A pax tar; its checksum is in each header and covers the header alone."""

    content_type = "application/x-tar"
    suffix = ".tar"

    def __init__(self) -> None:
        self.length = 2 * _BLOCK

    def add(self, member: Member) -> None:
        self.length += len(_tar_header(member)) + _padded(member.size)

    def before(self, member: Member) -> bytes:
        return _tar_header(member)

    def within(self, piece: bytes) -> list[bytes | memoryview]:
        return [piece]

    def after(self, member: Member, crc32: int) -> bytes:
        return bytes(_padded(member.size) - member.size)

    def end(self) -> bytes:
        return bytes(2 * _BLOCK)


def _in_blocks(member: Member) -> bool:
    """Whether a member's checksum is not known before its bytes. That of no bytes is 0."""
    return member.crc32 is None and member.size > 0


def _framed(member: Member) -> int:
    """Bytes that a member's content takes in a ZIP."""
    blocks = -(-member.size // _MOST_IN_BLOCK) if _in_blocks(member) else 0
    return member.size + _BLOCK_HEAD * blocks


def _dos_time(modified: float) -> tuple[int, int]:
    """Time and date as MS-DOS has them: from 1980, in steps of two seconds; here in UTC."""
    at = datetime.fromtimestamp(max(modified, 315532800.0), UTC)
    return at.hour << 11 | at.minute << 5 | at.second // 2, min(at.year - 1980, 127) << 9 | at.month << 5 | at.day


def _tar_header(member: Member) -> bytes:
    import tarfile  # noqa: PLC0415 (a tenth of the start, and most gateways make none)

    info = tarfile.TarInfo(member.name)
    info.size = member.size
    info.mtime = int(member.modified)
    info.mode = 0o755 if member.folder else 0o644
    if member.folder:
        info.type = tarfile.DIRTYPE
    return info.tobuf(tarfile.PAX_FORMAT)


def _padded(size: int) -> int:
    return (size + _BLOCK - 1) // _BLOCK * _BLOCK
