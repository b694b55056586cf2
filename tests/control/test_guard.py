"""Bearer tokens and the throttle on wrong ones."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from gateway.control.deps import Callers
from gateway.control.guard import Access, Guard, name_of
from gateway.core.attempt import ANONYMOUS, Principal
from gateway.core.reasons import Reason, Refused
from gateway.core.token import SecretHash, hash_secret

KNOWN = {hash_secret("one"): "first", hash_secret("two"): "second"}


def test_the_name_is_that_of_the_token() -> None:
    """Each token gives its own name, and nothing else gives any."""
    assert name_of("one", KNOWN) == "first"
    assert name_of("two", KNOWN) == "second"
    for wrong in ("", "on", "onee", "ONE", "\ud800"):
        assert name_of(wrong, KNOWN) is None


def guard(admins: dict[SecretHash, str] | None = None, **more: dict[SecretHash, str]) -> Guard:
    known = KNOWN if admins is None else admins
    parts = {"sidecars": {}, "apps": {}, "sidecar_apps": {}, "sidecar_serves": {}} | more
    callers = Callers(admins=known, **parts)  # type: ignore[arg-type]
    return Guard(lambda: callers, lambda: 0.0)


def refusal(watched: Guard, value: str | None, peer: str | None = None, access: Access = Access.ADMIN) -> Reason:
    with pytest.raises(Refused) as refused:
        watched.admit(access, value, None if peer is None else ip_address(peer), {"app": "billing"})
    return refused.value.reason


@pytest.mark.parametrize("value", ["Bearer one", "bearer one", "BEARER   one "])
def test_the_scheme_is_read_like_any_other(value: str) -> None:
    """The scheme's case and the blanks after it mean nothing (RFC 9110, section 11.1)."""
    assert (Principal("admin", "first"), hash_secret("one")) == guard().admit(Access.ADMIN, value, None, {})


def test_an_empty_token_is_never_known() -> None:
    """Not even if somebody configured the hash of nothing."""
    watched = guard({hash_secret(""): "nobody"})
    assert Reason.CREDENTIALS_MISSING is refusal(watched, "Bearer ")
    assert name_of("", {hash_secret(""): "nobody"}) is None


@pytest.mark.parametrize("access", Access)
@pytest.mark.parametrize("kind", ["admins", "sidecars", "apps"])
def test_each_access_is_opened_by_its_own_tokens(access: Access, kind: str) -> None:
    """And by no others: an admin's opens a sidecar's rows too, an app's only what names that app."""
    opened = {
        Access.ADMIN: {"admins"},
        Access.SIDECAR: {"admins", "sidecars"},
        Access.APP: {"apps"},
        Access.PUBLIC: {"admins", "sidecars", "apps"},
    }
    watched = guard(**{"admins": {}, kind: {hash_secret("t"): "billing"}})
    if kind in opened[access]:
        watched.admit(access, "Bearer t", None, {"app": "billing"})
    else:
        assert Reason.CREDENTIALS_MISSING is refusal(watched, "Bearer t", access=access)


def test_an_app_opens_its_own_path_alone() -> None:
    """With the token as it is, as SDKs send it, or as a bearer's; another app's path is as closed as an unknown one."""
    watched = guard(apps={hash_secret("t"): "billing"})
    for value in ("t", "Bearer t"):
        assert Principal("app", "billing") == watched.admit(Access.APP, value, None, {"app": "billing"})[0]
        with pytest.raises(Refused):
            watched.admit(Access.APP, value, None, {"app": "payroll"})


def test_everybody_is_anonymous() -> None:
    """What is public takes no token, and believes none."""
    assert ANONYMOUS == guard().admit(Access.PUBLIC, "Bearer one", None, {})[0]


def test_addresses_are_throttled_apart() -> None:
    """One address's wrong tokens do not count against another, but one IPv6 customer is one address."""
    watched = guard()
    for number in range(10):
        assert Reason.CREDENTIALS_MISSING is refusal(watched, "Bearer wrong", f"2001:db8::{number}")
    assert Reason.TOO_MANY_GUESSES is refusal(watched, "Bearer wrong", "2001:db8::99")
    assert Reason.CREDENTIALS_MISSING is refusal(watched, "Bearer wrong", "192.0.2.7")
    assert Reason.CREDENTIALS_MISSING is refusal(watched, "Bearer wrong")


def test_memory_is_bounded() -> None:
    """A flood from many addresses is remembered for at most 10,000 of them."""
    watched = guard()
    for number in range(10_050):
        refusal(watched, "Bearer wrong", f"10.0.{number // 250}.{number % 250}")
    assert 10_000 == len(watched._wrong)
