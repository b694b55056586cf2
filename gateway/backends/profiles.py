"""Owns the table of known stores, as data. The only module where a vendor's name appears.

Refuses to own behaviour: code asks a profile for a capability. Facts come from the vendors' own pages on presigned URLs
and from probing real servers; where nothing is known, the capability is left out, so that we refuse rather than hope.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.core.profile import Addressing, Profile
from gateway.core.route import Capability
from gateway.core.units import WEEK

_C = Capability
_GIB: Final = 1024**3

_KEEPS: Final = frozenset(
    {_C.FOLDER_BODIES, _C.ANY_DELIMITER, _C.COPY_REPLACES, _C.PROPERTIES, _C.EMPTY_METADATA, _C.BESIDE_FOLDERS}
)
"""What a store does whose names are plain texts and not files."""

_PLAIN: Final = _KEEPS | {_C.RANGES, _C.CONDITIONAL_READS, _C.LIST_V2, _C.BATCH_DELETE}
"""What every store that calls itself S3-compatible can do."""

_COMMON: Final = _PLAIN | {_C.COPY_PART, _C.TAGGING, _C.VERSIONS, _C.POST_FORMS}
_FULL: Final = _COMMON | {
    _C.CONDITIONAL_WRITES,
    _C.CONDITIONAL_COMPLETE,
    _C.CHECKSUM_HEADERS,
    _C.OBJECT_ATTRIBUTES,
}

_TABLE: Final = (
    Profile(
        name="wasabi",
        title="Wasabi Hot Cloud Storage",
        endpoint="https://s3.{region}.wasabisys.com",
        regions=MappingProxyType({"us-east-1": "https://s3.wasabisys.com"}),
        addressing=Addressing.VIRTUAL,
        capabilities=_COMMON,
        max_expires=WEEK,
        notes="Each step of a multipart upload has to start before its URL expires; a URL may be used many times.",
    ),
    Profile(
        name="cegedim",
        title="cegedim.cloud object storage",
        endpoint="https://storage-eb4.cegedim.cloud",
        addressing=Addressing.PATH,
        capabilities=_PLAIN | {_C.COPY_PART, _C.TAGGING, _C.VERSIONS},
        max_expires=WEEK,
        notes="Upload URLs work in path style only. Form posts are not stated, so they are translated here.",
    ),
    Profile(
        name="abci",
        title="ABCI Cloud Storage",
        endpoint="https://s3.v3.abci.ai",
        addressing=Addressing.PATH,
        capabilities=_PLAIN | {_C.COPY_PART},
        max_expires=None,
        notes="The vendor sets no limit on expiry with signature version 2; version 4 itself ends at seven days.",
    ),
    Profile(
        name="qencode",
        title="Qencode Media Storage",
        endpoint="https://{region}.s3.qencode.com",
        region="us-west",
        addressing=Addressing.VIRTUAL,
        capabilities=_PLAIN | {_C.COPY_PART},
        max_expires=WEEK,
        notes="Hosts are known for us-west and eu-central.",
    ),
    Profile(
        name="outscale",
        title="OUTSCALE Object Storage (OOS)",
        endpoint="https://oos.{region}.outscale.com",
        region="eu-west-2",
        addressing=Addressing.PATH,
        capabilities=_PLAIN | {_C.COPY_PART, _C.TAGGING, _C.VERSIONS},
        max_expires=WEEK,
        notes="No form posts. A signed Content-Type has to be sent exactly as it was signed.",
    ),
    Profile(
        name="aws",
        title="Amazon S3",
        endpoint="https://s3.{region}.amazonaws.com",
        addressing=Addressing.VIRTUAL,
        capabilities=_FULL,
        max_expires=WEEK,
    ),
    Profile(
        name="minio",
        title="MinIO",
        endpoint=None,
        addressing=Addressing.PATH,
        capabilities=_FULL,
        max_expires=WEEK,
        single_put_limit=5 * 1024 * _GIB,
    ),
    Profile(
        name="ceph",
        title="Ceph RADOS Gateway",
        endpoint=None,
        region="default",
        addressing=Addressing.PATH,
        capabilities=_COMMON,
        max_expires=WEEK,
        notes="Conditional writes and checksum headers came with recent releases and are not relied on: 16.2 refuses "
        "every If-Match, heeds no If-None-Match in a versioned bucket, none of a copy, a completion or a DELETE.",
    ),
    Profile(
        name="r2",
        title="Cloudflare R2",
        endpoint=None,
        region="auto",
        addressing=Addressing.PATH,
        capabilities=_PLAIN | {_C.CONDITIONAL_WRITES, _C.COPY_PART, _C.EQUAL_PARTS},
        max_expires=WEEK,
        single_put_limit=5 * _GIB - 5 * 1024**2,
        notes="The endpoint names the account. All parts of an upload but the last have one size. No form posts.",
    ),
    Profile(
        name="gcs",
        title="Google Cloud Storage (XML interface)",
        endpoint="https://storage.googleapis.com",
        region="auto",
        addressing=Addressing.PATH,
        capabilities=(_PLAIN - {_C.BATCH_DELETE}) | {_C.POST_FORMS},
        max_expires=WEEK,
        single_put_limit=5 * 1024 * _GIB,
        notes="Needs an interoperability key. Objects stored with Content-Encoding: gzip may come unpacked.",
    ),
    Profile(
        name="backblaze",
        title="Backblaze B2",
        endpoint="https://s3.{region}.backblazeb2.com",
        region="us-west-004",
        addressing=Addressing.PATH,
        capabilities=_PLAIN | {_C.COPY_PART, _C.VERSIONS},
        max_expires=WEEK,
        notes="No form posts and no tags.",
    ),
    Profile(
        name="garage",
        title="Garage",
        endpoint=None,
        region="garage",
        addressing=Addressing.PATH,
        capabilities=_PLAIN | {_C.COPY_PART, _C.POST_FORMS, _C.CHECKSUM_HEADERS},
        max_expires=WEEK,
        notes="No versions and no tags. The region in a signature has to be the configured one.",
    ),
    Profile(
        name="seaweedfs",
        title="SeaweedFS",
        endpoint=None,
        addressing=Addressing.PATH,
        capabilities=(_FULL | {_C.FOLDS_SLASHES}) - {_C.FOLDER_BODIES, _C.EMPTY_METADATA},
        max_expires=WEEK,
        notes="Three spellings of a key reach one object: leading and double slashes and backslashes are folded. "
        "Content under a name that ends with a slash is lost, and so is metadata without a value. A folder that others "
        "lie in can be read as an empty object. Uploads are listed by their ids.",
    ),
    Profile(
        name="swift",
        title="OpenStack Swift (s3api)",
        endpoint=None,
        addressing=Addressing.PATH,
        capabilities=_PLAIN | {_C.CONDITIONAL_COMPLETE, _C.COPY_PART, _C.VERSIONS},
        max_expires=WEEK,
        notes="Of the conditional writes, only If-None-Match: * works. No form posts, tags or object attributes.",
    ),
    Profile(
        name="rclone",
        title="rclone serve s3",
        endpoint=None,
        addressing=Addressing.PATH,
        capabilities=frozenset(
            {
                _C.RANGES,
                _C.LIST_V2,
                _C.BATCH_DELETE,
                _C.FOLDS_UNICODE,
                _C.FOLDS_FOLDERS,
                _C.FOLDER_BODIES,
                _C.EMPTY_METADATA,
            }
        ),
        max_expires=WEEK,
        notes="Serves a folder. Preconditions are ignored, metadata may be lost, Expires always is. An object cannot "
        "have the name of a folder. A name with a slash at its end is refused, an empty one too: it would become a "
        "file, and nothing could lie below it. The ETag of an upload in parts is another one later.",
    ),
    Profile(
        name="generic",
        title="Any S3-compatible store",
        endpoint=None,
        addressing=Addressing.PATH,
        capabilities=_PLAIN - {_C.FOLDER_BODIES},
        max_expires=WEEK,
        notes="Assumes what all have in common; `gateway doctor` shows what this one really does.",
    ),
)

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType({profile.name: profile for profile in _TABLE})
"""Profiles by name."""
