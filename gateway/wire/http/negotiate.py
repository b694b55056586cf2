"""Owns the reading of `Accept`: a page for people, JSON or text for programs.

Refuses to own what either looks like.
"""

from __future__ import annotations

from typing import Final

__all__ = ["prefers_html", "prefers_json"]

_HTML: Final = ("text/html", "application/xhtml+xml")
_JSON: Final = ("application/json", "application/problem+json")


def prefers_html(accept: str | None) -> bool:
    """Whether a page is wanted: HTML is named, and weighs no less than JSON (RFC 9110, 12.5.1).

    `*/*` alone, as curl sends it, asks for no page.
    """
    weights = _weights(accept)
    html = max((weights.get(name, 0.0) for name in _HTML), default=0.0)
    return html > 0 and html >= max(weights.get(name, 0.0) for name in _JSON)


def prefers_json(accept: str | None) -> bool:
    """Whether JSON is named, and weighs more than HTML."""
    weights = _weights(accept)
    json = max(weights.get(name, 0.0) for name in _JSON)
    return json > 0 and json > max(weights.get(name, 0.0) for name in _HTML)


def _weights(accept: str | None) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in (accept or "").split(","):
        media, *parameters = (text.strip().lower() for text in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                weight = _weight(value.strip())
        found[media] = max(weight, found.get(media, 0.0))
    return found


def _weight(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0
