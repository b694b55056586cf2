"""Several files in one form: each decided on and counted by itself, all named in one receipt."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from gateway.core.intake import Intake
from gateway.core.record import Outcome
from tests.data.harness import Rig, deny, policy, rule
from tests.data.uploading import WRITE
from tests.waiting import until

FORM = {"Content-Type": "multipart/form-data; boundary=b"}
JSON = FORM | {"Accept": "application/json"}


def form(*files: tuple[str, bytes], end: bytes = b"--b--\r\n") -> bytes:
    part = '--b\r\nContent-Disposition: form-data; name="file"; filename="{}"\r\nContent-Type: text/plain\r\n\r\n'
    return b"".join(part.format(name).encode() + body + b"\r\n" for name, body in files) + end


FILES = [(f"f{number}.txt", bytes([65 + number]) * (number * 7001)) for number in range(5)]


def stored(rig: Rig) -> dict[str, bytes]:
    return {key.removeprefix("inside/in/"): body for (_, key), (body, _) in rig.store.objects.items()}


async def test_every_file_of_a_form_is_stored(uploads: Rig) -> None:
    """With one receipt that names each, its size and its SHA-256."""
    token, grant = await uploads.granted(prefix="in/", actions=WRITE, uses=9, intake=Intake(max_files=9))
    got = await uploads.ask("POST", f"/s/{token}/", JSON, form(*FILES))
    assert 201 == got.status
    assert dict(FILES) == stored(uploads)
    receipt = json.loads(got.body)["files"]
    assert [(name, len(body), sha256(body).hexdigest()) for name, body in FILES] == [
        (one["name"], one["size"], one["sha256"]) for one in receipt
    ]
    assert 5 == await uploads.used(grant)
    assert 5 == (await uploads.state.leases.usage([grant.intake_id]))[grant.intake_id].uses


@pytest.mark.parametrize("field", ["files[]", "upload", "filepond", "qqfile", "FILE"])
async def test_a_file_is_one_whatever_its_field_is_called(uploads: Rig, field: str) -> None:
    """Widgets and programs have names of their own for it; what has the name of a file is one. Fields are none, nor is
    the choice of a file that nobody made."""
    token = await uploads.link(prefix="in/", actions=WRITE)
    others = (
        b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\nx\r\n' % other for other in (b"note", b"upload[1]")
    )
    nothing = b'--b\r\nContent-Disposition: form-data; name="more"; filename=""\r\n\r\n\r\n'
    body = b"".join(others) + nothing + form(*FILES).replace(b'name="file"', f'name="{field}"'.encode())
    got = await uploads.ask("POST", f"/s/{token}/", JSON, body)
    assert (201, dict(FILES)) == (got.status, stored(uploads))


PIECES = [  # what uploaders for pages send beside a piece, and beside a file that is its only piece
    ("dzchunkindex", "0", "dztotalchunkcount"),
    ("resumableChunkNumber", "1", "resumableTotalChunks"),
    ("flowChunkNumber", "1", "flowTotalChunks"),
    ("qqpartindex", "0", "qqtotalparts"),
    ("chunkNumber", "1", "totalChunks"),
    ("chunk-index", "0", "total-chunk"),
    ("chunkIndex", "0", "chunkCount"),
    ("chunk_index", "0", "total_chunks"),
    ("chunk", "0", "chunks"),
]


@pytest.mark.parametrize("how", ["fields", "fields behind it", "address of a form", "address"])
@pytest.mark.parametrize(("index", "number", "total"), PIECES)
async def test_a_piece_of_a_file_is_not_taken_for_the_file(
    uploads: Rig, index: str, number: str, total: str, how: str
) -> None:
    """A request that says it brings one of several is refused before anything is stored; one that brings all is taken,
    and so is a form that has a field of such a name for itself."""
    token = await uploads.link(prefix="in/", actions=WRITE, overwrite=True)

    async def send(*said: tuple[str, str]) -> int:
        field = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        fields = "".join(field.format(*one) for one in said).encode()
        query = "?" + "&".join(f"{name}={value}" for name, value in said)
        if how == "address":
            return (await uploads.ask("PUT", f"/s/{token}/a.txt{query}", {}, b"12345")).status
        one, end = form(("a.txt", b"12345"), end=b""), form()
        if how == "address of a form":
            return (await uploads.ask("POST", f"/s/{token}/{query}", JSON, one + end)).status
        body = fields + one + end if how == "fields" else one + fields + end
        return (await uploads.ask("POST", f"/s/{token}/", JSON, body)).status

    assert 501 == await send((index, number), (total, "3"))
    assert {} == stored(uploads)
    assert 201 == await send((index, number), (total, "1"))
    assert 201 == await send((total, "3"))
    assert {"a.txt": b"12345"} == stored(uploads)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("chunkMetadata", '{"FileName":"a.txt","Index":0,"TotalCount":%d,"FileSize":10,"FileType":"","FileGuid":"x"}'),
        ("metadata", '{"chunkIndex":0,"contentType":"","fileName":"a.txt","totalFileSize":10,"totalChunks":%d}'),
    ],
    ids=["DevExtreme", "Kendo"],
)
async def test_a_piece_that_json_describes_is_not_taken_for_the_file(uploads: Rig, field: str, text: str) -> None:
    """The only piece of a file is the file; what says nothing of pieces, or is no JSON, is a field like any other."""
    token = await uploads.link(prefix="in/", actions=WRITE, overwrite=True)

    async def send(value: str) -> int:
        said = f'--b\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
        return (await uploads.ask("POST", f"/s/{token}/", JSON, said + form(("a.txt", b"12345")))).status

    assert 501 == await send(text % 2)
    assert {} == stored(uploads)
    for value in (text % 1, "{}", "[2]", "{" * 5000, "[" * 5000, "5" * 5000, "a note"):
        assert 201 == await send(value)


@pytest.mark.parametrize("filename", [b"", b'; filename=""'])
async def test_a_part_without_a_files_name_is_passed_over(uploads: Rig, filename: bytes) -> None:
    """Also one that has a file's own field name and comes first: FilePond says there what it knows of the file, and a
    browser sends a choice that nobody made."""
    token = await uploads.link(prefix="in/", actions=WRITE)
    first = b'--b\r\nContent-Disposition: form-data; name="file"%b\r\n\r\n{}\r\n' % filename
    got = await uploads.ask("POST", f"/s/{token}/", JSON, first + form(*FILES))
    assert (201, dict(FILES)) == (got.status, stored(uploads))
    assert 400 == (await uploads.ask("POST", f"/s/{token}/", JSON, first + form())).status


@pytest.mark.parametrize("step", [1, 7, 100])
async def test_it_does_not_matter_in_which_pieces_a_form_comes(uploads: Rig, step: int) -> None:
    """Files end at their boundaries, wherever a packet ends."""
    token = await uploads.link(prefix="in/", actions=WRITE)
    files = [("a", b"one\r\n--"), ("b", b""), ("c", b"\r\n--a\r"), ("d", b"x" * 50)]
    body = form(*files)
    async with uploads.client() as client:
        head = "".join(f"{name}: {value}\r\n" for name, value in JSON.items())
        await client.send(
            f"POST /s/{token}/ HTTP/1.1\r\nHost: gw\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode()
        )
        for place in range(0, len(body), step):
            await client.send(body[place : place + step])
        assert 201 == (await client.answer("POST")).status
    assert dict(files) == stored(uploads)


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
async def test_people_are_told_as_well(uploads: Rig, accept: str) -> None:
    """A page, or a line for each file."""
    token = await uploads.link(prefix="in/", actions=WRITE)
    got = await uploads.ask("POST", f"/s/{token}/", FORM | {"Accept": accept}, form(*FILES))
    assert 201 == got.status
    assert all(name in got.text and sha256(body).hexdigest() in got.text for name, body in FILES)
    if accept == "*/*":
        assert 5 == len(got.text.splitlines())


async def test_a_file_that_fails_is_named_beside_those_that_did_not(uploads: Rig) -> None:
    """The answer is its refusal, says what was stored, and the record has it; the others are stored all the same."""
    uploads.store.hold("inside/in/f1.txt", b"old")
    token = await uploads.link(prefix="in/", actions=WRITE, max_size=20000)
    got = await uploads.ask("POST", f"/s/{token}/", JSON, form(*FILES))
    problem = json.loads(got.body)
    assert (409, "object_exists") == (got.status, problem["reason"])
    assert "application/problem+json" == got.header("content-type")
    assert ["f0.txt", "f2.txt"] == [one["name"] for one in problem["files"]]
    failed = [(one["name"], one["reason"]) for one in problem["failed"]]
    assert [("f1.txt", "object_exists"), ("f3.txt", "too_large"), ("f4.txt", "too_large")] == failed
    assert {"f0.txt", "f1.txt", "f2.txt"} == stored(uploads).keys()
    record = await uploads.last()
    assert (Outcome.REFUSED, "object_exists") == (record.outcome, record.reason)


async def test_the_only_file_fails_as_before(uploads: Rig) -> None:
    """A plain refusal, for forms with one file as for any other upload."""
    uploads.store.hold("inside/in/f1.txt", b"old")
    token = await uploads.link(prefix="in/", actions=WRITE)
    got = await uploads.ask("POST", f"/s/{token}/", JSON, form(FILES[1]))
    assert (409, None) == (got.status, json.loads(got.body).get("failed"))


async def test_uses_and_types_and_rules_are_asked_for_each_file(uploads: Rig) -> None:
    """No file comes in beside another one that it could not have come in by itself."""
    uploads.use(policy(rule("everything"), deny("none there", "reports/in/no/*")))
    token = await uploads.link(prefix="in/", actions=WRITE, uses=2, intake=Intake(types=("text/*",)))
    files = [("a", b"text"), ("b", b"\x89PNG\r\n\x1a\n\0\0"), ("c", b"text"), ("d", b"text")]
    got = await uploads.ask("POST", f"/s/{token}/", JSON, form(*files))
    problem = json.loads(got.body)
    assert (415, ["a", "c"]) == (got.status, [one["name"] for one in problem["files"]])
    assert [("b", "type_not_allowed"), ("d", "used_up")] == [(one["name"], one["reason"]) for one in problem["failed"]]
    got = await uploads.ask("POST", f"/s/{await uploads.link(prefix='in/', actions=WRITE)}/no/", JSON, form(*FILES))
    assert (410, {"a", "c"}) == (got.status, stored(uploads).keys())


async def test_a_form_that_is_cut_keeps_what_was_whole(uploads: Rig) -> None:
    """And nothing of the file in which it ended."""
    token, grant = await uploads.granted(prefix="in/", actions=WRITE, uses=9)
    body = form(*FILES[:3], end=b"")
    async with uploads.client() as client:
        head = f"POST /s/{token}/ HTTP/1.1\r\nHost: gw\r\nContent-Type: {FORM['Content-Type']}\r\n"
        await client.send(f"{head}Content-Length: {len(body) + 100}\r\n\r\n".encode() + body)
        await until(lambda: len(stored(uploads)) >= 2)
    assert {"f0.txt", "f1.txt"} == stored(uploads).keys()
    assert 2 == await uploads.used(grant)


async def test_a_form_without_its_end_never_looks_whole(uploads: Rig) -> None:
    """Its last file is not stored, and the answer is no receipt."""
    token = await uploads.link(prefix="in/", actions=WRITE)
    got = await uploads.ask("POST", f"/s/{token}/", JSON, form(*FILES[:2], end=b""))
    assert 400 == got.status
    assert {"f0.txt"} == stored(uploads).keys()


async def test_fields_without_a_file_are_passed_over(uploads: Rig) -> None:
    """A browser sends one for a choice that nobody made."""
    token = await uploads.link(prefix="in/", actions=WRITE)
    got = await uploads.ask("POST", f"/s/{token}/", JSON, form(("a", b"x"), ("", b"")))
    assert (201, {"a"}) == (got.status, stored(uploads).keys())


async def test_a_link_to_one_object_takes_one_file(uploads: Rig) -> None:
    """The second has no place, and replaces nothing."""
    token = await uploads.link("in/one", actions=WRITE, overwrite=True)
    got = await uploads.ask("POST", f"/s/{token}", JSON, form(("a", b"x"), ("b", b"y")))
    assert (409, {"one": b"x"}) == (got.status, stored(uploads))


async def test_there_is_an_end_to_files(uploads: Rig) -> None:
    """A thousand in one form; nobody learns of the rest by its silence."""
    token = await uploads.link(prefix="in/", actions=WRITE)
    got = await uploads.ask("POST", f"/s/{token}/", JSON, form(*((f"f{n}", b"") for n in range(1001))))
    assert (400, True) == (got.status, len(stored(uploads)) < 1000)
