"""Owns what a folder link shows of its folder: HTML for people, JSON for programs, a web server's index for those that
read nothing else, and never a name above its root.

Refuses to own XML (`gateway.wire.s3.listing`) and HTML (`gateway.pages.folders`).

Laws: looking takes nothing. A page has few rows; an order that is not the store's holds among a bounded number of rows
at a time, and the page says so, so that no folder is too large to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Final

from gateway.core.grant import Grant
from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.core.request import Action, Operation, RawRequest
from gateway.data.call import LinkCall
from gateway.data.links.folder import read_folder, read_page
from gateway.data.links.intake import tell_intake
from gateway.data.links.previews import is_free, read_text
from gateway.data.page_reader import load_pages
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.state.transfers import Permit
from gateway.data.steps.authorise import authorise, find_readable
from gateway.data.turns import in_turns
from gateway.pages.folders import Folder, FolderView, Rows, folder_page
from gateway.pages.index import INDEX_HEADERS, index_begin, index_end, index_line
from gateway.pages.links import Receives
from gateway.pages.previews import Kind, Preview
from gateway.pages.render import look_for
from gateway.wire.http.negotiate import prefers_html
from gateway.wire.links.visitor import reads_index
from gateway.wire.replies import LINK_HEADERS, Reply, page_reply
from gateway.wire.s3.listing import Entry, link_entries, link_json

_ROWS: Final = 200
"""On one page for people: with all that a page loads less than 100 KiB, for names of ordinary length."""

_BLOCK_PAGES: Final = 10
"""Pages of the store, of a thousand entries each, that are put in order together."""

_ENTRY_BYTES: Final = 512
"""What an entry takes while a block is put in order."""

_LONGEST_INDEX: Final = 100_000
"""Names, as many as an archive has at most."""

_README: Final = {
    "readme.md": Kind.MARKDOWN,
    "readme.markdown": Kind.MARKDOWN,
    "readme.txt": Kind.TEXT,
    "readme": Kind.TEXT,
}


async def answer_listing(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    """One page of a folder, or its whole index.

    Raises:
        Refused: the store's refusal, as a reason of ours.
        UpstreamFailed: the store is away, or answered something else than a listing.
    """
    raw = call.request.raw
    index = call.request.params.get("view") == "index" or reads_index(raw)
    if index or prefers_html(raw.header("accept")):
        if not raw.path.endswith("/"):
            return _redirect_to_folder(raw)
        if index:
            return await _show_index(plane, call, permit)
        return await _show_folder(plane, snapshot, call, permit)
    listing = await read_page(plane, call, permit)
    entries = link_entries(listing, call.attempt.key)
    headers = (("Content-Type", "application/json"), *LINK_HEADERS)
    body = b"" if raw.method == "HEAD" else link_json(call.place.path or "", entries, listing.cursor)
    return Reply(200, headers, body)


async def lead_to_folder(plane: DataPlane, call: LinkCall, permit: Permit) -> Reply | None:
    """The way to the folder of a name that no object has, as web servers show it to who knows folders from them.

    Raises: as `answer_listing`.
    """
    raw = call.request.raw
    if not call.place.path or not (reads_index(raw) or prefers_html(raw.header("accept"))):
        return None
    return _redirect_to_folder(raw) if await _is_folder(plane, call, permit) else None


async def _is_folder(plane: DataPlane, call: LinkCall, permit: Permit) -> bool:
    """Whether the name that was asked for is that of a folder, with anything in it, which may be listed."""
    folder = call.attempt.key + "/"
    attempt = permit.attempt.touching(Action.LIST, call.attempt.bucket, folder)
    try:
        route = authorise(plane, permit.grant, replace(attempt, operation=Operation.LIST_OBJECTS_V2))
    except Refused:
        return False
    request = replace(call.request, operation=Operation.LIST_OBJECTS_V2, params={"max-keys": "1"}, headers={})
    page = await read_folder(plane, request, route, folder)
    return bool(page.found or page.prefixes)


def _redirect_to_folder(raw: RawRequest) -> Reply:
    """The page's links are relative, so a browser has to be where they begin."""
    query = f"?{raw.query}" if raw.query else ""
    return Reply(308, (("Location", f"{raw.path}/{query}"), *LINK_HEADERS))


