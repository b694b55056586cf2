"""Owns the choice of verifier for a presented signature.

Refuses to own the arithmetic (`gateway.wire.sigv4`, `gateway.wire.sigv2`).
"""

from __future__ import annotations

from typing import Final

from gateway.core.request import BucketPlace, ObjectRequest
from gateway.wire import sigv2, sigv4
from gateway.wire.credentials import Signed, SigV2Header, SigV2Query

__all__ = ["verify_signature"]

_KEYS: Final = sigv4.SigningKeys(4096)


def verify_signature(signed: Signed, request: ObjectRequest, secret: str, now: float) -> sigv4.Verified | None:
    """Prove that the holder of `secret` signed this very request; None for SigV2, which says nothing about bodies.

    Raises:
        Refused: BAD_SIGNATURE, CLOCK_SKEWED, SIGNATURE_EXPIRED, UNSIGNED_HEADER.
    """
    if isinstance(signed, SigV2Header | SigV2Query):
        host_bucket = request.place.bucket if request.virtual_host and isinstance(request.place, BucketPlace) else None
        sigv2.verify(signed, request.raw, secret, now=now, bucket_from_host=host_bucket)
        return None
    return sigv4.verify(signed, request.raw, secret, now=now, keys=_KEYS)
