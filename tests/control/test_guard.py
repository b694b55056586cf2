"""Who is let in by what, and the throttle on what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import pytest

from gateway.control.caller import DUTY_OF, EVERYTHING, NOBODY, OWN, Access, Admitted, Reach
from gateway.control.deps import Callers
from gateway.control.guard import Guard, known_as
from gateway.control.key_proof import KeyProof
from gateway.control.proxied_users import ProxiedUsers
from gateway.core.attempt import Principal
from gateway.core.duty import EVERY_DUTY, OWNERS_DUTIES, AdminTerms, Duty
from gateway.core.identity import IdentityVerifier, Proved, User
from gateway.core.pattern import NamePattern
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.core.source import from_entry
from gateway.core.token import SecretHash, hash_secret
from gateway.stores.memory import open_memory
from gateway.stores.seal import Sealer

ONE, TWO = AdminTerms("first"), AdminTerms("second")
KNOWN = {hash_secret("one"): ONE, hash_secret("two"): TWO}


def test_the_name_is_that_of_the_token() -> None:
    """Each token gives its own holder, and nothing else gives any."""
    assert ONE == known_as(hash_secret("one"), KNOWN)
    assert TWO == known_as(hash_secret("two"), KNOWN)
    for wrong in ("", "on", "onee", "ONE", "\ud800"):
        assert known_as(hash_secret(wrong), KNOWN) is None


def guard(
    admins: Mapping[SecretHash, AdminTerms] | None = None,
    now: float = 0.0,
    identity: IdentityVerifier | None = None,
    **more: Any,
) -> Guard:
    known = KNOWN if admins is None else admins
    parts = {
        "sidecars": {},
        "apps": {},
        "roles": {},
        "proxy": None,
        "sidecar_apps": {},
        "sidecar_serves": {},
        "sts_roles": {},
        "clients": (),
    } | more
    callers = Callers(admins=known, **parts)
    state = open_memory(clock=lambda: now)
    keys = KeyProof(state.grants, Sealer(), lambda grant: False, lambda: now)
    return Guard(
        lambda: callers,
        lambda: "https://gw",
        keys,
        identity=identity,
        proxied=ProxiedUsers(lambda: callers.proxy, lambda: None, str),
        clock=lambda: now,
    )


async def admit(watched: Guard, access: Access, *shown: str, peer: str | None = None, app: str = "billing") -> Admitted:
    raw = RawRequest("GET", "/", "", tuple(("authorization", value) for value in shown))
    address = None if peer is None else ip_address(peer)
    return await watched.admit(access, raw, address, {"app": app}, private=True)


async def refusal(watched: Guard, *shown: str, peer: str | None = None, access: Access = Access.ADMIN) -> Reason:
    with pytest.raises(Refused) as refused:
        await admit(watched, access, *shown, peer=peer)
    return refused.value.reason


@pytest.mark.parametrize("value", ["Bearer one", "bearer one", "BEARER   one "])
async def test_the_scheme_is_read_like_any_other(value: str) -> None:
    """The scheme's case and the blanks after it mean nothing (RFC 9110, section 11.1)."""
    found = await admit(guard(), Access.ADMIN, value)
    assert (Principal("admin", "first"), hash_secret("one")) == (found.principal, found.proof)


async def test_an_empty_token_is_never_known() -> None:
    """Not even if somebody configured the hash of nothing."""
    watched = guard({hash_secret(""): AdminTerms("nobody")})
    assert Reason.CREDENTIALS_MISSING is await refusal(watched, "Bearer ")


async def test_two_credentials_are_none() -> None:
    """Which of two headers counts is nobody's guess."""
    assert Reason.CREDENTIALS_AMBIGUOUS is await refusal(guard(), "Bearer one", "Bearer one")


