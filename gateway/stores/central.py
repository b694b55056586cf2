"""Owns the engine of a sidecar without a store of its own: a central gateway's control API.

Refuses to own durability (the central gateway's), rate limits and records (this process's own, in memory, unless the
settings name another place), and every change of grants: those are made at the central gateway. Short-lived keys of its
apps are requested there, once for each: an answer that is lost is a key that nobody holds.

Laws: an answer is taken only from the central gateway itself, once, and only when it is complete, so the revocation
view ages by the same rule as with a store: when the list was not read for five seconds, nothing is decided on it. Uses
and byte budgets are counted at the central gateway, exactly. When it says that this sidecar serves others than before,
every grant counts as edited; that entry is this sidecar's own, so the serials here leave room for it between two of
the central gateway's.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, NoReturn
from urllib.parse import quote, urlsplit

import aiohttp
from cachetools import LRUCache

from gateway.certificate_fault import certificate_fault
from gateway.core.attempt import Principal
from gateway.core.grant import Grant
from gateway.core.grant_codec import GrantRow, read_grant
from gateway.core.holder_pass import seal_pass
from gateway.core.holders import Holder
from gateway.core.intake import FILES
from gateway.core.issued import IssuedKey, LivingSession
from gateway.core.lease import Lease, Reservation, Room, Settlement, Usage, Use
from gateway.core.reasons import Dependency, DependencyDown, Reason, Refused, SettingsError
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import EVERY, FeedKind, RevocationTarget
from gateway.core.source import Source
from gateway.core.token import SecretHash, hash_secret
from gateway.core.units import instant
from gateway.stores.engine import Engine
from gateway.stores.memory import open_memory
from gateway.stores.uses import count_each
from gateway.trust import trust

ANSWER_SECONDS: Final = 3.0
"""Longest wait for an answer, so that two fit into the age of a view."""

_LONGEST_WAIT: Final = 20.0
_PAGE: Final = 1000
_FOUND: Final = 200_000
_ENDED_AT_ONCE: Final = 500
_ROOM: Final = 1 << 20
"""How many serials there are here for one of the central gateway's."""

_REMEMBERED: Final = 10_000
"""Answers whose ids are known. Longer than any view may be old, at any rate at which one sidecar asks."""


async def open_central(
    url: str, token: str, *, ca_file: str | None = None, clock: Callable[[], float] = time.time
) -> Engine:
    """Follow the gateway at `url` (its control API); `token` is a sidecar's token there. The authorities of `ca_file`
    are believed, without one the system's.

    Raises:
        SettingsError: the URL or the token is wrong, or the gateway cannot be reached.
    """
    address = url.removeprefix("central+").rstrip("/")
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise SettingsError("state: write central+https://HOST: grants and a token travel there.")
    if not token:
        raise SettingsError("state: a central gateway needs a token: write state: {grants: …, token: env:NAME}.")
    client = CentralClient(address, token, ca_file)
    feed = CentralFeed(client)

    async def probe() -> None:
        await feed.since(0, 1)

    try:
        await probe()
    except DependencyDown as failure:
        await client.close()
        raise SettingsError(f"state: {failure.detail}.") from None
    own = open_memory(clock=clock)
    return Engine(
        grants=CentralGrants(client),
        leases=CentralLeases(client),
        limits=own.limits,
        feed=feed,
        ledger=own.ledger,
        issuer=CentralIssuer(client),
        probe=probe,
        close=client.close,
    )


