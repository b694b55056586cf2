"""Owns the codes by which a command line opens the console for whoever it acts as: made, heard of, and taken once.

Refuses to own who may ask for one (the row's access, `gateway.control.rows`) and the session that comes of it.

Laws: a code counts once, for 60 seconds, and in pages of the one origin that it was made for. Only its hash is kept,
and at most 100 wait. All processes of a gateway have to agree that a code is taken: of two that are given it at once,
one has it or none.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from gateway.control.caller import Admitted
from gateway.control.console.sessions import Session, SignedInBy, read_session, write_session
from gateway.control.deps import Process
from gateway.core.token import SecretHash, hash_secret
from gateway.core.values import dataclass

LIFE: Final = 60.0
"""Seconds in which a browser opens the page, and somebody presses the button on it."""

_MOST: Final = 100
_SECRET_BYTES: Final = 32


@dataclass(slots=True)
class _Waiting:
    """A session that has not begun, the origin whose pages may begin it, and who has taken it."""

    session: Session
    origin: str
    taken_by: str = ""


class EntryCodes:
    """The codes that wait in this process."""

    def __init__(self, process: Process, clock: Callable[[], float], entropy: Callable[[int], bytes]) -> None:
        self._process = process
        self._clock = clock
        self._entropy = entropy
        self._waiting: dict[SecretHash, _Waiting] = {}

    async def make(self, admitted: Admitted, peer: str, url: str) -> str:
        """A code for somebody who was admitted, for the pages at this URL; its text is nowhere else."""
        text, now = urlsafe_b64encode(self._entropy(_SECRET_BYTES)).decode().rstrip("="), self._clock()
        session = Session(admitted, SignedInBy.COMMAND_LINE, "", peer, now, now, hash_secret(text))
        parts = urlsplit(url)
        waiting = _Waiting(session, f"{parts.scheme}://{parts.netloc}".lower())
        self._keep(waiting)
        await self._tell({"code": write_session(session), "origin": waiting.origin})
        return text

    def find(self, text: str, origin: str) -> Session | None:
        """What a code would begin; None if it counts no more, or not in pages of this origin."""
        waiting = self._waiting.get(hash_secret(text))
        if waiting is None or waiting.taken_by or waiting.origin != origin.lower() or self._is_over(waiting):
            return None
        return waiting.session

    async def take(self, text: str, origin: str) -> Session | None:
        """The same, once: whoever asks later, or in another process at the same time, is given None."""
        session, by = self.find(text, origin), self._entropy(8).hex()
        if session is None:
            return None
        self._claim(session.digest, by)
        agreed = await self._tell({"claim": session.digest.hex(), "by": by})
        return session if agreed == self._process.processes else None

    def hear(self, said: str) -> bool:
        """What another process of this gateway said of a code; False if it is of something else.

        Raises:
            LookupError: the code that is claimed is not there, or another's.
        """
        members = json.loads(said)
        if "code" in members:
            self._keep(_Waiting(read_session(json.loads(members["code"])), members["origin"]))
        elif "claim" in members:
            self._claim(SecretHash(bytes.fromhex(members["claim"])), members["by"])
        return "code" in members or "claim" in members

    def _claim(self, digest: SecretHash, by: str) -> None:
        waiting = self._waiting[digest]
        if waiting.taken_by not in {"", by}:
            raise LookupError("the code is taken")
        waiting.taken_by = by

    async def _tell(self, said: dict[str, str]) -> int:
        """How many processes have heard, this one among them."""
        return 1 if self._process.processes == 1 else await self._process.share(json.dumps(said))

    def _is_over(self, waiting: _Waiting) -> bool:
        return self._clock() >= waiting.session.began + LIFE

    def _keep(self, waiting: _Waiting) -> None:
        living = {digest: one for digest, one in self._waiting.items() if not self._is_over(one)}
        kept = list({**living, waiting.session.digest: living.get(waiting.session.digest, waiting)}.items())
        self._waiting = dict(kept[-_MOST:])
