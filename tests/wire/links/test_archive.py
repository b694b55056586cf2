"""Laws of `gateway.wire.links.archive`."""

import io
import os
import shutil
import struct
import subprocess
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.links.archive import Archive, Member, TarArchive, ZipArchive

READ_ZIP = Path(__file__).with_name("ReadZip.java")
_NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=("C",)), min_size=1, max_size=80
)
_FILES = st.dictionaries(_NAMES, st.binary(max_size=2000), max_size=8)


def _written(archive: Archive, files: dict[str, bytes], step: int = 50_000) -> bytes:
    members = _members(files)
    for member in members:
        archive.add(member)
    out = []
    for member in members:
        content = files[member.name]
        out.append(archive.before(member))
        for start in range(0, len(content), step):
            out += archive.within(content[start : start + step])
        out.append(archive.after(member, zlib.crc32(content)))
    return b"".join(out) + archive.end()


def _members(files: dict[str, bytes]) -> list[Member]:
    return [Member(name, len(content), 1700000000.0) for name, content in files.items()]


def _added(archive: Archive, members: list[Member]) -> Archive:
    for member in members:
        archive.add(member)
    return archive


@settings(max_examples=60)
@given(_FILES)
def test_zip_is_read_back_by_the_standard_library(files: dict[str, bytes]) -> None:
    """A ZIP holds every file under its name, passes its own checksums, and is as long as it said beforehand."""
    archive = ZipArchive()
    written = _written(archive, files, 700)
    assert archive.length == len(written)
    with zipfile.ZipFile(io.BytesIO(written)) as found:
        assert found.testzip() is None
        assert files == {info.filename: found.read(info) for info in found.infolist()}


@settings(max_examples=60)
@given(_FILES)
def test_tar_is_read_back_by_the_standard_library(files: dict[str, bytes]) -> None:
    """A tar holds every file under its name and is as long as it said beforehand."""
    archive = TarArchive()
    written = _written(archive, files)
    assert archive.length == len(written)
    with tarfile.open(fileobj=io.BytesIO(written)) as found:
        assert files == {info.name: found.extractfile(info).read() for info in found}


