"""The word of a front proxy about who its caller is."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
import structlog

from gateway.control.proxied_users import ProxiedUsers
from gateway.core.attempt import Principal
from gateway.core.identity import ProxyRules, User
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.core.rule import LinkLimits
from tests.control.desk import ADMIN, POLICY, rule, serving

RULES = ProxyRules("x-user", "x-groups", (ip_network("10.1.0.0/16"), ip_network("fd00::/64")))
PROXY = "10.1.2.3"


def read(peer: str | None, *headers: tuple[str, str], rules: ProxyRules | None = RULES) -> User | None:
    raw = RawRequest("GET", "/", "", headers)
    return ProxiedUsers(lambda: rules, lambda: "https://gw.acme.example:8443/x", str).read(
        raw, None if peer is None else ip_address(peer)
    )


def user(*groups: str) -> User:
    return User(Principal("user", "ann@acme.example"), groups, None)


ANN = ("x-user", "ann@acme.example")


@pytest.mark.parametrize("peer", [PROXY, "10.1.255.255", "fd00::1"])
def test_our_proxies_say_who_it_is(peer: str) -> None:
    """With groups where they say some."""
    assert user() == read(peer, ANN)
    assert user("a", "b c") == read(peer, ANN, ("x-groups", "b c, a ,,a"))
    assert None is read(peer)
    assert None is read(peer, ("x-groups", "a"))


@pytest.mark.parametrize("peer", ["10.2.0.1", "127.0.0.1", "fd00:0:0:1::1", None])
def test_nobody_else_does(peer: str | None) -> None:
    """From anywhere else the header is as if it had not come."""
    assert None is read(peer, ANN)


def test_a_unix_socket_is_named_by_its_word() -> None:
    """Peers there have no address."""
    sockets = ProxyRules("x-user", None, (), socket=True)
    assert user() == read(None, ANN, ("x-groups", "a"), rules=sockets)
    assert None is read(PROXY, ANN, rules=sockets)
    assert None is read(PROXY, ANN, rules=None)


@pytest.mark.parametrize(
    ("host", "counts"),
    [
        *((name, True) for name in ("127.0.0.1:8081", "[::1]:8081", "localhost", "gw.localhost:80", "gw:8081")),
        *((name, True) for name in ("gw.acme.example", "GW.acme.example:8081", "gw.acme.example.")),
        *((name, False) for name in ("rebound.evil.example:8081", "127.0.0.1.evil.example", "acme.example")),
    ],
)
def test_a_page_on_the_proxys_machine_is_no_proxy(host: str, counts: bool) -> None:
    """A browser that is sent to loopback by a name of somebody else's says that name; a proxy there says ours. Whatever
    the Host, a proxy in another place or on a Unix socket is believed: no browser of a visitor's is there."""
    here = ProxyRules("x-user", None, (ip_network("127.0.0.0/8"), ip_network("::1/128")), socket=True)
    for peer in ("127.0.0.1", "127.8.9.1", "::1"):
        assert (user() if counts else None) == read(peer, ANN, ("host", host), rules=here)
    assert user() == read(None, ANN, ("host", host), rules=here)
    assert user() == read(PROXY, ANN, ("host", host))


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ((ANN, ANN), Reason.CREDENTIALS_AMBIGUOUS),
        ((("x-user", "admin@acme.example"), ANN), Reason.CREDENTIALS_AMBIGUOUS),
        ((ANN, ("x-groups", "a"), ("x-groups", "b")), Reason.CREDENTIALS_AMBIGUOUS),
        ((ANN, ("authorization", "Bearer x")), Reason.CREDENTIALS_AMBIGUOUS),
        ((("x-user", ""),), Reason.CREDENTIALS_MALFORMED),
        ((("x-user", "ann, bob"),), Reason.CREDENTIALS_MALFORMED),
        ((("x-user", "ann:x"),), Reason.CREDENTIALS_MALFORMED),
        ((ANN, ("x-groups", "a\tb")), Reason.CREDENTIALS_MALFORMED),
    ],
)
def test_a_word_that_could_mean_two_is_refused(headers: tuple[tuple[str, str], ...], reason: Reason) -> None:
    """A caller's own header beside the proxy's, another credential, what is no name."""
    with pytest.raises(Refused) as refused:
        read(PROXY, *headers)
    assert reason is refused.value.reason


