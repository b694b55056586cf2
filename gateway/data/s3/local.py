"""Owns the operations that are answered here and never sent to a store: what buckets there are, and where.

Refuses to own which buckets a principal may see (`gateway.core.policy`).

SDKs ask these first; a store would answer with its own names and regions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.request import Operation
from gateway.core.units import format_instant
from gateway.data.call import S3Call
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.state.transfers import Permit
from gateway.wire.replies import Reply, s3_error, s3_ids, xml_reply
from gateway.wire.s3.documents import document, element, given
from gateway.wire.s3.xml import escape

Handler = Callable[[DataPlane, Snapshot, S3Call, Permit], Awaitable[Reply]]

_CREATED: Final = 1141171200.0
"""Buckets here have no date of creation, but SDKs want one: that of S3 itself, 2006-03-01."""


def _buckets_document(names: Sequence[str], owner: str, asked: Mapping[str, str]) -> bytes:
    """A page of these names. Its token is the last one: whoever makes one up begins behind it."""
    prefix, after, most = asked.get("prefix", ""), asked.get("continuation-token", ""), asked.get("max-buckets", "")
    names = [name for name in names if name.startswith(prefix) and name > after]
    page = names[: int(most)] if most else names
    date = element("CreationDate", format_instant(_CREATED))
    buckets = (element("Bucket", (element("Name", name), date)) for name in page)
    who = element("Owner", (element("ID", owner), element("DisplayName", owner)))
    further = given(("ContinuationToken", page[-1] if len(page) < len(names) else ""), ("Prefix", prefix))
    return document("ListAllMyBucketsResult", (who, element("Buckets", buckets), *further))


async def _list_buckets(plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit) -> Reply:
    who, asked = call.attempt.principal, call.request.params
    if asked.get("max-buckets", "1").strip("0") == "":
        raise Refused(Reason.BAD_ARGUMENT, "max-buckets is at least 1")
    here = asked.get("bucket-region") in {None, "", snapshot.region}
    names = [bucket.name for bucket in snapshot.policy.visible_buckets(who, permit.grant)] if here else []
    return xml_reply(_buckets_document(names, str(who), asked), permit.exchange.request_id)


async def _head_bucket(plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit) -> Reply:
    return Reply(200, (*s3_ids(permit.exchange.request_id), _region(snapshot)))


async def _create_bucket(plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit) -> Reply:
    return s3_error(Reason.BUCKET_EXISTS, permit.exchange.request_id, f"/{call.attempt.bucket}")


async def _get_location(plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit) -> Reply:
    # S3 writes its oldest region as the empty text.
    text = "" if snapshot.region == "us-east-1" else escape(snapshot.region)
    return xml_reply(document("LocationConstraint", (text,)), permit.exchange.request_id, _region(snapshot))


async def _get_versioning(plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit) -> Reply:
    return xml_reply(document("VersioningConfiguration", ()), permit.exchange.request_id)


def _region(snapshot: Snapshot) -> tuple[str, str]:
    return "x-amz-bucket-region", snapshot.region


LOCAL: Final[Mapping[Operation, Handler]] = MappingProxyType(
    {
        Operation.LIST_BUCKETS: _list_buckets,
        Operation.HEAD_BUCKET: _head_bucket,
        Operation.CREATE_BUCKET: _create_bucket,
        Operation.GET_BUCKET_LOCATION: _get_location,
        Operation.GET_BUCKET_VERSIONING: _get_versioning,
    }
)
"""Every operation that is answered here, and how."""
