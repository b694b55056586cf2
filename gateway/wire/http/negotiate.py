"""Owns the reading of `Accept`: a page for people, JSON or text for programs.

Refuses to own what either looks like.
"""

from __future__ import annotations

from typing import Final

_HTML: Final = ("text/html", "application/xhtml+xml")
_JSON: Final = ("application/json", "application/problem+json")


def prefers_html(accept: str | None) -> bool:
    """Whether a page is wanted: HTML is named, and weighs no less than JSON (RFC 9110, 12.5.1).

    `*/*` alone, as curl sends it, asks for no page.
    """
    html, json = _weigh(accept)
    return html > 0 and html >= json


def prefers_json(accept: str | None) -> bool:
    """Whether JSON is named, and weighs more than HTML."""
    html, json = _weigh(accept)
    return json > 0 and json > html


def _weigh(accept: str | None) -> tuple[float, float]:
    """What HTML and JSON weigh, 0 for what is not named. Most programs name neither."""
    named = "" if accept is None else accept.lower()
    if "html" not in named and "json" not in named:
        return 0.0, 0.0
    weights = _weights(named)
    return max([weights.get(name, 0.0) for name in _HTML]), max([weights.get(name, 0.0) for name in _JSON])


def _weights(accept: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in accept.split(","):
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
