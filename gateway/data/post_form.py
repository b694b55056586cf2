"""Owns a multipart form while it arrives: its fields first, then the bytes of its files, never a file as a whole.

Refuses to own the form's grammar (`gateway.wire.http.form_data`) and its signed policy
(`gateway.wire.sig.post_policy`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from gateway.core.attempt import Attempt
from gateway.core.reasons import Reason, Refused
from gateway.core.request import BucketPlace, ObjectRequest
from gateway.core.values import dataclass
from gateway.server.deadline import head_deadline
from gateway.server.exchange import ClientExchange
from gateway.wire.http.form_data import Form, FormParser
from gateway.wire.parse import check_key
from gateway.wire.replies import Reply, s3_ids
from gateway.wire.s3.documents import post_document
from gateway.wire.s3.request_headers import accept_headers
from gateway.wire.sig.post_policy import SizeRange
from gateway.wire.understood import require_whole

_STATUSES: Final = frozenset({"200", "201", "204"})
_NOT_HEADERS: Final = ("x-amz-credential", "x-amz-algorithm", "x-amz-date", "x-amz-signature", "x-amz-security-token")


@dataclass(slots=True)
class ArrivingForm:
    """A form whose fields are known. `form` is what stands before the file that is next to be read. `sizes` is what its
    signed policy allows, None if it has none."""

    form: Form
    _parser: FormParser
    _source: AsyncIterator[bytes]
    _pieces: deque[bytes | Form]
    sizes: SizeRange | None = None
    _ended: bool = False
    _hash: Any = None

    @classmethod
    async def read(cls, exchange: ClientExchange, content_type: str, *, several: bool = False) -> ArrivingForm:
        """Read up to the first file's first byte.

        Raises:
            Refused: MALFORMED_FORM, INCOMPLETE_BODY.
        """
        parser = FormParser(content_type, several=several)
        source = exchange.body()
        async with head_deadline():
            async for chunk in source:
                first = parser.feed(chunk)
                if parser.form is not None:
                    return cls(parser.form, parser, source, deque(first), _hash=sha256() if several else None)
        return cls(parser.finish(), parser, source, deque())

    @property
    def sha256(self) -> str | None:
        """The digest of the file's bytes so far, in hex; None for a form on the S3 face."""
        return None if self._hash is None else str(self._hash.hexdigest())

    async def file(self) -> AsyncIterator[bytes]:
        """The file's bytes, from where they were read to; ends only when the next file begins, or the whole form has
        arrived.

        Raises:
            Refused: MALFORMED_FORM, INCOMPLETE_BODY, TOO_LARGE and TOO_SMALL as the policy says; PIECE_OF_FILE.
        """
        size = 0
        while await self._more():
            chunk = self._pieces[0]
            if isinstance(chunk, Form):
                break
            self._pieces.popleft()
            size += len(chunk)
            if self.sizes is not None and (reason := self.sizes.refuses(size, whole=False)) is not None:
                raise Refused(reason, "the form's file is too large")
            if self._hash is not None:
                self._hash.update(chunk)
            yield chunk
        if self.sizes is not None and (reason := self.sizes.refuses(size, whole=True)) is not None:
            raise Refused(reason, f"the form's file has {size} bytes")
        if self._hash is not None and self._ended:  # many say behind it what it is
            require_whole((*self.form.fields, *self._parser.behind))

    async def next(self) -> bool:
        """Go on to the next file, past what is left of this one; False at the form's end.

        Raises:
            Refused: MALFORMED_FORM, INCOMPLETE_BODY.
        """
        while await self._more():
            piece = self._pieces.popleft()
            if isinstance(piece, Form):
                self.form = piece
                self._hash = sha256()
                return True
        return False

    async def _more(self) -> bool:
        """Whether a piece is there; False once the whole form has arrived."""
        while not self._pieces and not self._ended:
            async for arrived in self._source:
                self._pieces += self._parser.feed(arrived)
                if self._pieces:
                    return True
            self._parser.finish()
            self._ended = True
        return bool(self._pieces)


def form_request(request: ObjectRequest, form: Form) -> ObjectRequest:
    """The request that a form on the S3 face stands for: its key, and its fields as headers by the same allow-list.

    Raises:
        Refused: MALFORMED_FORM without a key, BAD_KEY, UNSUPPORTED_OPERATION for a field that is not offered.
    """
    if not form.key:
        raise Refused(Reason.MALFORMED_FORM, "the form has no key")
    fields = [(name.lower(), value) for name, value in form.fields if name.lower() not in _NOT_HEADERS]
    place = BucketPlace(request.place.bucket, check_key(form.key))
    return replace(request, place=place, headers=accept_headers(fields), content_length=None)


def form_reply(
    arriving: ArrivingForm, attempt: Attempt, answered: Mapping[str, str], url: str, request_id: str
) -> Reply:
    """What S3 answers to a form (API reference, POST Object): a redirect, a document, or nothing."""
    etag = answered.get("etag", "")
    location = quote(f"{url}/{attempt.bucket}/{attempt.key}", safe=":/")
    shared = (*s3_ids(request_id), ("ETag", etag))
    target = _target(arriving.form.value("success_action_redirect") or arriving.form.value("redirect") or "")
    if target is not None:
        added = [("bucket", attempt.bucket), ("key", attempt.key), ("etag", etag)]
        query = urlencode([*parse_qsl(target.query, keep_blank_values=True), *added])
        return Reply(303, (*shared, ("Location", urlunsplit(target._replace(query=query)))))
    status = arriving.form.value("success_action_status")
    if status == "201":
        document = post_document(location, attempt.bucket, attempt.key, etag)
        return Reply(201, (*shared, ("Content-Type", "application/xml"), ("Location", location)), document)
    return Reply(int(status) if status in _STATUSES else 204, (*shared, ("Location", location)))


def _target(address: str) -> SplitResult | None:
    """Where a form wants its sender to go; None for what is no address, which is ignored as S3 does it."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return parts if parts.scheme in {"http", "https"} and parts.netloc and address.isprintable() else None
