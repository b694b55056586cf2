"""Owns a minimal S3 in memory: enough answers that a client does everything it came for.

Refuses to own signatures (nobody is refused here) and connections (`tests.vectors.record.listener`).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from email.utils import formatdate
from html import escape, unescape
from urllib.parse import parse_qsl, quote, unquote, unquote_plus

from tests.vectors.framing import header, payload_of
from tests.vectors.stack import Request

__all__ = ["BUCKET", "Reply", "Store"]

BUCKET = "reports"
_DATE = "2026-01-02T03:04:05.000Z"
_XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


@dataclass
class Reply:
    """What to answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class _Held:
    body: bytes
    headers: dict[str, str]
    joined: str = ""

    @property
    def etag(self) -> str:
        return self.joined or _md5(self.body)

    def described(self) -> dict[str, str]:
        return {
            "ETag": self.etag,
            "Last-Modified": formatdate(usegmt=True),
            "Accept-Ranges": "bytes",
        } | self.headers


def _document(name: str, inner: str, status: int = 200) -> Reply:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} {_XMLNS}>{inner}</{name}>'
    return Reply(status, {"Content-Type": "application/xml"}, text.encode())


def _missing(code: str, status: int = 404) -> Reply:
    text = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return Reply(status, {"Content-Type": "application/xml"}, text.encode())


