"""Owns what may be sent about a key, and what it asks of the grant.

Refuses to own what a key may do (`gateway.core.policy`) and its secrets (`gateway.control.usecases.keys`).

Law: where a key reaches is one place, said by `bucket`, `prefix` or `keys`, and `actions`, or several in `scopes`; the
two ways are never mixed, so that no field is ever read in the light of another place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StrictBool

from gateway.control.bodies import GrantFields
from gateway.control.body import Body
from gateway.core.grant import Grant
from gateway.core.narrowing import Narrowing
from gateway.core.reasons import Reason, Refused
from gateway.core.request import Action
from gateway.core.said import phrase
from gateway.schema.names import ActorName, BucketName, Key, LinkPrefix

KeyAction = Literal[Action.READ, Action.LIST, Action.WRITE, Action.DELETE]

_MOST_KEYS: Final = 100
"""As many long names as a body of the API holds."""

_MOST_SCOPES: Final = 16
_PLACE: Final = ("bucket", "prefix", "keys", "actions")


class _Place(Body):
    """One place, and what may be done there. Without `bucket` it is wherever the app may, without `actions` whatever.

    `keys` are exact names: they cannot be listed.
    """

    bucket: BucketName | None = None
    prefix: LinkPrefix | None = None
    keys: Annotated[list[Key], Field(min_length=1, max_length=_MOST_KEYS)] | None = None
    actions: Annotated[list[KeyAction], Field(min_length=1, max_length=8)] | None = None

    @classmethod
    def conflicts(cls, sent: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        yield from super().conflicts(sent)
        if sent.get("prefix") is not None and sent.get("keys") is not None:
            yield "keys", phrase("key_prefix_or_names", "give a prefix or keys, not both")
        actions = sent.get("actions")
        if sent.get("keys") is not None and isinstance(actions, list) and Action.LIST in actions:
            yield "actions", phrase("key_list", "the action list needs a prefix, not keys")


class _Scope(_Place):
    """One of several places of a key."""

    bucket: BucketName

    @property
    def narrowing(self) -> Narrowing:
        return Narrowing(
            bucket=self.bucket,
            prefix=self.prefix or "",
            keys=frozenset(self.keys or ()),
            actions=frozenset(Action(action) for action in self.actions or ()),
        )


class _KeyFields(_Place, GrantFields):
    """What a key's maker chooses. None clears."""

    scopes: Annotated[list[_Scope], Field(max_length=_MOST_SCOPES)] | None = None

    @classmethod
    def conflicts(cls, sent: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        yield from super().conflicts(sent)
        if sent.get("scopes") is not None and any(name in sent for name in _PLACE):
            yield (
                "scopes",
                phrase(
                    "key_scopes_or_place", "give scopes, or {names} for the only one, not both", names=", ".join(_PLACE)
                ),
            )

    def apply_to(self, grant: Grant, now: float) -> Grant:
        """The grant with every field that was sent, and nothing else changed.

        Raises:
            Refused: BAD_ARGUMENT when what was sent and what was chosen before are no place together.
        """
        sent, changed = self.model_fields_set, self.changed(now)
        if "scopes" in sent:
            changed["narrowed"] = tuple(dict.fromkeys(scope.narrowing for scope in self.scopes or ()))
        elif not sent.isdisjoint(_PLACE):
            changed["narrowed"] = self._move(grant.narrowed)
        return replace(grant, **changed)

    def _move(self, before: tuple[Narrowing, ...]) -> tuple[Narrowing, ...]:
        """The only place, with what was sent of it changed."""
        if len(before) > 1:
            raise Refused(
                Reason.BAD_ARGUMENT, phrase("key_scopes", "this key has several scopes: send all of them as scopes")
            )
        sent = self.model_fields_set
        chosen: dict[str, Any] = {}
        if "bucket" in sent:
            chosen["bucket"] = self.bucket
            if self.bucket is None:
                chosen |= {"prefix": "", "keys": frozenset[str]()}
        if "prefix" in sent:
            chosen |= {"prefix": self.prefix or "", "keys": frozenset[str]()}
        if "keys" in sent:
            chosen["keys"] = frozenset(self.keys or ())
            if self.keys:
                chosen["prefix"] = ""
        if "actions" in sent:
            chosen["actions"] = frozenset(Action(action) for action in self.actions or ())
        try:
            place = replace(before[0] if before else Narrowing(), **chosen)
        except ValueError as fault:
            raise Refused(Reason.BAD_ARGUMENT, str(fault)) from None
        return () if place == Narrowing() else (place,)


class NewKey(_KeyFields):
    """The body of `POST /v1/keys`. `session` asks for a session token that must come with every use.

    A key is held to where `bucket`, `prefix` or `keys`, and `actions` say, or to one of several `scopes`; without them
    it may do all that its app may, and never more.
    """

    app: ActorName
    session: StrictBool = False

    @classmethod
    def conflicts(cls, sent: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        yield from super().conflicts(sent)
        if sent.get("bucket") is None and (sent.get("prefix") is not None or sent.get("keys") is not None):
            yield "bucket", phrase("key_bucket_named", "a prefix and keys are names in a bucket: name it")
        for name in (*_PLACE, "scopes"):
            if name in sent and not sent[name] and (name, sent[name]) != ("prefix", ""):
                yield (
                    name,
                    phrase("key_no_limit", "left out, it is no limit: that is never said by null or by an empty list"),
                )


class EditKey(_KeyFields):
    """The body of `PATCH /v1/keys/{id}`: any fields at once, null clears, what is not sent stays.

    Without `scopes`, the place of a key that has one is changed; `scopes: []` lets it do all that its app may.
    """
