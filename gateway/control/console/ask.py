"""Owns how a page asks for something: by the very rows of the API, in this process.

Refuses to own what is shown of the answer.

Law: there is no second rule. Who may ask is the row's access, judged by the guard; what may be said are the row's
models; what is answered is the row's answer, failures included. A page can do nothing that the API would not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

import orjson
from pydantic import ValidationError

from gateway.control.api import Api
from gateway.control.body import faults_of
from gateway.control.caller import Access, Admitted
from gateway.control.endpoint import Call, Endpoint
from gateway.control.problems import describe_failure, problem
from gateway.control.rows import ROWS
from gateway.control.spoken import Spoken
from gateway.core.attempt import Address
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.core.said import phrase
from gateway.core.values import dataclass
from gateway.wire.replies import Reply

_ROWS: Final[Mapping[str, Endpoint[Any, Any]]] = {row.name: row for row in ROWS}

Admit = Callable[[Access], Awaitable[Admitted]]


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What the API answers: the members of its JSON, which are those of a problem where it is not `ok`.

    Its repr hides them: a new link's address is among them.
    """

    status: int
    said: dict[str, Any]
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        return self.status < 400

    @property
    def detail(self) -> str:
        """Why not, in a sentence."""
        return cast("str", self.said.get("detail", ""))

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong with each field, by its name; "" is the whole."""
        return {
            str(fault.get("pointer", fault.get("parameter", ""))).strip("/").partition("/")[0]: fault["detail"]
            for fault in self.said.get("errors", ())
        }

    def refusal(self) -> Refused:
        """What is raised where nothing can be shown without what was asked for."""
        return Refused(Reason(self.said["reason"]), self.detail, retry_after=self.retry_after)

    def __repr__(self) -> str:
        return f"Answer({self.status}, …)"


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks as one caller, whom `admit` admits anew to each row."""

    api: Api
    request_id: str
    peer: Address | None
    admit: Admit

    async def ask(
        self,
        name: str,
        *,
        values: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer of the row of this name. `values` are the path's; `headers` those that the row names."""
        row = _ROWS[name]
        try:
            reply = await self._call(row, values or {}, query or {}, body, tuple((headers or {}).items()))
        except ValidationError as error:
            errors = [{"detail": text, "pointer": pointer} for pointer, text in faults_of(error)]
            detail = phrase("rule_faults", "{faults}", faults=tuple(_tell_fault(*fault) for fault in faults_of(error)))
            reply = problem(self.request_id, 422, Reason.BAD_ARGUMENT, detail, errors=errors)
        except Exception as failure:  # noqa: BLE001 (as the API does: nothing inner reaches a page)
            reply = describe_failure(self.request_id, failure)
        said = orjson.loads(reply.body) if reply.body else {}
        if isinstance(reply, Spoken):
            said = reply.restore(said)
        later = next((float(value) for name, value in reply.headers if name == "Retry-After"), None)
        return Answer(reply.status, said, later)

    async def _call(
        self,
        row: Endpoint[Any, Any],
        values: Mapping[str, str],
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None,
        headers: tuple[tuple[str, str], ...],
    ) -> Reply:
        admitted = await self.admit(row.access)
        read = None if row.query is None else row.query.model_validate(dict(query))
        sent = None if row.body is None else row.body.model_validate(dict(body or {}))
        raw = RawRequest(row.method, row.path, "", headers)
        call = Call(self.request_id, raw, self.peer, admitted, values, read, sent)
        return await row.handler(self.api, call)


def _tell_fault(pointer: str, sentence: str) -> str:
    field = pointer.strip("/")
    return phrase("fault_of", "{field}: {sentence}", field=field, sentence=sentence) if field else sentence
