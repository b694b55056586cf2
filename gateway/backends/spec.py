"""Owns what one backend is configured to be: its profile with every open question answered.

Refuses to own where the values come from (`gateway.settings`) and the connections made from them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gateway.backends.pool import Authority
from gateway.core.profile import Addressing, Profile, SignatureVersion
from gateway.core.route import Backend
from gateway.wire.credentials import Credentials

__all__ = ["BackendSpec", "ChainSource"]

_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9a-fA-F:.]+", re.ASCII)
_REGION: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ChainSource:
    """Credentials come from the machine: environment, shared files, web identity, container or instance service.

    `profile_name` picks a section of the shared files.
    """

    profile_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSpec:
    """One backend. Timeouts are in seconds; `endpoint` is a URL of scheme and authority only.

    `ca_file` replaces the system's certificate authorities. `read_timeout` is how long a body may stall, and
    `headers_timeout` how long the head may take once the request was sent.
    """

    name: str
    profile: Profile
    endpoint: str
    region: str
    addressing: Addressing
    signature: SignatureVersion
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
        ca_file: str | None = None,
        max_connections: int = 256,
        connect_timeout: float = 5.0,
        headers_timeout: float = 30.0,
        read_timeout: float = 30.0,
        allow_link_local: bool = False,
        drained: bool = False,
    ) -> BackendSpec:
        """A spec whose open questions are answered by the profile.

        Raises:
            ValueError: a value is wrong, or neither the profile nor the caller names an endpoint.
        """
        where = region or profile.region
        url = endpoint or profile.endpoint_for(where)
        if url is None:
            raise ValueError(f"the profile {profile.name} has no endpoint of its own: the backend names one")
        return cls(
            name=name,
            profile=profile,
            endpoint=url,
            region=where,
            addressing=addressing or profile.addressing,
            signature=signature or profile.signature,
            credentials=credentials,
            ca_file=ca_file,
            max_connections=max_connections,
            connect_timeout=connect_timeout,
            headers_timeout=headers_timeout,
            read_timeout=read_timeout,
            allow_link_local=allow_link_local,
            drained=drained,
        )

    @property
    def authority(self) -> Authority:
        """Where the endpoint's own host is reached."""
        parts = urlsplit(self.endpoint)
        tls = parts.scheme == "https"
        return Authority(parts.hostname or "", parts.port or (443 if tls else 80), tls)

    @property
    def backend(self) -> Backend:
        """What decisions may know of it."""
        return Backend(self.name, self.profile.capabilities, self.profile.single_put_limit, self.drained)
