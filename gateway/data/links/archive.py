"""Owns a folder link's whole folder as one ZIP or tar, streamed.

Refuses to own the archive's own bytes (`gateway.wire.links.archive`).

Laws: the list of members is fixed before the first byte and each is pinned by its entity tag; every member goes
through the one authorisation function, when it is listed and when its turn comes, and while it is sent whatever ends it
ends the archive; if one cannot be sent whole, the archive ends as a broken connection and never
as a complete file.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import replace
from typing import Final
from zlib import crc32

from gateway.core.attempt import Attempt
from gateway.core.grant import Grant
from gateway.core.policy import Policy
from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.core.request import Action, Operation
from gateway.core.route import Answer
from gateway.core.units import instant
from gateway.data.call import LinkCall
from gateway.data.links.folder import read_page
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.state.transfers import Allowed, Permit
from gateway.data.steps.authorise import authorise
from gateway.data.turns import in_turns
from gateway.wire.http.disposition import clean_filename, content_disposition
from gateway.wire.links.archive import Archive, Member, TarArchive, ZipArchive
from gateway.wire.links.archive_names import MemberNames, note
from gateway.wire.s3.listing import Found

_MOST_MEMBERS: Final = 100_000
_NOTE: Final = "about these names.txt"
_CONTENT: Final = "content of the folder"
_UNNAMEABLE: Final = frozenset({Reason.BAD_KEY, Reason.KEY_TOO_LONG, Reason.KEY_AMBIGUOUS})
_FOLDER_BYTES: Final = 2048
_MEMBER_BYTES: Final = 1024
"""What one member takes while its archive is written: name, tag, date, and its entry of the directory at the end."""
_TOGETHER: Final = 48 * 1024
"""Bytes that are sent at once, if that many come: with what the store sends at once, less than 256 KiB."""

_Rules = tuple[Policy, Grant | None]
"""What a member was decided by when it was listed: while that stands, its turn comes with fewer questions."""

_Listed = tuple[Found, Member, _Rules]

_KINDS: Final[dict[str, type[ZipArchive | TarArchive]]] = {"zip": ZipArchive, "tar": TarArchive}


async def open_archive(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Answer:
    """The archive, open until the permit ends.

    Raises:
        Refused: as `_build`.
    """
    opened = _build(plane, call, permit)
    answer = await opened.__aenter__()
    permit.held = opened
    return answer


@asynccontextmanager
async def _build(plane: DataPlane, call: LinkCall, permit: Permit) -> AsyncIterator[Answer]:
    """The archive, its length known, nothing of it read yet. What is open of it closes with the block.

    Raises:
        Refused: BAD_ARGUMENT for an unknown kind, TOO_LARGE above 100,000 members, NOT_ALLOWED if any member may not
            be read, OVERLOADED while other archives take up the memory for lists.
        UpstreamFailed: UPSTREAM_BROKE for a listing that does not go on.
    """
    kind = _KINDS.get(call.request.params["archive"])
    if kind is None:
        raise Refused(Reason.BAD_ARGUMENT, "archive is zip or tar")
    archive, names = kind(), MemberNames()
    members: list[_Listed] = []
    left_out: list[str] = []
    portion = plane.archive_memory.portion(permit.holders())
    with ExitStack() as memory:
        async for page in _read_pages(plane, call, permit, left_out):
            memory.enter_context(portion.hold(_MEMBER_BYTES * len(page)))
            folders = names.folders
            async for entry, rules in in_turns(page):
                member = _member(names, entry, call.attempt.key)
                archive.add(member)
                members.append((entry, member, rules))
            memory.enter_context(portion.hold(_FOLDER_BYTES * (names.folders - folders)))
            if len(members) > _MOST_MEMBERS:
                raise Refused(Reason.TOO_LARGE, f"the folder has more than {_MOST_MEMBERS} objects")
        text = note(names.changed, left_out)
        noted = Member(names.file(_NOTE), len(text), plane.clock(), crc32(text))
        if text:
            archive.add(noted)
        body = _ArchiveBody(plane, permit, archive, members, (noted, text))
        async with aclosing(body.chunks):
            yield Answer(200, _head(kind, call, permit), archive.length, body)


def _member(names: MemberNames, entry: Found, folder: str) -> Member:
    """A file, or a folder that has an object of its own. What stands in such an object is a file within it."""
    path, size = entry.key.removeprefix(folder), entry.size or 0
    if path.endswith("/") and not size:
        return Member(names.folder(path), 0, _when(entry))
    return Member(names.file(path + _CONTENT if path.endswith("/") else path), size, _when(entry))


def _head(kind: type[ZipArchive | TarArchive], call: LinkCall, permit: Permit) -> dict[str, str]:
    """An archive is always saved and never shown."""
    label = (permit.grant or call.grant).label
    folder = label or call.attempt.key.rstrip("/").rpartition("/")[2] or "files"
    named = content_disposition("attachment", clean_filename(folder + kind.suffix))
    return {"Content-Type": kind.content_type, "Content-Disposition": named}


async def _read_pages(
    plane: DataPlane, call: LinkCall, permit: Permit, left_out: list[str]
) -> AsyncIterator[list[tuple[Found, _Rules]]]:
    """The members, page by page, each decided on: so many decisions in one go would make all other requests wait.

    Those whose names cannot be asked for here go to `left_out`.
    """
    folder = call.attempt.key
    listed = replace(call, request=replace(call.request, operation=Operation.LIST_OBJECTS_V2))
    rules = plane.snapshot.policy, permit.grant
    while True:
        page = await read_page(plane, listed, permit)
        members: list[tuple[Found, _Rules]] = []
        async for entry in in_turns(page.found):
            if entry.key == folder or not _is_selected(entry.key.removeprefix(folder), call.selected):
                continue  # the first one stands for the folder itself
            if rules[0] is not plane.snapshot.policy or rules[1] is not permit.grant:
                rules = plane.snapshot.policy, permit.grant
            try:
                authorise(plane, permit.grant, _reading(permit, entry))
            except Refused as refusal:
                if refusal.reason not in _UNNAMEABLE:
                    raise
                left_out.append(entry.key.removeprefix(folder))
            else:
                members.append((entry, rules))
        yield members
        if page.cursor is None:
            return
        if page.cursor == listed.request.params.get("cursor"):
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the store's listing does not go on")
        params = {**listed.request.params, "cursor": page.cursor}
        listed = replace(listed, request=replace(listed.request, params=params))


def _is_selected(name: str, selected: frozenset[str]) -> bool:
    """Whether it is one of these files, or lies within one of these folders, whose names end with a slash."""
    if not selected or name in selected:
        return True
    ends = (place + 1 for place, letter in enumerate(name) if letter == "/")
    return any(name[:end] in selected for end in ends)


def _reading(permit: Permit, entry: Found) -> Attempt:
    """What sending a member comes to."""
    return permit.attempt.touching(Action.READ, permit.attempt.bucket, entry.key)


def _when(entry: Found) -> float:
    with suppress(ValueError):
        return instant(entry.modified)
    return 0.0


def _is_enough(together: list[bytes | memoryview]) -> bool:
    return sum(map(len, together)) >= _TOGETHER


class _ArchiveBody:
    """The archive's bytes (`core.route.AnswerBody`), drawn member by member from the store. One reader."""

    def __init__(
        self,
        plane: DataPlane,
        permit: Permit,
        archive: Archive,
        members: list[_Listed],
        noted: tuple[Member, bytes],
    ) -> None:
        """`noted` comes last, unless it has no bytes."""
        self._plane = plane
        self._permit = permit
        self._archive = archive
        self._members = members
        self._noted = noted
        self.chunks = self._draw()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.chunks

    async def _draw(self) -> AsyncGenerator[bytes, None]:
        """What is small goes together: each chunk costs as much as many bytes."""
        archive, permit = self._archive, self._permit
        together: list[bytes | memoryview] = []
        for entry, member, rules in self._members:
            together.append(archive.before(member))
            checksum, size = 0, 0
            if not member.folder:
                route, pinned = permit.route.at(entry.key), (("if-match", entry.etag),) if entry.etag else ()
                permit.further = (Allowed(_reading(permit, entry), route, *rules),)
                await self._plane.renewals.confirm(permit)
                async with self._plane.upstream.open(route.call("GET", pinned)) as answer:
                    if answer.status != 200 or answer.length != member.size:
                        raise UpstreamFailed(Reason.UPSTREAM_BROKE, "a member of the archive has changed or gone")
                    async for chunk in answer.body:
                        checksum = crc32(chunk, checksum)
                        size += len(chunk)
                        together += archive.within(chunk)
                        if _is_enough(together):
                            yield b"".join(together)
                            together.clear()
            if size != member.size:
                raise UpstreamFailed(Reason.UPSTREAM_BROKE, "a member of the archive ended early")
            together.append(archive.after(member, checksum))
            if _is_enough(together):
                yield b"".join(together)
                together.clear()
        noted, text = self._noted
        if text:
            together += archive.before(noted), text, archive.after(noted, crc32(text))
        yield b"".join(together) + archive.end()

    async def read(self, limit: int) -> bytes:
        whole = b"".join([chunk async for chunk in self])
        if len(whole) > limit:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, f"the archive is longer than {limit} bytes")
        return whole
