"""Every kind of transfer through a link, in work: begun, half done, and to be finished when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from tests.data.harness import Rig, request
from tests.data.raw_client import RawClient
from tests.data.scripted_store import Scripted
from tests.data.uploading import create, metadata, patching
from tests.waiting import until

__all__ = ["KINDS", "READING", "WRITING", "InWork", "in_work", "until"]

SIZE: Final = 100_000
_HALF: Final = b"x" * (SIZE // 2)
_BASIC: Final = {"Authorization": "Basic OnNlY3JldA=="}  # no user name, and the password "secret"


@dataclass
class InWork:
    """`finish` lets it come to its end and says whether it did, with all that was meant to come of it."""

    client: RawClient
    finish: Callable[[], Awaitable[bool]]


@asynccontextmanager
async def in_work(rig: Rig, kind: str, token: str, *, password: bool = False) -> AsyncIterator[InWork]:
    """One transfer of a folder link (`box/`), which holds `a.bin` and takes `in.bin`."""
    more = _BASIC if password else {}
    async with rig.client() as client:
        yield InWork(client, await KINDS[kind](rig, client, token, more))


async def _get(rig: Rig, client: RawClient, token: str, more: dict[str, str]) -> Callable[[], Awaitable[bool]]:
    hold = asyncio.Event()
    rig.store.script(Scripted(200, {"etag": '"v1"'}, [_HALF, hold, _HALF], length=SIZE))
    await client.send(request("GET", f"/s/{token}/a.bin", more))
    assert 200 == (await client.head()).status

    async def finish() -> bool:
        hold.set()
        return SIZE == len(await client.rest_of(SIZE))

    return finish


async def _archive(rig: Rig, client: RawClient, token: str, more: dict[str, str]) -> Callable[[], Awaitable[bool]]:
    hold = asyncio.Event()
    rig.store.hold("inside/box/a.bin", _HALF + _HALF)
    rig.store.always = lambda call: Scripted(200, {}, [_HALF, hold, _HALF]) if call.key.endswith("a.bin") else None
    await client.send(request("GET", f"/s/{token}/?archive=tar", more))
    head = await client.head()
    assert 200 == head.status

    await client.rest_of(len(_HALF))  # so the member is being sent

    async def finish() -> bool:
        hold.set()
        left = int(head.header("content-length") or 0) - len(_HALF)
        return left == len(await client.rest_of(left))

    return finish


def _upload(method: str, path: str, headers: dict[str, str], first: bytes, rest: bytes):
    async def begin(rig: Rig, client: RawClient, token: str, more: dict[str, str]) -> Callable[[], Awaitable[bool]]:
        await client.send(request(method, f"/s/{token}/{path}", {**headers, **more}) + first)
        await until(lambda: any(permit.moved >= len(_HALF) for permit in rig.plane.transfers))

        async def finish() -> bool:
            try:
                await client.send(rest)
            except ConnectionError:
                return False
            stored = (await client.answer(method)).status in {200, 201}
            await rig.settled()
            return stored and _HALF + _HALF == rig.store.stored("inside/box/in.bin")

        return finish

    return begin


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_FORM_HEAD: Final = b'--b\r\nContent-Disposition: form-data; name="file"; filename="in.bin"\r\n\r\n'
_FORM_END: Final = b"\r\n--b--\r\n"


async def _tus(rig: Rig, client: RawClient, token: str, more: dict[str, str]) -> Callable[[], Awaitable[bool]]:
    named = {name.replace("-", "_"): value for name, value in more.items()}
    made = await create(rig, f"/s/{token}/", SIZE, Upload_Metadata=metadata(filename="in.bin"), **named)
    assert 201 == made.status, made.body
    headers = {**patching(0), **more, "Content-Length": str(SIZE)}
    await client.send(request("PATCH", made.header("location") or "", headers) + _HALF)
    await until(lambda: any(permit.moved >= len(_HALF) for permit in rig.plane.transfers))

    async def finish() -> bool:
        try:
            await client.send(_HALF)
        except ConnectionError:
            return False
        stored = 204 == (await client.answer("PATCH")).status
        await rig.settled()
        return stored and _HALF + _HALF == rig.store.stored("inside/box/in.bin")

    return finish


KINDS: Final = {
    "get": _get,
    "archive": _archive,
    "put": _upload("PUT", "in.bin", {"Content-Length": str(SIZE)}, _HALF, _HALF),
    "parts": _upload("PUT", "in.bin", {"Transfer-Encoding": "chunked"}, _chunk(_HALF), _chunk(_HALF) + b"0\r\n\r\n"),
    "form": _upload(
        "POST",
        "",
        {
            "Content-Type": "multipart/form-data; boundary=b",
            "Content-Length": str(len(_FORM_HEAD) + SIZE + len(_FORM_END)),
        },
        _FORM_HEAD + _HALF,
        _HALF + _FORM_END,
    ),
    "tus": _tus,
}
READING: Final = frozenset({"get", "archive"})
WRITING: Final = frozenset(KINDS) - READING
