"""Owns what one backend is configured to be: its profile with every open question answered, and what it is signed with.

Refuses to own where the values come from (`gateway.settings`), the connections made from them (`gateway.backends`) and
what decisions know of a backend (`gateway.core.route`).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.core.attempt import SignatureVersion
from gateway.core.names import REGION
from gateway.core.profile import Addressing, Profile
from gateway.core.route import Backend, Capability
from gateway.core.values import dataclass

_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9a-fA-F:.]+", re.ASCII)
_REGION: Final = re.compile(REGION, re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A key pair to sign with; the repr shows none of it."""

    access_key: str
    secret_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "Credentials(…)"


@dataclass(frozen=True, slots=True)
class ChainSource:
    """Credentials come from the machine: environment, shared files, web identity, container or instance service.

    `profile_name` picks a section of the shared files.
    """

    profile_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSpec:
    """One backend. Timeouts are in seconds; `endpoint` is a URL of scheme and authority only.

    `profile` has the backend's own corrections applied. `ca_file` replaces the system's certificate authorities.
    `read_timeout` is how long a body may stall, and `headers_timeout` how long the head may take once the request was
    sent.
    """

    name: str
    profile: Profile
    endpoint: str
    region: str
    credentials: Credentials | ChainSource
    ca_file: str | None = None
    max_connections: int = 256
    connect_timeout: float = 5.0
    headers_timeout: float = 30.0
    read_timeout: float = 30.0
    allow_link_local: bool = False
    drained: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname or not _HOST.fullmatch(parts.hostname):
            raise ValueError(f"the endpoint {self.endpoint!r} is not http://HOST[:PORT] or https://HOST[:PORT]")
        if parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(f"the endpoint {self.endpoint!r} has more than a scheme, a host and a port")
        if parts.port == 0:
            raise ValueError(f"the endpoint {self.endpoint!r} has no usable port")
        if not _REGION.fullmatch(self.region):
            raise ValueError(f"{self.region!r} is not a region")
        if self.max_connections < 1:
            raise ValueError("max_connections is at least 1")
        if min(self.connect_timeout, self.headers_timeout, self.read_timeout) <= 0:
            raise ValueError("timeouts are above 0 seconds")

    @classmethod
    def resolve(
        cls,
        name: str,
        profile: Profile,
        credentials: Credentials | ChainSource,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        addressing: Addressing | None = None,
        signature: SignatureVersion | None = None,
        single_put_limit: int | None = None,
        add: Collection[Capability] = (),
        remove: Collection[Capability] = (),
        **fields: Any,
    ) -> BackendSpec:
        """A spec whose open questions are answered by the profile, and whose profile is corrected where asked.

        Raises:
            ValueError: a value is wrong, or neither the profile nor the caller names an endpoint.
        """
        where = region or profile.region
        url = endpoint or profile.endpoint_for(where)
        if url is None:
            raise ValueError(f"the profile {profile.name} knows no endpoint: write `endpoint:`")
        corrected = replace(
            profile,
            addressing=addressing or profile.addressing,
            signature=signature or profile.signature,
            single_put_limit=single_put_limit or profile.single_put_limit,
            capabilities=(profile.capabilities | frozenset(add)) - frozenset(remove),
        )
        return cls(
            name=name,
            profile=corrected,
            endpoint=url.rstrip("/"),
            region=where,
            credentials=credentials,
            **fields,
        )

    @property
    def backend(self) -> Backend:
        """What decisions may know of it."""
        profile = self.profile
        return Backend(self.name, profile.capabilities, profile.single_put_limit, self.drained, self.max_connections)
