"""What genuine clients send is not refused: each recorded request, before everything that reads, identifies and proves.

Nothing is installed for it; `python -m tests.vectors.record` made the files.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.core.backend import Credentials
from tests.data.harness import Rig
from tests.data.scripted_store import Seen
from tests.fuzz.attacked import attacked
from tests.vectors.framing import header, payload_of
from tests.vectors.stack import STACKS, Request, Stack, read, write

_FILES = sorted(STACKS.glob("*.json"))
_LEAST = 25
_DOMAINS = ("localhost",)
_NOT_OFFERED = re.compile(r"(?:GET|PUT) /reports/\S*\?(?:acl|cors|policy) ")
"""Sub-resources that one client (s3cmd) asks for and does well without: they are told apart from refusals."""
_MARKS = (
    b"Credential=",
    b"X-Amz-Signature=",
    b": AWS GWK",
    b"&Signature=",
    b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\n",
    b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\r\n",
    b"STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n",
    b"UNSIGNED-PAYLOAD\r\n",
    b"multipart/form-data",
    b"100-continue",
    b"ost: reports.localhost",
)


@dataclass
class Fate:
    """What became of one replayed request."""

    request: Request
    status: int
    detail: str
    stored: bytes | None

    @property
    def fault(self) -> str | None:
        """Why it is not what the client was owed, or None."""
        line = self.request.head[0]
        if _NOT_OFFERED.match(line):
            return None if self.status == 501 else f"{line}: {self.status}, as if it were understood"
        if self.detail or not 200 <= self.status < 400:
            return f"{line}: {self.status} {self.detail}"
        if self.stored is not None and self.stored != payload_of(self.request):
            return f"{line}: the store got {len(self.stored)} bytes that are not the client's"
        return None


async def replay(stack: Stack) -> AsyncIterator[Fate]:
    """Send each request as it came, at the time it came, to a gateway that knows the stack's key."""
    async with attacked(_DOMAINS) as attack:
        await attack.rig.key(pair=Credentials(stack.access_key, stack.secret_key))
        for request in stack.requests:
            attack.rig.clock.now = float(request.at)
            yield await _one(attack.rig, request)


async def _one(rig: Rig, request: Request) -> Fate:
    rig.store.seen.clear()
    rig.details.clear()
    rig.records.clear()
    async with rig.client() as client:
        await client.send(request.wire)
        got = await client.answer(request.head[0].partition(" ")[0])
    await rig.settled()
    [record] = rig.records
    refused = record.outcome == "refused"
    return Fate(
        request, got.status, f"{record.reason} {rig.details[-1]}" if refused else "", _stored(rig.store.seen, request)
    )


def _stored(seen: list[Seen], request: Request) -> bytes | None:
    """The body that the store got of an object or a part; None if the request is about something else."""
    call = seen[-1].call if seen else None
    put = call is not None and request.head[0].startswith("PUT ")
    plain = put and {name for name, _ in call.query} <= {"partNumber", "uploadId"}
    return seen[-1].body if plain and header(request, "x-amz-copy-source") is None else None


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.stem)
async def test_nothing_that_a_client_sends_is_refused(path: Path) -> None:
    """Every request of the stack is taken, and the store gets the very bytes that the client meant."""
    faults = [fate.fault async for fate in replay(read(path)) if fate.fault]
    assert [] == faults


def _altered(request: Request) -> Request:
    """Another key under the same signature; where no key is named, the signature is another."""
    line, *rest = request.head
    method, target, version = line.split(" ")
    path, mark, query = target.partition("?")
    if path.count("/") > 1 and not path.endswith("/"):
        return replace(request, head=(f"{method} {path}x{mark}{query} {version}", *rest))
    signature = re.compile(r"(?i)(^authorization:.*(?:Signature=|:)|[?&](?:X-Amz-)?Signature=)(?=[0-9A-Za-z+/%=]+)")
    head = tuple(signature.sub(r"\1A", line) for line in request.head)
    body = re.sub(rb'(?i)(name="?(?:x-amz-)?signature"?\r\n(?:[^\r]+\r\n)*\r\n)', rb"\1A", request.body)
    return replace(request, head=head, body=body)


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.stem)
async def test_the_altered_twin_of_each_is_refused(path: Path) -> None:
    """What was altered after it was signed is refused, however the stack signs, and no store hears of it."""
    stack = read(path)
    signed = [request for request in stack.requests if not _NOT_OFFERED.match(request.head[0])]
    twins = replace(stack, requests=tuple(map(_altered, signed)))
    assert not set(twins.requests) & set(stack.requests)
    let_by = [
        fate.request.head[0]
        async for fate in replay(twins)
        if not fate.detail or fate.stored is not None or not 400 <= fate.status < 500
    ]
    assert [] == let_by


def test_the_stacks_are_many_and_of_many_kinds() -> None:
    """At least 25 stacks in ten languages, with every way of signing, framing and addressing among them."""
    stacks = [read(path) for path in _FILES]
    wires = [request.wire for stack in stacks for request in stack.requests]
    assert len({stack.name for stack in stacks}) >= _LEAST
    languages = {language for stack in stacks for language in stack.language.split(", ")}
    assert len(languages) >= 10
    assert languages >= {"C", "C#", "Go", "Java", "JavaScript", "Perl", "PHP", "Python", "Ruby", "Rust"}
    for mark in _MARKS:
        assert any(mark in wire for wire in wires), mark


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.stem)
def test_a_file_is_written_as_it_is_read(path: Path) -> None:
    """A file's form is one: what was read of it is written as the same text."""
    assert path.read_text() == write(read(path))


async def test_a_request_that_was_altered_is_told() -> None:
    """The replay can fail: a byte changed in a body, in a path or in a signature is a fault."""
    stack = read(STACKS / "boto3-1.44.5.json")
    put = next(request for request in stack.requests if request.body == b"checked" and "SHA256 " in request.head[0])
    lines = tuple(line.replace("Signature=", "Signature=0") for line in put.head)
    altered = (
        replace(put, body=b"chunked"),
        replace(put, head=(put.head[0].replace("SHA256", "SHA257"), *put.head[1:])),
        replace(put, head=lines),
    )
    fates = [fate async for fate in replay(replace(stack, requests=(put, *altered)))]
    assert [False, True, True, True] == [fate.fault is not None for fate in fates]