async def _show_index(plane: DataPlane, call: LinkCall, permit: Permit) -> Reply:
    """The whole folder: who reads an index knows of no second page.

    Raises:
        Refused: TOO_LARGE, OVERLOADED while other lists take up the memory.
        UpstreamFailed: UPSTREAM_BROKE for a listing that does not go on.
    """
    headers = (*INDEX_HEADERS, *LINK_HEADERS)
    if call.request.raw.method == "HEAD":
        return Reply(200, headers, b"")
    lines, cursor, seen = [index_begin(call.place.path or "")], "", 0
    portion = plane.archive_memory.portion(permit.holders())
    with ExitStack() as memory:
        while True:
            listing = await read_page(plane, _reading(call, cursor=cursor), permit)
            entries = link_entries(listing, call.attempt.key)
            seen += len(entries)
            if seen > _LONGEST_INDEX:
                raise Refused(
                    Reason.TOO_LARGE, f"the folder has more than {_LONGEST_INDEX} names; as JSON it has pages"
                )
            memory.enter_context(portion.hold(_ENTRY_BYTES * len(entries)))
            lines += [index_line(entry) async for entry in in_turns(entries)]
            if listing.cursor is None:
                break
            if listing.cursor == cursor:
                raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the store's listing does not go on")
            cursor = listing.cursor
        lines.append(index_end())
        return Reply(200, headers, "".join(lines).encode("utf-8", "replace"))


async def _show_folder(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    raw, grant = call.request.raw, permit.grant or call.grant
    view = FolderView.read(call.request.params)
    shown = await (_natural_page if view.natural else _ordered_page)(plane, call, permit, view)
    path = [part for part in (call.place.path or "").split("/") if part]
    free = is_free(grant) and Action.READ in grant.actions
    names = [entry.name for entry in shown.entries] if free and not (shown.begun or view.find) else []
    folder = Folder(
        title=grant.label or (path[-1] if path else call.title),
        path=path,
        expires_at=grant.expires_at,
        free=free,
        readme=await _readme(plane, permit, names),
        receives=await _receives(plane, grant),
    )
    await load_pages()
    look = look_for(snapshot.branding, raw.header("accept-language"))
    return page_reply(folder_page(look, folder, shown, view, none_selected=raw.method == "POST"))


async def _receives(plane: DataPlane, grant: Grant) -> Receives | None:
    """What a link that also takes files says of them. One that has them all still has what was begun go on."""
    if Action.WRITE not in grant.actions:
        return None
    try:
        return await tell_intake(plane, grant)
    except Refused as refused:
        if refused.reason is not Reason.USED_UP:
            raise
        return Receives(files_left=0, types=grant.intake.types, undo=grant.intake.undo is not None)


def _reading(call: LinkCall, **changes: str) -> LinkCall:
    """The same call for a page of the store that begins elsewhere, or has another length."""
    return replace(call, request=replace(call.request, params={**call.request.params, **changes}))


async def _natural_page(plane: DataPlane, call: LinkCall, permit: Permit, view: FolderView) -> Rows:
    listing = await read_page(plane, _reading(call, **{"max-keys": str(_ROWS)}), permit)
    entries = sorted(link_entries(listing, call.attempt.key), key=lambda entry: not entry.folder)
    following = {"cursor": listing.cursor} if listing.cursor else {}
    return Rows(entries, following, begun=bool(call.request.params.get("cursor")))


async def _ordered_page(plane: DataPlane, call: LinkCall, permit: Permit, view: FolderView) -> Rows:
    """A block of the folder, searched and put in order, and of that as many rows as a page has.

    Raises:
        Refused: OVERLOADED while other lists take up the memory.
    """
    first = call.request.params.get("cursor", "")
    cursor: str | None = first
    start = _whole_number(call.request.params.get("from", ""))
    wanted, found, seen = view.find.casefold(), [], 0
    portion = plane.archive_memory.portion(permit.holders())
    with ExitStack() as memory:
        for _ in range(_BLOCK_PAGES):
            listing = await read_page(plane, _reading(call, cursor=cursor or ""), permit)
            entries = link_entries(listing, call.attempt.key)
            memory.enter_context(portion.hold(_ENTRY_BYTES * len(entries)))
            seen += len(entries)
            found += [entry async for entry in in_turns(entries) if wanted in entry.name.casefold()]
            cursor = listing.cursor
            if cursor is None:
                break
        by, descending = _ORDER[view.order.removeprefix("-")], view.order.startswith("-")
        found.sort(key=by, reverse=descending)
        found.sort(key=lambda entry: not entry.folder)
    following: dict[str, str] = {}
    if start + _ROWS < len(found):
        following = {"from": str(start + _ROWS)} | ({"cursor": first} if first else {})
    elif cursor is not None:
        following = {"cursor": cursor}
    whole = cursor is None and not first
    return Rows(found[start : start + _ROWS], following, begun=start > 0 or bool(first), block=None if whole else seen)


_ORDER: Final[dict[str, Callable[[Entry], Any]]] = {
    "name": lambda entry: entry.name,
    "size": lambda entry: entry.size or 0,
    "changed": lambda entry: entry.modified,
}


def _whole_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


async def _readme(plane: DataPlane, permit: Permit, names: Iterable[str]) -> Preview | None:
    """What the folder says of itself, if it does and may be read."""
    name = next((name for name in names if name.lower() in _README), None)
    if name is None:
        return None
    route = find_readable(plane, permit.grant, permit.attempt, permit.attempt.key + name)
    return None if route is None else await read_text(plane, route, _README[name.lower()], None)
