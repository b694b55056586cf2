"""Owns what a client may want of a bucket: one plain, unsigned request for each kind of job, at random."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from html import escape

from tests.fuzz.sent import Sent
from tests.fuzz.signers import md5_of, uri

__all__ = ["BUCKET", "HOST", "JOBS", "READS", "Job", "job", "key_name"]

BUCKET = "reports"
HOST = "gw.local"
JOBS = [
    "put",
    "put",
    "put",
    "meta",
    "get",
    "get",
    "range",
    "head",
    "delete",
    "list",
    "list1",
    "copy",
    "batch",
    "create",
    "part",
    "complete",
    "abort",
    "parts",
    "tags",
    "settags",
]
READS = frozenset({"get", "range", "head", "list", "list1", "parts", "tags"})
_NAMES = "abcXYZ019-_.~ !'()*+,;=:@&$#?%é日🎬"


def key_name(rng: random.Random) -> str:
    """A key: mostly plain, sometimes with everything that clients escape differently."""
    letters = _NAMES if rng.random() < 0.4 else "abcdefgh019-_."
    segments = ["".join(rng.choices(letters, k=rng.randint(1, 9))) for _ in range(rng.randint(1, 4))]
    return "/".join(segment if segment.strip(".") else "x" + segment for segment in segments)


@dataclass(frozen=True, slots=True)
class Job:
    """What is wanted. `query` is encoded already; `headers` are the operation's own; `body` is the plain body."""

    name: str
    method: str
    key: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    def sent(self, *, host: str = HOST, safe: str = "/", hosted: bool = False) -> Sent:
        """Unsigned and without a body. `safe` are the characters that this client leaves as they are in a path."""
        path = uri(self.key, safe) if self.key else ""
        where = f"/{path}" if hosted else f"/{BUCKET}" + (f"/{path}" if path else "")
        host = f"{BUCKET}.{host}" if hosted else host
        return replace(
            Sent(self.method, where, (("Host", host), *self.headers), job=self.name, plain=self.body)
        ).asking(query=self.query)


def job(rng: random.Random, names: tuple[str, ...] | list[str] = JOBS) -> Job:
    """One at random."""
    name, key = rng.choice(names), key_name(rng)
    body = rng.randbytes(rng.choice([0, 1, 17, 900, 5000, 20000]))
    match name:
        case "put":
            return Job(name, "PUT", key, body=body)
        case "meta":
            more = (("Content-Type", "text/x; charset=utf-8"), ("x-amz-meta-made", f"by  {rng.randint(0, 99)}"))
            return Job(name, "PUT", key, headers=(*more, ("Cache-Control", "no-cache")), body=body)
        case "get":
            query = rng.choice(["", "", "response-content-type=text%2Fx", "partNumber=1"])
            return Job(name, "GET", key, query)
        case "range":
            return Job(name, "GET", key, headers=(("Range", f"bytes={rng.randint(0, 9)}-"),))
        case "head":
            return Job(name, "HEAD", key)
        case "delete":
            return Job(name, "DELETE", key)
        case "list":
            marks = rng.choice(["", "&delimiter=%2F", "&max-keys=7&encoding-type=url", "&start-after=b"])
            return Job(name, "GET", "", f"list-type=2&prefix={uri(key)}{marks}")
        case "list1":
            return Job(name, "GET", "", f"delimiter=%2F&marker=&prefix={uri(key)}")
        case "copy":
            return Job(name, "PUT", key, headers=(("x-amz-copy-source", f"/{BUCKET}/{uri(key_name(rng), '/')}"),))
        case "batch":
            return _batch(rng)
        case "create":
            return Job(name, "POST", key, "uploads=")
        case "part":
            return Job(name, "PUT", key, f"partNumber={rng.randint(1, 99)}&uploadId=up.{rng.randint(1, 99)}", body=body)
        case "complete":
            part = '<Part><ETag>"abc"</ETag><PartNumber>1</PartNumber></Part>'
            document = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>".encode()
            return Job(name, "POST", key, "uploadId=up.1", body=document)
        case "abort":
            return Job(name, "DELETE", key, "uploadId=up.1")
        case "parts":
            return Job(name, "GET", key, "uploadId=up.1")
        case "tags":
            return Job(name, "GET", key, "tagging=")
        case _:
            document = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
            return Job(name, "PUT", key, "tagging=", (("Content-MD5", md5_of(document)),), document)


def _batch(rng: random.Random) -> Job:
    keys = [f"<Object><Key>{escape(key_name(rng))}</Key></Object>" for _ in range(rng.randint(1, 4))]
    document = f"<Delete>{''.join(keys)}</Delete>".encode()
    return Job("batch", "POST", "", "delete=", (("Content-MD5", md5_of(document)),), document)
