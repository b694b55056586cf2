"""Owns the bytes around the files of an archive: ZIP with stored entries, and tar, both of a length known beforehand.

Refuses to own the files' own bytes, and where they come from.

Laws: the length is exact before the first byte, so a download that breaks can never look whole; entries are stored,
never compressed, because the bytes pass through and most of them are compressed already.
Sources: APPNOTE.TXT 6.3.10 (4.3.7 local header, 4.3.9 data descriptor, 4.3.12 central directory, 4.3.14 ZIP64 end,
4.5.3 ZIP64 extra field); POSIX.1-2001 pax.
"""

from __future__ import annotations

import re
import struct
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

__all__ = ["Archive", "Member", "TarArchive", "ZipArchive", "member_names"]

_MAX32: Final = 0xFFFFFFFF
_MAX16: Final = 0xFFFF
_FLAGS: Final = 1 << 11 | 1 << 3  # names are UTF-8; the checksum follows the data
_STORED: Final = 0
_ZIP64_VERSION: Final = 45
_PLAIN_VERSION: Final = 20
_MADE_BY_UNIX: Final = 3 << 8 | _ZIP64_VERSION
_FILE_MODE: Final = 0o100644 << 16
_BLOCK: Final = 512
_DRIVE: Final = re.compile(r"([A-Za-z]):")


@dataclass(frozen=True, slots=True)
class Member:
    """One file: its name in the archive, its size in bytes, and when it changed (seconds since the epoch)."""

    name: str
    size: int
    modified: float = 0.0


def member_names(paths: Iterable[str]) -> list[str]:
    """The names that files get in an archive, in order: relative on every system, and no two alike.

    Whoever stored an object chose its name. A leading slash, a backslash or a drive's letter would lead an unpacker
    that believes them out of its folder.
    """
    names: list[str] = []
    taken: set[str] = set()
    counts: dict[str, int] = {}
    for path in paths:
        plain = "/".join([step for step in path.replace("\\", "_").split("/") if step])
        name = plain = _DRIVE.sub(r"\1_", plain, count=1) if _DRIVE.match(plain) else plain
        folder, slash, last = plain.rpartition("/")
        stem, dot, ending = last.rpartition(".")
        while name in taken:
            number = counts[plain] = counts.get(plain, 1) + 1
            numbered = f"{stem} ({number}).{ending}" if dot and stem else f"{last} ({number})"
            name = f"{folder}{slash}{numbered}"
        taken.add(name)
        names.append(name)
    return names


class Archive(Protocol):
    """The frame of an archive. Call `before`, then send the file, then `after`, member by member; then `end`."""

    content_type: str
    suffix: str
    length: int

    def before(self, member: Member) -> bytes: ...

    def after(self, member: Member, crc32: int) -> bytes: ...

    def end(self) -> bytes: ...


class ZipArchive:
    """A ZIP of stored entries. Sizes stand in the local headers, checksums follow in data descriptors."""

    content_type = "application/zip"
    suffix = ".zip"

    def __init__(self, members: Sequence[Member]) -> None:
        offset = directory = 0
        for member in members:
            name = len(member.name.encode())
            wide = _is_wide(member)
            offset += 30 + name + (20 if wide else 0) + member.size + (24 if wide else 16)
            directory += 46 + name
        # The directory's own ZIP64 fields depend on where each member begins.
        position = 0
        for member in members:
            directory += _directory_extra_length(member, position)
            wide = _is_wide(member)
            position += 30 + len(member.name.encode()) + (20 if wide else 0) + member.size + (24 if wide else 16)
        self._wide_end = len(members) >= _MAX16 or offset >= _MAX32 or directory >= _MAX32
        self.length = offset + directory + (76 if self._wide_end else 0) + 22
        self._position = 0
        self._entries: list[bytes] = []
        self._begun = 0

    def before(self, member: Member) -> bytes:
        name = member.name.encode()
        wide = _is_wide(member)
        extra = struct.pack("<HHQQ", 1, 16, member.size, member.size) if wide else b""
        size = _MAX32 if wide else member.size
        header = struct.pack(
            "<4sHHHHHIIIHH",
            b"PK\x03\x04",
            _ZIP64_VERSION if wide else _PLAIN_VERSION,
            _FLAGS,
            _STORED,
            *_dos_time(member.modified),
            0,
            size,
            size,
            len(name),
            len(extra),
        )
        self._begun = self._position
        self._position += len(header) + len(name) + len(extra) + member.size
        return header + name + extra

    def after(self, member: Member, crc32: int) -> bytes:
        form = "<4sIQQ" if _is_wide(member) else "<4sIII"
        descriptor = struct.pack(form, b"PK\x07\x08", crc32, member.size, member.size)
        self._position += len(descriptor)
        self._entries.append(self._directory_entry(member, crc32))
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

    def _directory_entry(self, member: Member, crc32: int) -> bytes:
        name = member.name.encode()
        wide, far = _is_wide(member), self._begun >= _MAX32
        fields = ([member.size, member.size] if wide else []) + ([self._begun] if far else [])
        extra = struct.pack(f"<HH{len(fields)}Q", 1, 8 * len(fields), *fields) if fields else b""
        size = _MAX32 if wide else member.size
        return (
            struct.pack(
                "<4sHHHHHHIIIHHHHHII",
                b"PK\x01\x02",
                _MADE_BY_UNIX,
                _ZIP64_VERSION if fields else _PLAIN_VERSION,
                _FLAGS,
                _STORED,
                *_dos_time(member.modified),
                crc32,
                size,
                size,
                len(name),
                len(extra),
                0,
                0,
                0,
                _FILE_MODE,
                _MAX32 if far else self._begun,
            )
            + name
            + extra
        )


class TarArchive:
    """A pax tar; its checksum is in each header and covers the header alone."""

    content_type = "application/x-tar"
    suffix = ".tar"

    def __init__(self, members: Sequence[Member]) -> None:
        self.length = 2 * _BLOCK + sum(len(_tar_header(member)) + _padded(member.size) for member in members)

    def before(self, member: Member) -> bytes:
        return _tar_header(member)

    def after(self, member: Member, crc32: int) -> bytes:
        return bytes(_padded(member.size) - member.size)

    def end(self) -> bytes:
        return bytes(2 * _BLOCK)


def _is_wide(member: Member) -> bool:
    return member.size >= _MAX32


def _directory_extra_length(member: Member, begun: int) -> int:
    fields = (2 if _is_wide(member) else 0) + (1 if begun >= _MAX32 else 0)
    return 4 + 8 * fields if fields else 0


def _dos_time(modified: float) -> tuple[int, int]:
    """Time and date as MS-DOS has them: from 1980, in steps of two seconds; here in UTC."""
    at = datetime.fromtimestamp(max(modified, 315532800.0), UTC)
    return at.hour << 11 | at.minute << 5 | at.second // 2, min(at.year - 1980, 127) << 9 | at.month << 5 | at.day


def _tar_header(member: Member) -> bytes:
    info = tarfile.TarInfo(member.name)
    info.size = member.size
    info.mtime = int(member.modified)
    info.mode = 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def _padded(size: int) -> int:
    return (size + _BLOCK - 1) // _BLOCK * _BLOCK
