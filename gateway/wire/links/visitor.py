"""Owns what a request says of its own purpose: a person's act, a preview, a prefetch, a part of a page.

Refuses to own what each of them gets (`gateway.data.links.request`).

Law: only what the client says of itself counts. It is a convenience and no guard: a client that says nothing is taken
for a person; a link that asks first (`confirm`) is the guard.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from gateway.core.request import RawRequest
from gateway.wire.http.negotiate import prefers_json


class Visit(Enum):
    """What a request is sent for."""

    ACT = auto()
    """By a person, or by a program on a person's behalf."""

    PREVIEW = auto()
    """By a program that looks at what people send to each other, or at the whole web."""

    AHEAD = auto()
    """By a browser, ahead of a possible visit."""

    PART = auto()
    """By a page, for a picture, a player, a script or its own use."""


_ACCEPTS_AS_JAVA: Final = "text/html, image/gif, image/jpeg, "
"""How Java's own client (`HttpURLConnection`) begins `Accept` in whatever program's name it runs; no browser does."""

_FETCHERS: Final = ("wget2/",)
"""Programs that fetch files, and say that they accept pages as a browser does."""

_INDEX_READERS: Final = ("rclone/", "lftp/", "wget/", "wget2/", "httpdirfs", "kodi/", "pip/", "uv/", "fsspec")
"""Programs that know a folder on the web only as a web server's index of it."""

_AHEAD_HEADERS: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_LONGEST: Final = 512
"""Characters that are looked at: three times a browser's own name. A longer text says no more."""

# Both are for small letters: to look for either kind takes four times as long.
_AHEAD: Final = re.compile("prefetch|prerender|preview")
# "bot" as a word's end; but a maker of phones is called Cubot, and robots test their own sites.
_PREVIEW: Final = re.compile(
    r"(?<!cu)(?<!ro)bot\b|preview|crawl|spider|unfurl|link ?(?:check|expand)|"
    # chat and social networks; Apple's Messages calls itself by the first three, Signal by WhatsApp's name
    r"facebookexternalhit|facebot|facebookcatalog|meta-external|whatsapp|slack|telegram|discord|skype|msteams|"
    r"pinterest|vkshare|tumblr|flipboard|viber|kakaotalk|line-poker|snapchat|mastodon|misskey|pleroma|akkoma|"
    r"bluesky|cardyb|synapse|mattermost|rocket\.chat|zulip|embedly|iframely|notion|trello|"
    # search, their helpers, and models that read the web
    r"google(?:other|imageproxy|-[a-z-]+)|feedfetcher|mediapartners|adsbot|bingpreview|microsoftpreview|slurp|"
    r"yahoomailproxy|duckduck|baidu|yandex|applebot|[a-z]-user/|-search/|perplexity|"
    # mail and office programs that look at links, and scanners
    r"existence discovery|protocol discovery|safelinks|proofpoint|urldefense|mimecast|barracuda|messagelabs|symantec|"
    r"trend ?micro|ironport|fireeye|trellix|forcepoint|zscaler|sophos|virustotal|urlscan|phish"
)


def visit_of(raw: RawRequest) -> Visit:
    """What this request is sent for, as far as it says."""
    if any(_AHEAD.search((raw.header(name) or "")[:_LONGEST].lower()) for name in _AHEAD_HEADERS):
        return Visit.AHEAD
    if _is_preview((raw.header("user-agent") or "")[:_LONGEST]):
        return Visit.PREVIEW
    mode = raw.header("sec-fetch-mode")
    return Visit.ACT if mode in {None, "navigate"} else Visit.PART


def opens_page(raw: RawRequest, *, head: bool = False) -> bool:
    """Whether a browser is opening this as a page (Fetch Metadata, W3C; older browsers by their Accept alone); with
    `head`, or whether somebody asks what they would get then."""
    accept = raw.header("accept") or ""
    if not (raw.method == "GET" or (head and raw.method == "HEAD")):
        return False
    if "text/html" not in accept or raw.header("sec-fetch-mode") not in {None, "navigate"}:
        return False
    return not fetches(raw)


def fetches(raw: RawRequest) -> bool:
    """Whether this fetches a file as no browser opens a page, though it may say that it accepts pages.

    Who asks for a part wants the file's, as no page has parts: download managers send a browser's Accept, and begin
    again without end when a page comes instead.
    """
    if raw.header("range") is not None or (raw.header("accept") or "").startswith(_ACCEPTS_AS_JAVA):
        return True
    return (raw.header("user-agent") or "").lower().startswith(_FETCHERS)


def reads_index(raw: RawRequest) -> bool:
    """Whether a folder is to be shown as a web server's index: to programs that read nothing else."""
    if prefers_json(raw.header("accept")):
        return False
    return (raw.header("user-agent") or "").lower().startswith(_INDEX_READERS)


@lru_cache(1024)
def _is_preview(agent: str) -> bool:
    return _PREVIEW.search(agent.lower()) is not None
