"""Owns who may hold a link: addresses, domains and groups, and whether somebody who proved who they are is one of them.

Refuses to own the proof (`gateway.core.holder_pass`) and when it is asked for (`gateway.core.grant`).

Law: an address is what one mailbox has, in one form: its domain in lower-case ASCII, its name without quotes, blanks or
line ends, so that it can stand in a mail's header. Two spellings of a domain that old and new rules take for two
domains are refused.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import field
from enum import StrEnum
from typing import Final

from gateway.core.said import phrase
from gateway.core.values import dataclass

MOST_HOLDERS: Final = 100
"""Addresses, domains or groups of one link. A list that is longer is a group's."""

MOST_EXCLUDED: Final = 500
"""Addresses that one link is not for although a domain or a group of it has them."""

KEY_ENTROPY: Final = 32
_KEY_FORM: Final = b"\x01"
"""A secret that is wrapped under a sealing key begins otherwise (`gateway.core.sealing`)."""

_LONGEST_ADDRESS: Final = 254
_LONGEST_NAME: Final = 64
_LONGEST_DOMAIN: Final = 253
_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII | re.IGNORECASE)
"""Of a mailbox: the dot-atom of RFC 5322, 3.2.3."""
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_DEVIANT: Final = frozenset("ßς\u200c\u200d")
"""Letters that IDNA2003, which is in the standard library, takes for others, and IDNA2008 for themselves."""


class ProvedBy(StrEnum):
    """How somebody proved who they are."""

    CODE = "code"
    """By a code that was sent to their address."""

    OIDC = "oidc"
    """By a sign-in at an issuer."""


_CODE: Final = ProvedBy.CODE


def make_key(entropy: bytes) -> bytes:
    """A new secret for a link's codes and passes, of `KEY_ENTROPY` random bytes."""
    return _KEY_FORM + entropy


def parse_domain(text: str) -> str:
    """The domain of mail addresses, as it is compared. Raises ValueError."""
    if not _DEVIANT.isdisjoint(text):
        raise ValueError(
            phrase(
                "domain_twofold",
                "{text} is two domains, by older and newer rules: write the one that is meant as xn--…",
                text=_cut(text),
            )
        )
    try:
        domain = text.lower() if text.isascii() else _to_ascii(text)
    except UnicodeError:
        domain = ""
    labels = domain.split(".")
    fits = len(domain) <= _LONGEST_DOMAIN and len(labels) > 1 and not labels[-1].isdigit()
    if not fits or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(
            phrase("domain_form", "{text} is no domain of mail addresses: write one like acme.example", text=_cut(text))
        )
    return domain


def _to_ascii(text: str) -> str:
    """The ASCII form of a domain, "" for what is too long to be one: the library takes some microseconds for each
    letter, and makes 18 of one that stands for a whole phrase. Raises UnicodeError."""
    if len(text) > _LONGEST_DOMAIN or len(unicodedata.normalize("NFKC", text)) > _LONGEST_DOMAIN:
        return ""
    return text.encode("idna").decode().lower()


def parse_address(text: str) -> str:
    """A mail address with its domain as it is compared. Raises ValueError."""
    name, at, domain = text.rpartition("@")
    if not at or len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise ValueError(
            phrase("mail_form", "{text} is no mail address: write one like ann@acme.example", text=_cut(text))
        )
    address = f"{name}@{parse_domain(domain)}"
    if len(address) > _LONGEST_ADDRESS:
        raise ValueError(
            phrase(
                "mail_long", "a mail address has at most {longest_address} characters", longest_address=_LONGEST_ADDRESS
            )
        )
    return address


def _cut(text: str) -> str:
    return ascii(text if len(text) <= _LONGEST_NAME else text[:_LONGEST_NAME] + "…")


@dataclass(frozen=True, slots=True, repr=False)
class Claim:
    """What somebody sends who proves to be one of a link's holders: an address, or a code with its challenge, or
    nothing, to begin anew; or they sign in at an issuer, or are a program that brings a code with its own secret.
    `enters` is a link's password, of somebody who has yet to say who they are."""

    email: str | None = None
    code: str | None = None
    challenge: str | None = None
    signs_in: bool = False
    verifier: str | None = None
    enters: bool = False


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who proved who they are. `groups` are those that were said of them, as far as the link names them.

    The proof is good `until` then, in seconds since the epoch.
    """

    address: str
    groups: tuple[str, ...] = ()
    by: ProvedBy = _CODE
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Holders:
    """Those who may use a link, any one of them but who has an address in `excluded`, once they proved it `by` this.

    `key` is the link's secret under which codes and passes are made; it says nothing of who they are for.
    """

    emails: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    by: ProvedBy = _CODE
    key: bytes = field(default=b"", repr=False, compare=False)
    excluded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.emails or self.domains or self.groups):
            raise ValueError("holders are named: by emails, domains or groups")
        if self.groups and self.by is not ProvedBy.OIDC:
            raise ValueError(phrase("holders_groups", "groups are known of who signs in: they go with by: oidc"))

    def addressee(self, address: str) -> str | None:
        """The mailbox that a code for this address goes to, as the link names it; None for nobody of these."""
        wanted = address.lower()
        if self.excludes(wanted):
            return None
        for email in self.emails:
            if email.lower() == wanted:
                return email
        _, at, domain = wanted.rpartition("@")
        return address if at and domain in self.domains else None

    def excludes(self, address: str) -> bool:
        wanted = address.lower()
        return any(one.lower() == wanted for one in self.excluded)

    def may_admit(self, address: str) -> bool:
        """Whether who has this address is one of them, as far as an address tells; groups may say so of anybody."""
        return self.addressee(address) is not None or bool(self.groups and not self.excludes(address))

    def hangs_on_groups(self, holder: Holder | None) -> bool:
        """Whether somebody is none of them who would be one in another group."""
        return holder is not None and not self.admit(holder) and self.may_admit(holder.address)

    def admit(self, holder: Holder | None) -> bool:
        """Whether this is one of them, and proved it as the link asks."""
        if holder is None or holder.by is not self.by or self.excludes(holder.address):
            return False
        return self.addressee(holder.address) is not None or not set(self.groups).isdisjoint(holder.groups)

    def objection_to(self, holder: Holder | None) -> str:
        """Why who was proved is none of them, without saying who that is."""
        if holder is None:
            return phrase("grant_holders", "nobody was proved to be one of the link's holders")
        if holder.by is not self.by:
            return phrase("holder_proof", "the link's holders prove who they are by {by}", by=self.by)
        if self.excludes(holder.address):
            return phrase("holder_excluded", "who was proved is excluded from the link")
        return phrase("holder_other", "who was proved is none of the link's holders")

    def within(self, other: Holders) -> bool:
        """Whether everybody who is one of these is one of the others, proved as there."""
        if self.by is not other.by:
            return False
        domains, emails = set(other.domains), {email.lower() for email in other.emails}
        return (
            domains.issuperset(self.domains)
            and set(other.groups).issuperset(self.groups)
            and all(email.lower() in emails or email.rpartition("@")[2] in domains for email in self.emails)
            and not any(self.may_admit(address) for address in other.excluded)
        )
