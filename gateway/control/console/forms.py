"""Owns how the body of the API becomes a form, and a form that body: its fields, and what is changed by an edit.

Refuses to own what a field may say: the API's own models judge it.

Laws: every field that a model has is in its form. What a model gains is there too, as a field that takes JSON, until it
has a place of its own. A field that is left empty is not sent; in an edit only what was changed is, and one that was
emptied is sent as null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel

from gateway.control.console.visit import Form
from gateway.core.grant import Shown
from gateway.core.holders import ProvedBy
from gateway.core.values import dataclass

Kind = Literal["text", "area", "number", "size", "flag", "choice", "words", "lines", "people", "json", "secret"]
Shape = str | bool | list[str] | dict[str, str]
"""What a form shows of one field: of people it is their lines, and how they prove who they are."""

_OF_A_PLACE: Final = frozenset({"bucket", "key", "prefix"})
"""What one text says, as the command line has it: `BUCKET/KEY`, or `BUCKET/PREFIX/` for all that is below."""

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)

_SAID_OTHERWISE: Final = frozenset({"overwrite"})
"""`on_conflict` says it."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a body, by its public name. `group` is the part of the form that it stands in, `choices` are the
    words of a list, and `set` says that what makes something ticks the box."""

    name: str
    kind: Kind = "text"
    group: str = "more"
    choices: tuple[str, ...] = ()
    set: bool = False


LINK_FIELDS: Final = (
    Field("label", group="what"),
    Field("actions", "words", "what", ("read", "list", "write")),
    Field("expires_in", group="time"),
    Field("expires_at", group="time"),
    Field("not_before", group="time"),
    Field("uses", "number", "limits"),
    Field("bytes", "size", "limits"),
    Field("max_size", "size", "upload"),
    Field("rate", group="limits"),
    Field("password", "secret", "who"),
    Field("holders", "people", "who", tuple(ProvedBy)),
    Field("cidrs", "lines", "who"),
    Field("credentials", "flag", "who", set=True),
    Field("owner", group="who"),
    Field("filename", group="shown"),
    Field("content_type", group="shown"),
    Field("etag", group="shown"),
    Field("shows", "words", "shown", tuple(Shown)),
    Field("terms", "area", "shown"),
    Field("confirm", "flag", "shown"),
    Field("once", "flag", "shown"),
    Field("message", "area", "upload"),
    Field("max_files", "number", "upload"),
    Field("total_bytes", "size", "upload"),
    Field("types", "lines", "upload"),
    Field("names", group="upload"),
    Field("undo", group="upload"),
    Field("on_conflict", "choice", "upload", ("refuse", "rename", "overwrite")),
    Field("blind", "flag", "upload"),
)
KEY_FIELDS: Final = (
    Field("app", group="what"),
    Field("label", group="what"),
    Field("keys", "lines", "what"),
    Field("actions", "words", "what", ("read", "list", "write", "delete", "share", "sign")),
    Field("scopes", "json", "what"),
    Field("expires_in", group="time"),
    Field("expires_at", group="time"),
    Field("not_before", group="time"),
    Field("uses", "number", "limits"),
    Field("bytes", "size", "limits"),
    Field("rate", group="limits"),
    Field("cidrs", "lines", "who"),
    Field("session", "flag", "who"),
)


def fields_of(model: type[BaseModel], known: Sequence[Field]) -> list[Field]:
    """The fields of a model: those that are known here in our order, then the others."""
    members = {field.alias or name: field for name, field in model.model_fields.items()}
    placed = {field.name for field in known} | _OF_A_PLACE | _SAID_OTHERWISE
    others = [(name, member) for name, member in members.items() if name not in placed]
    gained = [Field(name, "flag" if "bool" in str(member.annotation) else "json") for name, member in others]
    return [field for field in known if field.name in members] + gained


def read_place(text: str) -> dict[str, str]:
    """The members of a body that a place stands for; none for an empty text."""
    bucket, _, below = text.partition("/")
    if not bucket:
        return {}
    return {"bucket": bucket, ("prefix" if not below or below.endswith("/") else "key"): below}


def show_place(view: Mapping[str, Any]) -> str:
    """The place of a link or key, by the API's own answer; "" for wherever its app may."""
    if not view.get("bucket"):
        return ""
    return f"{view['bucket']}/{view.get('key') or view.get('prefix') or ''}"


