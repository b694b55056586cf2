"""Owns the tricks by which a name is made to mean another one: spellings of paths, and requests that carry names."""

from __future__ import annotations

import random
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from urllib.parse import quote, unquote_to_bytes, urlsplit

from tests.fuzz.sent import Sent
from tests.fuzz.signers import Pair, Signer, form_body, uri
from tests.servers import over_tls

__all__ = ["SUB_RESOURCES", "Door", "absolute", "forms", "listings", "requests", "spellings"]

SUB_RESOURCES = (
    "accelerate", "acl", "analytics", "cors", "encryption", "intelligent-tiering", "inventory", "legal-hold",
    "lifecycle", "logging", "metrics", "notification", "object-lock", "ownershipControls", "policy", "policyStatus",
    "publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select&select-type=2", "torrent",
    "website", "append", "rename", "renameObject", "session", "metadata", "partial", "object-acl", "fetch", "copy",
    "move", "undelete",
)  # fmt: skip
"""Parameters that no operation here has."""

_UP = (
    "../", "..%2f", "..%2F", "%2e%2e/", "%2E%2E/", ".%2e/", "%2e./", "%2e%2e%2f", "%252e%252e/", "%252e%252e%252f",
    "..\\", "..%5c", "%5c..%5c", "..;/", "./../", ".%2f../", "//../", "%2f../", "%00/../", "%c0%ae%c0%ae/",
    "%c0%ae%c0%ae%c0%af", "%e0%80%ae%e0%80%ae/", "%ef%bc%8e%ef%bc%8e/", "..%c0%af", "..%ef%bc%8f", ".../../",
    "..%00/", "..%0d%0a/", "..%09/", "%20../", "..%20/", "..?/", "%u002e%u002e/", "..//",
)  # fmt: skip


def spellings(target: str) -> Iterator[str]:
    """Percent-encoded paths that start where one may be, or nearly, and end at `target`, or nearly."""
    for up in _UP:
        yield f"billing/{up}{target}"
        yield f"billing/a/{up}{up}{target}"
    plain, last = quote(target), target.rpartition("/")[2]
    folder = target.rpartition("/")[0]
    yield from (plain, f"/{plain}", f"//{plain}", f"./{plain}", f"%2f{plain}", f"%5c{plain}", f"%2e/{plain}")
    yield from (
        f"{folder}//{last}",
        f"{folder}%2f{last}",
        f"{folder}%5c{last}",
        f"{folder}/./{last}",
        f"{folder}\\{last}",
    )
    yield from (f"{folder}/x/../{last}", f"{folder}%252f{last}", f"{plain}/", f"{plain}%00", f"{plain}%00.txt")
    yield from (f"{plain}%2f", f"{plain}%20", f"{plain}.", f"{plain};x", f"{plain}%3f", f"{plain}%23", f"{plain}/.")
    yield from (f"billing%2f{plain}", f"billing%2f..%2f{plain}", f"billing//{plain}", f"billing/%2f{plain}")
    yield "".join(f"%{byte:02X}" for byte in target.encode())
    yield "".join(f"%{byte:02x}" if byte != 0x2F else "/" for byte in target.encode())
    yield plain.swapcase()
    yield f"{'x/../' * 20}{plain}"


@dataclass(frozen=True, slots=True)
class Door:
    """One bucket of a gateway, and who knocks. `pair` None knocks without a credential."""

    data: str
    bucket: str
    pair: Pair | None
    now: float

    @property
    def host(self) -> str:
        return urlsplit(self.data).netloc

    def asked(self, method: str, path: str, query: str = "", *, hosted: bool = False, body: bytes = b"") -> Sent:
        """Unsigned. `path` is the key's part, already encoded."""
        port = self.host.rpartition(":")[2]
        host = f"{self.bucket}.localhost:{port}" if hosted else self.host
        sent = Sent(method, f"/{path}" if hosted else f"/{self.bucket}/{path}", (("Host", host),), body)
        if body or method in {"PUT", "POST"}:
            sent = sent.with_header("Content-Length", str(len(body)))
        return sent.asking(query=query)

    def signed(self, sent: Sent, way: int) -> Sent:
        """Signed in one of three ways, so that each trick is tried behind each."""
        if self.pair is None:
            return sent
        signer = Signer(self.pair, self.now)
        if way % 3 == 0:
            return signer.v4(sent, "UNSIGNED-PAYLOAD")
        if way % 3 == 1:
            return signer.v4_query(sent)
        hosted = not (sent.header("Host") or "").startswith("127.")
        return signer.v2(sent, self.bucket if hosted else "")

    def ask(self, sent: Sent) -> bytes:
        """All that comes back on a connection of its own."""
        sent = sent.with_header("Connection", "close")
        with over_tls.connect(self.data, timeout=20) as connection:
            got = b""
            try:
                connection.sendall(sent.encode())
                while piece := connection.recv(65536):
                    got += piece
            except (ConnectionError, ssl.SSLEOFError):
                pass
        return got


