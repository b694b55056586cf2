"""Owns what `control.console` may say: whether there is a console, and how long somebody stays signed in.

Refuses to own who may sign in (`gateway.settings.identity`, `control.tokens`) and what they may do then.
"""

from __future__ import annotations

from pydantic import StrictBool, model_validator

from gateway.schema.quantities import Duration
from gateway.settings.entry import Section


class ConsoleSettings(Section):
    """The pages below `/ui/` on the control listener."""

    enabled: StrictBool = True
    """False answers 404 there."""
    idle: Duration = 1800.0
    """A session in which nothing was asked for so long is over."""
    longest: Duration = 43200.0
    """And every session is after this, however busy."""

    @model_validator(mode="after")
    def _ends_by_idling(self) -> ConsoleSettings:
        if self.idle > self.longest:
            raise ValueError("has an idle end after the longest session's")
        return self
