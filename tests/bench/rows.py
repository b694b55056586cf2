"""Owns the table of what is compared by CPU time: ours, theirs, and how many times theirs is aimed at.

Refuses to own running it (`tests.bench.rounds`) and what is told in other units (`tests.bench.extents`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from urllib.parse import urljoin, urlsplit

from tests.bench.load import curl, download, upload, wrk
from tests.bench.peers import Subject
from tests.bench.requests import Message, framed_upload, plain, signed, signed_anew
from tests.bench.scene import Scene

__all__ = ["ROWS", "Aim", "Row", "Work"]

SMALL, MEDIUM, MIB, GIB = 4096, 65536, 1 << 20, 1 << 30
_KEYS = 1000
_OBJECTS = 100
_ANEW = 4000
_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Work:
    """What keeps one subject busy; `run` returns how many units were done. The name tells it from all other work."""

    name: str
    pid: int
    run: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Aim:
    """How many times theirs ours may be: first, and in the end."""

    reach: float
    then: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `unit` is what the figures themselves are told in, and `scale` makes it of seconds."""

    title: str
    ours: Callable[[Scene], Work]
    theirs: Callable[[Scene], Work]
    aim: Aim | None = None
    unit: str = "µs a request"
    scale: float = 1e6


def _requests(
    scene: Scene, subject: Subject, what: str, messages: list[Message], connections: int = _CONNECTIONS
) -> Work:
    return Work(
        f"{subject.name}, {what}, {connections} connections",
        subject.pid,
        lambda: wrk(messages, connections, scene.sizes.seconds).requests,
    )


def _gets(scene: Scene, subject: Subject, size: int = SMALL, connections: int = _CONNECTIONS) -> Work:
    return _requests(scene, subject, f"GET {size}", [subject.get(f"{size}-a")], connections)


def _gets_closing(scene: Scene, subject: Subject) -> Work:
    """Each over a connection of its own."""
    message = subject.get(f"{SMALL}-a")
    closing_one = replace(message, head=message.head[:-2] + b"Connection: close\r\n\r\n")
    return _requests(scene, subject, f"GET {SMALL} closing", [closing_one])


def _gets_over_tls(scene: Scene, subject: Subject) -> Work:
    message = subject.get(f"{SMALL}-a")
    return Work(
        f"{subject.name}, GET {SMALL} over TLS",
        subject.pid,
        lambda: wrk([message], _CONNECTIONS, scene.sizes.seconds, tls=True).requests,
    )


def _many(scene: Scene, subject: Subject) -> Work:
    messages = [subject.get(f"{SMALL}-{number}") for number in range(_KEYS)]
    return _requests(scene, subject, f"GET {SMALL} of {_KEYS} keys", messages)


def _puts(scene: Scene, subject: Subject, size: int = SMALL) -> Work:
    return _requests(scene, subject, f"PUT {size}", [subject.put(f"{size}-p", os.urandom(size))])


def _kept(scene: Scene, subject: Subject) -> Work:
    """Reading what was put there first, from a server that keeps it itself."""
    wrk([subject.put(f"{SMALL}-a", os.urandom(SMALL))], 1, 1)
    return _gets(scene, subject)


def _in_gibibytes(subject: Subject, what: str, run: Callable[[], int]) -> Work:
    return Work(f"{subject.name}, {what}", subject.pid, lambda: run() / GIB)


def _large_get(scene: Scene, subject: Subject) -> Work:
    message = subject.get(f"{scene.sizes.large}-a")
    return _in_gibibytes(subject, "large GET", lambda: download(message))


def _large_put(scene: Scene, subject: Subject) -> Work:
    sent = subject.upload(f"{scene.sizes.large}-p", scene.sizes.large)
    return _in_gibibytes(subject, "large PUT", lambda: upload(sent))


def _large_kept(scene: Scene, subject: Subject) -> Work:
    upload(subject.upload(f"{scene.sizes.large}-a", scene.sizes.large))
    return _large_get(scene, subject)


def _large_framed(scene: Scene) -> Work:
    measured = scene.gateway
    sent = framed_upload(measured.key(f"{scene.sizes.large}-p"), scene.sizes.large, measured.pair)
    return _in_gibibytes(measured.by_sdk(), "large PUT", lambda: upload(sent))


