"""Owns how the STS API answers: its XML, its names for people and roles, its error codes.

Refuses to own who may have what (`gateway.control.sts_routes`).

Source: the AWS STS API reference, version 2011-06-15, and its common errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from gateway.core.grant import Grant
from gateway.core.issued import IssuedKey
from gateway.core.reasons import Reason
from gateway.core.session_policy import SessionPolicy
from gateway.core.session_policy_text import LONGEST_POLICY
from gateway.core.source import session_of
from gateway.core.units import format_instant
from gateway.core.values import dataclass
from gateway.wire.replies import Reply
from gateway.wire.s3.documents import document, element

_XMLNS: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
ACCOUNT: Final = "000000000000"
"""The one account that there is here."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A refusal in the words of STS. Those that are the caller's own doing have a status below 500."""

    status: int
    code: str
    text: str


_PROOFS: Final[Mapping[Reason, tuple[int, str, str]]] = MappingProxyType(
    {
        Reason.UNKNOWN_KEY: (403, "InvalidClientTokenId", "The security token included in the request is invalid."),
        Reason.BAD_SESSION_TOKEN: (
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        ),
        Reason.REVOKED: (403, "InvalidClientTokenId", "The security token included in the request is revoked."),
        Reason.EXPIRED: (403, "ExpiredToken", "The security token included in the request is expired."),
        Reason.NOT_YET_VALID: (403, "AccessDenied", "The credentials are not valid yet."),
        Reason.SUSPENDED: (403, "AccessDenied", "The credentials are suspended for now."),
        Reason.AWAITING_APPROVAL: (403, "AccessDenied", "The credentials are not released yet."),
        Reason.BAD_SIGNATURE: (403, "SignatureDoesNotMatch", "The request signature does not match."),
        Reason.UNSIGNED_HEADER: (403, "SignatureDoesNotMatch", "The request has a header that it has to sign."),
        Reason.CLOCK_SKEWED: (403, "SignatureDoesNotMatch", "Signature expired: the clock differs too much."),
        Reason.SIGNATURE_EXPIRED: (403, "SignatureDoesNotMatch", "Signature expired."),
        Reason.CREDENTIALS_MISSING: (403, "MissingAuthenticationToken", "Request is missing Authentication Token."),
        Reason.TOO_MANY_GUESSES: (400, "Throttling", "Too many wrong credentials were tried: wait."),
    }
)


def fault_of(reason: Reason) -> Fault:
    """What is wrong with the proof of a key."""
    return Fault(*_PROOFS.get(reason, (400, "IncompleteSignature", "The request signature is malformed.")))


def arn_of(kind: str, name: str) -> str:
    """The ARN of a user (`user`), or of a session (`assumed-role`, `federated-user`)."""
    return f"arn:aws:{'iam' if kind == 'user' else 'sts'}::{ACCOUNT}:{kind}/{name}"


def user_of(grant: Grant) -> list[str]:
    """Who the holder of a key is."""
    asked = session_of(grant.source)
    if asked is not None and asked.role:
        arn, user = arn_of("assumed-role", f"{asked.role}/{asked.name}"), f"{grant.id}:{asked.name}"
    elif asked is not None and asked.name:
        arn, user = arn_of("federated-user", asked.name), f"{ACCOUNT}:{asked.name}"
    else:
        arn, user = arn_of("user", grant.owner.name), grant.id
    return [element("Arn", arn), element("UserId", user), element("Account", ACCOUNT)]


def credentials(key: IssuedKey) -> str:
    return element(
        "Credentials",
        (
            element("AccessKeyId", key.access_key_id),
            element("SecretAccessKey", key.secret_access_key),
            element("SessionToken", key.session_token or ""),
            element("Expiration", format_instant(key.grant.expires_at or 0.0)),
        ),
    )


def assumed_role(key: IssuedKey, role: str, session: str) -> str:
    arn = element("Arn", arn_of("assumed-role", f"{role}/{session}"))
    return element("AssumedRoleUser", (arn, element("AssumedRoleId", f"{key.grant.id}:{session}")))


def federated_user(name: str) -> str:
    arn = element("Arn", arn_of("federated-user", name))
    return element("FederatedUser", (arn, element("FederatedUserId", f"{ACCOUNT}:{name}")))


def subject(text: str) -> str:
    return element("SubjectFromWebIdentityToken", text)


def packed(policy: SessionPolicy | None) -> list[str]:
    """How much of the largest policy one is, in percent."""
    if policy is None:
        return []
    return [element("PackedPolicySize", str(max(1, len(policy.text.encode()) * 100 // LONGEST_POLICY)))]


def reply(action: str, result: Iterable[str], request_id: str) -> Reply:
    """The answer to one action."""
    metadata = element("ResponseMetadata", (element("RequestId", request_id),))
    inner = (element(f"{action}Result", result), metadata)
    return _xml_reply(200, document(f"{action}Response", inner, namespace=_XMLNS))


def error_reply(fault: Fault, request_id: str) -> Reply:
    blamed = "Receiver" if fault.status >= 500 else "Sender"
    error = element("Error", (element("Type", blamed), element("Code", fault.code), element("Message", fault.text)))
    inner = (error, element("RequestId", request_id))
    return _xml_reply(fault.status, document("ErrorResponse", inner, namespace=_XMLNS))


def _xml_reply(status: int, body: bytes) -> Reply:
    return Reply(status, (("Content-Type", "text/xml; charset=utf-8"),), body)