class CentralClient:
    """One HTTP session with the central gateway, that the stores share."""

    def __init__(self, url: str, token: str, ca_file: str | None) -> None:
        self.hashes: LRUCache[str, SecretHash] = LRUCache(_FOUND)
        """Of the grants that were found, by their ids: by its hash a grant is named at the central gateway."""
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "Cache-Control": "no-cache"}
        self._url = url
        self._ca_file = ca_file
        self._trusted: ssl.SSLContext | None = None
        self._session: aiohttp.ClientSession | None = aiohttp.ClientSession(headers=headers)
        self._answered: LRUCache[str, None] = LRUCache(_REMEMBERED)

    async def close(self) -> None:
        """Close the connections. Later calls raise DependencyDown."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def ask(
        self,
        dependency: Dependency,
        method: str,
        path: str,
        body: object = None,
        *,
        more_seconds: float = 0.0,
        issuing: bool = False,
    ) -> dict[str, Any]:
        """One call; the answer's object. Redirects are not followed: the token is for this gateway alone.

        Raises:
            Refused: the central gateway knows the token and will not issue that key.
            DependencyDown: there is no answer, or one that was not expected.
        """
        if self._session is None:
            raise DependencyDown(dependency, "the store is not open")
        try:
            async with asyncio.timeout(ANSWER_SECONDS + more_seconds):
                async with self._session.request(
                    method,
                    self._url + path,
                    json=body,
                    ssl=self._trust(),
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None),
                ) as answer:
                    if answer.status == 403 and issuing:
                        raise Refused(Reason.NOT_ALLOWED, await _refusal(answer))
                    if answer.status != (201 if issuing else 200):
                        raise DependencyDown(dependency, f"the central gateway answers {answer.status}")
                    self._require_new(dependency, answer)
                    found = await answer.json()
                    if not isinstance(found, dict):
                        raise DependencyDown(dependency, "the central gateway answers with something else")
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as failure:
            fault = certificate_fault(failure) or type(failure).__name__
            detail = f"the central gateway cannot be reached ({fault})"
            raise DependencyDown(dependency, detail) from failure
        return found

    def _trust(self) -> ssl.SSLContext | bool:
        """Whom to believe at the next connection; a file that can no longer be read changes nothing.

        Raises:
            OSError: it could not be read yet: nobody else is believed in its place.
        """
        if self._ca_file is None:
            return True
        try:
            self._trusted = trust(self._ca_file)
        except OSError:
            if self._trusted is None:
                raise
        return self._trusted

    def _require_new(self, dependency: Dependency, answer: aiohttp.ClientResponse) -> None:
        """The central gateway gives each answer an id: one that comes twice was kept by something on the way."""
        name = answer.headers.get("X-Request-ID")
        if name is None:
            return
        if name in self._answered:
            detail = "an answer of the central gateway came twice: something before it keeps answers, and must not"
            raise DependencyDown(dependency, detail)
        self._answered[name] = None


class CentralGrants:
    """A `GrantAdmin` that finds grants, and refuses every change."""

    def __init__(self, client: CentralClient) -> None:
        self._client = client

    async def find(self, secret_hash: SecretHash) -> Grant | None:
        answer = await self._client.ask("grants", "GET", f"/v1/grants/by-hash/{secret_hash.hex()}")
        if "grant" in answer and answer["grant"] is None:
            return None
        grant = _grant(answer, secret_hash)
        self._client.hashes[grant.id] = secret_hash
        return grant

    async def _refuse(self, *_: object) -> NoReturn:
        raise _elsewhere()

    get = create = save = save_all = page = count = _refuse

    async def _nothing(self, _: float) -> int:
        return 0

    count_waiting = prune_ended = _nothing
    """The central gateway counts what waits there, and forgets what ended."""


class CentralIssuer:
    """A `RemoteIssuer`: to the central gateway, the keys come from this sidecar; `source` is behind it."""

    def __init__(self, client: CentralClient) -> None:
        self._client = client

    async def issue_session(self, app: str, seconds: float, label: str, source: Source) -> IssuedKey:
        body = {"app": app, "expires_in": seconds, "label": label, "source": list(source)}
        answer = await self._client.ask("grants", "POST", "/v1/sessions", body, issuing=True)
        key = _issued(answer)
        if key.grant.owner != Principal("app", app):
            raise DependencyDown("grants", "the central gateway answers with another grant")
        return key

    async def issue_for_link(self, link: Grant, use: str, holder: Holder | None) -> IssuedKey:
        body = {"hash": link.hash.hex(), "use": use}
        if holder is not None:
            body["holder"] = seal_pass(link, holder)
        answer = await self._client.ask("grants", "POST", "/v1/sessions/link", body, issuing=True)
        key = _issued(answer)
        if key.grant.link != link.hash:
            raise DependencyDown("grants", "the central gateway answers with another grant")
        return key

    async def sessions_through(self, address: str) -> Sequence[LivingSession]:
        answer = await self._client.ask("grants", "GET", f"/v1/sessions?address={quote(address, safe='')}")
        try:
            return [LivingSession(one["id"], one["app"], tuple(one["source"])) for one in answer["sessions"]]
        except (KeyError, TypeError) as fault:
            raise DependencyDown("grants", "the central gateway's list of keys cannot be read") from fault

    async def end_sessions(self, ids: Sequence[str]) -> None:
        for first in range(0, len(ids), _ENDED_AT_ONCE):
            batch = list(ids[first : first + _ENDED_AT_ONCE])
            await self._client.ask("grants", "POST", "/v1/sessions/end", {"ids": batch})


class CentralFeed:
    """A `RevocationFeed` that reads. What this sidecar serves is part of it: a change of that edits every grant."""

    def __init__(self, client: CentralClient) -> None:
        self._client = client
        self._serves: str | None = None
        self._newest = self._served_anew = 0

    async def revoke(self, targets: Sequence[RevocationTarget], at: float, reason: str, by: str) -> Sequence[FeedEntry]:
        raise _elsewhere()

    async def since(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        entries = await self._entries(serial, limit, notices="true")
        if serial < self._served_anew:
            entries.append(FeedEntry(self._served_anew, FeedKind.CHANGED, EVERY))
            entries.sort(key=lambda entry: entry.serial)
        return entries[:limit]

    async def revocations(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        return await self._entries(serial, limit, notices="false")

    async def last(self) -> int:
        return self._newest

    async def changed(self, serial: int, seconds: float) -> None:
        wait = min(seconds, _LONGEST_WAIT)
        query = f"?after={serial // _ROOM}&notices=true&limit=1&wait={wait}"
        await self._client.ask("revocations", "GET", f"/v1/revocations{query}", more_seconds=wait)

    async def _entries(self, serial: int, limit: int, *, notices: str) -> list[FeedEntry]:
        found: list[FeedEntry] = []
        while len(found) < limit:
            wanted = min(limit - len(found), _PAGE)
            query = f"?after={serial // _ROOM}&notices={notices}&limit={wanted}&wait=0"
            answer = await self._client.ask("revocations", "GET", f"/v1/revocations{query}")
            try:
                page = [_entry(fields) for fields in answer["revocations"]]
            except (KeyError, TypeError, ValueError) as fault:
                raise DependencyDown("revocations", "the central gateway's list cannot be read") from fault
            found += page
            serial = page[-1].serial if page else serial
            self._note_serves(str(answer.get("serves")), serial)
            if not page and answer.get("last") is not None:  # less than what was read: its state has lost some
                self._newest, self._served_anew = int(answer["last"]) * _ROOM, 0
            if len(page) < wanted:
                break
        return found

    def _note_serves(self, serves: str, serial: int) -> None:
        """Hear whose grants this sidecar is given; the first word is no news."""
        self._newest = max(self._newest, serial)
        if self._serves not in {None, serves}:
            self._newest = self._served_anew = self._newest + 1
        self._serves = serves


class CentralLeases:
    """A `LeaseStore`."""

    def __init__(self, client: CentralClient) -> None:
        self._client = client

    async def open_lease(self, mine: Reservation, uses: int | None, now: float, window: float) -> Lease | None:
        if uses == 0:
            granted = _granted(await self._use("join", mine, key=mine.key))
            return Lease(mine.grant_id, mine.key or "", fresh=False) if granted else None
        answer = await self._use("open", mine, key=mine.key, request=mine.request, window=window)
        return Lease(mine.grant_id, mine.key or "", bool(answer.get("fresh"))) if _granted(answer) else None

    async def give_back(self, mine: Reservation) -> None:
        await self._use("give-back", mine, key=mine.key, request=mine.request)

    async def reserve_bytes(
        self, mine: Reservation, wanted: int, *, budget: int | None = None, cap: int | None = None
    ) -> Room:
        answer = await self._use("reserve", mine, key=mine.key, request=mine.request, wanted=wanted, cap=cap)
        try:
            return Room(str(answer.get("room")))
        except ValueError as fault:
            raise DependencyDown("grants", "the central gateway does not say whether bytes are left") from fault

    async def settle_bytes(self, mine: Reservation, done: Settlement, now: float) -> None:
        # No sidecar takes back what is counted: what was stored of an upload that ended unfinished stays so.
        how = {"moved": max(0, done.moved), "ends": done.ends, "keeps": done.keeps}
        await self._use("settle", mine, key=mine.key, request=mine.request, **how)

    async def count_uses(self, uses: Sequence[Use], window: float) -> None:
        await count_each(self, uses, window)

    async def release_lapsed(self) -> int:
        """The central gateway does it."""
        return 0

    async def usage(self, grant_ids: list[str]) -> dict[str, Usage]:
        answers = {grant_id: await self._use("usage", Reservation(grant_id)) for grant_id in grant_ids}
        try:
            return {
                grant_id: Usage(int(answer["uses"]), int(answer["moved"]), answer["last_used_at"])
                for grant_id, answer in answers.items()
                if answer["uses"] or answer["moved"]
            }
        except (KeyError, TypeError, ValueError) as fault:
            raise DependencyDown("grants", "the central gateway's counters cannot be read") from fault

    async def _use(self, what: str, mine: Reservation, **fields: object) -> dict[str, Any]:
        grant_id = mine.grant_id.removesuffix(FILES)
        if grant_id != mine.grant_id:
            fields["files"] = True
        secret_hash = self._client.hashes.get(grant_id)
        if secret_hash is None:
            raise DependencyDown("grants", "the grant was not asked for at the central gateway")
        return await self._client.ask("grants", "POST", f"/v1/uses/{what}", {"hash": secret_hash.hex(), **fields})


async def _refusal(answer: aiohttp.ClientResponse) -> str:
    """What a refusal says. Raises DependencyDown("grants") for one that a proxy before the gateway made."""
    problem = await answer.json(content_type=None)
    if not isinstance(problem, dict) or problem.get("reason") != Reason.NOT_ALLOWED:
        raise DependencyDown("grants", "the central gateway answers 403, and not by itself")
    return f"the central gateway refuses: {problem.get('detail')}"


def _grant(answer: dict[str, Any], secret_hash: SecretHash) -> Grant:
    """Raises DependencyDown("grants") when the answer holds no grant, or another one."""
    try:
        row = GrantRow(*answer["grant"])
        document = b64decode(row.document).decode()
        grant = read_grant(row._replace(hash=b64decode(row.hash), document=document))
    except (KeyError, TypeError, ValueError) as fault:
        raise DependencyDown("grants", "the central gateway answers with something that is no grant") from fault
    if grant.hash != secret_hash:
        raise DependencyDown("grants", "the central gateway answers with another grant")
    return replace(grant, serial=grant.serial * _ROOM)


def _issued(answer: dict[str, Any]) -> IssuedKey:
    """Raises DependencyDown("grants") when the answer holds no session key with its secrets."""
    public, secret, token = (
        str(answer.get(name, "")) for name in ("access_key_id", "secret_access_key", "session_token")
    )
    grant = _grant(answer, hash_secret(public))
    if grant.session_hash != hash_secret(token) or grant.expires_at is None or not secret:
        raise DependencyDown("grants", "the central gateway answers with another grant")
    return IssuedKey(grant, public, secret, token)


def _granted(answer: dict[str, Any]) -> bool:
    """Raises DependencyDown("grants") when the answer does not say it."""
    granted = answer.get("granted")
    if not isinstance(granted, bool):
        raise DependencyDown("grants", "the central gateway does not say whether a use is left")
    return granted


def _elsewhere() -> Refused:
    return Refused(Reason.UNSUPPORTED_OPERATION, "this gateway follows a central one: ask there")


def _entry(fields: dict[str, Any]) -> FeedEntry:
    return FeedEntry(
        int(fields["serial"]) * _ROOM,
        FeedKind(fields["kind"]),
        fields["name"],
        fields["prefix"],
        instant(fields["at"]),
        fields["reason"],
        fields["by"],
    )
