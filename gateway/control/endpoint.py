"""Owns the shape of an endpoint, one row of the control API, and of the call that its handler is given.

Refuses to own which rows there are (`gateway.control.rows`) and how a request becomes a call (`gateway.control.serve`).

Law: a row says who may call it, and has no default for that. Router, guard, description and metrics read the same row.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, Generic, Protocol, TypeVar

import orjson

from gateway.control.api import Api
from gateway.control.caller import Access, Admitted, Reach
from gateway.core.attempt import Address, Principal
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.core.said import phrase
from gateway.core.token import SecretHash
from gateway.core.values import dataclass
from gateway.wire.http.target import decode
from gateway.wire.replies import Reply

Query = TypeVar("Query")
Body = TypeVar("Body")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Form:
    """What a form says, and the SHA-256 of the body that said it, in hex."""

    fields: Mapping[str, str]
    digest: str


@dataclass(frozen=True, slots=True)
class Call(Generic[Query, Body]):
    """One request whose caller is known and whose query and body are read, as the row says.

    `values` are the decoded parts of the path that the row names; `peer` is None on a Unix socket. Where a form is
    expected and something else came, or a field twice, `body` is None.
    """

    request_id: str
    raw: RawRequest
    peer: Address | None
    admitted: Admitted
    values: Mapping[str, str]
    query: Query
    body: Body

    @property
    def caller(self) -> Principal:
        """Who acts, for the audit trail and as the owner of what is made."""
        return self.admitted.principal

    @property
    def reach(self) -> Reach:
        """Whose grants are there for the caller."""
        return self.admitted.reach

    @property
    def proof(self) -> SecretHash:
        """The hash of the token that let the caller in, empty where none was asked for."""
        return self.admitted.proof

    def path_id(self) -> str:
        """The `{id}` of the path. Raises Refused(UNKNOWN_TOKEN) for a text that can be no id."""
        found = self.values["id"]
        if not _ID.fullmatch(found):
            raise Refused(Reason.UNKNOWN_TOKEN, phrase("nothing_has_id", "nothing has this id"))
        return found


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[Query, Body]):
    """One row: its handler, who may call it, its models, the statuses it can answer beside the common ones.

    `name` is what the description and the metrics call it. `query` None knows no parameter, `body` None reads none;
    `form` names the fields of a body that is a form. `waits` marks a long poll: its caller's token has to be valid
    until the answer, and it ends when the caller disconnects. `makes` marks a GET that leaves something new behind.
    """

    method: str
    path: str
    access: Access
    handler: Callable[[Api, Call[Query, Body]], Awaitable[Reply]]
    name: str
    tag: str
    summary: str
    query: type[Query] | None = None
    body: type[Body] | None = None
    form: tuple[str, ...] = ()
    answer: type | None = None
    status: int = 200
    also: tuple[int, ...] = ()
    media: str = "application/json"
    headers: tuple[str, ...] = ()
    waits: bool = False
    makes: bool = False


class Placed(Protocol):
    """What stands at a path for a method: a row of the API, or a page of the console."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...


Row = TypeVar("Row", bound=Placed)


@dataclass(frozen=True, slots=True)
class Found(Generic[Row]):
    """The rows of one path by their methods, and what the path says in the places that they leave open."""

    methods: Mapping[str, Row]
    values: Mapping[str, str]


class Router(Generic[Row]):
    """Finds the rows of a path. A row's `{name}` stands for one part between slashes, which is not empty.

    Of two that fit, the one that was named first counts.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._paths: dict[tuple[str, ...], dict[str, Row]] = {}
        for row in rows:
            self._paths.setdefault(tuple(row.path.split("/")), {})[row.method] = row

    def find(self, path: str) -> Found[Row] | None:
        """What stands at a path whose parts are still percent-encoded. Raises Refused(BAD_REQUEST): no UTF-8."""
        parts = [decode(part, Reason.BAD_REQUEST) for part in path.split("/")]
        for template, methods in self._paths.items():
            if len(template) == len(parts):
                pairs = list(zip(template, parts, strict=True))
                if all(said == part or (said.startswith("{") and part) for said, part in pairs):
                    return Found(methods, {said[1:-1]: part for said, part in pairs if said.startswith("{")})
        return None


def json_reply(answer: object) -> Reply:
    """An answer in JSON that needs no model."""
    return Reply(200, (("Content-Type", "application/json"),), orjson.dumps(answer))