def _frame_length(archive: Archive, members: list[Member]) -> int:
    heads = sum(5 * -(-member.size // 65535) for member in members)
    framed = sum(len(archive.before(member)) + member.size + len(archive.after(member, 0)) for member in members)
    return framed + heads + len(archive.end())


def test_zip_of_files_beyond_four_gibibytes_has_the_promised_length() -> None:
    """Wide sizes, far offsets and many members switch to ZIP64 fields without a byte of difference in length."""
    wide = [Member("a", 5 * 1024**3), Member("b", 1), Member("c", 6 * 1024**3)]
    many = [Member(f"m{number}", 0) for number in range(70_000)]
    edge = [Member("e", 0xFFFFFFFF - 5 * 65531), Member("f", 0xFFFFFFFE), Member("g", 0xFFFFFFFF)]
    for members in (wide, many, edge):
        archive = _added(ZipArchive(), members)
        assert archive.length == _frame_length(archive, members)


def test_zip_of_a_wide_file_is_understood() -> None:
    """The ZIP64 directory of a 5 GiB member names its true size and the next member's true offset."""
    members = [Member("wide.bin", 5 * 1024**3), Member("after.txt", 5)]
    archive = _added(ZipArchive(), members)
    file = _Sparse()
    for member, content in zip(members, (None, b"after"), strict=True):
        file.write(archive.before(member))
        file.skip(member.size + 5 * -(-member.size // 65535)) if content is None else file.write(
            b"".join(archive.within(content))
        )
        file.write(archive.after(member, 0 if content is None else zlib.crc32(content)))
    file.write(archive.end())
    with zipfile.ZipFile(file) as found:
        assert [member.size for member in members] == [info.file_size for info in found.infolist()]
        assert b"after" == found.read("after.txt")


def test_a_file_that_is_longer_than_it_was_said_to_be_is_no_member() -> None:
    """The last block was marked as such."""
    archive = _added(ZipArchive(), [Member("a", 3)])
    archive.before(Member("a", 3))
    with pytest.raises(ValueError, match="longer"):
        archive.within(b"four")


# -- the readers that people have

FILES = {
    "empty.txt": b"",
    "small.txt": b"small\n",
    "folder/": b"",
    "folder/\u00fcmlaut \U0001f600.bin": bytes(range(256)) * 1024,
    "folder/edge.bin": b"x" * 65535,
    "folder/over.bin": b"y" * 65536,
    "last.bin": b"PK\x03\x04PK\x07\x08PK\x01\x02" * 5000,
}
FORMS = pytest.mark.parametrize("make", [ZipArchive, TarArchive], ids=["zip", "tar"])


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("GATEWAY_REQUIRE_TOOLS"):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"needs {name}")
    return found


def run(*command: str | Path, given: bytes | None = None) -> bytes:
    env = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run([str(word) for word in command], input=given, capture_output=True, env=env, check=False)
    assert 0 == done.returncode, done.stderr.decode(errors="replace") or done.stdout.decode(errors="replace")
    return done.stdout


def unpacked(directory: Path) -> dict[str, bytes]:
    paths = sorted(directory.rglob("*"))
    return {
        str(path.relative_to(directory)) + "/" * path.is_dir(): b"" if path.is_dir() else path.read_bytes()
        for path in paths
    }


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    path = tmp_path / "a.zip"
    path.write_bytes(_written(ZipArchive(), FILES))
    return path


@FORMS
def test_bsdtar_reads_a_stream(make: type[Archive], tmp_path: Path) -> None:
    """From a pipe, as macOS and Windows have it."""
    place = tmp_path / "out"
    place.mkdir()
    run(tool("bsdtar"), "-x", "-f", "-", "-C", place, given=_written(make(), FILES))
    assert FILES == unpacked(place)


def test_java_reads_a_stream(zipped: Path, tmp_path: Path) -> None:
    """`java.util.zip.ZipInputStream`, which takes no stored entry with a data descriptor."""
    told = run(tool("java"), READ_ZIP, given=zipped.read_bytes()).decode()
    expected = {f"{name} {len(content)} {zlib.crc32(content)}" for name, content in FILES.items()}
    assert expected == set(told.splitlines())


def test_java_refuses_what_was_written_before(tmp_path: Path) -> None:
    """The control: a stored entry whose checksum follows is what that reader does not take."""
    name, content = b"a.txt", b"content"
    crc = zlib.crc32(content)
    header = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 1 << 3, 0, 0, 33, 0, 7, 7, len(name), 0)
    stored = header + name + content + struct.pack("<4sIII", b"PK\x07\x08", crc, 7, 7)
    done = subprocess.run([tool("java"), str(READ_ZIP)], input=stored, capture_output=True, check=False)
    assert (1, True) == (done.returncode, b"only DEFLATED entries can have EXT descriptor" in done.stderr)


@pytest.mark.parametrize("command", [["unzip", "-q"], ["7z", "x", "-y"]], ids=lambda command: command[0])
def test_unpackers_read_the_file(command: list[str], zipped: Path, tmp_path: Path) -> None:
    """Info-ZIP and 7-Zip, with nothing to warn of."""
    place = tmp_path / "out"
    place.mkdir()
    name, *options = command
    run(tool(name), *options, f"-o{place}" if name == "7z" else "-d", *([] if name == "7z" else [place]), zipped)
    assert FILES == unpacked(place)


@pytest.mark.parametrize("command", [["unzip", "-tq"], ["7z", "t"], ["zip", "-T"]], ids=lambda command: command[0])
def test_unpackers_find_no_fault(command: list[str], zipped: Path) -> None:
    """Each checks every checksum and the directory against the entries."""
    if command[0] == "unzip":
        command = ["unzip", "-tq", str(zipped)]
        told = run(tool("unzip"), *command[1:]).decode()
        assert "No errors detected" in told
        return
    told = run(tool(command[0]), *command[1:], zipped).decode()
    assert "arning" not in told


def test_gnu_tar_reads_a_stream(tmp_path: Path) -> None:
    """From a pipe, folders and long names too."""
    place = tmp_path / "out"
    place.mkdir()
    files = FILES | {"long/" + "n" * 200 + "/" + "\u00fc" * 100: b"long"}
    run(tool("tar"), "-x", "-C", place, given=_written(TarArchive(), files))
    assert files.items() <= unpacked(place).items()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("reader", ["java", "bsdtar"])
def test_a_stream_of_more_than_four_gibibytes_is_read(reader: str, tmp_path: Path) -> None:
    """In one entry and in all, with an entry behind it."""
    size = 4 * 1024**3 + 7
    members = [Member("wide.bin", size), Member("after.txt", 5)]
    archive = _added(ZipArchive(), members)
    command = [tool("java"), str(READ_ZIP)] if reader == "java" else [tool("bsdtar"), "-t", "-v", "-f", "-"]
    piece = bytes(1024**2)
    with (tmp_path / "told").open("wb") as told:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=told)
        assert process.stdin is not None
        checksum, left, sent = 0, size, 0

        def send(data: bytes) -> int:
            process.stdin.write(data)
            return len(data)

        sent += send(archive.before(members[0]))
        while left:
            part = piece[:left]
            left -= len(part)
            checksum = zlib.crc32(part, checksum)
            sent += send(b"".join(archive.within(part)))
        sent += send(
            archive.after(members[0], checksum) + archive.before(members[1]) + b"".join(archive.within(b"after"))
        )
        sent += send(archive.after(members[1], zlib.crc32(b"after")) + archive.end())
        process.stdin.close()
        assert 0 == process.wait()
    assert archive.length == sent
    words = (tmp_path / "told").read_text().split()
    assert (str(size) in words, "5" in words, "after.txt" in words) == (True, True, True)


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
