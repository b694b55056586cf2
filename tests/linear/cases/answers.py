"""Answers, archives and lines of the log, written of what strangers named."""

from __future__ import annotations

from gateway.core.route import Answer
from gateway.telemetry.redaction import redact_names, scrub, without_tokens
from gateway.wire.http.disposition import clean_filename, content_disposition
from gateway.wire.http.media import declared_essence, read_type, sandbox_of
from gateway.wire.links.archive import Member, TarArchive, ZipArchive
from gateway.wire.links.archive_names import MemberNames, note
from gateway.wire.parse import parse
from gateway.wire.s3.response_headers import response_headers
from tests.linear.case import Case, Thunk, collect
from tests.linear.inputs import raw

CASES: list[Case] = []
case = collect(CASES)


@case(
    "wire.http.disposition:clean_filename wire.http.disposition:content_disposition", 250, caches=(content_disposition,)
)
def a_name_of_dots_and_spaces(n: int) -> Thunk:
    names = ["a" + ". " * n + "b", "." * n, "\u202e" * n + "a." + "x" * n, '"' * n]

    def run() -> None:
        for name in names:
            clean_filename(name)
            content_disposition("attachment", name)

    return run


@case("wire.s3.response_headers:response_headers", 100)
def an_answer_of_many_headers(n: int) -> Thunk:
    headers = {f"x-amz-meta-{number}": "é\x01" * 4 for number in range(n)} | {"content-type": "a/" + "b" * n + " ;"}
    answer, request = Answer(200, headers, 0), parse(raw())

    def run() -> None:
        response_headers(answer, request, link=False)
        response_headers(answer, request, link=True, key="k")

    return run


def alike(number: int) -> str:
    """One of the ways to write sixteen letters in capitals and small ones."""
    return "".join("aA"[number >> at & 1] for at in range(16))


@case("wire.links.archive_names:MemberNames wire.links.archive_names:note", 40)
def names_that_are_alike(n: int) -> Thunk:
    paths = [alike(number) for number in range(n)] + ["/" * (number % 8) + "b" for number in range(n)]

    def run() -> None:
        names = MemberNames()
        for path in paths:
            names.file(path)
        note(names.changed, paths)

    return run


@case("wire.links.archive:ZipArchive wire.links.archive:TarArchive wire.links.archive:Member", 20)
def an_archive_of_many_members(n: int) -> Thunk:
    members = [Member(f"{number}", 70_000) for number in range(n)]

    def run() -> None:
        for archive in (ZipArchive(), TarArchive()):
            for member in members:
                archive.add(member)
            for member in members:
                archive.before(member)
                archive.within(b"x" * 70_000)
                archive.after(member, 1)
            archive.end()

    return run


@case(
    "wire.http.media:read_type wire.http.media:sandbox_of wire.http.media:MediaType wire.http.media:declared_essence",
    200,
    caches=(read_type,),
)
def a_type_of_many_parameters(n: int) -> Thunk:
    texts = ["a/" + "b" * n, "a/b" + ";a=b " * n, "a/b" + " ;" * n + '"', 'a/b;a="' + "\\\\" * n, "a/b, " * n]

    def run() -> None:
        for text in texts:
            sandbox_of(read_type(text).essence)
            declared_essence(text)

    return run


@case("telemetry.redaction:scrub telemetry.redaction:redact_names telemetry.redaction:without_tokens", 24)
def a_log_line_of_almost_secrets(n: int) -> Thunk:
    texts = ["authorization " * n, "authorization" + "\"' " * n, "bearer " * n, "signature" + " " * n, "a1" * n * 20]

    def run() -> None:
        for text in texts:
            scrub(text)
            without_tokens("gl_" + text)
        redact_names({"a": [{"secret": "b"}] * n})

    return run