def _ranges(scene: Scene, subject: Subject) -> Work:
    whole = subject.get(f"{scene.sizes.large}-a")
    messages = [
        replace(whole, head=whole.head[:-2] + b"Range: bytes=%d-%d\r\n\r\n" % (start, start + MIB - 1))
        for start in range(0, 16 * MIB, MIB)
    ]
    return Work(
        f"{subject.name}, ranges", subject.pid, lambda: wrk(messages, 8, scene.sizes.seconds).requests * MIB / GIB
    )


def _tls_get(scene: Scene, subject: Subject, scheme: str) -> Work:
    message = subject.get(f"{scene.sizes.large}-a")
    if scheme == "http":
        return _in_gibibytes(subject, "large GET over TLS", lambda: download(message))
    address = f"https://{message.host}:{message.port}{message.head.split()[1].decode()}"
    return _in_gibibytes(subject, "large GET over TLS, https", lambda: curl(address))


def _tls_put(scene: Scene, subject: Subject, scheme: str) -> Work:
    sent = subject.upload(f"{scene.sizes.large}-p", scene.sizes.large)
    if scheme == "http":
        return _in_gibibytes(subject, "large PUT over TLS", lambda: upload(sent))
    address = f"https://{sent.host}:{sent.port}{sent.head.split()[1].decode()}"
    file = str(scene.sparse)
    return _in_gibibytes(subject, "large PUT over TLS, https", lambda: curl(address, "--upload-file", file))


def _zip(scene: Scene) -> Work:
    """A folder's hundred objects of 64 KiB as one archive."""
    subject = scene.gateway.by_link()
    folder = scene.gateway.running.link("generic", prefix="folder/").url
    message = plain("GET", f"{folder}/?archive=zip")

    def run() -> float:
        done = sum(download(message) for _ in range(8))
        if done < 8 * _OBJECTS * MEDIUM:
            raise RuntimeError(f"{done} bytes of an archive")
        return 8 * _OBJECTS

    return Work("gateway, zip", subject.pid, run)


def _resumable(scene: Scene) -> Work:
    """A resumable upload (tus) of 64 MiB in pieces of 8 MiB, to a store that keeps it."""
    measured, piece, pieces = scene.keeping, os.urandom(8 * MIB), 8
    link = urlsplit(measured.link("upload", actions=["write"], overwrite=True))
    version = {"Tus-Resumable": "1.0.0"}

    def run() -> float:
        with closing(HTTPConnection(link.hostname or "", link.port, timeout=120)) as client:
            client.request("POST", link.path, headers=version | {"Upload-Length": str(pieces * len(piece))})
            created = client.getresponse()
            created.read()
            place = urlsplit(urljoin(link.geturl(), created.headers["Location"]))
            address = f"{place.path}?{place.query}"
            for number in range(pieces):
                fields = {"Upload-Offset": str(number * len(piece)), "Content-Type": "application/offset+octet-stream"}
                client.request("PATCH", address, piece, version | fields)
                answer = client.getresponse()
                if answer.status != 204:
                    raise RuntimeError(f"{answer.status} {answer.read()!r}")
                answer.read()
        return pieces * len(piece) / GIB

    return Work("gateway, tus", measured.pid, run)


def _stored(scene: Scene) -> Work:
    """The same bytes in one request, to the same store."""
    sent = scene.keeping.by_link().upload("stored", 64 * MIB)
    return Work("gateway, PUT to a store that keeps", scene.keeping.pid, lambda: upload(sent) / GIB)


def _copies(scene: Scene) -> Work:
    measured = scene.gateway
    headers = (("x-amz-copy-source", f"/generic/{SMALL}-a"),)
    message = signed("PUT", measured.key(f"{SMALL}-copy"), measured.pair, headers=headers)
    return _requests(scene, measured.by_signature(), "copy", [message])


def _anew(scene: Scene, method: str, body: bytes = b"") -> Work:
    """As SDKs do it: each request is signed anew and has an id of its own, and none is sent twice in a while."""
    measured = scene.gateway
    return _all_different(scene, measured.by_signature(), method, measured.key(f"{SMALL}-n"), body)


def _unread_anew(scene: Scene, method: str, body: bytes = b"") -> Work:
    """The same load for who reads no signature: requests that differ cost their sender more, and it is slower then."""
    return _all_different(scene, scene.njs, method, f"{scene.njs.base}/{SMALL}-n", body)


def _all_different(scene: Scene, subject: Subject, method: str, url: str, body: bytes) -> Work:
    messages = signed_anew(method, url, scene.gateway.pair, _ANEW, body)
    return _requests(scene, subject, f"{method} {SMALL}, signed anew", messages)


