"""Owns the shape of a profile: what one kind of store can do and how it is spoken to.

Refuses to own the table of known stores (`gateway.backends.profiles`). Code asks a profile for a capability, never
for a vendor's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from gateway.core.attempt import SignatureVersion
from gateway.core.route import Capability
from gateway.core.units import WEEK
from gateway.core.values import dataclass


class Addressing(StrEnum):
    """Where the bucket's name stands in an upstream URL."""

    PATH = "path"
    VIRTUAL = "virtual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Facts about one kind of store.

    `endpoint` is a URL, with `{region}` where hosts follow the region; None means that every backend names its own.
    `regions` lists hosts that do not follow the pattern. `max_expires` (seconds) caps presigned URLs, None is no cap.
    `single_put_limit` is in bytes. `region` is used where a backend names none.
    """

    name: str
    title: str
    endpoint: str | None
    region: str = "us-east-1"
    regions: Mapping[str, str] = field(default_factory=dict)
    addressing: Addressing = Addressing.PATH
    signature: SignatureVersion = "v4"
    capabilities: frozenset[Capability] = frozenset()
    max_expires: int | None = WEEK
    single_put_limit: int = 5 * 1024**3
    notes: str = ""

    def endpoint_for(self, region: str) -> str | None:
        """The endpoint of a region, without a trailing slash; None if the backend has to name one."""
        if region in self.regions:
            return self.regions[region]
        return None if self.endpoint is None else self.endpoint.format(region=region)
