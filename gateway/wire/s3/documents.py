"""Owns XML as S3 uses it: which documents are read, a writer that leaves nothing unescaped, and the small documents
that are made or read whole.

Refuses to own the parsing (`gateway.wire.s3.xml`), listings (`gateway.wire.s3.listing`), the batch documents
(`gateway.wire.s3.batch_delete`) and uploads in parts (`gateway.wire.s3.multipart`).

Law: what a store wrote is read into values and written anew; its bytes never pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.core.values import dataclass
from gateway.wire.s3.xml import UNWRITABLE, Node, Reader, escape

Document = bytes | Node
"""A document, or what was read of it already."""

MAX_REQUEST_DOCUMENT: Final = 2 * 1024 * 1024
"""Bytes of what a caller sends. A thousand keys of 1024 bytes with their elements, and ten thousand parts, fit well."""
MAX_PAGE: Final = 1000
"""Entries of one page of a listing: S3's own limit."""
XMLNS: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
ODD_CODE: Final = "OddCode"
"""What stands for a store's code that is none."""
_CODE: Final = re.compile(r"[A-Z][A-Za-z0-9.]{0,63}", re.ASCII)
_REFERRED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\ud800-\udfff\ufffe\uffff]")


# How elements stand in each other in what callers send, and how many there are at most: a thousand keys with all that
# may be said of each, ten thousand parts with their checksums, ten tags and some that are too many.
_SENT: Final = {
    "Delete": (("Delete", "Object"), 8_000),
    "CompleteMultipartUpload": (("CompleteMultipartUpload", "Part"), 90_010),
    "Tagging": (("Tagging", "TagSet", "Tag"), 256),
}
# The name that the first AWS SDK for JavaScript 3 gave the document, which S3 took.
_ALSO: Final = {"CompleteMultipartUpload": {"CompletedMultipartUpload"}}


def request_reader(root: str) -> Reader:
    """A reader of a caller's document with this root. It raises `Refused` with MALFORMED_XML."""
    spine, most = _SENT[root]
    return Reader({root} | _ALSO.get(root, set()), spine=spine, most=most, failure=_malformed)


def store_reader(*roots: str) -> Reader:
    """A reader of a store's document with one of these roots, or any. It raises UpstreamFailed(UPSTREAM_BROKE)."""
    return Reader(roots, failure=_not_understood)


def read_request(body: Document, root: str) -> Node:
    """A caller's document with this root, namespaces taken off.

    Raises:
        Refused: MALFORMED_XML; TOO_LARGE above `MAX_REQUEST_DOCUMENT`.
    """
    if isinstance(body, bytes) and len(body) > MAX_REQUEST_DOCUMENT:
        raise Refused(Reason.TOO_LARGE, "the document is above two mebibytes")
    return body if isinstance(body, Node) else _read(body, request_reader(root))


def read_store(body: Document, *roots: str) -> Node:
    """A store's document with one of these roots, namespaces taken off.

    Raises:
        UpstreamFailed: UPSTREAM_BROKE when it is anything else.
    """
    if not isinstance(body, Node):
        return _read(body, store_reader(*roots))
    if body.tag not in roots:
        raise _not_understood(f"its root is not {' or '.join(sorted(roots))}")
    return body


def store_fault(body: Document) -> str | None:
    """The `Code` of a store's error document, None if it is none.

    Also for answers with status 200: a copy or a completion that fails late says so in the body. A code stands in logs:
    one that is more than a name, whatever the store repeats in it, is known as `ODD_CODE`.
    """
    try:
        code = read_store(body, "Error").findtext("Code", "").strip()
    except UpstreamFailed:
        return None
    return code if not code or _CODE.fullmatch(code) else ODD_CODE


def _read(body: bytes, reader: Reader) -> Node:
    reader.feed(body)
    return reader.finish()


def _malformed(fault: str) -> Refused:
    return Refused(Reason.MALFORMED_XML, fault)


def _not_understood(fault: str) -> UpstreamFailed:
    return UpstreamFailed(Reason.UPSTREAM_BROKE, f"the store's document is not understood: {fault}")


def xml_carries(text: str) -> bool:
    """Whether XML 1.0 has a way to write this text (it has none for most control characters)."""
    return UNWRITABLE.search(text) is None


def quoted(etag: str) -> str:
    """An entity tag with its quotes, which some stores leave out of documents; "" stays ""."""
    bare = etag.strip().strip('"')
    return f'"{bare}"' if bare else ""