def _link(scene: Scene) -> Subject:
    return scene.gateway.by_link()


def _sigv4(scene: Scene) -> Subject:
    return scene.gateway.by_signature()


def _nginx(scene: Scene) -> Subject:
    return scene.nginx[""]


_GIB = {"unit": "CPU s a GiB", "scale": 1.0}


def _tls_rows() -> dict[str, Row]:
    rows = {}
    for which in ("upstream", "downstream", "both"):
        scheme = "http" if which == "upstream" else "https"
        for verb, work in (("get", _tls_get), ("put", _tls_put)):
            rows[f"{verb}1g-tls-{which}"] = Row(
                f"1 GiB {verb.upper()}, TLS {which} / nginx",
                lambda scene, work=work, which=which, scheme=scheme: work(scene, scene.over_tls(which), scheme),
                lambda scene, work=work, which=which, scheme=scheme: work(scene, scene.nginx[which], scheme),
                Aim(1.5, 1.1),
                **_GIB,
            )
    return rows


def _peer_rows() -> dict[str, Row]:
    rows = {
        "nginx-get4k": Row("4 KiB GET, nginx / njs", lambda s: _gets(s, _nginx(s)), lambda s: _gets(s, s.njs)),
        "njs-get1g": Row(
            "1 GiB GET, nginx signing in njs / nginx",
            lambda s: _large_get(s, s.njs),
            lambda s: _large_get(s, _nginx(s)),
            **_GIB,
        ),
    }
    for key, name in (("haproxy", "HAProxy"), ("envoy", "Envoy, aws_request_signing")):
        rows[f"{key}-get4k"] = Row(
            f"4 KiB GET, {name} / njs",
            lambda s, name=name: _gets(s, s.peers[name]),
            lambda s: _gets(s, s.njs),
        )
        rows[f"{key}-get1g"] = Row(
            f"1 GiB GET, {name} / nginx",
            lambda s, name=name: _large_get(s, s.peers[name]),
            lambda s: _large_get(s, _nginx(s)),
            **_GIB,
        )
        rows[f"{key}-put1g"] = Row(
            f"1 GiB PUT, {name} / nginx",
            lambda s, name=name: _large_put(s, s.peers[name]),
            lambda s: _large_put(s, _nginx(s)),
            **_GIB,
        )
    for key, name in (("weed", "weed s3"), ("rclone", "rclone serve s3")):
        rows[f"{key}-get4k"] = Row(
            f"4 KiB GET, {name} (verifies, and is the store) / njs",
            lambda s, name=name: _kept(s, s.verifying[name]),
            lambda s: _gets(s, s.njs),
        )
        rows[f"{key}-get1g"] = Row(
            f"1 GiB GET, {name} (verifies, and is the store) / nginx",
            lambda s, name=name: _large_kept(s, s.verifying[name]),
            lambda s: _large_get(s, _nginx(s)),
            **_GIB,
        )
    return rows


