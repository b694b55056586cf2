"""Owns an answer of the control API that knows which of its texts are sentences (`gateway.core.said`).

Refuses to own their words in any language.

Law: what is sent is the English text, and nothing of this. Whoever is in the same process and shows the answer to a
person finds the sentences in it as they were said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Self

from gateway.core.said import Said
from gateway.core.values import dataclass
from gateway.wire.replies import Reply


@dataclass(frozen=True, slots=True)
class Spoken(Reply):
    """An answer, and the sentences in it by what they are in English."""

    said: Mapping[str, Said] = field(default_factory=dict)

    @classmethod
    def of(cls, reply: Reply, texts: Iterable[str | None]) -> Self:
        """This answer, with those of its texts that are sentences."""
        said = {str(text): text for text in texts if isinstance(text, Said)}
        return cls(reply.status, reply.headers, reply.body, reply.own, said)

    def restore(self, value: Any) -> Any:
        """The answer's JSON, or a part of it, with its sentences as they were said."""
        if isinstance(value, dict):
            return {name: self.restore(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.restore(member) for member in value]
        return self.said.get(value, value) if isinstance(value, str) else value
