"""Owns the nouns of a decision's input: who (`Principal`), from which `Address`, and what is tried (`Attempt`).

Refuses to own how the principal was proved (`gateway.data.steps.identify`, `gateway.data.steps.authenticate`).
Law: time enters once. `Attempt.now` is stamped when the request arrives and every decision takes it as data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal, cast, get_args
from urllib.parse import urlsplit

from gateway.core.holders import Holder
from gateway.core.request import Action, Operation
from gateway.core.said import phrase
from gateway.core.values import dataclass

Address = IPv4Address | IPv6Address
PrincipalKind = Literal["app", "user", "link", "admin", "anonymous"]

PRINCIPAL_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}"
"""What an app, a user, an admin or a link may be called."""

_NAME: Final = re.compile(PRINCIPAL_NAME, re.ASCII)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: `app:NAME`, `user:NAME`, `link:ID`, `admin:NAME` or `anonymous`, which is its `text`."""

    kind: PrincipalKind
    name: str = ""
    text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", f"{self.kind}:{self.name}" if self.name else self.kind)

    @classmethod
    def parse(cls, text: str) -> Principal:
        """Raises ValueError for anything but these forms."""
        kind, _, name = text.partition(":")
        if text == "anonymous":
            return ANONYMOUS
        if kind not in get_args(PrincipalKind) or kind == "anonymous" or not _NAME.fullmatch(name):
            raise ValueError(
                phrase(
                    "principal_form",
                    "{text!r} is not a principal: write app:NAME, user:NAME, link:ID, admin:NAME or anonymous",
                    text=text,
                )
            )
        return cls(cast("PrincipalKind", kind), name)

    def __str__(self) -> str:
        return self.text


ANONYMOUS: Final = Principal("anonymous")

_MAPPED: Final = 96
"""Bits before an IPv4 address within an IPv6 one (RFC 4291, 2.5.5.2)."""


SignatureVersion = Literal["v2", "v4"]
"""Of the signatures that S3 has: SigV2 is HMAC-SHA1 over less of the request, and its URLs may live for ever."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One effect of one request as a decision sees it.

    For `LIST`, `key` is the prefix that would be listed. `action` None asks only whether the bucket is visible.
    `size` is the declared body length in bytes, if any. `signature` is the version that proved who acts, None for
    a link and for a listener that asks for no proof. `params` are the operation's own parameters; `tags` says that what
    is written brings tags along. `groups` are those of a user who acts without a grant; a grant has its own.
    `holder` is who proved to be somebody, where a link asks for it.
    `now` is in seconds since the epoch.
    """

    principal: Principal
    operation: Operation
    action: Action | None
    bucket: str
    key: str
    peer: Address | None
    now: float
    size: int | None = None
    signature: SignatureVersion | None = None
    params: Mapping[str, str] | None = None
    tags: bool = False
    groups: tuple[str, ...] = ()
    holder: Holder | None = None

    def touching(self, action: Action, bucket: str, key: str, version: str | None = None) -> Attempt:
        """The same request's further effect on another key, or on one version of it: a copy's source, one key of a
        batch delete."""
        return Attempt(
            principal=self.principal,
            operation=self.operation,
            action=action,
            bucket=bucket,
            key=key,
            peer=self.peer,
            now=self.now,
            size=self.size,
            signature=self.signature,
            params=None if version is None else {"versionId": version},
            groups=self.groups,
            holder=self.holder,
        )

    def within(self, bucket: str) -> Attempt:
        """The sight of one bucket, where the sight of all was tried."""
        return Attempt(
            principal=self.principal,
            operation=self.operation,
            action=None,
            bucket=bucket,
            key="",
            peer=self.peer,
            now=self.now,
            signature=self.signature,
            params=self.params,
            holder=self.holder,
        )

    def again(self, peer: Address | None, now: float) -> Attempt:
        """The same, tried by the next request that says the same."""
        return Attempt(  # each request does this: names would cost as much as all the rest
            self.principal,
            self.operation,
            self.action,
            self.bucket,
            self.key,
            peer,
            now,
            self.size,
            self.signature,
            self.params,
            self.tags,
            self.groups,
            self.holder,
        )


def unmap(address: Address) -> Address:
    """The IPv4 address that a socket for both families wraps in an IPv6 one (RFC 4291, 2.5.5.2), or the address."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def is_address(host: str) -> bool:
    """Whether a host is a numeric address, without brackets, and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine, or pod, is reached by a host."""
    return host == "localhost" or (is_address(host) and ip_address(host).is_loopback)


def is_guarded(url: str) -> bool:
    """Whether nobody on the way to a URL reads or replaces anything: it is `https`, or plain and on this machine.

    Raises:
        ValueError: it is no URL.
    """
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def read_network(text: str) -> IPv4Network | IPv6Network:
    """A network in CIDR form, in the words that callers are known by: one that is written as IPv4 within IPv6 is the
    IPv4 network that it means. An IPv6 zone is none: callers are not told apart by it (RFC 4007, 11).

    Raises:
        ValueError: anything else, and address bits below the mask.
    """
    found = ip_network(text)
    if not isinstance(found, IPv6Network):
        return found
    if found.network_address.scope_id is not None:
        raise ValueError("a network with the zone of an interface")
    mapped = found.network_address.ipv4_mapped
    return found if mapped is None or found.prefixlen < _MAPPED else ip_network((mapped, found.prefixlen - _MAPPED))


def address_texts(address: Address | None) -> tuple[str, str]:
    """As it is recorded, and its class; "" and "local" for a Unix socket's peer, which has none."""
    return "" if address is None else str(address), address_class(address)


@lru_cache(4096)
def address_class(address: Address | None) -> str:
    """The unit that limits count by: an IPv4 address, the /64 that one IPv6 customer holds, or `local` for a socket."""
    if address is None:
        return "local"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((int(address) >> 64 << 64, 64)))
    return str(address)
