"""Owns the documents that callers send in a body: DeleteObjects and object tags.

Refuses to own what may be done with each key: every key of a batch is decided on its own.

Law: keys in a body go through the same rules as keys in a path, once decoded; what goes to a store is written anew
from the values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.core.reasons import TABLE, Reason, Refused
from gateway.core.values import dataclass
from gateway.wire.s3.documents import Document, document, element, read_request, read_store
from gateway.wire.s3.xml import Node

MAX_BATCH_KEYS: Final = 1000
"""S3's own limit for DeleteObjects."""
MAX_TAGS: Final = 10
_TAG_KEY: Final = 128
_TAG_VALUE: Final = 256
"""Characters, as S3 counts them in tags."""

_DOOMED: Final = frozenset({"Key", "VersionId"})
_NOT_DELETED: Final = "The store did not delete the object. Please try again."


@dataclass(frozen=True, slots=True)
class Doomed:
    """One object that a batch asks to delete. The key is decoded but not yet judged."""

    key: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """`quiet` asks for the failures only."""

    objects: tuple[Doomed, ...]
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOutcome:
    """What became of one of them; `code` is "" if it was deleted, else an S3 error code with our `message`."""

    key: str
    version_id: str | None = None
    delete_marker: bool = False
    delete_marker_version_id: str | None = None
    code: str = ""
    message: str = ""

    @classmethod
    def refused(cls, doomed: Doomed, reason: Reason) -> DeleteOutcome:
        """A key that was refused before any store heard of it."""
        answer = TABLE[reason]
        return cls(key=doomed.key, version_id=doomed.version_id, code=answer.code, message=answer.text)

    @classmethod
    def failed(cls, doomed: Doomed) -> DeleteOutcome:
        """A key that the store did not delete."""
        return cls(key=doomed.key, version_id=doomed.version_id, code="InternalError", message=_NOT_DELETED)


def read_delete(body: Document) -> DeleteRequest:
    """The body of DeleteObjects.

    Raises:
        Refused: MALFORMED_XML for another document, no keys, or more than a thousand; TOO_LARGE.
    """
    root = read_request(body, "Delete")
    asked = root.findall("Object")
    if not 1 <= len(asked) <= MAX_BATCH_KEYS:
        raise Refused(Reason.MALFORMED_XML, "a batch has 1 to 1000 keys")
    found = tuple([_doomed(node) for node in asked])
    return DeleteRequest(found, root.findtext("Quiet", "").strip().lower() == "true")


def _doomed(node: Node) -> Doomed:
    names = [child.tag for child in node]
    key = node.findtext("Key", "")
    if not key or len(set(names)) < len(names):
        raise Refused(Reason.MALFORMED_XML, "a key of the batch is empty, or said twice")
    if not _DOOMED.issuperset(names):
        raise Refused(Reason.UNSUPPORTED_OPERATION, "a conditional delete within a batch")
    return Doomed(key, node.findtext("VersionId"))


def delete_document(objects: Sequence[Doomed], real_prefix: str) -> bytes:
    """The body for a store, with its own names. It is asked for every result, whatever our caller wants to hear."""
    inner = []
    for doomed in objects:
        members = [element("Key", real_prefix + doomed.key)]
        if doomed.version_id is not None:
            members.append(element("VersionId", doomed.version_id))
        inner.append(element("Object", members))
    return document("Delete", (*inner, element("Quiet", "false")))


def read_deleted(body: Document, real_prefix: str) -> list[DeleteOutcome]:
    """A store's result with our names; a key outside our prefix is left out.

    Raises:
        UpstreamFailed: it is another document.
    """
    root = read_store(body, "DeleteResult")
    outcomes = []
    for node in root:
        key = node.findtext("Key", "")
        if node.tag not in {"Deleted", "Error"} or not key.startswith(real_prefix):
            continue
        failed = node.tag == "Error"
        outcomes.append(
            DeleteOutcome(
                key=key.removeprefix(real_prefix),
                version_id=node.findtext("VersionId"),
                delete_marker=node.findtext("DeleteMarker") == "true",
                delete_marker_version_id=node.findtext("DeleteMarkerVersionId"),
                code="InternalError" if failed else "",
                message=_NOT_DELETED if failed else "",
            )
        )
    return outcomes


def deleted_document(outcomes: Iterable[DeleteOutcome], *, quiet: bool) -> bytes:
    """Our answer to DeleteObjects."""
    inner = []
    for outcome in outcomes:
        members = [element("Key", outcome.key)]
        if outcome.version_id is not None:
            members.append(element("VersionId", outcome.version_id))
        if outcome.code:
            inner.append(
                element("Error", (*members, element("Code", outcome.code), element("Message", outcome.message)))
            )
            continue
        if outcome.delete_marker:
            members.append(element("DeleteMarker", "true"))
        if outcome.delete_marker_version_id is not None:
            members.append(element("DeleteMarkerVersionId", outcome.delete_marker_version_id))
        if not quiet:
            inner.append(element("Deleted", members))
    return document("DeleteResult", inner)


@dataclass(frozen=True, slots=True)
class Tag:
    key: str
    value: str


def read_tags(body: Document) -> tuple[Tag, ...]:
    """The tags that PutObjectTagging sets.

    Raises:
        Refused: MALFORMED_XML for another document; BAD_TAG for an empty or repeated tag key, a key above 128 or a
            value above 256 characters, or more than ten tags; TOO_LARGE.
    """
    tags = _tags(read_request(body, "Tagging"))
    if len(tags) > MAX_TAGS or len({tag.key for tag in tags}) < len(tags):
        raise Refused(Reason.BAD_TAG, "an object has at most ten tags with different keys")
    if any(not 1 <= len(tag.key) <= _TAG_KEY or len(tag.value) > _TAG_VALUE for tag in tags):
        raise Refused(Reason.BAD_TAG, "a tag's key or value has a length that S3 does not allow")
    return tags


def read_store_tags(body: Document) -> tuple[Tag, ...]:
    """The tags that a store returns. Raises UpstreamFailed for another document."""
    return _tags(read_store(body, "Tagging"))


def tags_document(tags: Sequence[Tag]) -> bytes:
    """The tags as a document, for a store and for a caller alike."""
    inner = (element("Tag", (element("Key", tag.key), element("Value", tag.value))) for tag in tags)
    return document("Tagging", (element("TagSet", inner),))


def _tags(root: Node) -> tuple[Tag, ...]:
    return tuple(Tag(node.findtext("Key", ""), node.findtext("Value", "")) for node in root.findall("TagSet/Tag"))
