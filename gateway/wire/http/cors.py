"""Owns cross-origin answers (the Fetch standard's CORS protocol) from a bucket's rules.

Refuses to own where rules come from and whether the request itself is allowed.

Law: credentials are never allowed, so an origin that is let in can use only what its own page knows: a signed URL or
a link. An origin is answered only if a rule names it; `Vary` is set whenever the answer depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.core.route import Cors
from gateway.wire.links.tus import ASKED, EXPOSED, is_resumable
from gateway.wire.links.upload_draft import DRAFT_ASKED, DRAFT_EXPOSED, draft_version

Fields = tuple[tuple[str, str], ...]
_ORIGIN: Final = re.compile(r"[\x21-\x7e]{1,512}", re.ASCII)
_NAMES: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z, -]{0,2048}", re.ASCII)
_VARY: Final = ("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")


def preflight_headers(rules: Sequence[Cors], raw: RawRequest, *, drafts: bool = False) -> Fields:
    """The headers of a 200 to a preflight: of the first rule that covers origin, method and every header. `drafts` says
    that links take uploads by the IETF's draft, too.

    Raises:
        Refused: BAD_REQUEST without an origin or method to ask for; NOT_ALLOWED when no rule covers it.
    """
    origin, method = raw.header("origin"), raw.header("access-control-request-method")
    asked = raw.header("access-control-request-headers") or ""
    if not origin or not method or not _NAMES.fullmatch(asked):
        raise Refused(
            Reason.BAD_REQUEST, "a preflight has an Origin, an Access-Control-Request-Method and header names"
        )
    wanted = [text.strip().lower() for text in asked.split(",") if text.strip()]
    known = (ASKED | DRAFT_ASKED if drafts else ASKED) if raw.path.startswith("/s/") else frozenset()
    for rule in rules:
        if _allows(rule, origin, method) and all(_header_covered(rule, name, known) for name in wanted):
            fields: Fields = (_allowed_origin(rule, origin), ("Access-Control-Allow-Methods", ", ".join(rule.methods)))
            if wanted:
                fields += (("Access-Control-Allow-Headers", ", ".join(wanted)),)
            return (*fields, ("Access-Control-Max-Age", str(rule.max_age)), _VARY)
    raise Refused(Reason.NOT_ALLOWED, "no cross-origin rule of the bucket covers the preflight")


def actual_headers(rules: Sequence[Cors], raw: RawRequest, *, drafts: bool = False) -> Fields:
    """What to add to any answer, refusals included: nothing for a bucket without rules or a request without origin."""
    if not rules:
        return ()
    vary = ("Vary", "Origin")
    origin = raw.header("origin")
    if not origin:
        return (vary,)
    for rule in rules:
        if _allows(rule, origin, raw.method):
            fields: Fields = (_allowed_origin(rule, origin), vary)
            expose = dict.fromkeys((*rule.expose, *_exposed(raw, drafts=drafts)))
            return (*fields, ("Access-Control-Expose-Headers", ", ".join(expose))) if expose else fields
    return (vary,)


def _allows(rule: Cors, origin: str, method: str) -> bool:
    return (
        _ORIGIN.fullmatch(origin) is not None
        and method in rule.methods
        and any(_wildcard(pattern, origin) for pattern in rule.origins)
    )


def _exposed(raw: RawRequest, *, drafts: bool) -> tuple[str, ...]:
    """The headers of an answer that is an upload protocol's, whose clients cannot go on without them."""
    if not raw.path.startswith("/s/"):
        return ()
    if drafts and (draft_version(raw) or raw.method == "OPTIONS"):
        return (*EXPOSED, *DRAFT_EXPOSED)
    return EXPOSED if is_resumable(raw) or raw.method == "OPTIONS" else ()


def _header_covered(rule: Cors, name: str, known: frozenset[str]) -> bool:
    return name in known or any(_wildcard(pattern.lower(), name) for pattern in rule.headers)


def _allowed_origin(rule: Cors, origin: str) -> tuple[str, str]:
    return "Access-Control-Allow-Origin", "*" if "*" in rule.origins else origin


def _wildcard(pattern: str, text: str) -> bool:
    """Exact, or with one star that stands for one or more characters; "*" alone is anything."""
    start, star, end = pattern.partition("*")
    if not star:
        return pattern == text
    if pattern == "*":
        return True
    return len(text) > len(start) + len(end) and text.startswith(start) and text.endswith(end)
