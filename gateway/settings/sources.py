"""Owns what the settings say short-lived keys may come from: apps' own entries, sidecars, roles of web identities.

Refuses to own what becomes of a key that outlived its source (`gateway.control.usecases.orphaned_keys`).
"""

from __future__ import annotations

from gateway.core.source import Sources, fingerprint
from gateway.core.token import hash_secret
from gateway.settings.model import Settings

__all__ = ["sources_of"]


def sources_of(settings: Settings) -> Sources:
    """What short-lived keys may come from."""
    control = settings.control
    return Sources(
        address=settings.data.public_url,
        entries={fingerprint(hash_secret(entry.token.resolve())): entry.app.name for entry in control.credentials},
        sidecars={
            (sidecar.name, fingerprint(hash_secret(sidecar.secret.resolve()))): control.sidecar_apps[sidecar.name]
            for sidecar in control.sidecars
        },
        app_of=_nobody if control.identity is None else control.identity.rules.app_of,
    )


def _nobody(issuer: str, audience: str, role: str, subject: str) -> None:
    return None
