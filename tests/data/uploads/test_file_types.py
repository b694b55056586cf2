"""What files are by their bytes, and links that take some types only: nothing of any other is left at the store."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.intake import Intake, allows_type
from gateway.core.reasons import Reason, Refused
from gateway.data.uploads.file_types import HEAD_BYTES, check_bytes, check_declared, checked, read_types
from tests.data.harness import Rig
from tests.data.uploading import WRITE, checksum, create, created, metadata, patch, until_moved

OFFICE = "application/vnd.openxmlformats-officedocument."


def zipped(*names: str, said: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, said if name == "mimetype" else "x" * 3000)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
    return out.getvalue()


ZEROS = bytes(200)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + ZEROS
SAMPLES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + ZEROS,
    "image/gif": b"GIF89a" + ZEROS,
    "image/webp": b"RIFF\x10\0\0\0WEBPVP8 " + ZEROS,
    "image/bmp": b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0" + ZEROS,
    "image/tiff": b"II*\0\x08\0\0\0" + ZEROS,
    "image/heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + ZEROS,
    "image/avif": b"\0\0\0\x1cftypavif\0\0\0\0mif1avif" + ZEROS,
    "image/svg+xml": b'<?xml version="1.0"?>\n<!-- a -->\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "video/mp4": b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + ZEROS,
    "video/quicktime": b"\0\0\0\x14ftypqt  " + ZEROS,
    "video/webm": b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm" + ZEROS,
    "video/matroska": b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska" + ZEROS,
    "audio/mpeg": b"ID3\x03\0\0\0\0\0\0" + ZEROS,
    "audio/wav": b"RIFF\x10\0\0\0WAVEfmt " + ZEROS,
    "audio/ogg": b"OggS\0\x02" + bytes(20) + b"\x01\x1e\x01vorbis" + ZEROS,
    "audio/flac": b"fLaC" + ZEROS,
    "application/pdf": b"%PDF-1.7\n%\xe2\xe3\n1 0 obj",
    "application/zip": zipped("a.txt"),
    OFFICE + "wordprocessingml.document": zipped("[Content_Types].xml", "word/document.xml"),
    OFFICE + "spreadsheetml.sheet": zipped("_rels/.rels", "xl/workbook.xml"),
    "application/vnd.oasis.opendocument.text": zipped("mimetype", said="application/vnd.oasis.opendocument.text"),
    "application/epub+zip": zipped("mimetype", said="application/epub+zip"),
    "application/vnd.etsi.asic-e+zip": zipped("mimetype", said="application/vnd.etsi.asic-e+zip"),
    "application/msword": bytes.fromhex("d0cf11e0a1b11ae1") + ZEROS,
    "application/gzip": gzip.compress(b"x"),
    "application/x-7z-compressed": b"7z\xbc\xaf\x27\x1c" + ZEROS,
    "application/x-tar": tarred(),
    "application/x-msdownload": b"MZ\x90\0\x03\0\0\0" + ZEROS,
    "text/html": b"\xef\xbb\xbf \n<!DOCTYPE html><script>alert(1)</script>",
    "text/xml": b'<?xml version="1.0"?><a/>',
    "text/plain": "größe, wörter\n".encode(),
    "text/csv": b"a,b\r\n1,2\r\n",
    "text/x-log": b"2026-01-01 started\n",
    "application/json": b'{"a": 1}',
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_file_is_of_its_own_type(kind: str) -> None:
    """By its first KiB; whoever asks for that type, or for all of its kind, gets it."""
    head = SAMPLES[kind][:HEAD_BYTES]
    check_bytes((kind,), head)
    check_bytes((f"{kind.partition('/')[0]}/*",), head)


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("wanted", ["image/png", "application/pdf", "video/*", "audio/*", "image/*", "text/plain"])
def test_a_file_is_of_no_other_type(kind: str, wanted: str) -> None:
    """Whatever it is called. Plain text is told from other text by nobody."""
    text = wanted == "text/plain" and kind in {"text/plain", "text/csv", "text/x-log", "application/json"}
    if allows_type((wanted,), kind) or text:
        return
    with pytest.raises(Refused) as refused:
        check_bytes((wanted,), SAMPLES[kind][:HEAD_BYTES])
    assert Reason.TYPE_NOT_ALLOWED is refused.value.reason


@pytest.mark.parametrize("head", [b"", b" \n", b"x\0y", b"\xff\xfe", bytes(range(128, 256)), b"\x80" * 2000])
def test_bytes_that_say_nothing_are_of_no_type(head: bytes) -> None:
    """An empty file, too."""
    assert () == read_types(head)


@pytest.mark.parametrize(
    "text", [b"BMW builds cars", b"MZ is two letters", "ä".encode() * 600, b"x" + "ä".encode() * 600]
)
def test_words_are_text(text: bytes) -> None:
    """Also those that begin like something else, and those of which the first KiB ends within a letter."""
    check_bytes(("text/plain",), text)
    assert not allows_type(("image/*",), read_types(text[:HEAD_BYTES])[0])


@pytest.mark.parametrize("said", ["image/png", "application/pdf", "video/mp4", "text/plain", "image/png\n+zip", ""])
def test_an_archive_is_no_other_file_whatever_it_says(said: str) -> None:
    """What it says within counts among the types that archives have."""
    assert ("application/zip",) == read_types(zipped("mimetype", "setup.exe", said=said)[:HEAD_BYTES])


@pytest.mark.parametrize("piece", [b"<!---->", b"<!-- - -> -->\n", b"<!--", b"<!doctype svg>", b"<?xml "])
def test_no_beginning_is_read_again_and_again(piece: bytes) -> None:
    """Comments have one way to be read, and not one for each set of them: else a KiB would never be done with."""
    head = piece * (HEAD_BYTES // len(piece))
    assert "image/svg+xml" not in read_types(head)
    assert ("image/svg+xml",) == read_types(b"<!---->" * 100 + b"<svg>")


@given(st.binary(max_size=1100))
def test_every_beginning_is_read(head: bytes) -> None:
    """Into types or none, never an error of its own."""
    assert all(isinstance(kind, str) for kind in read_types(head[:HEAD_BYTES]))


@pytest.mark.parametrize("declared", [None, "", "application/octet-stream", "image/png", "Image/PNG; q=1"])
def test_what_is_declared_may_be_nothing(declared: str | None) -> None:
    """Then the bytes alone count; else it has to be allowed as well."""
    check_declared(("image/*",), declared)
    check_declared((), "text/html")
    with pytest.raises(Refused):
        check_declared(("image/*",), "text/html")


async def test_nothing_passes_before_it_is_known() -> None:
    """Of bytes that come one by one, the first that comes out is a KiB long."""
    body = PNG * 10

    async def dripping():
        for place in range(len(body)):
            yield body[place : place + 1]

    chunks = [chunk async for chunk in checked(dripping(), ("image/png",))]
    assert HEAD_BYTES == len(chunks[0])
    assert body == b"".join(chunks)


FORM = {"Content-Type": "multipart/form-data; boundary=b"}


def form(body: bytes) -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + body + b"\r\n--b--\r\n"


async def send(rig: Rig, token: str, door: str, body: bytes) -> int:
    if door == "put":
        return (await rig.ask("PUT", f"/s/{token}/a", {}, body)).status
    if door == "chunked":
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        return (await rig.ask("PUT", f"/s/{token}/a", {"Transfer-Encoding": "chunked"}, chunks)).status
    if door == "form":
        return (await rig.ask("POST", f"/s/{token}/", FORM, form(body))).status
    told = metadata(filename="a")
    if door == "tus at once":
        return (await create(rig, f"/s/{token}", len(body), body, Upload_Metadata=told)).status
    if door == "tus joined":
        halves = [body[: len(body) // 2], body[len(body) // 2 :]]
        at = [await created(rig, token, len(half), Upload_Concat="partial") for half in halves]
        for address, half in zip(at, halves, strict=True):
            assert not half or 204 == (await patch(rig, address, 0, half)).status
        headers = {"Tus-Resumable": "1.0.0", "Upload-Concat": f"final;{' '.join(at)}", "Upload-Metadata": told}
        return (await rig.ask("POST", f"/s/{token}", headers)).status
    deferred = door == "tus deferred"
    got = await create(rig, f"/s/{token}", None if deferred else len(body), Upload_Metadata=told)
    if got.status != 201 or not body:
        return got.status
    address, step = got.header("location") or "", 7 if len(body) < 500 else 700
    for place in range(0, len(body), step):
        piece = body[place : place + step]
        proof = {"Upload_Checksum": checksum("sha256", piece)} if door == "tus checked" else {}
        got = await patch(rig, address, place, piece, **proof)
        if got.status != 204:
            return got.status
    if deferred:
        got = await patch(rig, address, len(body), b"", Upload_Length=str(len(body)))
    return got.status


DOORS = ["put", "chunked", "form", "tus at once", "tus in pieces", "tus deferred", "tus checked", "tus joined"]


@pytest.mark.parametrize("door", DOORS)
async def test_a_wrong_type_leaves_nothing(uploads: Rig, door: str) -> None:
    """415 by every door, for a small file and a large one, and the store has neither an object nor parts of one."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=Intake(types=("image/*", "application/pdf")))
    for body in (b"<html>" * 9, b"MZ\x90\0" * 700):
        assert 415 == await send(uploads, token, door, body), body
        assert "inside/in/a" not in {key for _, key in uploads.store.objects}
        left = [key for _, key in uploads.store.objects if door != "tus joined"]
        assert [] == left


@pytest.mark.parametrize("door", DOORS)
async def test_a_right_type_comes_through(uploads: Rig, door: str) -> None:
    """Byte for byte, small and large, in however many pieces it comes."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=Intake(types=("image/*",)), overwrite=True)
    for body in (PNG[:60], PNG * 20):
        assert await send(uploads, token, door, body) in {201, 204}
        assert body == uploads.store.stored("inside/in/a")


@pytest.mark.parametrize("door", ["put", "chunked", "form", "tus at once"])
async def test_an_empty_file_is_of_no_type(uploads: Rig, door: str) -> None:
    """So a link that takes some types takes none."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=Intake(types=("text/*",)))
    assert 415 == await send(uploads, token, door, b"")
    assert {} == uploads.store.objects


async def test_an_edit_of_the_types_ends_what_runs(uploads: Rig) -> None:
    """An upload that was let in by others is refused, and leaves nothing."""
    token, grant = await uploads.granted(prefix="in/", actions=WRITE, intake=Intake(types=("image/*",)))
    async with uploads.client() as client:
        head = f"PUT /s/{token}/a HTTP/1.1\r\nHost: gw\r\nContent-Length: 200000\r\n\r\n".encode()
        await client.send(head + PNG * 10)
        await until_moved(uploads)
        await uploads.edit(grant, intake=Intake(types=("application/pdf",)))
        assert b"201" not in await client.rest()
    assert {} == uploads.store.objects