def requests(door: Door, path: str, good: str) -> Iterator[Sent]:
    """Everything that one name can be carried in; `good` is a name that may be used."""
    name = unquote_to_bytes(path).decode("utf-8", "replace")
    source = f"/{door.bucket}/{path}"
    yield door.asked("GET", path)
    yield door.asked("GET", path, hosted=True)
    yield door.asked("HEAD", path)
    yield door.asked("PUT", path, body=b"overwritten")
    yield door.asked("PUT", path, hosted=True, body=b"overwritten")
    yield door.asked("DELETE", path)
    yield door.asked("GET", path, "tagging")
    yield door.asked("GET", path, "attributes")
    yield door.asked("POST", path, "uploads")
    yield door.asked("PUT", good + "copied").with_header("x-amz-copy-source", source)
    yield door.asked("PUT", good + "copied").with_header("x-amz-copy-source", source[1:])
    yield door.asked("PUT", good + "copied").with_header("x-amz-copy-source", quote(source, safe="/"))
    yield door.asked("PUT", good + "copied").with_header("x-amz-copy-source", source + "?versionId=null")
    yield door.asked("PUT", good + "copied").with_header("x-amz-copy-source", f"/{door.bucket}/{good}?x=/../{path}")
    yield door.asked("PUT", path).with_header("x-amz-copy-source", f"/{door.bucket}/{good}")
    for key in {name, path}:
        document = f"<Delete><Object><Key>{escape(key)}</Key></Object></Delete>".encode("utf-8", "replace")
        yield door.asked("POST", "", "delete", body=document)
        yield door.asked("GET", "", f"list-type=2&prefix={uri(key)}")


def absolute(door: Door, path: str) -> Iterator[Sent]:
    """Buckets and keys told apart in two ways: by the host, by the path, by an encoded slash."""
    for target in (
        f"/{door.bucket}%2f{path}",
        f"/{door.bucket}%2F..%2F{door.bucket}%2F{path}",
        f"//{door.bucket}/{path}",
        f"/x/../{door.bucket}/{path}",
        f"/%2e/{door.bucket}/{path}",
        f"/s/../{door.bucket}/{path}",
        f"/{door.bucket}/billing/?/../{path}",
        f"http://{door.host}/{door.bucket}/{path}",
        f"http://other/{door.bucket}/{path}",
        f"/{door.bucket.upper()}/{path}",
        f"/{door.bucket}./{path}",
        f"/{door.bucket}\\{path}",
    ):
        yield replace(door.asked("GET", ""), target=target)
        yield replace(door.asked("PUT", "", body=b"overwritten"), target=target)
    port = door.host.rpartition(":")[2]
    for host in (f"{door.bucket}.localhost", f"{door.bucket}.localhost.:{port}", f"billing.{door.bucket}.localhost"):
        yield door.asked("GET", f"{path}").setting("Host", host)
        yield replace(door.asked("GET", path), target=f"/{path}").setting("Host", host)


def listings(door: Door, outside: list[str]) -> Iterator[Sent]:
    """Listings that would show more than the folder: cut segments, odd delimiters, markers, other kinds."""
    prefixes = ["", "b", "bil", "billing", "billing-", "/", "/billing/", "billing//", "billing/s", "billing/secret/"]
    prefixes += [
        "billing/../",
        "billing/.",
        "inside/",
        "../",
        "..",
        "*",
        "billing/\0",
        "BILLING/",
        "billing\\",
        *outside,
    ]
    marks = ["", "&delimiter=%2F", "&delimiter=ling", "&delimiter=b", "&start-after=a", "&max-keys=1000000"]
    marks += ["&continuation-token=cGF5cm9sbA%3D%3D", "&fetch-owner=true&encoding-type=url"]
    for prefix in prefixes:
        for mark in marks:
            yield door.asked("GET", "", f"list-type=2&prefix={uri(prefix)}{mark}")
        for kind in ("versions&", "uploads&", "", "marker=a&"):
            yield door.asked("GET", "", f"{kind}prefix={uri(prefix)}")
            yield door.asked("GET", "", f"{kind}prefix={uri(prefix)}&delimiter=%2F", hosted=True)
    yield door.asked("GET", "", "list-type=2")
    yield door.asked("GET", "", "list-type=2&prefix=billing%2Fopen%2F&Prefix=")
    yield door.asked("GET", "", "list-type=2&prefix=billing%2Fopen%2F&prefix=")


def forms(door: Door, rng: random.Random, outside: str) -> Iterator[Sent]:
    """Signed forms whose key, or whose file's name, leads out of the folder."""
    assert door.pair is not None
    signer = Signer(door.pair, door.now)
    loose: list[object] = [["starts-with", "$key", "billing/"]]
    names = [f"../{outside}", f"..\\{outside}", f"a/../../{outside}", "..", ".", "", f"%2e%2e/{outside}", f"/{outside}"]
    names += [f"..%2f{outside}", "x\\..\\y", "secret/pay.txt", "secret\\pay.txt", "..\u2215x", "${filename}"]
    keys = [("billing/${filename}", name) for name in names]
    keys += [(outside, "x"), (f"billing/../{outside}", "x"), ("billing/secret/${filename}", "pay.txt")]
    keys += [
        ("billing/${filename}/${filename}", ".."),
        ("billing/\\..\\${filename}", outside),
        ("${filename}", outside),
    ]
    keys += [("billing//secret/pay.txt", "x"), ("billing\\secret\\pay.txt", "x"), (f"/{outside}", "x")]
    for key, filename in keys:
        for bucket in (door.bucket, "other"):
            fields = signer.form({"key": key, "bucket": bucket}, loose if key.startswith("billing/") else [])
            boundary = f"form{rng.getrandbits(60):x}"
            body = form_body(fields, filename, b"overwritten", boundary)
            sent = door.asked("POST", "", body=body).asking(path=f"/{door.bucket}")
            yield sent.with_header("Content-Type", f"multipart/form-data; boundary={boundary}")
