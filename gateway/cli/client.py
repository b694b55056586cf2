"""Owns the way to the control API: one blocking call, and what each kind of failure means to a person.

Refuses to own what the answers mean (the commands do). The standard library's client is used on purpose: it is there
in a tenth of the time that the gateway's own would take to import.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

from gateway.cli.contexts import choose_place
from gateway.cli.identity import choose_credentials
from gateway.cli.output import Exit, fail
from gateway.core.reasons import DependencyDown
from gateway.core.values import dataclass

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPConnection

    from gateway.cli.sign_ins import KeptSignIn
    from gateway.core.backend import Credentials

_PAGE: Final = 200
_ADMIN: Final = "GATEWAY_ADMIN_TOKEN"


def connect(url: str, timeout: float, ca_file: str | None = None) -> HTTPConnection:
    """A connection to the host of a URL, not opened yet. Proxies of the environment are not used.

    `ca_file` holds the authorities to trust instead of the system's.

    Raises:
        click.exceptions.Exit: the URL is none.
    """
    from http.client import HTTPConnection, HTTPSConnection

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        fail(f"{url!r} is not a URL.", Exit.USAGE)
    if parts.scheme not in {"http", "https"} or not host:
        fail(f"{url!r} is not an http:// or https:// URL.", Exit.USAGE)
    if parts.scheme == "http":
        return HTTPConnection(host, port, timeout=timeout)
    return HTTPSConnection(host, port, timeout=timeout, context=None if ca_file is None else _trust(ca_file))


def _trust(ca_file: str) -> ssl.SSLContext:
    import ssl

    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        fail(f"{ca_file}: {error.strerror or 'no certificate authorities in PEM'}.", Exit.USAGE)


def escape_segment(text: str) -> str:
    """One segment of a path, escaped."""
    return quote(text, safe="")


@dataclass(frozen=True, slots=True)
class Control:
    """The control API of one gateway. `timeout` is in seconds, for each read and write.

    With a `key` of an app each request is signed by it, and no token is sent; a `sign_in` gives a token that has not
    ended. `source` is where the token came from, for people.
    """

    url: str
    token: str = field(repr=False)
    timeout: float = 30.0
    key: Credentials | None = None
    sign_in: KeptSignIn | None = None
    ca_file: str | None = None
    source: str = _ADMIN

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        missing: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The answer's JSON object, `{}` for an empty one. Query parameters that are None are left out.

        A 404 is answered with `missing`, where that is given.

        Raises:
            click.exceptions.Exit: with the exit code that fits, for every other answer and for none.
        """
        from http.client import HTTPException

        try:
            status, text = self.ask(method, path, body, query=query)
        except (OSError, HTTPException) as error:
            fail(
                f"No gateway answers at {self.url} ({_describe_cause(error)}): is it running, is GATEWAY_URL "
                "or the context right?",
                Exit.UNREACHABLE,
            )
        if status == 404 and missing is not None:
            return missing
        return self._read_answer(status, text)

    def reach(self, method: str, path: str, *, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Like `call`, for those who try again.

        Raises:
            DependencyDown: no gateway answers, or something before it does, or it cannot answer now.
            click.exceptions.Exit: as `call`, for an answer that trying again would not change.
        """
        from http.client import HTTPException

        try:
            status, text = self.ask(method, path, query=query)
        except (OSError, HTTPException) as error:
            raise DependencyDown(
                "revocations", f"No gateway answers at {self.url} ({_describe_cause(error)})"
            ) from error
        if status == 429 or status >= 500 or _parse_object(text) is None:
            raise DependencyDown("revocations", f"{self.url} answered {status}")
        return self._read_answer(status, text)

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
    ) -> tuple[int, bytes]:
        """The status and the body of any answer.

        Raises:
            OSError, http.client.HTTPException: there is none.
        """
        wanted = {name: value for name, value in (query or {}).items() if value is not None}
        place = urlsplit(self.url).path.rstrip("/") + path
        target = place + (f"?{urlencode(wanted, quote_via=quote)}" if wanted else "")
        token = self.token if self.sign_in is None else self.sign_in.token()
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        payload = None if body is None else json.dumps(body).encode()
        if payload is not None:
            headers["Content-Type"] = "application/json"
        if self.key is not None:
            headers |= self._sign(self.key, method, place, wanted, payload or b"")
        connection = connect(self.url, self.timeout, self.ca_file)
        try:
            connection.request(method, target, payload, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ask_who(self) -> dict[str, Any] | None:
        """Who the caller is for the gateway; None if nobody. Raises as `call`."""
        from http.client import HTTPException

        try:
            status, text = self.ask("GET", "/v1/whoami")
        except (OSError, HTTPException) as error:
            fail(f"No gateway answers at {self.url} ({_describe_cause(error)}).", Exit.UNREACHABLE)
        return None if status == 401 else self._read_answer(status, text)

    def _sign(
        self, key: Credentials, method: str, place: str, query: Mapping[str, Any], payload: bytes
    ) -> dict[str, str]:
        from hashlib import sha256
        from time import time

        from gateway.wire.sig.sigv4 import SigningKeys, sign_headers

        added = sign_headers(
            key,
            SigningKeys(1),
            method=method,
            host=urlsplit(self.url).netloc,
            path=place,
            query=[(name, str(value)) for name, value in query.items()],
            region="us-east-1",
            service="gateway",
            now=time(),
            payload_hash=sha256(payload).hexdigest(),
        )
        return {name.title(): value for name, value in added}

    def pages(self, path: str, name: str, query: Mapping[str, Any], limit: int) -> Iterator[dict[str, Any]]:
        """Members of a list that comes in pages, at most `limit` of them."""
        cursor: str | None = None
        while limit > 0:
            answer = self.call("GET", path, query={**query, "cursor": cursor, "limit": min(limit, _PAGE)})
            members = answer.get(name, [])
            yield from members[:limit]
            limit -= len(members)
            cursor = answer.get("cursor")
            if not cursor:
                return

    def revoke_each(self, targets: Sequence[Mapping[str, Any]], more: Mapping[str, Any]) -> list[int | None]:
        """How many living grants each target's revocation ended, None for a target whose name is not known.

        The others are revoked all the same. Raises as `call` does.
        """
        answers = [self.call("POST", "/v1/revocations", {**target, **more}, missing={}) for target in targets]
        return [int(answer["revoked"]) if answer.get("known", bool(answer)) else None for answer in answers]

    def _read_answer(self, status: int, text: bytes) -> dict[str, Any]:
        value = _parse_object(text)
        if value is None:
            fail(f"{self.url} answered {status} with something that is no answer of the control API.", Exit.UNREACHABLE)
        if status < 300:
            return value
        if status == 401:
            if self.key is not None:
                fail("The gateway does not take the key in AWS_ACCESS_KEY_ID: " + _describe_problem(value, status))
            if self.sign_in is not None:
                fail("The gateway does not take your sign-in: gateway login, or gateway logout.")
            if self.source != _ADMIN:
                fail(f"The gateway does not know the token in {self.source}.")
            fail("The gateway does not know this admin token: set GATEWAY_ADMIN_TOKEN, or gateway login.")
        return fail(_describe_problem(value, status), Exit.NOT_FOUND if status == 404 else Exit.FAILED)


def control() -> Control:
    """The control API that option, environment and context name, as whoever they say.

    Raises:
        click.exceptions.Exit: they name nobody, or cannot be read.
    """
    found = control_without_token()
    if not (found.token or found.key or found.sign_in):
        fail(
            "Set GATEWAY_ADMIN_TOKEN to the gateway's admin token, or AWS_ACCESS_KEY_ID to a key of it, "
            "or sign in: gateway login.",
            Exit.USAGE,
        )
    return found


def control_without_token(timeout: float = 30.0) -> Control:
    """The same, as nobody where nobody is named: some of what it is asked for needs no token. Raises as `control`."""
    place = choose_place()
    shown = choose_credentials(place)
    if shown is None:
        return Control(place.url, "", timeout, ca_file=place.ca_file)
    return Control(place.url, shown.token, timeout, shown.key, shown.sign_in, place.ca_file, shown.source)


def _parse_object(text: bytes) -> dict[str, Any] | None:
    """The JSON object of an answer, `{}` for an empty one, None for anything else."""
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _describe_problem(problem: Mapping[str, Any], status: int) -> str:
    """What a problem document says, in one sentence: its faults where it names some, else its detail."""
    faults = problem.get("errors")
    if status == 422 and isinstance(faults, list) and faults:
        named = [(fault.get("parameter") or fault.get("pointer", "").lstrip("/"), fault["detail"]) for fault in faults]
        return "; ".join(f"{name}: {detail}" if name else str(detail) for name, detail in named)
    return str(problem.get("detail") or problem.get("title") or f"the gateway answered {status}")


def _describe_cause(error: Exception) -> str:
    from gateway.certificate_fault import certificate_fault

    if isinstance(error, TimeoutError):
        return "no answer in time"
    if (fault := certificate_fault(error)) is not None:
        return fault
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
