"""Owns one request as far as it is understood before it is decided on: the value that the later steps are given.

Refuses to own how it is read (`gateway.data.steps.attempt`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from gateway.core.attempt import Attempt
from gateway.core.grant import Grant
from gateway.core.request import ObjectRequest
from gateway.data.post_form import ArrivingForm
from gateway.data.presented import Presented
from gateway.wire.sig.sigv4 import Verified

__all__ = ["Call", "LinkPage"]


class LinkPage(Enum):
    """What a person gets instead of an object's bytes."""

    ENTER = auto()
    """Back from one of our forms: set cookies, go on to the object."""

    LANDING = auto()
    """What is behind the link, and a button that takes a use."""

    CARD = auto()
    """For programs that make previews: nothing but that there is something."""

    UPLOAD = auto()
    """The form of a link that only takes files."""


@dataclass(frozen=True, slots=True)
class Call:
    """An attempt with all that led to it. `page` is set when a person gets a page instead of bytes.

    `grant` is the one that was presented, as it was at the feed's position `as_of`: what may be done with it now is the
    permit's to know.
    """

    request: ObjectRequest
    presented: Presented
    grant: Grant | None
    attempt: Attempt
    as_of: int = 0
    page: LinkPage | None = None
    verified: Verified | None = None
    form: ArrivingForm | None = None
