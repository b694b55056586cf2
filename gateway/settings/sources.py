"""Owns what the settings say short-lived keys may come from: apps' own entries, sidecars, roles of web identities.

Refuses to own what becomes of a key that outlived its source (`gateway.control.usecases.orphaned_keys`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import partial

from gateway.core.identity import IdentityRules
from gateway.core.session_role import app_for
from gateway.core.source import Sources, fingerprint
from gateway.core.token import hash_secret
from gateway.settings.model import Settings


def source_address(settings: Settings) -> str:
    """By what this gateway knows the keys that it had issued.

    Replicas share a public address and settings. Sidecars of one central gateway mostly have the same public address,
    and each has settings of its own: they are told apart by their host and listener.
    """
    address = settings.data.public_url
    if settings.state.grants.engine != "central":
        return address
    return f"{address} {socket.gethostname()} {settings.data.listen}"


def compile_sources(settings: Settings) -> Sources:
    """What short-lived keys may come from."""
    control = settings.control
    return Sources(
        address=source_address(settings),
        entries={fingerprint(hash_secret(entry.token.resolve())): entry.app.name for entry in control.credentials},
        sidecars={
            (sidecar.name, fingerprint(hash_secret(sidecar.secret.resolve()))): control.sidecar_apps[sidecar.name]
            for sidecar in control.sidecars
        },
        app_of=_finder([issuer.rules for issuer in control.identity]),
        app_for=partial(app_for, control.assumable),
    )


def _finder(issuers: Sequence[IdentityRules]) -> Callable[[str, str, str, str], str | None]:
    """What gives the app that an issuer, an audience, a role and a subject stand for by any of these rules."""

    def app_of(issuer: str, audience: str, role: str, subject: str) -> str | None:
        found = (rules.app_of(issuer, audience, role, subject) for rules in issuers)
        return next((app for app in found if app is not None), None)

    return app_of