def element(name: str, content: str | Iterable[str]) -> str:
    """One element with text, which is escaped, or with elements that are written already.

    Control characters are written as references, those too that XML 1.0 knows no way to write: so does S3.
    """
    if isinstance(content, str):
        inner = escape(content)
        inner = inner if inner.isprintable() else _REFERRED.sub(_referred, inner)
    else:
        inner = "".join(content)
    return f"<{name}>{inner}</{name}>"


def _referred(found: re.Match[str]) -> str:
    character = found[0]
    return "?" if character == "\0" or "\ud800" <= character <= "\udfff" else f"&#x{ord(character):x};"


def document(root: str, content: Iterable[str], *, namespace: str = XMLNS) -> bytes:
    """A whole document in S3's namespace or another, in UTF-8."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{namespace}">{"".join(content)}</{root}>'.encode()


OWNER: Final = element("Owner", (element("ID", "gateway"), element("DisplayName", "gateway")))
"""Clients of the first listing version want an owner; the store's account is not theirs to see."""


def given(*pairs: tuple[str, str]) -> list[str]:
    """The elements for what the store has said."""
    return [element(name, text) for name, text in pairs if text]


def page_size(text: str | None) -> int:
    """Entries of a page, as its request asks for them."""
    return MAX_PAGE if text is None else min(MAX_PAGE, int(text))


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a store says of a copied object or part. `etag` has its quotes; `modified` is RFC 3339, "" if unsaid."""

    etag: str
    modified: str = ""


def read_copy(body: Document) -> CopyResult:
    """Raises UpstreamFailed for anything but a copy's result; ask `store_fault` first."""
    root = read_store(body, "CopyObjectResult", "CopyPartResult")
    return CopyResult(quoted(root.findtext("ETag", "")), root.findtext("LastModified", ""))


def copy_document(result: CopyResult, *, part: bool) -> bytes:
    """The same as our own answer to CopyObject or UploadPartCopy."""
    inner = (element(name, text) for name, text in (("LastModified", result.modified), ("ETag", result.etag)) if text)
    return document("CopyPartResult" if part else "CopyObjectResult", inner)


def post_document(location: str, bucket: str, key: str, etag: str) -> bytes:
    """The answer to a form upload that asked for status 201."""
    inner = (("Location", location), ("Bucket", bucket), ("Key", key), ("ETag", etag))
    return document("PostResponse", (element(name, text) for name, text in inner))


_ATTRIBUTES: Final = ("ETag", "StorageClass", "ObjectSize")
_CHECKSUMS: Final = (
    "ChecksumCRC32",
    "ChecksumCRC32C",
    "ChecksumCRC64NVME",
    "ChecksumMD5",
    "ChecksumSHA1",
    "ChecksumSHA256",
    "ChecksumSHA512",
    "ChecksumXXHASH128",
    "ChecksumXXHASH3",
    "ChecksumXXHASH64",
    "ChecksumType",
)
_PARTS: Final = ("PartsCount", "TotalPartsCount", "PartNumberMarker", "NextPartNumberMarker", "MaxParts", "IsTruncated")


def read_attributes(body: Document) -> Sequence[tuple[str, Sequence[tuple[str, str]]]]:
    """What a store says of an object's attributes, by name: plain texts under "", and the groups that have members.

    The parts' own checksums come as repeated groups named `Part`. Raises UpstreamFailed for another document.
    """
    root = read_store(body, "GetObjectAttributesResponse", "GetObjectAttributesOutput")
    groups = [("", _texts(root, _ATTRIBUTES))]
    checksum, parts = root.find("Checksum"), root.find("ObjectParts")
    if checksum is not None:
        groups.append(("Checksum", _texts(checksum, _CHECKSUMS)))
    if parts is not None:
        groups.append(("ObjectParts", _texts(parts, _PARTS)))
        groups.extend(("Part", _texts(part, ("PartNumber", "Size", *_CHECKSUMS))) for part in parts.findall("Part"))
    return groups


def attributes_document(groups: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> bytes:
    """Our answer to GetObjectAttributes."""
    inner: list[str] = []
    parts = [element("Part", _elements(pairs)) for name, pairs in groups if name == "Part"]
    for name, pairs in groups:
        if not name:
            inner.extend(_elements(pairs))
        elif name == "ObjectParts":
            inner.append(element(name, (*_elements(pairs), *parts)))
        elif name != "Part":
            inner.append(element(name, _elements(pairs)))
    return document("GetObjectAttributesResponse", inner)


def _texts(node: Node, names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, text) for name in names if (text := node.findtext(name)) is not None]


def _elements(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [element(name, text) for name, text in pairs]
