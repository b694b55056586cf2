"""Owns what the control plane knows of its callers, made from the settings.

Refuses to own how somebody is recognised (`gateway.control.guard`) and what may be written (`gateway.settings`).
"""

from __future__ import annotations

from gateway.control.deps import Callers, ConsoleRules
from gateway.core.holders import ProvedBy
from gateway.core.identity import IdentityRules
from gateway.core.token import hash_secret
from gateway.settings.model import Settings
from gateway.settings.proxies import expand_networks


def make_console_rules(settings: Settings) -> ConsoleRules:
    """Whether there are pages, where, and how people sign in there."""
    control = settings.control
    return ConsoleRules(
        enabled=control.console.enabled,
        branding=settings.sharing.branding.made(),
        public_url=control.public_url,
        idle=control.console.idle,
        longest=control.console.longest,
        sign_ins=tuple(issuer.rules for issuer in control.identity if issuer.sign_in is not None),
        proxies=expand_networks(settings.trusted_proxies),
        proxy_socket="unix" in settings.trusted_proxies,
    )


def make_sign_ins(settings: Settings) -> tuple[IdentityRules, ...]:
    """The issuers at which people prove that a link is for them."""
    return tuple(rules for issuer in settings.control.identity if (rules := issuer.holder_rules) is not None)


def list_proofs(settings: Settings) -> frozenset[ProvedBy]:
    """The ways in which people can prove that a link is for them."""
    ways = {ProvedBy.CODE: settings.mail.way is not None, ProvedBy.OIDC: bool(make_sign_ins(settings))}
    return frozenset(way for way, there in ways.items() if there)


def make_callers(settings: Settings) -> Callers:
    """Whose each token is. References to secrets are read by now."""
    control = settings.control
    return Callers(
        admins={hash_secret(token.secret.resolve()): token.terms for token in control.tokens},
        sidecars={hash_secret(sidecar.secret.resolve()): sidecar.name for sidecar in control.sidecars},
        apps={hash_secret(entry.token.resolve()): entry.app.name for entry in control.credentials},
        proxy=None if control.proxy_user is None else control.proxy_user.rules,
        roles={"admin": control.roles.admin, "audit": control.roles.audit},
        sidecar_apps=control.sidecar_apps,
        sidecar_serves=control.sidecar_serves,
        sts_roles=control.assumable,
        clients=tuple(client for issuer in control.identity if (client := issuer.public_client) is not None),
    )
