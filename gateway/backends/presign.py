"""Owns how a call becomes a request on the wire: addressing, the presigned query, the head's bytes.

Refuses to own signatures themselves (`gateway.wire.sig.sigv4`, `gateway.wire.sig.sigv2`) and credentials' life.

Law: what is signed and what is sent are one text. The target is built from parsed values only, encoded once; a header
that would change what the store does is signed, and a header with a line break cannot leave.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from gateway.backends.pool import Authority
from gateway.core.backend import BackendSpec, Credentials
from gateway.core.profile import Addressing
from gateway.core.reasons import Reason, Refused
from gateway.core.route import UpstreamCall
from gateway.core.values import dataclass
from gateway.wire.sig import sigv2, sigv4

IMMEDIATE: Final = 300
"""Lifetime in seconds of a signature that is used at once: as long as a store's clock may be ahead of ours. A store
whose clock is behind counts from its own now, up to its 15 minutes of tolerance."""

_SAME: Final = 10
"""Seconds for which the very same call is the same bytes: the signature that they carry is good for much longer."""

_MOST_SAME: Final = 4096
_LONGEST_SAME: Final = 2048

_OURS: Final = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "expect",
        "host",
        "transfer-encoding",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
    }
)
_SIGNED: Final = frozenset({"content-md5", "content-type"})


@dataclass(frozen=True, slots=True)
class Target:
    """A bucket's place on the wire: whom to connect to, the Host header, and what stands before the key in the path.

    `in_host` is the bucket where its name stands in the host and not in the path.
    """

    authority: Authority
    host: str
    path: str
    in_host: str | None


def _unobserved(_: float) -> None:
    return None


class Presigner:
    """Presigns for one backend. Keeps derived signing keys and the places of the buckets it has seen.

    Where a few calls are made again and again, or many now and then, each is presigned once in ten seconds.
    """

    def __init__(self, spec: BackendSpec, observe: Callable[[float], None] = _unobserved) -> None:
        """`observe` hears how many seconds each request took to be made that was not kept."""
        self._spec = spec
        self._observe = observe
        self._keys = sigv4.SigningKeys()
        self._targets: dict[str, Target] = {}
        self._turn = 0
        self._heads: dict[int, tuple[UpstreamCall, Credentials, Authority, bytes]] = {}

    def target(self, bucket: str) -> Target:
        """Path style, or virtual-host style where the backend wants it and the bucket's name can be a host's.

        A name with a dot under TLS matches no wildcard certificate (RFC 6125, section 6.4.3) and stays in the path.
        """
        target = self._targets.get(bucket)
        if target is None:
            where = Authority.from_url(self._spec.endpoint)
            numeric = ":" in where.host or where.host.replace(".", "").isdigit()
            dotted = where.tls and "." in bucket
            virtual = (
                bucket != "" and self._spec.profile.addressing is Addressing.VIRTUAL and not numeric and not dotted
            )
            name = f"{bucket}.{where.host}" if virtual else where.host
            host = f"[{name}]" if ":" in name else name
            if where.port != (443 if where.tls else 80):
                host = f"{host}:{where.port}"
            prefix = "/" if virtual or not bucket else f"/{sigv4.encode_key(bucket)}/"
            target = Target(Authority(name, where.port, where.tls), host, prefix, bucket if virtual else None)
            if len(self._targets) >= 4096:
                self._targets.clear()
            self._targets[bucket] = target
        return target

    def request(self, call: UpstreamCall, credentials: Credentials, now: float) -> tuple[Authority, bytes]:
        """Whom to connect to, and the request's head. `now` is in seconds since the epoch.

        Raises:
            Refused: BAD_KEY or BAD_ARGUMENT for text that cannot stand in a request.
            ValueError: a header is set that only this room may set.
        """
        turn = int(now / _SAME)
        if turn != self._turn or len(self._heads) >= _MOST_SAME:
            self._turn, self._heads = turn, {}
        made = self._heads.get(id(call))  # unique while the call is referenced here
        if made is not None and made[1] is credentials:
            return made[2], made[3]
        began = time.perf_counter()
        target = self.target(call.bucket)
        lines = [f"{call.method} {self._sign(call, target, credentials, now, IMMEDIATE)} HTTP/1.1"]
        lines.append(f"host: {target.host}")
        for name, value in call.headers:
            if name in _OURS:
                raise ValueError(f"the header {name} is not the caller's to set")
            lines.append(f"{name}: {value}")
        if call.body_length is not None:
            lines.append(f"content-length: {call.body_length}")
        lines.append("\r\n")
        head = "\r\n".join(lines)
        if head.count("\n") != len(lines) or head.count("\r") != len(lines) or "\0" in head:
            raise Refused(Reason.BAD_ARGUMENT, "a line break or a zero byte would leave in a header")
        wire = head.encode("utf-8", "surrogateescape")
        if len(wire) <= _LONGEST_SAME:  # what makes one longer, a client has sent, and may send otherwise each time
            self._heads[id(call)] = call, credentials, target.authority, wire
        self._observe(time.perf_counter() - began)
        return target.authority, wire

    def url(self, call: UpstreamCall, credentials: Credentials, now: float, expires: int) -> str:
        """A presigned URL of the real store; `expires` in seconds."""
        target = self.target(call.bucket)
        scheme = "https" if target.authority.tls else "http"
        return f"{scheme}://{target.host}{self._sign(call, target, credentials, now, expires)}"

    def _sign(self, call: UpstreamCall, target: Target, credentials: Credentials, now: float, expires: int) -> str:
        """The request target: path and presigned query."""
        try:
            path = target.path + sigv4.encode_key(call.key)
        except ValueError:
            raise Refused(Reason.BAD_KEY, "the key has no UTF-8 form") from None
        if not call.key and len(path) > 1:
            path = path.removesuffix("/")
        signed = [pair for pair in call.headers if pair[0].startswith("x-amz-") or pair[0] in _SIGNED]
        if self._spec.profile.signature == "v2":
            query = sigv2.presign(
                credentials,
                method=call.method,
                path=path,
                query=call.query,
                headers=signed,
                now=now,
                expires=expires,
                bucket_from_host=target.in_host,
            )
        else:
            query = sigv4.presign(
                credentials,
                self._keys,
                method=call.method,
                host=target.host,
                path=path,
                query=call.query,
                headers=signed,
                region=self._spec.region,
                now=now,
                expires=expires,
            )
        return f"{path}?{query}"