@pytest.mark.parametrize("access", Access)
@pytest.mark.parametrize("kind", ["admins", "sidecars", "apps"])
async def test_each_access_is_opened_by_its_own_tokens(access: Access, kind: str) -> None:
    """And by no others: a sidecar is unknown beside its rows, an app is known and told that a row is not for it."""
    opened = {
        "admins": set(Access) - {Access.APP},
        "sidecars": {Access.SIDECAR, Access.FEED, Access.KNOWN, Access.PUBLIC},
        "apps": {Access.APP, Access.KNOWN, Access.SIGN_IN, Access.PUBLIC, *OWN},
    }
    holder = {"admins": AdminTerms("billing")}.get(kind, "billing")
    watched = guard(**{"admins": {}, kind: {hash_secret("t"): holder}})
    if access in opened[kind]:
        await admit(watched, access, "Bearer t")
    else:
        reason = Reason.NOT_ALLOWED if kind == "apps" else Reason.CREDENTIALS_MISSING
        assert reason is await refusal(watched, "Bearer t", access=access)


@pytest.mark.parametrize("access", [access for access in Access if access in DUTY_OF])
@pytest.mark.parametrize("duty", Duty)
async def test_a_narrowed_token_opens_what_it_names(access: Access, duty: Duty) -> None:
    """With every duty but one this access is refused, with that one alone it is granted."""
    alone = guard({hash_secret("t"): AdminTerms("ops", may=frozenset({duty}))})
    without = guard({hash_secret("t"): AdminTerms("ops", may=frozenset(Duty) - {duty})})
    if DUTY_OF[access] is duty:
        await admit(alone, access, "Bearer t")
        assert Reason.NOT_ALLOWED is await refusal(without, "Bearer t", access=access)
    else:
        assert Reason.NOT_ALLOWED is await refusal(alone, "Bearer t", access=access)
        await admit(without, access, "Bearer t")


@pytest.mark.parametrize(("now", "known"), [(9.0, False), (10.0, True), (19.0, True), (20.0, False)])
async def test_a_token_is_none_outside_its_time(now: float, known: bool) -> None:
    """Before and after, it is as unknown as any other text, for those who wait as well."""
    terms = AdminTerms("ops", not_before=10.0, expires=20.0)
    watched = guard({hash_secret("t"): terms}, now)
    waiting = Admitted(principal=Principal("admin", "ops"), reach=NOBODY.reach, proof=hash_secret("t"))
    assert known is watched.still_admits(Access.FEED, waiting)
    if known:
        await admit(watched, Access.ADMIN, "Bearer t")
    else:
        assert Reason.CREDENTIALS_MISSING is await refusal(watched, "Bearer t")


async def test_an_app_opens_its_own_path_alone() -> None:
    """With the token as it is, as SDKs send it, or as a bearer's; another app's path is as closed as an unknown one."""
    watched = guard(apps={hash_secret("t"): "billing"})
    for value in ("t", "Bearer t"):
        assert Principal("app", "billing") == (await admit(watched, Access.APP, value)).principal
        with pytest.raises(Refused):
            await admit(watched, Access.APP, value, app="payroll")


async def test_an_apps_token_reaches_what_the_app_owns() -> None:
    """And what is made with it ends with the app's entry in the settings."""
    found = await admit(guard(apps={hash_secret("t"): "billing"}), Access.SHARE, "Bearer t")
    assert Principal("app", "billing") == found.principal == found.reach.owner
    assert from_entry("https://gw", hash_secret("t")) == found.source


class Vouching:
    """An issuer that knows the token `a.b.c`."""

    def __init__(self, *groups: str) -> None:
        self.user = User(Principal("user", "ann@acme.example"), groups, 100.0)

    async def prove(self, token: str, role: str) -> Proved | None:
        return None

    async def prove_user(self, token: str) -> User | None:
        return self.user if token == "a.b.c" else None


ROLES = {"admin": (NamePattern.of("group:ops"),), "audit": (NamePattern.of("user:*@acme.example"),)}


