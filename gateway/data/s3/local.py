"""Owns the operations that are answered here and never sent to a store: what buckets there are, and where.

Refuses to own which buckets a principal may see (`gateway.core.policy`).

SDKs ask these first; a store would answer with its own names and regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from gateway.core.reasons import Reason
from gateway.core.request import Operation
from gateway.core.units import format_instant
from gateway.data.call import Call
from gateway.data.plane import Snapshot
from gateway.wire.replies import Reply, s3_error, s3_ids
from gateway.wire.s3.documents import document, element

__all__ = ["LOCAL", "local_answer", "xml_reply"]

LOCAL: Final = frozenset(
    {
        Operation.LIST_BUCKETS,
        Operation.HEAD_BUCKET,
        Operation.CREATE_BUCKET,
        Operation.GET_BUCKET_LOCATION,
        Operation.GET_BUCKET_VERSIONING,
    }
)

_CREATED: Final = 1141171200.0
"""Buckets here have no date of creation, but SDKs want one: that of S3 itself, 2006-03-01."""


def local_answer(gate: Snapshot, tried: Call, request_id: str) -> Reply:
    """The answer to one of `LOCAL`."""
    attempt = tried.attempt
    region = ("x-amz-bucket-region", gate.region)
    match tried.request.operation:
        case Operation.HEAD_BUCKET:
            return Reply(200, (*s3_ids(request_id), region))
        case Operation.CREATE_BUCKET:
            return s3_error(Reason.BUCKET_EXISTS, request_id, f"/{attempt.bucket}")
        case Operation.GET_BUCKET_LOCATION:
            # S3 writes its oldest region as the empty text.
            text = "" if gate.region == "us-east-1" else gate.region
            return xml_reply(document("LocationConstraint", (escape(text),)), request_id, region)
        case Operation.GET_BUCKET_VERSIONING:
            return xml_reply(document("VersioningConfiguration", ()), request_id)
        case _:
            names = [bucket.name for bucket in gate.policy.visible_buckets(attempt.principal)]
            return xml_reply(_buckets_document(names, str(attempt.principal)), request_id)


def xml_reply(document: bytes, request_id: str, *more: tuple[str, str]) -> Reply:
    """A document of ours as an answer of the S3 face."""
    return Reply(200, (("Content-Type", "application/xml"), *s3_ids(request_id), *more), document)


def _buckets_document(names: Sequence[str], owner: str) -> bytes:
    date = element("CreationDate", format_instant(_CREATED))
    buckets = (element("Bucket", (element("Name", name), date)) for name in names)
    who = element("Owner", (element("ID", owner), element("DisplayName", owner)))
    return document("ListAllMyBucketsResult", (who, element("Buckets", buckets)))
