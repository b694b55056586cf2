"""Faults to be planted: one thing less is asked of what is remembered, or one thing less forgotten.

Each is a text of a function that is replaced, in this process and until it is taken out. A text that is not there any
more is an error: the fault has to follow the code.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = ["FAULTS", "SOON", "Fault", "planted"]


@dataclass(frozen=True)
class Fault:
    """In a function or a method of a module of `gateway`, `text` becomes `instead`."""

    place: str
    text: str
    instead: str = "False"

    def __str__(self) -> str:
        return f"{self.place}: {self.text} -> {self.instead}"


def _of(place: str, *texts: tuple[str, str] | str) -> list[Fault]:
    return [Fault(place, *((text, "False") if isinstance(text, str) else text)) for text in texts]


SOON = [
    *_of("data.plans:follow", "plan.snapshot is not snapshot", "not stands(plane, call.grant, call.credentials)"),
    *_of("data.plans:follow", ("call.attempt.again(exchange.peer, account.now)", "call.attempt")),
    *_of("data.state.grants:Grants.take", ("self._forget(entry.name)", "pass")),
    *_of("data.state.grants:Grants.find", "self._keep_up is not None"),
]
"""Those that some runs find."""

FAULTS = [
    *SOON,
    *_of(
        "data.plans:follow",
        ("_fresh(plan.signed, account.now)", "True"),
        ("if plan.lasting:", "if True:"),
        ("plan.route if found_now == plan.route else found_now", "plan.route"),
        ("call.attempt.again(exchange.peer, account.now)", "call.attempt.again(call.attempt.peer, account.now)"),
    ),
    *_of("data.plans:keep", ("only_time_can_end(snapshot.policy, call.grant, call.attempt)", "True")),
    *_of("data.steps.authorise:authorise_same", "grant is not None and grant.state(now) is not _ACTIVE"),
    *_of(
        "data.steps.authorise:authorise_same",
        ("plane.follower.require_standing(grant, attempt.bucket, attempt.key, route.backend.name)", "pass"),
    ),
    *_of(
        "data.steps.authorise:authorise",
        ("plane.follower.require_standing(grant, attempt.bucket, attempt.key, route.backend.name)", "pass"),
    ),
    *_of("data.steps.authenticate:prove_alike", ("require_session(key, signed.session_token)", "pass")),
    *_of("data.steps.authenticate:prove_alike", ("None if verified is None", "None if False")),
    *_of("data.steps.authenticate:_link_of", "known[1] is not found"),
    *_of(
        "data.steps.authenticate:stands",
        ("plane.grants.known_now(grant.hash) is grant", "True"),
        ("known[1] is plane.grants.known_now(credentials.link)", "True"),
    ),
    *_of("data.state.grants:Grants.take", ("self._note_edit(entry)", "pass")),
    *_of("data.state.grants:Grants.known_now", "self._is_behind is not None and self._is_behind()"),
    *_of("data.state.grants:Grants.look_up", ("self.is_current(grant.id, serial)", "True")),
    *_of("data.state.grants:Grants.is_current", ("as_of >= self._last_edit", "True")),
    *_of("data.steps.admit:Admission.__aenter__", "not plane.grants.is_current(grant.id, call.as_of)"),
    *_of("data.steps.admit:Admission.__aenter__", ("await plane.renewals.admit_again(permit)", "pass")),
    *_of(
        "core.revocation:RevocationView._ended",
        ("serial >= self._newest and not grant.source", "serial >= self._newest"),
        "own.newest > serial and own.of(grant.id) > serial",
        "owners.newest > serial and owners.of(str(grant.owner)) > serial",
        "backends.newest > serial and backends.of(backend) > serial",
        "policies.newest > serial and grant.rule is not None and policies.of(grant.rule) > serial",
        "prefixes is not None and prefixes.newest > serial",
    ),
    *_of(
        "core.revocation:RevocationView._issuer_ended",
        "self._names[FeedKind.KEY].of(name)",
        "self._names[FeedKind.OWNER].of(owner) > (issued if serial == grant.serial else serial)",
    ),
    *_of("core.link_credentials:standing", "link.password not in {None, key.password}"),
    *_of(
        "core.link_credentials:standing",
        ("ends = [at for at in (key.expires_at, link.expires_at) if", "ends = [at for at in (key.expires_at,) if"),
    ),
    *_of(
        "core.policy:Policy.relevant",
        ("attempt.action, attempt.bucket, attempt.key)", "attempt.bucket, attempt.key)"),
        ("attempt.action, attempt.bucket, attempt.key)", "attempt.action, attempt.bucket)"),
        ("attempt.action, attempt.bucket, attempt.key)", "attempt.action, attempt.key)"),
        ("principal.kind, principal.name,", "principal.kind,"),
    ),
    *_of("core.policy:only_time_can_end", 'limit.per == "address"', "grant.cidrs"),
    *_of(
        "core.policy:only_time_can_end", ("not policy.relevant(*_acting(grant, attempt), attempt).conditional", "True")
    ),
    *_of("core.policy:_meant", ("not any(rule.conditional for rule in rules)", "True")),
    *_of("core.rule:Rule.conditional", "self.networks or self.signatures", "self.condition is not None"),
    *_of(
        "core.grant:Grant.state",
        "self.suspended_at is not None",
        "self.not_before is not None and now < self.not_before",
    ),
    *_of("data.steps.renew:Renewals.rules_changed", ("self._all = True", "pass")),
    *_of("data.steps.renew:Renewals.note", ("self._edited.setdefault(permit.grant.id, until)", "pass")),
    *_of(
        "data.steps.renew:_replace_grant",
        "grant.password not in {None, before.password}",
    ),
    *_of(
        "data.steps.authorise:reauthorise",
        ("before.policy is policy", "True"),
    ),
    *_of("data.state.transfers:Transfers.cut_revoked", ("Reason.REVOKED if permit.is_revoked(view) else None", "None")),
]


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """As long as this lasts, the fault is there."""
    module_name, _, path = fault.place.partition(":")
    module: Any = import_module(f"gateway.{module_name}")
    *owners, name = path.split(".")
    owner = module
    for one in owners:
        owner = vars(owner)[one]
    held = vars(owner)[name]
    of_property = isinstance(held, property)
    changed = _changed(held.fget if of_property else held, fault, vars(module))
    # A method is found in its class, a function wherever it was imported to.
    known = [each for each in list(sys.modules.values()) if getattr(each, "__name__", "").startswith("gateway")]
    places = [owner] if owners else [each for each in known if vars(each).get(name) is held]
    try:
        for each in places:
            setattr(each, name, property(changed) if of_property else changed)
        yield
    finally:
        for each in places:
            setattr(each, name, held)


def _changed(function: Any, fault: Fault, names: dict[str, Any]) -> Any:
    """The function with the fault, which knows what its module knows."""
    source = textwrap.dedent(inspect.getsource(function))
    source = source[re.search(r"^(async )?def ", source, re.MULTILINE).start() :]  # type: ignore[union-attr]
    if fault.text not in source:
        raise LookupError(f"{fault.place} has no {fault.text!r} any more")
    made: dict[str, Any] = {}
    code = "from __future__ import annotations\n" + source.replace(fault.text, fault.instead)
    exec(compile(code, fault.place, "exec"), names, made)
    return made[function.__name__]
