"""Owns what the values on a command line mean: places, expiries, sizes, networks, links.

Refuses to own what is allowed: the control API and the policy say that.

Law: a value that cannot mean anything is refused here, before anything is sent, with an example of a right one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from gateway.core.token import LinkToken, without_marks
from gateway.core.units import duration, end_instant, format_instant, instant, size
from gateway.core.values import dataclass

NONE: Final = "none"
"""The word that takes a limit away."""

config_option: Final = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("gateway.yaml"),
    envvar="GATEWAY_CONFIG",
    show_default=True,
    help="The settings, which name the policies.",
)

_KEY_ID: Final = re.compile(r"k_[1-9A-HJ-NP-Za-km-z]{17}", re.ASCII)
_LINK_ID: Final = re.compile(r"l_[1-9A-HJ-NP-Za-km-z]{17}", re.ASCII)
_FOUND: Final = re.compile(
    r"(?<![A-Za-z0-9_])(?:gl_[1-9A-HJ-NP-Za-km-z]{34}|GWK[A-Z2-7]{34}|[lk]_[1-9A-HJ-NP-Za-km-z]{17})(?![A-Za-z0-9_])",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Place:
    """`BUCKET/KEY`, or a prefix: `BUCKET/FOLDER/`, `BUCKET/`."""

    bucket: str
    rest: str

    @property
    def is_prefix(self) -> bool:
        return not self.rest or self.rest.endswith("/")

    def body(self) -> dict[str, str]:
        """The members of a body that name this place."""
        return {"bucket": self.bucket, "prefix" if self.is_prefix else "key": self.rest}


class _Read(click.ParamType[Any]):
    """What a function makes of a value; its ValueError says what to write instead."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._read(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def _read_place(text: str) -> Place:
    bucket, slash, rest = text.partition("/")
    if not bucket or not slash:
        raise ValueError(f"{text!r} is no place: write BUCKET/KEY, or BUCKET/FOLDER/ for all below it")
    return Place(bucket, rest)


def _check_expiry(text: str) -> str:
    if text != NONE and _duration(text) is None and _instant(text) is None:
        raise ValueError(f"{text!r} is no end: write 90s, 15m, 12h, 30d, 2w, 2027-01-31, RFC 3339 or none")
    return text


def _read_instant(text: str) -> str:
    if (found := _instant(text)) is None:
        raise ValueError(f"{text!r} is no time: write 2026-11-01 or 2026-11-01T12:00:00Z")
    return format_instant(found)


def _check_span(text: str) -> str:
    if _duration(text) is None:
        raise ValueError(f"{text!r} is no duration: write 90s, 15m, 12h")
    return text


def _check_size(text: str) -> str:
    if text != NONE:
        size(text)
    return text


def _check_uses(text: str) -> str:
    if text != NONE and not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ValueError(f"{text!r} is no number of uses: write 1, 2, 3 … or none")
    return text


PLACE: Final = _Read("BUCKET/KEY", _read_place)
EXPIRY: Final = _Read("TIME", _check_expiry)
"""A duration or an instant, checked here and sent as written; `none` is for ever."""

INSTANT: Final = _Read("TIME", _read_instant)
"""A time that has been, sent in RFC 3339; a date alone is its first second in UTC."""

SPAN: Final = _Read("DURATION", _check_span)
SIZE: Final = _Read("SIZE", _check_size)
USES: Final = _Read("N", _check_uses)


def _duration(text: str) -> float | None:
    try:
        return duration(text)
    except ValueError:
        return None


def _instant(text: str) -> float | None:
    try:
        return instant(text)
    except ValueError:
        return None


def parse_expiry(text: str) -> dict[str, Any]:
    """The member of a body that says when a link ends: a duration from now, an instant, or null for `none`.

    A date alone is that day's last second in UTC.
    """
    if text == NONE:
        return {"expires_at": None}
    seconds = _duration(text)
    return {"expires_at": format_instant(end_instant(text))} if seconds is None else {"expires_in": seconds}


def parse_start(text: str) -> str:
    """An instant from a duration from now or a date."""
    seconds = _duration(text)
    return format_instant(instant(text) if seconds is None else time.time() + seconds)


def find_token(text: str) -> str | None:
    """The token of a link's URL, or the text itself if it is a whole token."""
    path = urlsplit(text).path if "/" in text else f"/s/{text}"
    _, marker, tail = path.partition("/s/")
    try:
        return LinkToken(without_marks(tail.partition("/")[0])).text if marker else None
    except ValueError:
        return None


def check_link_id(text: str) -> str:
    """A public id as given.

    Raises:
        click.UsageError: it is a URL or a token, or nothing that we ever gave out.
    """
    if _LINK_ID.fullmatch(text):
        return text
    if find_token(text) is not None:
        raise click.UsageError("This takes the link's id (l_…), which gateway link ls shows, not its secret URL.")
    raise click.UsageError(f"{text!r} is no id: ids look like l_8fKq2… and gateway link ls shows them.")


def check_key_id(text: str) -> str:
    """A key's public id as given.

    Raises:
        click.UsageError: it is an access key id, or nothing that we ever gave out.
    """
    if _KEY_ID.fullmatch(text):
        return text
    if text.startswith("GWK"):
        raise click.UsageError("This takes the key's id (k_…), which gateway key ls shows, not its access key id.")
    raise click.UsageError(f"{text!r} is no id: ids look like k_8fKq2… and gateway key ls shows them.")


def check_key_name(text: str) -> str:
    """A key's public id or its access key id, as given.

    Raises:
        click.UsageError: it is neither.
    """
    if text.startswith(("k_", "GWK")) and _FOUND.fullmatch(text):
        return text
    raise click.UsageError("A key is named by its id (k_…) or its access key id (GWK…).")


def find_secrets(text: str) -> list[str]:
    """Every token, access key id and public id that stands in a text, each once, in order."""
    return list(dict.fromkeys(_FOUND.findall(text)))