def read(fields: Sequence[Field], form: Form) -> dict[str, Any]:
    """The body that makes something: what the form says, and nothing of what it leaves empty."""
    found = ((field, _value(field, form)) for field in fields)
    # A nought is said, and is no box that is not ticked.
    return {field.name: value for field, value in found if value is not None and value is not field.set}


def defaults(fields: Sequence[Field], place: str) -> dict[str, Any]:
    """What a form shows that makes a link; one to a folder lists it, too, or its own address would show nothing."""
    actions = ["read", "list"] if "prefix" in read_place(place) else ["read"]
    return {field.name: True for field in fields if field.set} | {"actions": actions}


def typed(fields: Sequence[Field], form: Form) -> dict[str, Any]:
    """What was typed into a form, to be shown again."""
    listed = (field for field in fields if field.kind in {"words", "people"})
    return form.shown() | {field.name: _as_shown(field, form) for field in listed}


def changes(fields: Sequence[Field], form: Form, before: Mapping[str, Shape]) -> dict[str, Any]:
    """The body that edits something which the form showed as `before` (`shown`)."""
    found: dict[str, Any] = {}
    for field in fields:
        if field.kind == "secret":
            if form.get(f"remove_{field.name}"):
                found[field.name] = None
            elif form.exact(field.name):
                found[field.name] = form.exact(field.name)
        elif _as_shown(field, form) != before[field.name]:
            found[field.name] = _value(field, form)
    return found


def shown(fields: Sequence[Field], view: Mapping[str, Any]) -> dict[str, Shape]:
    """What the form shows of something that there is, by the API's own answer."""
    return {field.name: _text(field, view.get(field.name)) for field in fields}


def _text(field: Field, value: Any) -> Shape:
    if field.kind == "flag":
        return bool(value)
    if field.kind == "words":
        return sorted(value or [])
    if field.kind == "people":
        return _list_people(value)
    if value is None or field.kind == "secret":
        return ""
    if field.kind == "lines":
        return "\n".join(value)
    if isinstance(value, float):
        return f"{value:g}s"
    return orjson.dumps(value).decode() if field.kind == "json" else str(value)


def _list_people(holders: Mapping[str, Any] | None) -> dict[str, str]:
    """Addresses, `@` domains, `group:` names and `not:` addresses, one a line, as the command line takes them; and how
    they prove it."""
    if holders is None:
        return {"lines": "", "by": ProvedBy.CODE}
    domains, groups = (f"@{name}" for name in holders["domains"]), (f"group:{name}" for name in holders["groups"])
    excluded = (f"not:{name}" for name in holders["excluded"])
    return {"lines": "\n".join([*holders["emails"], *domains, *groups, *excluded]), "by": str(holders["by"])}


def _read_people(lines: list[str], by: str) -> dict[str, Any] | None:
    if not lines:
        return None
    return {
        "emails": [line for line in lines if not line.startswith(("@", "group:", "not:"))],
        "domains": [line.removeprefix("@") for line in lines if line.startswith("@")],
        "groups": [line.removeprefix("group:") for line in lines if line.startswith("group:")],
        "excluded": [line.removeprefix("not:") for line in lines if line.startswith("not:")],
    } | ({"by": by} if by else {})


def _as_shown(field: Field, form: Form) -> Shape:
    if field.kind == "flag":
        return bool(form.get(field.name))
    if field.kind == "words":
        return sorted(form.all(field.name))
    if field.kind == "people":
        by = form.get(f"{field.name}_by") or ProvedBy.CODE
        return {"lines": "\n".join(_lines(form, field.name)), "by": by}
    return "\n".join(_lines(form, field.name)) if field.kind == "lines" else form.get(field.name)


def _lines(form: Form, name: str) -> list[str]:
    return [line.strip() for line in form.get(name).splitlines() if line.strip()]


def _value(field: Field, form: Form) -> Any:
    """What the field says in JSON; None where it says nothing."""
    text = form.get(field.name)
    match field.kind:
        case "flag":
            return bool(text)
        case "words":
            return form.all(field.name) or None
        case "lines":
            return _lines(form, field.name) or None
        case "people":
            return _read_people(_lines(form, field.name), form.get(f"{field.name}_by"))
        case "secret":
            return form.exact(field.name) or None
        case "number":
            return int(text) if _NUMBER.fullmatch(text) else text or None
        case "json":
            try:
                return orjson.loads(text) if text else None
            except orjson.JSONDecodeError:
                return text
        case _:
            return text or None
