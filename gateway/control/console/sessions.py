"""Owns who is signed in to the console: a table of sessions, their idle and absolute ends, and ending them.

Refuses to own what a session's holder may do (`gateway.control.guard` is asked anew at every request), the cookie's
form (`gateway.control.console.browser`) and the way to the other processes.

Laws: no secret is kept. A session is known by the SHA-256 of its cookie, and by an id that opens nothing. The table is
bounded: 1,000 in all and 20 for one principal, whose oldest ends when there is another. What one process says of a
session, the others of the same gateway hear: that it began, about once a minute that it is used, and that it ended.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any, Final

from gateway.control.caller import Admitted, Reach
from gateway.control.deps import ConsoleRules
from gateway.core.attempt import Principal
from gateway.core.duty import Duty
from gateway.core.token import SecretHash, hash_secret
from gateway.core.values import dataclass

_MOST: Final = 1000
_MOST_OF_ONE: Final = 20
_TELL_SECONDS: Final = 60.0
_SECRET_BYTES: Final = 32


class SignedInBy(StrEnum):
    """What somebody showed who did not come from an issuer."""

    TOKEN = "token"  # noqa: S105 (a word)
    KEY = "key"
    COMMAND_LINE = "command line"


@dataclass(slots=True)
class Session:
    """Somebody who signed in, `by` what, from where and when, and when they last asked for something.

    `issuer` is who spoke of a user, and `by` what its button says; "" for everybody else.
    """

    admitted: Admitted
    by: str
    issuer: str
    peer: str
    began: float
    seen: float
    digest: SecretHash
    told: float = 0.0

    @property
    def id(self) -> str:
        """What it is called where sessions are listed: part of a hash of what the cookie hashes to."""
        return hash_secret(self.digest.hex()).hex()[:16]


class Sessions:
    """The table. `share` is given what the other processes have to hear; `hear` takes what they said."""

    def __init__(
        self,
        rules: Callable[[], ConsoleRules],
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        share: Callable[[str], None],
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._entropy = entropy
        self._share = share
        self._sessions: dict[SecretHash, Session] = {}

    def begin(self, admitted: Admitted, by: str, peer: str, issuer: str = "") -> str:
        """A new session; returns the cookie's text, which is nowhere else."""
        text = urlsafe_b64encode(self._entropy(_SECRET_BYTES)).decode().rstrip("=")
        now = self._clock()
        session = Session(admitted, by, issuer, peer, now, now, hash_secret(text))
        self._keep(session)
        self._tell(session)
        return text

    def find(self, text: str, *, uses: bool = True) -> Session | None:
        """The living session of this cookie. Unless it `uses` the session, that one's idle end stays where it was."""
        session = self._sessions.get(hash_secret(text)) if text else None
        if session is None or self._is_over(session):
            return None
        if not uses:
            return session
        session.seen = self._clock()
        if session.seen >= session.told + _TELL_SECONDS:
            self._tell(session)
        return session

    def of(self, principal: Principal) -> list[Session]:
        """Somebody's living sessions, the last begun first."""
        mine = [one for one in self._living() if one.admitted.principal == principal]
        return sorted(mine, key=lambda one: one.began, reverse=True)

    def end(self, session: Session) -> None:
        """It opens nothing from now on."""
        self._sessions.pop(session.digest, None)
        self._share(json.dumps({"ended": session.digest.hex()}))

    def hear(self, said: str) -> None:
        """What another process of this gateway said of a session."""
        members = json.loads(said)
        if "ended" in members:
            self._sessions.pop(SecretHash(bytes.fromhex(members["ended"])), None)
            return
        told = read_session(members)
        known = self._sessions.get(told.digest)
        if known is None:
            self._keep(told)
        else:
            known.seen = max(known.seen, told.seen)

    def _tell(self, session: Session) -> None:
        session.told = session.seen
        self._share(write_session(session))

    def _is_over(self, session: Session) -> bool:
        rules, now = self._rules(), self._clock()
        return now >= session.seen + rules.idle or now >= session.began + rules.longest

    def _living(self) -> Iterator[Session]:
        for session in list(self._sessions.values()):
            if self._is_over(session):
                del self._sessions[session.digest]
            else:
                yield session

    def _keep(self, session: Session) -> None:
        living = sorted(self._living(), key=lambda one: one.began)
        mine = [one for one in living if one.admitted.principal == session.admitted.principal]
        for old in (*mine[: max(0, len(mine) + 1 - _MOST_OF_ONE)], *living[: max(0, len(living) + 1 - _MOST)]):
            self._sessions.pop(old.digest, None)
        self._sessions[session.digest] = session


def write_session(session: Session) -> str:
    admitted = session.admitted
    return json.dumps(
        {
            "digest": session.digest.hex(),
            "principal": str(admitted.principal),
            "all": admitted.reach.owner is None,
            "may": sorted(admitted.may),
            "proof": admitted.proof.hex(),
            "key": admitted.key.hex(),
            "until": admitted.until,
            "groups": admitted.groups,
            "by": session.by,
            "issuer": session.issuer,
            "peer": session.peer,
            "began": session.began,
            "seen": session.seen,
        }
    )


def read_session(said: dict[str, Any]) -> Session:
    principal = Principal.parse(said["principal"])
    admitted = Admitted(
        principal=principal,
        reach=Reach(None if said["all"] else principal),
        may=frozenset(Duty(word) for word in said["may"]),
        proof=SecretHash(bytes.fromhex(said["proof"])),
        key=SecretHash(bytes.fromhex(said["key"])),
        until=said["until"],
        groups=tuple(said["groups"]),
    )
    began, seen, digest = said["began"], said["seen"], SecretHash(bytes.fromhex(said["digest"]))
    return Session(admitted, said["by"], said["issuer"], said["peer"], began, seen, digest, told=seen)
