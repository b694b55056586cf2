"""Owns the state of an unfinished upload, as the bytes of one hidden object.

Refuses to own the object's place and the store's calls (`gateway.data.tus.store`).

Law: the object is a head of fixed size and then the tail, the bytes that no part holds yet. So one write of it is one
step of the upload, whole or not at all. Parts follow from what the store itself lists; a tail that begins before their
end is only as good as what it has beyond it.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Final

from gateway.core.reasons import Reason, UpstreamFailed
from gateway.core.values import dataclass

HEAD_BYTES: Final = 8192
"""Bytes before the tail: room for the longest key, metadata and upload id."""

UPLOAD_SECONDS: Final = 24 * 3600
"""How long an upload may rest, unless its link ends before."""

_ID_BYTES: Final = 18
_SKEW: Final = 7 * 24 * 3600
_LATER: Final = frozenset({"done_at", "etag", "sent"})
"""What an older gateway does not know, and reads only where it is needed."""


def new_upload(now: float, entropy: bytes) -> str:
    """An id that cannot be guessed, from 18 random bytes.

    It begins with the first expiry, so that listings show the oldest first.
    """
    return f"{int(now) + UPLOAD_SECONDS:012x}{entropy[:_ID_BYTES].hex()}"


def keyed_upload(key: str, grant_id: str, now: float) -> str:
    """The id of an upload whose client has chosen a key (`UploadStep.key`): the same whenever it is asked for again.

    A key that says another time than about now has an id that is swept first.
    """
    began = int(key.partition("-")[0])
    expiry = began + UPLOAD_SECONDS if abs(began - now) <= _SKEW else 0
    return f"{expiry:012x}{sha256(f'{grant_id} {key}'.encode()).hexdigest()[: 2 * _ID_BYTES]}"


def expiry_of(upload: str) -> float:
    """When the upload of an id expires at the earliest, in seconds since the epoch; infinite for any other text."""
    try:
        return float(int(upload[:12], 16))
    except ValueError:
        return float("inf")


def lease_key(upload: str) -> str:
    """Under which the one use that an upload takes is counted."""
    return f"t:{upload}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadState:
    """An upload as it was last written down.

    `grant` and `key` say which grant it belongs to and where the object will be. `planned` is the length that was known
    at creation, `length` the one that is known now. `concat` is `Upload-Concat` as it came. `parts_id` is the store's
    id of the multipart upload, once there is one. The tail has `tail` bytes from the offset `tail_at`. `at`,
    `expires_at` and `done_at` are seconds since the epoch. `etag` is the object's. `sent` is the key under which a
    client knows an object that got another name.
    """

    grant: str
    key: str
    at: float
    expires_at: float
    planned: int | None = None
    length: int | None = None
    metadata: str = ""
    concat: str = ""
    content_type: str | None = None
    parts_id: str | None = None
    tail_at: int = 0
    tail: int = 0
    done: bool = False
    done_at: float = 0.0
    etag: str = ""
    sent: str = ""

    @property
    def partial(self) -> bool:
        """Whether it becomes a piece of another object, and none by itself."""
        return self.concat == "partial"

    def head(self) -> bytes:
        """The object's first `HEAD_BYTES` bytes."""
        named = {name: value for name in self.__slots__ if (value := getattr(self, name)) or name not in _LATER}
        text = json.dumps(named, ensure_ascii=False).encode()
        if len(text) > HEAD_BYTES:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the store's upload id is too long to keep")
        return text.ljust(HEAD_BYTES)

    @classmethod
    def parse(cls, head: bytes, size: int) -> UploadState:
        """The state from the object's beginning and its size in bytes.

        Raises:
            UpstreamFailed: UPSTREAM_BROKE when it is none of ours.
        """
        try:
            known = json.loads(head[:HEAD_BYTES])
            state = cls(**known)
        except (ValueError, TypeError, RecursionError):
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the record of an upload is damaged") from None
        if size != HEAD_BYTES + state.tail:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the record of an upload has another size than it says")
        return state
