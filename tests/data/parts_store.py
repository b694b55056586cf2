"""A scripted store that also takes multipart uploads, as S3 does: parts by number, listed, completed or aborted."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import unquote

from gateway.core.route import UpstreamCall
from tests.data.scripted_store import Scripted, ScriptedStore, Seen, xml

__all__ = ["PartsStore"]

_PAGE = 1000


class PartsStore(ScriptedStore):
    """`uploads` are the open ones: id to (place, parts by number)."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads: dict[str, tuple[tuple[str, str], dict[int, bytes]]] = {}
        self.types: dict[str, str] = {}
        self.begun = 0
        self.says = "&quot;e&quot;"
        """The ETag in the answer to a completion; "" to leave it out."""

    def hidden(self) -> list[str]:
        """The records of unfinished uploads."""
        return [key for _, key in self.objects if ".gateway-uploads/" in key]

    def parts(self) -> list[bytes]:
        [(_, parts)] = self.uploads.values()
        return [body for _, body in sorted(parts.items())]

    def _honest(self, seen: Seen) -> Scripted:
        call, query = seen.call, dict(seen.call.query)
        if call.method == "POST" and "uploads" in query:
            return self._begin(call)
        upload = query.get("uploadId")
        if upload is None:
            return self._plain(seen)
        if upload not in self.uploads:
            return xml("<Error><Code>NoSuchUpload</Code></Error>", 404)
        place, parts = self.uploads[upload]
        assert place == (call.bucket, call.key)
        source = seen.header("x-amz-copy-source")
        if call.method == "PUT" and source is not None:
            bucket, _, key = unquote(source).partition("/")
            first, _, last = (seen.header("x-amz-copy-source-range") or "").removeprefix("bytes=").partition("-")
            copied = self.objects[bucket, key][0]
            parts[int(query["partNumber"])] = body = copied[int(first) : int(last) + 1] if last else copied
            etag = hashlib.md5(body).hexdigest()
            return xml(f"<CopyPartResult><ETag>&quot;{etag}&quot;</ETag></CopyPartResult>")
        if call.method == "PUT":
            assert seen.whole, "a part of another length than declared"
            parts[int(query["partNumber"])] = seen.body
            return Scripted(200, {"etag": f'"{hashlib.md5(seen.body).hexdigest()}"'})
        if call.method == "GET":
            return self._list_parts(parts, int(query.get("part-number-marker", "0")))
        if call.method == "DELETE":
            del self.uploads[upload]
            return Scripted(204)
        return self._complete(seen, upload)

    def _plain(self, seen: Seen) -> Scripted:
        call = seen.call
        wanted = dict(call.headers).get("if-match")
        if call.method == "PUT" and wanted is not None:
            held = self.objects.get((call.bucket, call.key))
            if held is None or held[1]["etag"] != wanted:
                return xml("<Error><Code>PreconditionFailed</Code></Error>", 412)
        answer = super()._honest(seen)
        if call.method == "PUT":
            self.types[call.key] = dict(call.headers).get("content-type", "")
        return answer

    def _begin(self, call: UpstreamCall) -> Scripted:
        self.begun += 1
        upload = f"upload-{self.begun}"
        self.uploads[upload] = ((call.bucket, call.key), {})
        self.types[call.key] = dict(call.headers).get("content-type", "")
        return xml(f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>")

    def _list_parts(self, parts: dict[int, bytes], after: int) -> Scripted:
        rows = [(number, body) for number, body in sorted(parts.items()) if number > after]
        shown = rows[:_PAGE]
        inner = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{hashlib.md5(body).hexdigest()}</ETag>"
            f"<Size>{len(body)}</Size></Part>"
            for number, body in shown
        )
        more = f"<NextPartNumberMarker>{shown[-1][0]}</NextPartNumberMarker>" if len(rows) > len(shown) else ""
        cut = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
        return xml(f"<ListPartsResult>{cut}{more}{inner}</ListPartsResult>")

    def _complete(self, seen: Seen, upload: str) -> Scripted:
        place, parts = self.uploads[upload]
        if ("if-none-match", "*") in seen.call.headers and place in self.objects:
            return xml("<Error><Code>PreconditionFailed</Code></Error>", 412)
        named = re.findall(rb"<PartNumber>(\d+)</PartNumber><ETag>&?(?:quot;)?\"?([0-9a-f]{32})", seen.body)
        body = b""
        for number, etag in named:
            if hashlib.md5(parts[int(number)]).hexdigest() != etag.decode():
                return xml("<Error><Code>InvalidPart</Code></Error>", 400)
            body += parts[int(number)]
        assert named
        del self.uploads[upload]
        self.hold(place[1], body, place[0])
        return xml(f"<CompleteMultipartUploadResult><ETag>{self.says}</ETag></CompleteMultipartUploadResult>")
