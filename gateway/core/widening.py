"""Owns which edit of a grant gives more than there was before: more time, names, acts, uses, bytes, callers or speed.

Refuses to own who has to approve of it (`gateway.core.approval`) and what policy lets be (`gateway.core.policy`).

Law: an edit that is not known to leave things as they were, or to take away, gives more. A field that nobody has
thought about here is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Any, Final

from gateway.core.grant import Grant, Scope, Shown
from gateway.core.narrowing import Narrowing
from gateway.core.units import Rate

Network = IPv4Network | IPv6Network


def widens(before: Grant, after: Grant) -> bool:
    """Whether anything is possible by the grant after the edit that was not before."""
    for field in fields(Grant):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new and not _NO_MORE.get(field.name, _never)(old, new):
            return True
    return False


def _never(_old: Any, _new: Any) -> bool:
    return False


def _always(_old: Any, _new: Any) -> bool:
    return True


def _at_most(old: float | None, new: float | None) -> bool:
    """None is no limit."""
    return new is not None and (old is None or new <= old)


def _at_least(old: float | None, new: float | None) -> bool:
    """None is from the beginning."""
    return new is not None and (old is None or new >= old)


def _was_none(old: object, _new: object) -> bool:
    """A password or a version is one more condition where there was none; another one is not the one of before."""
    return old is None


def _is_on(_old: object, new: bool) -> bool:  # noqa: FBT001 (a field's value)
    return new


def _is_off(_old: object, new: bool) -> bool:  # noqa: FBT001 (a field's value)
    return not new


def _is_slower(old: Rate | None, new: Rate | None) -> bool:
    if old is None or new is None:
        return new is not None
    return new.count * old.per <= old.count * new.per and new.burst <= old.burst


def _is_inside(old: Scope | None, new: Scope | None) -> bool:
    if old is None or new is None or old.bucket != new.bucket:
        return False
    return old.prefix is not None and new.root.startswith(old.prefix)


def _are_within(old: tuple[Network, ...], new: tuple[Network, ...]) -> bool:
    if not old or not new:
        return not old
    return all(any(_holds(outer, inner) for outer in old) for inner in new)


def _holds(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def _is_narrower(old: tuple[Narrowing, ...], new: tuple[Narrowing, ...]) -> bool:
    if not old or not new:
        return not old
    return all(any(_includes(outer, inner) for outer in old) for inner in new)


def _includes(outer: Narrowing, inner: Narrowing) -> bool:
    """Whether whatever the inner place covers, the outer one does."""
    if outer.actions and (not inner.actions or not inner.actions <= outer.actions):
        return False
    if outer.bucket is None:
        return True
    if inner.bucket != outer.bucket:
        return False
    if outer.keys:
        return bool(inner.keys) and inner.keys <= outer.keys
    return all(name.startswith(outer.prefix) for name in (inner.keys or {inner.prefix}))


_NO_MORE: Final[Mapping[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {
        # what a grant is called, how it is shown, and under which secret it is found
        **dict.fromkeys(("version", "hash", "label", "filename", "content_type"), _always),
        # on what its owner's rights rest, which reach no further than the grant
        "groups": _always,
        # what policy and approval themselves write
        **dict.fromkeys(("rule", "waiting", "approvals", "suspended_at", "suspended_by"), _always),
        **dict.fromkeys(("expires_at", "uses", "budget", "max_size"), _at_most),
        **dict.fromkeys(("password", "etag", "terms"), _was_none),
        **dict.fromkeys(("confirm", "once"), _is_on),
        **dict.fromkeys(("overwrite", "credentials"), _is_off),
        "intake": lambda old, new: new.within(old),
        "holders": lambda old, new: old is None or (new is not None and new.within(old)),
        "not_before": _at_least,
        "scope": _is_inside,
        "actions": lambda old, new: new <= old,
        "shows": lambda old, new: new - {Shown.PAGE} <= old,  # a page tells no more than the file that it leads to
        "narrowed": _is_narrower,
        "rate": _is_slower,
        "cidrs": _are_within,
    }
)
"""For each field that an edit may change: whether the new value gives no more than the old one."""
