"""Owns listings: a store's pages read into values, renamed to our names, and written again for S3 clients and links.

Refuses to own which prefix may be listed and how many pages are fetched.

Laws: a real bucket, a real prefix and a store's owner never leave. A key that does not lie below the prefix that was
decided on is dropped and counted, whatever the store thought it was asked. Nothing is made up for a store: what it
left out is left out, and a page that is cut short without a word on how to go on is no page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final
from urllib.parse import quote, unquote_plus

from gateway.core.pattern import RESERVED, key_fault
from gateway.core.reasons import Reason, UpstreamFailed
from gateway.core.request import Operation
from gateway.core.units import whole_number
from gateway.core.values import dataclass
from gateway.wire.s3.continuation import wrap_token
from gateway.wire.s3.documents import OWNER, Document, document, element, given, page_size, quoted, read_store
from gateway.wire.s3.xml import Node

_MOST_ENTRIES: Final = 5000
"""A page has a thousand at most; some stores count its folders apart."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a link's listing: a folder (`name` ends with a slash) or an object. `modified` is RFC 3339."""

    name: str
    size: int | None = None
    modified: str = ""

    @property
    def folder(self) -> bool:
        return self.name.endswith("/")


class FoundKind(StrEnum):
    """The element that an entry has in S3's documents."""

    OBJECT = "Contents"
    VERSION = "Version"
    DELETE_MARKER = "DeleteMarker"
    UPLOAD = "Upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One entry. `modified` is RFC 3339 (for an upload: when it was begun); `size` in bytes; `etag` has its quotes."""

    kind: FoundKind
    key: str
    modified: str = ""
    size: int | None = None
    etag: str = ""
    storage_class: str = ""
    version_id: str = ""
    latest: bool | None = None
    upload_id: str = ""

    def named(self, key: str) -> Found:
        """The same under another name."""
        return Found(
            kind=self.kind,
            key=key,
            modified=self.modified,
            size=self.size,
            etag=self.etag,
            storage_class=self.storage_class,
            version_id=self.version_id,
            latest=self.latest,
            upload_id=self.upload_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page in the store's order. `next_key` and `next_id` continue by names, `next_token` by the store's token."""

    found: tuple[Found, ...] = ()
    prefixes: tuple[str, ...] = ()
    truncated: bool = False
    next_key: str = ""
    next_id: str = ""
    next_token: str = ""

    @property
    def cursor(self) -> str | None:
        """What `continuation-token` (or a link's `cursor`) takes to go on; None at the end."""
        return (self.next_token or self.next_key or None) if self.truncated else None


def read_listing(body: Document) -> Listing:
    """A store's answer to any of the four listings of a bucket, with the store's names.

    Raises:
        UpstreamFailed: it is another document, or more is to come and it does not say from where.
    """
    root = read_store(body, "ListBucketResult", "ListVersionsResult", "ListMultipartUploadsResult")
    if len(root.children) > _MOST_ENTRIES:
        raise UpstreamFailed(Reason.UPSTREAM_BROKE, f"a page of a listing has more than {_MOST_ENTRIES} entries")
    encoded = root.findtext("EncodingType") == "url"
    kinds = {kind.value: kind for kind in FoundKind}
    found = tuple(_found(node, kinds[node.tag], encoded=encoded) for node in root if node.tag in kinds)
    prefixes = tuple(_name(node, "Prefix", encoded=encoded) for node in root.findall("CommonPrefixes"))
    truncated = root.findtext("IsTruncated", "").strip() == "true"
    next_key = root.findtext("NextMarker", "") or root.findtext("NextKeyMarker", "")
    if encoded:
        next_key = _decode_marker(next_key, {*(entry.key for entry in found[-1:]), *prefixes[-1:]})
    next_id = root.findtext("NextVersionIdMarker", "") or root.findtext("NextUploadIdMarker", "")
    next_token = root.findtext("NextContinuationToken", "")
    if truncated and root.tag == "ListBucketResult" and root.find("KeyCount") is None and not (next_key or next_token):
        # Without a delimiter, the first listing version leaves it to the client to take the last name. No other does.
        next_key = max((*(entry.key for entry in found), *prefixes), default="")
    if truncated and not (next_key or next_id or next_token):
        raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the store's page is cut short and does not say how to go on")
    return Listing(
        found=found,
        prefixes=prefixes,
        truncated=truncated,
        next_key=next_key,
        next_id=next_id,
        next_token=next_token,
    )


def _found(node: Node, kind: FoundKind, *, encoded: bool) -> Found:
    said = node.texts()
    key, latest = said.get("Key", ""), said.get("IsLatest")
    return Found(
        kind=kind,
        key=unquote_plus(key) if encoded else key,
        modified=said.get("LastModified", "") or said.get("Initiated", ""),
        size=whole_number(said.get("Size", "").strip()),
        etag=quoted(said.get("ETag", "")),
        storage_class=said.get("StorageClass", ""),
        version_id=said.get("VersionId", ""),
        latest=None if latest is None else latest.strip() == "true",
        upload_id=said.get("UploadId", ""),
    )


def _name(node: Node, name: str, *, encoded: bool) -> str:
    text = node.findtext(name, "")
    return unquote_plus(text) if encoded else text


def _decode_marker(text: str, ends: set[str]) -> str:
    """The name from which a page goes on. Some stores encode every name but this one, which is the page's last."""
    name = unquote_plus(text)
    return text if text in ends and name not in ends else name


def rename(listing: Listing, real_prefix: str, wanted: str = "") -> tuple[Listing, int]:
    """The listing with our names, and how many entries were dropped because they are outside our prefix.

    `real_prefix` is the bucket's at the store; `wanted` is the prefix that was decided on, in our names.

    Raises:
        UpstreamFailed: the page goes on outside of our prefix, where it must not be followed.
    """
    if listing.next_key and not listing.next_token and not listing.next_key.startswith(real_prefix):
        raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the store's page goes on outside of the prefix that was asked for")
    below = real_prefix + wanted
    cut = len(real_prefix)
    found = tuple(
        entry.named(entry.key[cut:])
        for entry in listing.found
        if entry.key.startswith(below) and not _reserved(entry.key)
    )
    prefixes = tuple(prefix[cut:] for prefix in listing.prefixes if prefix.startswith(below) and not _reserved(prefix))
    dropped = len(listing.found) - len(found) + len(listing.prefixes) - len(prefixes)
    renamed = replace(
        listing,
        found=found,
        prefixes=prefixes,
        next_key=listing.next_key[cut:] if listing.next_key.startswith(real_prefix) else "",
        next_token=wrap_token(listing.next_token, real_prefix),
    )
    if _reserved(renamed.next_key):
        # The page ends among what no listing shows: the next one begins behind that folder ("0" follows the slash).
        steps = renamed.next_key.split("/")
        renamed = replace(renamed, next_key="/".join(steps[: steps.index(RESERVED) + 1]) + "0", next_id="")
    return renamed, dropped


def _reserved(name: str) -> bool:
    return RESERVED in name and RESERVED in name.split("/")


_ROOTS: Final[Mapping[Operation, str]] = {
    Operation.LIST_OBJECTS: "ListBucketResult",
    Operation.LIST_OBJECTS_V2: "ListBucketResult",
    Operation.LIST_OBJECT_VERSIONS: "ListVersionsResult",
    Operation.LIST_MULTIPART_UPLOADS: "ListMultipartUploadsResult",
}
_ECHOED: Final[Mapping[Operation, tuple[tuple[str, str], ...]]] = {
    Operation.LIST_OBJECTS: (("marker", "Marker"),),
    Operation.LIST_OBJECTS_V2: (("continuation-token", "ContinuationToken"), ("start-after", "StartAfter")),
    Operation.LIST_OBJECT_VERSIONS: (("key-marker", "KeyMarker"), ("version-id-marker", "VersionIdMarker")),
    Operation.LIST_MULTIPART_UPLOADS: (("key-marker", "KeyMarker"), ("upload-id-marker", "UploadIdMarker")),
}
_ALWAYS_ECHOED: Final = frozenset({"Marker", "KeyMarker", "VersionIdMarker", "UploadIdMarker"})
_NAMES: Final = frozenset({"marker", "key-marker", "start-after"})


def listing_document(operation: Operation, bucket: str, params: Mapping[str, str], listing: Listing) -> bytes:
    """Our answer to one of the four listings; `params` are the request's.

    With `encoding-type=url` names are percent-encoded (slashes stay, a space is `%20`). Without it, control characters
    stand as references that not every reader of XML takes, as S3 writes them.
    """
    encoded = params.get("encoding-type") == "url"

    def named(text: str) -> str:
        return quote(text, safe="/") if encoded else text

    inner = [element("Bucket" if operation is Operation.LIST_MULTIPART_UPLOADS else "Name", bucket)]
    inner.append(element("Prefix", named(params.get("prefix", ""))))
    for parameter, name in _ECHOED[operation]:
        if parameter in params or name in _ALWAYS_ECHOED:
            value = params.get(parameter, "")
            inner.append(element(name, named(value) if parameter in _NAMES else value))
    inner.extend(_continuation(operation, listing, named(listing.next_key), delimiter="delimiter" in params))
    most = "max-uploads" if operation is Operation.LIST_MULTIPART_UPLOADS else "max-keys"
    inner.append(element("MaxUploads" if most == "max-uploads" else "MaxKeys", str(page_size(params.get(most)))))
    if params.get("delimiter"):
        inner.append(element("Delimiter", named(params["delimiter"])))
    if encoded:
        inner.append(element("EncodingType", "url"))
    inner.append(element("IsTruncated", "true" if listing.truncated else "false"))
    owned = operation is not Operation.LIST_OBJECTS_V2 or params.get("fetch-owner") == "true"
    found, prefixes = listing.found, listing.prefixes
    if operation is Operation.LIST_OBJECTS_V2:
        inner.append(element("KeyCount", str(len(found) + len(prefixes))))
    inner.extend(_found_element(entry, named(entry.key), owned=owned) for entry in found)
    inner.extend(element("CommonPrefixes", (element("Prefix", named(prefix)),)) for prefix in prefixes)
    return document(_ROOTS[operation], inner)


def _continuation(operation: Operation, listing: Listing, next_key: str, *, delimiter: bool) -> list[str]:
    if not listing.truncated:
        return []
    match operation:
        case Operation.LIST_OBJECTS_V2:
            return [element("NextContinuationToken", listing.cursor or "")]
        case Operation.LIST_OBJECTS if delimiter or not listing.found:  # without a last name there is nothing else
            return [element("NextMarker", next_key)]
        case Operation.LIST_OBJECT_VERSIONS:
            return given(("NextKeyMarker", next_key), ("NextVersionIdMarker", listing.next_id))
        case Operation.LIST_MULTIPART_UPLOADS:
            # One store goes on by upload ids alone. A key beside them would skip every upload of a later name.
            return given(("NextKeyMarker", next_key), ("NextUploadIdMarker", listing.next_id))
        case _:
            return []


def _found_element(entry: Found, name: str, *, owned: bool) -> str:
    inner = [element("Key", name)]
    if entry.kind is FoundKind.UPLOAD:
        inner += given(("UploadId", entry.upload_id), ("Initiated", entry.modified))
        inner += [element("Initiator", (element("ID", "gateway"), element("DisplayName", "gateway")))]
    else:
        latest = "" if entry.latest is None else str(entry.latest).lower()
        size = "" if entry.size is None else str(entry.size)
        inner += given(("VersionId", entry.version_id), ("IsLatest", latest), ("LastModified", entry.modified))
        inner += given(("ETag", entry.etag), ("Size", size))
    if owned:
        inner.append(OWNER)
    inner += given(("StorageClass", entry.storage_class))
    return element(entry.kind.value, inner)


def link_entries(listing: Listing, folder: str) -> tuple[Entry, ...]:
    """The rows of a link's listing of `folder` (in our names), folders first, with names relative to it.

    The folder's own placeholder object is no row; nor is a name that the link could not be asked for.
    """
    folders = [Entry(prefix.removeprefix(folder)) for prefix in listing.prefixes]
    objects = [
        Entry(entry.key.removeprefix(folder), entry.size, entry.modified)
        for entry in listing.found
        if entry.key != folder and not entry.key.endswith("/")
    ]
    return tuple(entry for entry in (*folders, *objects) if _reachable(entry.name))


def _reachable(name: str) -> bool:
    segments = name.removesuffix("/").split("/")
    return bool(segments[0]) and key_fault(name) is None


def link_json(path: str, entries: Sequence[Entry], cursor: str | None) -> bytes:
    """A link's listing for programs: `{path, entries: [{name, size, modified} | {name, folder}], cursor}`."""
    rows = [
        {"name": entry.name, "folder": True}
        if entry.folder
        else {"name": entry.name, "size": entry.size, "modified": entry.modified}
        for entry in entries
    ]
    return json.dumps({"path": path, "entries": rows, "cursor": cursor}, ensure_ascii=False).encode() + b"\n"
