"""Owns what a short-lived key came from, as it is stored with the key, and whether that is still there.

Refuses to own settings and the ending of a key (`gateway.control.usecases.orphaned_keys`).

Law: a key ends with what it came from. What that was is said by names and by fingerprints of tokens, never by a token:
sixty-four bits of a hash tell whether a token is still the same one, and open nothing.

Only who issued a key under the same address judges where it came from: others that share the state, such as a link
server, have settings of their own and know nothing of the app's entry. A key that a sidecar had issued has two sources,
one behind the other: the sidecar itself, which the central gateway judges, and what the sidecar had it issued for,
which the sidecar judges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import NamedTuple

from gateway.core.attempt import Principal
from gateway.core.grant import Grant
from gateway.core.token import SecretHash
from gateway.core.values import dataclass

Source = tuple[str, ...]
"""The kind, the issuing gateway's public address, and what tells one of the kind from another."""


def fingerprint(token: SecretHash) -> str:
    """What tells a token from its successor."""
    return blake2b(token, digest_size=8, person=b"gateway source").hexdigest()


def from_entry(address: str, token: SecretHash) -> Source:
    """An app's own entry in the settings, shown by this token."""
    return ("entry", address, fingerprint(token))


def from_sidecar(address: str, name: str, token: SecretHash, behind: Source = ()) -> Source:
    """A sidecar, shown by this token, that asked for one of its apps; `behind` is what it asked for it by."""
    return ("sidecar", address, name, fingerprint(token), *behind)


def source_behind(source: Source, name: str) -> Source:
    """What the sidecar of this name had a key issued for; empty for what is not from it."""
    return source[4:] if source[:1] == ("sidecar",) and source[2:3] == (name,) else ()


def from_identity(  # noqa: PLR0917 (what a token says, in its order)
    address: str, issuer: str, audience: str, role: str, subject: str, session: str = ""
) -> Source:
    """A web identity that took a role; `session` is what it calls itself there."""
    return ("identity", address, issuer, audience, role, subject, *((session,) if session else ()))


def from_key(address: str, key: Grant, role: str, session: str) -> Source:
    """Another key, whose holder took a role, or "" for a session of their own app; all of its own sources behind it."""
    return ("key", address, key.id, str(key.owner), str(key.serial), role, session, *key.source)


def from_link(address: str, link_id: str, use: str) -> Source:
    """A link, of which it is the credentials; `use` is by what the use is known that they are."""
    return ("link", address, link_id, use)


def holders_of(source: Source) -> list[str]:
    """Who held the keys by which this one was issued, the nearest first."""
    found = []
    while source[:1] == ("key",):
        found.append(source[3])
        source = source[7:]
    return found


class Session(NamedTuple):
    """As what a session was asked for: the role, "" for none, and the name that it was given."""

    role: str
    name: str


def session_of(source: Source) -> Session | None:
    """None for what is from neither a key nor a web identity."""
    match source:
        case ("key", _, _, _, _, role, name, *_):
            return Session(role, name)
        case ("identity", _, _, _, role, _, *name):
            return Session(role, "".join(name))
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Sources:
    """What keys may come from by the settings in force.

    `entries` maps fingerprints to apps, `sidecars` a name and a fingerprint to apps. `app_of` gives the app that an
    issuer, an audience, a role and a subject stand for, and `app_for` the one that a role stands for when this holder
    of a key asks for it, None for nobody.
    """

    address: str
    entries: Mapping[str, str]
    sidecars: Mapping[tuple[str, str], frozenset[str]]
    app_of: Callable[[str, str, str, str], str | None]
    app_for: Callable[[str, Principal], str | None]

    def outlived(self, grant: Grant) -> bool:
        """Whether what the key came from is gone, or stands for this app no longer. What is not ours to say stands."""
        return self.gone(grant.source, grant.owner.name)

    def gone(self, source: Source, app: str) -> bool:
        """As `outlived`, of a key of this app."""
        match source:
            case ("entry", self.address, shown):
                return self.entries.get(shown) != app
            case ("sidecar", self.address, name, shown, *_):
                return app not in self.sidecars.get((name, shown), frozenset())
            case ("identity", self.address, issuer, audience, role, subject, *_):
                return self.app_of(issuer, audience, role, subject) != app
            case ("key", address, _, holder, _, role, _, *behind):
                who = Principal.parse(holder)
                if role and address == self.address and self.app_for(role, who) != app:
                    return True
                return self.gone(tuple(behind), who.name)
            case _:
                return False
