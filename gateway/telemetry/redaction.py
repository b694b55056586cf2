"""Owns what a secret looks like in text, and takes it out.

Refuses to own where text goes (`gateway.telemetry.logs`).

Law: this is the second line of defence. The first is that no caller passes a secret to a log at all; one that still
gets in, by an exception's text or a URL in a library's message, is replaced by its kind before it leaves the process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

SECRET_NAMES: Final = frozenset(
    {
        *("authorization", "proxy_authorization", "cookie", "set_cookie", "token", "session_token", "security_token"),
        *("secret", "secret_key", "secret_access_key", "password", "passphrase", "signature", "query", "query_string"),
        *("x_amz_security_token", "x_amz_signature", "x_amz_credential", "access_key", "access_key_id", "sealed"),
        *("aws_secret_access_key", "aws_access_key_id", "aws_session_token", "admin_token", "gateway_admin_token"),
    }
)
"""Field names whose value never belongs in a log, whatever it is; compared in lower case, with `-` as `_`."""

_HIDDEN: Final = "[redacted]"

_PARAMETERS: Final = (
    r"x-amz-(?:signature|credential|security-token)|awsaccesskeyid|signature|credential|password|secret_?access_?key"
    r"|secretaccesskey|sessiontoken|session_token|x-link-password"
)
_EDGE: Final = r"(?:(?<![0-9A-Za-z])|(?<=\\[nrtbf])|(?<=\\u[0-9a-f]{4}))"
"""The start of a word, also right behind an escape in text that is JSON already."""

_SHAPES: Final = re.compile(
    # a link token; its start alone is enough to hide the rest of the word
    r"(?-i:gl_[1-9A-HJ-NP-Za-km-z]{6,})"
    # an access key id of ours, and those of the well-known vendor shape
    r"|(?-i:GWK[A-Z2-7]{12,}|A(?:KI|SI)A[A-Z0-9]{12,})"
    # Authorization: scheme and everything after it
    r"|(?P<lead>authorization[\\\"'\s]*(?:[:=]|%3d)[\\\"'\s]*)[^\"'\\\r\n]+"
    r"|(?P<bearer>\bbearer\s+)[A-Za-z0-9._~+/=-]{8,}"
    # NAME=VALUE of presigned URLs, forms and reprs
    rf"|(?P<name>(?:{_PARAMETERS})[\\\"']*\s*(?:[:=]|%3d)\s*[\\\"']*)[^&\s\"'\\,;<]+"
    # a bare signature (SHA-256 in hex), a bare secret access key of ours
    rf"|{_EDGE}(?-i:[0-9a-f]{{64}}|[1-9A-HJ-NP-Za-km-z]{{43}})(?![0-9A-Za-z])",
    re.IGNORECASE,
)
_LINK_TOKEN: Final = re.compile(r"gl_[1-9A-HJ-NP-Za-km-z]{34}")
_HINTS: Final = (
    *("gl_", "gwk", "akia", "asia", "signature", "authoriz", "credential", "bearer", "password", "secret", "token"),
    "accesskeyid",
)
_HINT: Final = re.compile("|".join(_HINTS))
_LONG_WORD: Final = re.compile(r"[0-9A-Za-z]{43}")


def _replacement(match: re.Match[str]) -> str:
    kept = match["lead"] or match["bearer"] or match["name"] or ""
    return kept + _HIDDEN


def scrub(text: str) -> str:
    """The text with everything that has the shape of a secret replaced.

    Most texts hold nothing that could start one, and leave after one look.
    """
    if _HINT.search(text.lower()) or _LONG_WORD.search(text):
        return _SHAPES.sub(_replacement, text)
    return text


def without_tokens(name: str) -> str:
    """An object's name as it may be recorded: a link pasted into the wrong place makes its token an object's name."""
    return _LINK_TOKEN.sub(_HIDDEN, name) if "gl_" in name else name


def redact_names(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without the values of fields that are secret by their name, at any depth."""
    return {name: _HIDDEN if _is_secret(name) else _redact_value(value) for name, value in fields.items()}


def _redact_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return redact_names(value)
    if isinstance(value, list | tuple):
        return [_redact_value(member) for member in value]
    return value


def _is_secret(name: object) -> bool:
    return isinstance(name, str) and name.lower().replace("-", "_") in SECRET_NAMES
