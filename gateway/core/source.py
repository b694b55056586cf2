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
from dataclasses import dataclass
from hashlib import blake2b

from gateway.core.grant import Grant
from gateway.core.token import SecretHash

__all__ = ["Source", "Sources", "fingerprint", "from_entry", "from_identity", "from_sidecar", "source_behind"]

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


def from_identity(address: str, issuer: str, audience: str, role: str, subject: str) -> Source:
    """A web identity that took a role."""
    return ("identity", address, issuer, audience, role, subject)


@dataclass(frozen=True, slots=True)
class Sources:
    """What keys may come from by the settings in force.

    `entries` maps fingerprints to apps, `sidecars` a name and a fingerprint to apps. `app_of` gives the app that an
    issuer, an audience, a role and a subject stand for, None for nobody.
    """

    address: str
    entries: Mapping[str, str]
    sidecars: Mapping[tuple[str, str], frozenset[str]]
    app_of: Callable[[str, str, str, str], str | None]

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
            case ("identity", self.address, issuer, audience, role, subject):
                return self.app_of(issuer, audience, role, subject) != app
            case _:
                return False
