"""Owns the sign-ins that are kept: one for each context, or for a gateway's address without one, and their renewal.

Refuses to own how somebody signs in (`gateway.cli.login`) and the files (`gateway.cli.private_files`).

Laws: a token goes to the gateway for which it was had, and to no other. It is renewed by one command at a time, since
an issuer may take a renewal that comes twice for theft.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from gateway.cli.contexts import ChosenGateway
from gateway.cli.output import fail
from gateway.cli.private_files import locked, read_object, remove, write_object
from gateway.core.values import dataclass

if TYPE_CHECKING:
    from gateway.cli.oidc import Issuer, Tokens

_MARGIN: Final = 30.0
"""Seconds before its end from which on a token is renewed."""


@dataclass(slots=True)
class KeptSignIn:
    """A kept sign-in; `token` is asked for at every call, so that a command that runs for long goes on."""

    place: ChosenGateway
    _said: Mapping[str, Any] = field(repr=False)

    def token(self) -> str:
        """A token that has not ended.

        Raises:
            click.exceptions.Exit: it has, and cannot be renewed.
        """
        if self._said["url"] != self.place.url:
            fail(f"The sign-in of {self.place} was for another address: gateway login.")
        if time.time() + _MARGIN < float(self._said["ends"]):
            return str(self._said["token"])
        name = _file_of(self.place)
        with locked(name):
            self._said = read_object(name) or self._said  # renewed by another command meanwhile
            if time.time() + _MARGIN >= float(self._said["ends"]):
                self._renew(name)
        return str(self._said["token"])

    def _renew(self, name: str) -> None:
        from gateway.cli.oidc import renew

        issuer, tokens = self.parts()
        found = renew(issuer, tokens)
        if found is None:
            if tokens.ends > time.time():
                return
            remove(name)
            fail(f"Your sign-in at {issuer.offer.issuer} has ended: gateway login.")
        self._said = _write(name, self.place, issuer, found)

    def parts(self) -> tuple[Issuer, Tokens]:
        """What was kept."""
        from gateway.cli.oidc import Issuer, Tokens
        from gateway.core.identity import PublicClient

        said = self._said
        offer = PublicClient(said["issuer"], said["client_id"], said["audience"], tuple(said["scopes"]))
        doors = (None, said["token_endpoint"], None, said["revocation_endpoint"])
        issuer = Issuer(offer, self.place.ca_file, *doors, names_itself=False)
        return issuer, Tokens(said["token"], said["ends"], said["subject"], said["refresh_token"])


def find_sign_in(place: ChosenGateway) -> KeptSignIn | None:
    """What is kept for a gateway, if anything.

    Raises:
        click.exceptions.Exit: the file is damaged, or open to others.
    """
    said = read_object(_file_of(place))
    return KeptSignIn(place, said) if said else None


def keep_sign_in(place: ChosenGateway, issuer: Issuer, tokens: Tokens) -> None:
    """Raises click.exceptions.Exit: it cannot be written."""
    name = _file_of(place)
    with locked(name):
        _write(name, place, issuer, tokens)


def drop_sign_in(place: ChosenGateway) -> None:
    """Forget what is kept for a gateway."""
    remove(_file_of(place))


def has_sign_in(context: str) -> bool:
    """Whether one is kept for this context."""
    return bool(read_object(_name_of(context)))


def remove_sign_in(context: str) -> bool:
    """Whether one was kept for this context."""
    return remove(_name_of(context))


def _write(name: str, place: ChosenGateway, issuer: Issuer, tokens: Tokens) -> dict[str, Any]:
    offer = issuer.offer
    said = {
        "url": place.url,
        "issuer": offer.issuer,
        "client_id": offer.client_id,
        "audience": offer.audience,
        "scopes": list(offer.scopes),
        "token_endpoint": issuer.token,
        "revocation_endpoint": issuer.revocation,
        "subject": tokens.subject,
        "ends": tokens.ends,
        "token": tokens.token,
        "refresh_token": tokens.refresh,
    }
    write_object(name, said)
    return said


def _file_of(place: ChosenGateway) -> str:
    """No context is called like the address of a gateway."""
    address = f"@{sha256(place.url.encode()).hexdigest()[:32]}"
    return _name_of(address if place.context is None else place.context.name)


def _name_of(context: str) -> str:
    return f"sign-ins/{context}.json"