class Store:
    """One bucket and its objects."""

    def __init__(self) -> None:
        self._objects: dict[str, _Held] = {}
        self._uploads: dict[str, tuple[str, dict[int, bytes], dict[str, str]]] = {}

    def answer(self, request: Request) -> Reply:
        """Do what is asked, whoever asks."""
        method, target, _ = request.head[0].split(" ", 2)
        path, _, query = target.partition("?")
        asked = dict(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))
        if not (header(request, "host") or "").startswith(f"{BUCKET}."):
            path = "/" + path.lstrip("/").partition("/")[2] if path.strip("/") else ""
        key = unquote(path.removeprefix("/"))
        if not path:
            return _document("ListAllMyBucketsResult", f"<Owner><ID>o</ID></Owner><Buckets>{_bucket_row()}</Buckets>")
        return self._bucket(method, asked, request) if not key else self._object(method, key, asked, request)

    def _bucket(self, method: str, asked: dict[str, str], request: Request) -> Reply:
        if method == "GET" and "location" in asked:
            return _document("LocationConstraint", "us-east-1")
        if method == "GET" and "uploads" in asked:
            return _document("ListMultipartUploadsResult", self._upload_rows())
        if method == "GET" and asked.keys() & {"acl", "policy", "versioning", "tagging", "lifecycle", "cors"}:
            return _document("VersioningConfiguration", "") if "versioning" in asked else _missing("NoSuchThing")
        if method == "GET":
            return self._listing(asked)
        if method == "POST" and "delete" in asked:
            return self._delete_many(request)
        return Reply(204 if method == "DELETE" else 200)

    def _upload_rows(self) -> str:
        rows = (
            f"<Upload><Key>{escape(key)}</Key><UploadId>{upload}</UploadId><Initiated>{_DATE}</Initiated></Upload>"
            for upload, (key, _, _) in self._uploads.items()
        )
        return f"<Bucket>{BUCKET}</Bucket><IsTruncated>false</IsTruncated>{''.join(rows)}"

    def _listing(self, asked: dict[str, str]) -> Reply:
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        coded = asked.get("encoding-type") == "url"
        rows, folders = [], {}
        for key, held in sorted(self._objects.items()):
            if not key.startswith(prefix):
                continue
            below = key.removeprefix(prefix)
            if delimiter and delimiter in below:
                folders[prefix + below.partition(delimiter)[0] + delimiter] = None
                continue
            shown = quote(key) if coded else escape(key)
            rows.append(
                f"<Contents><Key>{shown}</Key><LastModified>{_DATE}</LastModified><ETag>{escape(held.etag)}</ETag>"
                f"<Size>{len(held.body)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            )
        names = (quote(name) if coded else escape(name) for name in folders)
        common = "".join(f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>" for name in names)
        counted = f"<KeyCount>{len(rows) + len(folders)}</KeyCount>" if "list-type" in asked else "<Marker></Marker>"
        encoding = "<EncodingType>url</EncodingType>" if coded else ""
        about = f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix>{counted}<MaxKeys>1000</MaxKeys>{encoding}"
        return _document("ListBucketResult", f"{about}<IsTruncated>false</IsTruncated>{''.join(rows)}{common}")

    def _delete_many(self, request: Request) -> Reply:
        found = re.findall(rb"<Key>(.*?)</Key>", payload_of(request), re.DOTALL)
        keys = [unescape(key.decode()) for key in found]
        for key in keys:
            self._objects.pop(key, None)
        return _document("DeleteResult", "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys))

    def _object(self, method: str, key: str, asked: dict[str, str], request: Request) -> Reply:
        if "uploadId" in asked or "uploads" in asked:
            return self._upload(method, key, asked, request)
        if asked.keys() & {"acl", "tagging"}:
            if method == "GET":
                return _document("Tagging", "<TagSet></TagSet>")
            return Reply(204 if method == "DELETE" else 200)
        if method == "PUT":
            return self._put(key, request)
        if method == "DELETE":
            self._objects.pop(key, None)
            return Reply(204)
        if method == "POST":
            return Reply(204)
        return self._get(key, asked, request)

    def _put(self, key: str, request: Request) -> Reply:
        body, headers = payload_of(request), _kept(request)
        source = header(request, "x-amz-copy-source")
        if source is not None:
            held = self._objects.get(_source_key(source))
            if held is None:
                return _missing("NoSuchKey")
            self._objects[key] = _Held(held.body, held.headers)
            return _document(
                "CopyObjectResult", f"<LastModified>{_DATE}</LastModified><ETag>{escape(held.etag)}</ETag>"
            )
        held = self._objects[key] = _Held(body, headers)
        return Reply(200, {"ETag": held.etag})

    def _get(self, key: str, asked: dict[str, str], request: Request) -> Reply:
        held = self._objects.get(key)
        if held is None:
            return _missing("NoSuchKey")
        described = held.described()
        if "response-content-type" in asked:
            described["Content-Type"] = unquote_plus(asked["response-content-type"])
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", header(request, "range") or "")
        if wanted is None:
            return Reply(200, described, held.body)
        size = len(held.body)
        first = int(wanted[1]) if wanted[1] else max(0, size - int(wanted[2]))
        last = min(int(wanted[2]), size - 1) if wanted[1] and wanted[2] else size - 1
        if first >= size:
            return _missing("InvalidRange", 416)
        described["Content-Range"] = f"bytes {first}-{last}/{size}"
        return Reply(206, described, held.body[first : last + 1])

    def _upload(self, method: str, key: str, asked: dict[str, str], request: Request) -> Reply:
        if method == "POST" and "uploads" in asked:
            upload = f"upload-{len(self._uploads) + 1}"
            self._uploads[upload] = (key, {}, _kept(request))
            inner = f"<Bucket>{BUCKET}</Bucket><Key>{escape(key)}</Key><UploadId>{upload}</UploadId>"
            return _document("InitiateMultipartUploadResult", inner)
        if asked.get("uploadId") not in self._uploads:
            return _missing("NoSuchUpload")
        _, parts, headers = self._uploads[asked["uploadId"]]
        match method:
            case "PUT":
                return self._part(parts, int(asked["partNumber"]), request)
            case "GET":
                rows = (
                    f"<Part><PartNumber>{n}</PartNumber><ETag>{_md5(b)}</ETag><Size>{len(b)}</Size>"
                    f"<LastModified>{_DATE}</LastModified></Part>"
                    for n, b in sorted(parts.items())
                )
                return _document("ListPartsResult", f"<IsTruncated>false</IsTruncated>{''.join(rows)}")
            case "DELETE":
                return Reply(204)
        held = self._objects[key] = _Held(b"".join(body for _, body in sorted(parts.items())), headers, _joined(parts))
        inner = f"<Location>http://localhost/{BUCKET}/k</Location><Bucket>{BUCKET}</Bucket><Key>{escape(key)}</Key>"
        return _document("CompleteMultipartUploadResult", f"{inner}<ETag>{escape(held.etag)}</ETag>")

    def _part(self, parts: dict[int, bytes], number: int, request: Request) -> Reply:
        source = header(request, "x-amz-copy-source")
        if source is None:
            parts[number] = payload_of(request)
            return Reply(200, {"ETag": _md5(parts[number])})
        held = self._objects.get(_source_key(source))
        if held is None:
            return _missing("NoSuchKey")
        parts[number] = held.body
        return _document("CopyPartResult", f"<LastModified>{_DATE}</LastModified><ETag>{_md5(held.body)}</ETag>")


def _bucket_row() -> str:
    return f"<Bucket><Name>{BUCKET}</Name><CreationDate>{_DATE}</CreationDate></Bucket>"


def _md5(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def _joined(parts: dict[int, bytes]) -> str:
    """The entity tag of what came in parts."""
    digests = b"".join(hashlib.md5(body).digest() for _, body in sorted(parts.items()))
    return f'"{hashlib.md5(digests).hexdigest()}-{len(parts)}"'


def _source_key(source: str) -> str:
    return unquote(source).partition("?versionId")[0].removeprefix("/").partition("/")[2]


def _kept(request: Request) -> dict[str, str]:
    """What is stored of an upload's headers."""
    pairs = (line.split(":", 1) for line in request.head[1:])
    kept = {name: value.strip() for name, value in pairs if name.lower().startswith("x-amz-meta-")}
    kind = header(request, "content-type")
    return kept | {"Content-Type": kind or "binary/octet-stream"}
