"""Owns which objects are being written right now, in this process, so that a name is given out once.

Refuses to own whether an object exists (`gateway.data.s3.put` asks the store).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.core.reasons import Reason, Refused
from gateway.core.route import UpstreamCall

__all__ = ["Names"]


class Names:
    """Names of objects that are being written right now, in this process."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, str, str]] = set()

    @contextmanager
    def reserve(self, call: UpstreamCall) -> Iterator[None]:
        """Hold a name for the length of the block.

        Raises:
            Refused: OBJECT_EXISTS while somebody else holds it.
        """
        name = (call.backend, call.bucket, call.key)
        if name in self._taken:
            raise Refused(Reason.OBJECT_EXISTS, "the object is being uploaded by somebody else")
        self._taken.add(name)
        try:
            yield
        finally:
            self._taken.discard(name)