def test_each_stranger_is_told_of_once() -> None:
    """By the address as the log shows it, and for at most a thousand of them."""
    proxied = ProxiedUsers(lambda: RULES, lambda: None, lambda address: address.replace("10.", "x."))
    raw = RawRequest("GET", "/", "", (ANN,))
    with structlog.testing.capture_logs() as told:
        for peer in ("10.9.0.1", "10.9.0.1", "10.9.0.2"):
            proxied.read(raw, ip_address(peer))
        proxied.read(raw, None)
    assert ["x.9.0.1", "x.9.0.2", "unix"] == [event["peer"] for event in told]
    with structlog.testing.capture_logs() as told:
        for number in range(2000):
            proxied.read(raw, ip_address(0x0B000000 + number))
    assert 997 == len(told)


async def test_a_user_behind_the_proxy_has_their_own() -> None:
    """Their links are theirs, made within the rules that name them; an operator's token works beside."""
    theirs = rule("acme", "user:*@acme.example", "read share", "reports/**", links=LinkLimits(max_uses=9))
    proxy = ProxyRules("x-user", None, (ip_network("127.0.0.0/8"),))
    policy = POLICY.__class__(backends=POLICY.backends, buckets=POLICY.buckets, rules=(*POLICY.rules, theirs))
    async with serving(proxy=lambda: proxy, policy=lambda: policy) as desk:
        await desk.link()
        desk.token = None
        body = {"bucket": "reports", "key": "a", "uses": 1}
        made = await desk.ask("POST", "/v1/links", body, headers={"X-User": "ann@acme.example"})
        assert (201, "user:ann@acme.example") == (made.status, made.json["owner"])
        for name, count in (("ann@acme.example", 1), ("bob@acme.example", 0)):
            found = await desk.ask("GET", "/v1/links", headers={"X-User": name})
            assert count == len(found.json["links"])
        assert 401 == (await desk.ask("GET", "/v1/links")).status
        rebound = {"X-User": "ann@acme.example", "Host": "rebound.evil.example"}
        assert 401 == (await desk.ask("GET", "/v1/links", headers=rebound)).status
        assert 400 == (await desk.ask("GET", "/v1/links", headers={"X-User": "ann", "Authorization": "x"})).status
        assert 200 == (await desk.ask("GET", "/healthz", headers={"X-User": ""})).status
        desk.token = ADMIN
        assert 2 == len((await desk.ask("GET", "/v1/links")).json["links"])


async def test_the_proxys_groups_count_for_rules() -> None:
    """From our proxies alone: a link stands on them, and without the header there is none."""
    theirs = rule("finance", "group:finance", "read share", "reports/**", links=LinkLimits(max_uses=9))
    policy = POLICY.__class__(backends=POLICY.backends, buckets=POLICY.buckets, rules=(*POLICY.rules, theirs))
    body = {"bucket": "reports", "key": "a", "uses": 1}
    for networks, groups, status in (
        ("127.0.0.0/8", "ops, finance", 201),
        ("127.0.0.0/8", "ops", 403),
        ("127.0.0.0/8", "", 403),
        ("10.0.0.0/8", "finance", 401),
    ):
        proxy = ProxyRules("x-user", "x-groups", (ip_network(networks),))
        async with serving(proxy=lambda proxy=proxy: proxy, policy=lambda: policy) as desk:
            desk.token = None
            headers = {"X-User": "ann@acme.example", "X-Groups": groups}
            made = await desk.ask("POST", "/v1/links", body, headers=headers)
            assert status == made.status, (networks, groups, made.text)
            assert status != 201 or ["finance", "ops"] == made.json["groups"]
