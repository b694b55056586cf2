"""Owns what a backend needs to be opened: `BackendSettings`, made from an entry and its profile.

Refuses to own connections and signing (`gateway.backends`) and the table of profiles (an argument).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from gateway.core.profile import Profile
from gateway.core.route import Backend
from gateway.settings.collect import Entry
from gateway.settings.grammar import BackendEntry, CredentialsEntry

__all__ = [
    "BackendSettings",
    "Credentials",
    "ResolvedStatic",
    "SharedProfile",
    "backend_settings",
]


@dataclass(frozen=True, slots=True)
class ResolvedStatic:
    """An access key as its references say. The repr shows none of it."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SharedProfile:
    """A profile of the shared configuration files; it may assume a role."""

    name: str


Credentials = Literal["chain"] | ResolvedStatic | SharedProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSettings:
    """One backend, complete. `profile` has the entry's corrections applied; `endpoint` has no trailing slash."""

    name: str
    profile: Profile
    endpoint: str
    region: str
    credentials: Credentials
    ca_file: Path | None = None
    max_connections: int = 256
    allow_link_local: bool = False
    drained: bool = False

    @property
    def backend(self) -> Backend:
        """What decisions need to know of it."""
        return Backend(self.name, self.profile.capabilities, self.profile.single_put_limit, self.drained)


def backend_settings(
    entry: Entry[BackendEntry], profiles: Mapping[str, Profile], faults: list[str]
) -> BackendSettings | None:
    """The settings of one backend; None with a fault added when no endpoint is known."""
    value = entry.value
    profile = profiles[value.profile]
    region = value.region or profile.region
    endpoint = value.endpoint or profile.endpoint_for(region)
    if endpoint is None:
        faults.append(entry.fault(f"the profile {profile.name} knows no endpoint: write `endpoint:`"))
        return None
    added, removed = frozenset(value.capabilities.add), frozenset(value.capabilities.remove)
    return BackendSettings(
        name=entry.name,
        profile=replace(
            profile,
            addressing=value.addressing or profile.addressing,
            signature=value.signature or profile.signature,
            capabilities=(profile.capabilities | added) - removed,
            single_put_limit=value.single_put_limit or profile.single_put_limit,
        ),
        endpoint=endpoint.rstrip("/"),
        region=region,
        credentials=_credentials(value.credentials),
        ca_file=value.ca_file,
        max_connections=value.max_connections,
        allow_link_local=value.allow_link_local,
        drained=value.drained,
    )


def _credentials(entry: CredentialsEntry) -> Credentials:
    if entry.access_key is not None and entry.secret_key is not None:
        token = None if entry.session_token is None else entry.session_token.resolve()
        return ResolvedStatic(entry.access_key.resolve(), entry.secret_key.resolve(), token)
    if entry.profile is not None:
        return SharedProfile(entry.profile)
    return "chain"