ROWS: dict[str, Row] = {
    "get4k": Row("4 KiB GET, link / njs", lambda s: _gets(s, _link(s)), lambda s: _gets(s, s.njs), Aim(1.5, 1.0)),
    "get4k-sigv4": Row(
        "4 KiB GET, SigV4 / njs", lambda s: _gets(s, _sigv4(s)), lambda s: _gets(s, s.njs), Aim(1.8, 1.2)
    ),
    "get4k-anew": Row(
        "4 KiB GET, SigV4, each signed anew / njs, sent the same",
        lambda s: _anew(s, "GET"),
        lambda s: _unread_anew(s, "GET"),
        Aim(1.8, 1.2),
    ),
    "get4k-presigned": Row(
        "4 KiB GET, presigned / njs", lambda s: _gets(s, s.gateway.presigned()), lambda s: _gets(s, s.njs)
    ),
    "get4k-1000links": Row("4 KiB GET, 1,000 links / njs", lambda s: _many(s, _link(s)), lambda s: _many(s, s.njs)),
    "get4k-1000keys": Row(
        "4 KiB GET, SigV4, 1,000 keys / njs", lambda s: _many(s, _sigv4(s)), lambda s: _many(s, s.njs)
    ),
    "get4k-1": Row(
        "4 KiB GET, link, 1 connection / njs",
        lambda s: _gets(s, _link(s), connections=1),
        lambda s: _gets(s, s.njs, connections=1),
    ),
    "get4k-256": Row(
        "4 KiB GET, link, 256 connections / njs",
        lambda s: _gets(s, _link(s), connections=256),
        lambda s: _gets(s, s.njs, connections=256),
    ),
    "get4k-workers": Row(
        "4 KiB GET, link, `--workers 2` / one process",
        lambda s: _gets(s, replace(s.two_workers.by_link(), name="two workers")),
        lambda s: _gets(s, _link(s)),
    ),
    "get4k-closing": Row(
        "4 KiB GET, link, a connection each / njs",
        lambda s: _gets_closing(s, _link(s)),
        lambda s: _gets_closing(s, s.njs),
    ),
    "get4k-tls-downstream": Row(
        "4 KiB GET, link, TLS downstream / nginx, which signs nothing",
        lambda s: _gets_over_tls(s, s.over_tls("downstream")),
        lambda s: _gets_over_tls(s, s.nginx["downstream"]),
    ),
    "put4k": Row(
        "4 KiB PUT, SigV4 with its SHA-256 / njs",
        lambda s: _puts(s, _sigv4(s)),
        lambda s: _puts(s, s.njs),
        Aim(2.2, 1.5),
    ),
    "put4k-anew": Row(
        "4 KiB PUT, SigV4 with its SHA-256, each signed anew / njs, sent the same",
        lambda s: _anew(s, "PUT", os.urandom(SMALL)),
        lambda s: _unread_anew(s, "PUT", os.urandom(SMALL)),
        Aim(2.2, 1.5),
    ),
    "put4k-link": Row("4 KiB PUT, link / njs", lambda s: _puts(s, _link(s)), lambda s: _puts(s, s.njs)),
    "put4k-sdk": Row(
        "4 KiB PUT, aws-chunked, CRC64NVME / njs",
        lambda s: _puts(s, s.gateway.by_sdk()),
        lambda s: _puts(s, s.njs),
    ),
    "copy": Row("a copy, SigV4 / 4 KiB PUT, SigV4", _copies, lambda s: _puts(s, _sigv4(s))),
    "get64k": Row("64 KiB GET, link / njs", lambda s: _gets(s, _link(s), MEDIUM), lambda s: _gets(s, s.njs, MEDIUM)),
    "put64k": Row(
        "64 KiB PUT, SigV4 with its SHA-256 / njs",
        lambda s: _puts(s, _sigv4(s), MEDIUM),
        lambda s: _puts(s, s.njs, MEDIUM),
    ),
    "get1m": Row(
        "1 MiB GET, link / nginx", lambda s: _gets(s, _link(s), MIB, 8), lambda s: _gets(s, _nginx(s), MIB, 8)
    ),
    "put1m": Row(
        "1 MiB PUT, SigV4 with its SHA-256 / nginx",
        lambda s: _puts(s, _sigv4(s), MIB),
        lambda s: _puts(s, _nginx(s), MIB),
    ),
    "ranges": Row(
        "ranges of 1 MiB, link / nginx",
        lambda s: _ranges(s, _link(s)),
        lambda s: _ranges(s, _nginx(s)),
        Aim(1.3, 1.0),
        **_GIB,
    ),
    "get1g": Row(
        "1 GiB GET, link / nginx",
        lambda s: _large_get(s, _link(s)),
        lambda s: _large_get(s, _nginx(s)),
        Aim(1.0, 0.75),
        **_GIB,
    ),
    "put1g": Row(
        "1 GiB PUT, link / nginx",
        lambda s: _large_put(s, _link(s)),
        lambda s: _large_put(s, _nginx(s)),
        Aim(1.0, 0.75),
        **_GIB,
    ),
    "get1g-sigv4": Row(
        "1 GiB GET, SigV4 / nginx",
        lambda s: _large_get(s, _sigv4(s)),
        lambda s: _large_get(s, _nginx(s)),
        **_GIB,
    ),
    "put1g-sdk": Row(
        "1 GiB PUT, SigV4, aws-chunked, CRC64NVME / nginx",
        _large_framed,
        lambda s: _large_put(s, _nginx(s)),
        Aim(2.0, 1.5),
        **_GIB,
    ),
    **_tls_rows(),
    "zip": Row("a zip of 64 KiB objects, each / 64 KiB GET, link", _zip, lambda s: _gets(s, _link(s), MEDIUM)),
    "tus": Row(
        "a resumable upload in pieces of 8 MiB / a PUT of 64 MiB, link, both to weed",
        _resumable,
        _stored,
        **_GIB,
    ),
    **_peer_rows(),
}
"""By the name that `--only` takes."""
