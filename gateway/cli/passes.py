"""Owns the passes of who proved to be one of a link's holders, for as long as they are good.

Refuses to own how one is had (`gateway.cli.open_link`) and the files themselves (`gateway.cli.private_files`).

Law: a pass goes to the link for which it was had, at the host that gave it, and to no other. The files' names tell
nothing of a link.
"""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from gateway.cli.private_files import read_object, write_object
from gateway.cli.values import find_token
from gateway.core.units import instant

PASS_HEADER: Final = "Gateway-Holder"  # noqa: S105 (a header's name)

_MARGIN: Final = 60.0
"""Seconds before its end from which on a pass is not relied on."""


def name_for(url: str) -> str:
    """What is kept of a link, by the start of its files' names."""
    parts = urlsplit(url)
    mark = f"{parts.scheme}://{parts.netloc.lower()}{parts.path.partition('/s/')[0]} {find_token(url)}"
    return f"passes/{sha256(mark.encode()).hexdigest()[:32]}"


def find_pass(url: str) -> tuple[str, str]:
    """The pass that is kept for a link, and when it ends; "" for both if there is none that is good."""
    kept = {} if find_token(url) is None else read_object(f"{name_for(url)}.json")
    text, until = str(kept.get("pass", "")), str(kept.get("expires_at", ""))
    try:
        good = bool(text) and instant(until) - _MARGIN >= time.time()
    except ValueError:
        good = False
    return (text, until) if good else ("", "")


def keep_pass(url: str, text: str, until: str) -> None:
    write_object(f"{name_for(url)}.json", {"pass": text, "expires_at": until})


def shown_pass(url: str) -> tuple[tuple[str, str], ...]:
    """The header that shows the pass which is kept for a link, if one is."""
    text, _ = find_pass(url)
    return ((PASS_HEADER, text),) if text else ()
