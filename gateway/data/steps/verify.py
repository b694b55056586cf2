"""Owns the choice of verifier for a presented signature.

Refuses to own the arithmetic (`gateway.wire.sig.sigv4`, `gateway.wire.sig.sigv2`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.attempt import SignatureVersion
from gateway.core.request import ObjectRequest
from gateway.wire.http.form_data import Form
from gateway.wire.sig import sigv2, sigv4
from gateway.wire.sig.credentials import Signed, SigV2Header, SigV2Query, SigV4Header, SigV4Query
from gateway.wire.sig.post_policy import FormPolicy, SignedForm, SigV2Form, SizeRange, verify_form

_KEYS: Final = sigv4.SigningKeys(4096)


def version_of(signed: Signed | SignedForm) -> SignatureVersion:
    """By which rules it was signed."""
    return "v2" if isinstance(signed, SigV2Header | SigV2Query | SigV2Form) else "v4"


def verify_signature(signed: Signed, request: ObjectRequest, secret: str, now: float) -> sigv4.Verified | None:
    """Prove that the holder of `secret` signed this very request; None for SigV2, which says nothing about bodies.

    Raises:
        Refused: BAD_SIGNATURE, CLOCK_SKEWED, SIGNATURE_EXPIRED, UNSIGNED_HEADER.
    """
    match signed:
        case SigV4Header() | SigV4Query():
            return sigv4.verify(signed, request.raw, secret, now=now, keys=_KEYS)
        case SigV2Header() | SigV2Query():
            host_bucket = request.place.bucket if request.virtual_host else None
            sigv2.verify(signed, request.raw, secret, now=now, bucket_from_host=host_bucket)
            return None


def verify_alike(
    known: sigv4.KnownCanonical, signed: SigV4Header, differing: Sequence[bytes], secret: str, now: float
) -> sigv4.Verified | None:
    """The same of a request that is alike to one of which this is `known`; None if that has to be asked.

    Raises:
        Refused: CLOCK_SKEWED.
    """
    return known.verify(signed, differing, secret, now=now, keys=_KEYS)


def leaves_type_unsigned(signed: Signed, request: ObjectRequest) -> bool:
    """Whether a `Content-Type` came that the signature does not speak of. SigV2 signs every one."""
    return (
        isinstance(signed, SigV4Header | SigV4Query)
        and "content-type" not in signed.signed_headers
        and request.raw.header("content-type") is not None
    )


def verify_signed_form(signed: SignedForm, form: Form, request: ObjectRequest, secret: str, now: float) -> SizeRange:
    """Prove that the holder of `secret` signed the form's policy and that the form keeps to it.

    Raises:
        Refused: BAD_SIGNATURE, FORM_POLICY_VIOLATED, MALFORMED_FORM.
    """
    verify_form(signed, secret, now=now, keys=_KEYS)
    return FormPolicy.parse(signed.policy).check(form, bucket=request.place.bucket, now=now)