@pytest.mark.parametrize(
    ("groups", "roles", "reach", "may"),
    [
        (("ops",), {}, Reach(Principal("user", "ann@acme.example")), OWNERS_DUTIES),
        (("ops2", "x"), ROLES, EVERYTHING, {Duty.READ}),
        (("x", "ops"), ROLES, EVERYTHING, EVERY_DUTY - {Duty.SERVE}),
    ],
)
async def test_a_user_has_the_roles_of_their_name_and_groups(
    groups: tuple[str, ...], roles: Any, reach: Reach, may: set[Duty]
) -> None:
    """Their own without one; no role makes a sidecar of a person."""
    watched = guard(identity=Vouching(*groups), roles=roles)
    found = await admit(watched, Access.READ, "Bearer a.b.c")
    assert (Principal("user", "ann@acme.example"), reach, may) == (found.principal, found.reach, found.may)
    assert (reach is EVERYTHING) is watched.still_admits(Access.FEED, found)
    assert not guard(now=100.0, identity=Vouching(*groups), roles=roles).still_admits(Access.FEED, found)
    assert not guard(identity=Vouching(*groups), roles={}).still_admits(Access.FEED, found)
    assert Reason.NOT_ALLOWED is await refusal(watched, "Bearer a.b.c", access=Access.SIDECAR)


async def test_a_token_of_nobody_is_a_guess() -> None:
    """Whatever its form; without an issuer none is looked at."""
    for text in ("a.b.d", "a.b", "abc"):
        assert Reason.CREDENTIALS_MISSING is await refusal(guard(identity=Vouching()), f"Bearer {text}")
    assert Reason.CREDENTIALS_MISSING is await refusal(guard(), "Bearer a.b.c")
    watched = guard(identity=Vouching())
    for _ in range(10):
        await refusal(watched, "Bearer a.b.d")
    assert Reason.TOO_MANY_GUESSES is await refusal(watched, "Bearer a.b.d")
    await admit(watched, Access.READ, "Bearer a.b.c")


async def test_everybody_is_anonymous() -> None:
    """What is public takes no token, and believes none."""
    assert NOBODY is await admit(guard(), Access.PUBLIC, "Bearer one")


async def test_addresses_are_throttled_apart() -> None:
    """One address's wrong tokens do not count against another, but one IPv6 customer is one address."""
    watched = guard()
    for number in range(10):
        assert Reason.CREDENTIALS_MISSING is await refusal(watched, "Bearer wrong", peer=f"2001:db8::{number}")
    assert Reason.TOO_MANY_GUESSES is await refusal(watched, "Bearer wrong", peer="2001:db8::99")
    assert Reason.TOO_MANY_GUESSES is await refusal(watched, "Basic YTpi", peer="2001:db8::99")
    assert Reason.CREDENTIALS_MISSING is await refusal(watched, "Bearer wrong", peer="192.0.2.7")
    assert Reason.CREDENTIALS_MISSING is await refusal(watched, "Bearer wrong")
    await admit(watched, Access.ADMIN, "Bearer one", peer="2001:db8::99")


async def test_memory_is_bounded() -> None:
    """A flood from many addresses is remembered for at most 10,000 of them."""
    watched = guard()
    for number in range(10_050):
        await refusal(watched, "Bearer wrong", peer=f"10.0.{number // 250}.{number % 250}")
    assert 10_000 == len(watched._wrong)


async def test_who_was_admitted_is_asked_for_anew() -> None:
    """By what let them in and not by what they could then; a sidecar reads nothing by having been known."""
    admins = {hash_secret("one"): AdminTerms("first"), hash_secret("two"): AdminTerms("second")}
    watched = guard(admins, sidecars={hash_secret("s"): "edge"}, apps={hash_secret("a"): "billing"})
    for token, access in (("one", Access.AUDIT), ("a", Access.READ)):
        before = await admit(watched, access, f"Bearer {token}")
        assert before == await watched.admit_again(access, before)
    known = await admit(watched, Access.KNOWN, "Bearer s")
    with pytest.raises(Refused) as refused:
        await watched.admit_again(Access.READ, known)
    assert Reason.CREDENTIALS_MISSING is refused.value.reason
    second = await admit(watched, Access.AUDIT, "Bearer two")
    admins[hash_secret("two")] = AdminTerms("second", may=frozenset({Duty.REVOKE}))
    with pytest.raises(Refused) as refused:
        await watched.admit_again(Access.AUDIT, second)
    assert Reason.NOT_ALLOWED is refused.value.reason
    del admins[hash_secret("two")]
    with pytest.raises(Refused) as refused:
        await watched.admit_again(Access.REVOKE, second)
    assert Reason.CREDENTIALS_MISSING is refused.value.reason
