"""Owns which app the bearer of a web identity token may be, and how long the issuer's keys are believed.

Refuses to own the proof itself (`gateway.control.web_tokens`), what the answer looks like
(`gateway.control.session_routes`) and what the app may do.

Law: keys are fetched when they are needed, and again at most every `_RETRY` seconds for a key id that is not among
them. No key is believed for longer than `_STALE` seconds.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from gateway.control.deps import Proved
from gateway.core.identity import IdentityRules
from gateway.core.reasons import DependencyDown

if TYPE_CHECKING:
    from gateway.control.web_tokens import Keys

__all__ = ["Identity"]

_log = structlog.get_logger("gateway.control")
_FRESH: Final = 300.0
_RETRY: Final = 30.0
_STALE: Final = 3600.0
"""Seconds: keys are asked for again after the first, and used for the last while the issuer does not answer."""

_FETCH_SECONDS: Final = 5.0
_LARGEST: Final = 256 * 1024


class Identity:
    """An `IdentityVerifier`. `rules` is asked at every token, so that a reload takes effect; None accepts no token.

    `clock` gives seconds since the epoch.
    """

    def __init__(self, rules: Callable[[], IdentityRules | None], clock: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self._turn = asyncio.Lock()
        self._source: IdentityRules | None = None
        self._keys: Keys = {}
        self._fetched = self._asked = -inf

    async def prove(self, token: str, role: str) -> Proved | None:
        """The app of this role and who takes it, if the token's subject may.

        Raises:
            DependencyDown: no issuer is configured, or the issuer's keys cannot be had.
        """
        rules = self._rules()
        if rules is None:
            raise DependencyDown("grants", "no identity provider is configured")
        from gateway.control import web_tokens  # noqa: PLC0415 (ten megabytes: only who believes in tokens needs them)

        keys = await self._current(rules, web_tokens.key_id(token))
        subject = web_tokens.subject_of(token, keys, rules, int(self._clock()))
        wanted = rules.roles.get(role)
        if wanted is None or subject is None or not wanted.admits(subject):
            return None
        return Proved(wanted.app, rules.issuer, rules.audience, subject)

    async def _current(self, rules: IdentityRules, key_id: str | None) -> Keys:
        """The issuer's keys, as fresh as this key id needs them.

        Raises:
            DependencyDown: none could be had for too long.
        """
        async with self._turn:
            now = self._clock()
            if rules != self._source:
                self._source, self._keys, self._fetched, self._asked = rules, {}, -inf, -inf
            known = key_id in self._keys and now < self._fetched + _FRESH
            if not known and now >= self._asked + _RETRY:
                self._asked = now
                try:
                    self._keys, self._fetched = await _fetch(rules), now
                except (OSError, ValueError, LookupError, TypeError) as failure:
                    _log.warning("the issuer's keys cannot be had", fault=type(failure).__name__)
            if now >= self._fetched + _STALE:
                raise DependencyDown("grants", "the issuer's keys cannot be had")
            return self._keys


async def _fetch(rules: IdentityRules) -> Keys:
    from gateway.control.web_tokens import read_keys  # noqa: PLC0415 (as above)

    if "://" in rules.jwks:
        return read_keys(await _download(rules, rules.jwks))
    return read_keys(await asyncio.to_thread(Path(rules.jwks).read_bytes))


async def _download(rules: IdentityRules, url: str) -> bytes:
    import aiohttp  # noqa: PLC0415 (as above)

    context = ssl.create_default_context(cafile=rules.ca_file)
    headers = {"Accept": "application/json"}
    if rules.bearer is not None:
        headers["Authorization"] = f"Bearer {rules.bearer}"
    timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, headers=headers, ssl=context, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ValueError(f"the answer was {answer.status}")
            text = bytearray()
            async for chunk in answer.content.iter_any():
                text += chunk
                if len(text) > _LARGEST:
                    raise ValueError("the answer is too large")
            return bytes(text)
    except aiohttp.ClientError as failure:
        raise ValueError("no answer could be had") from failure
