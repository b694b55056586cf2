"""Laws of `gateway.wire.archive`."""

import io
import tarfile
import zipfile
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.archive import Archive, Member, TarArchive, ZipArchive, member_names

_NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=("C",)), min_size=1, max_size=80
)
_FILES = st.dictionaries(_NAMES, st.binary(max_size=2000), max_size=8)


def _written(archive: Archive, files: dict[str, bytes]) -> bytes:
    out = b""
    for name, content in files.items():
        member = Member(name, len(content), 1700000000.0)
        out += archive.before(member) + content + archive.after(member, zlib.crc32(content))
    return out + archive.end()


def _members(files: dict[str, bytes]) -> list[Member]:
    return [Member(name, len(content), 1700000000.0) for name, content in files.items()]


@settings(max_examples=60)
@given(_FILES)
def test_zip_is_read_back_by_the_standard_library(files: dict[str, bytes]) -> None:
    """A ZIP holds every file under its name, passes its own checksums, and is as long as it said beforehand."""
    archive = ZipArchive(_members(files))
    written = _written(archive, files)
    assert archive.length == len(written)
    with zipfile.ZipFile(io.BytesIO(written)) as found:
        assert found.testzip() is None
        assert files == {info.filename: found.read(info) for info in found.infolist()}


@settings(max_examples=60)
@given(_FILES)
def test_tar_is_read_back_by_the_standard_library(files: dict[str, bytes]) -> None:
    """A tar holds every file under its name and is as long as it said beforehand."""
    archive = TarArchive(_members(files))
    written = _written(archive, files)
    assert archive.length == len(written)
    with tarfile.open(fileobj=io.BytesIO(written)) as found:
        assert files == {info.name: found.extractfile(info).read() for info in found}


def _frame_length(archive: Archive, members: list[Member]) -> int:
    framed = sum(len(archive.before(member)) + member.size + len(archive.after(member, 0)) for member in members)
    return framed + len(archive.end())


def test_zip_of_files_beyond_four_gibibytes_has_the_promised_length() -> None:
    """Wide sizes, far offsets and many members switch to ZIP64 fields without a byte of difference in length."""
    wide = [Member("a", 5 * 1024**3), Member("b", 1), Member("c", 6 * 1024**3)]
    many = [Member(f"m{number}", 0) for number in range(70_000)]
    for members in (wide, many):
        archive = ZipArchive(members)
        assert archive.length == _frame_length(archive, members)


def test_zip_of_a_wide_file_is_understood(tmp_path: object) -> None:
    """The ZIP64 directory of a 5 GiB member names its true size and the next member's true offset."""
    members = [Member("wide.bin", 5 * 1024**3), Member("after.txt", 5)]
    archive = ZipArchive(members)
    file = _Sparse()
    for member, content in zip(members, (None, b"after"), strict=True):
        file.write(archive.before(member))
        file.skip(member.size) if content is None else file.write(content)
        file.write(archive.after(member, 0 if content is None else zlib.crc32(content)))
    file.write(archive.end())
    with zipfile.ZipFile(file) as found:
        assert [member.size for member in members] == [info.file_size for info in found.infolist()]
        assert b"after" == found.read("after.txt")


class _Sparse(io.RawIOBase):
    """A file of mostly nothing: what was written is kept by its offset, the rest reads as zeros."""

    def __init__(self) -> None:
        self._at = self._end = 0
        self._pieces: list[tuple[int, bytes]] = []

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._pieces.append((self._end, bytes(data)))
        self._end += len(data)
        return len(data)

    def skip(self, size: int) -> None:
        self._end += size

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        size = self._end - self._at if size < 0 else min(size, self._end - self._at)
        out = bytearray(size)
        for start, piece in self._pieces:
            low, high = max(start, self._at), min(start + len(piece), self._at + size)
            if low < high:
                out[low - self._at : high - self._at] = piece[low - start : high - start]
        self._at += size
        return bytes(out)


@given(st.lists(st.text(st.sampled_from("ab:/\\._ ()2"), min_size=1).filter(lambda path: path.strip("/")), max_size=12))
def test_no_name_leads_out_of_its_folder(paths: list[str]) -> None:
    """Relative for every system that may unpack it, no two alike, and in the order of the objects."""
    names = member_names(paths)
    assert (len(paths), len(paths)) == (len(names), len(set(names)))
    for name in names:
        assert "\\" not in name
        assert all(name.split("/"))
        assert name[1:2] != ":" or not name[0].isalpha()


def test_a_name_is_changed_only_where_it_has_to_be() -> None:
    """The second of two that would be alike is numbered before its ending."""
    paths = ["a/b.txt", "a//b.txt", "/a/b.txt", "x\\y", "x_y", ".env", "/.env", "C:x", "ü: 1", "a/b (2).txt"]
    assert [
        "a/b.txt",
        "a/b (2).txt",
        "a/b (3).txt",
        "x_y",
        "x_y (2)",
        ".env",
        ".env (2)",
        "C_x",
        "ü: 1",
        "a/b (2) (2).txt",
    ] == member_names(paths)
