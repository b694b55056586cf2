"""Owns that a name which may not be overwritten is given out once: whose object is being written right now, here and on
other replicas, and the question whether its store has one already.

Refuses to own conditional writes, which need no more than the name in this process (`gateway.data.s3.put`,
`gateway.data.tus.store`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from hashlib import blake2b
from types import TracebackType

from gateway.core.reasons import Reason, Refused
from gateway.core.route import Upstream, UpstreamCall
from gateway.wire.replies import store_refusal


class Names:
    """Names of objects that are being written right now. `hold` is how replicas agree: `shared_hold` of a name."""

    def __init__(self, hold: Callable[[str, Refused], AbstractAsyncContextManager[None]]) -> None:
        self._hold = hold
        self._taken: set[tuple[str, str, str]] = set()

    def reserve(self, call: UpstreamCall) -> AbstractContextManager[None]:
        """Hold a name in this process for the length of the block.

        Raises:
            Refused: OBJECT_EXISTS, as the block begins, while another request holds it.
        """
        return _Held(self._taken, (call.backend, call.bucket, call.key))

    @asynccontextmanager
    async def reserve_absent(self, upstream: Upstream, call: UpstreamCall) -> AsyncIterator[None]:
        """Hold a name that the store has no object of, on all replicas, where the store takes no conditional writes.

        Raises:
            Refused: OBJECT_EXISTS, while another request holds it too, and as `require_absent`.
            DependencyDown: the limit store cannot answer and its posture is closed.
        """
        with self.reserve(call):
            place = f"{call.backend}/{call.bucket}/{call.key}".encode("utf-8", "surrogatepass")
            mark = f"writing:{blake2b(place, digest_size=16).hexdigest()}"
            busy = Refused(Reason.OBJECT_EXISTS, "the object is being uploaded through another replica")
            async with self._hold(mark, busy):
                await require_absent(upstream, call)
                yield


class _Held:
    """One name, for the length of a block. (A class, as a generator would cost several times as much.)"""

    __slots__ = ("_name", "_taken")

    def __init__(self, taken: set[tuple[str, str, str]], name: tuple[str, str, str]) -> None:
        self._taken, self._name = taken, name

    def __enter__(self) -> None:
        if self._name in self._taken:
            raise Refused(Reason.OBJECT_EXISTS, "the object is being uploaded by another request")
        self._taken.add(self._name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._taken.discard(self._name)


async def require_absent(upstream: Upstream, call: UpstreamCall) -> None:
    """Look whether the call's object is there.

    Raises:
        Refused: OBJECT_EXISTS if it is; the store's refusal, as a reason of ours, when it does not say.
    """
    look = UpstreamCall(backend=call.backend, method="HEAD", bucket=call.bucket, key=call.key)
    async with upstream.open(look) as answer:
        if answer.status < 300:
            raise Refused(Reason.OBJECT_EXISTS, "the object exists and the link may not overwrite")
        if answer.status != 404:
            raise store_refusal(answer.status, "", answer.headers, "a look at the name")
