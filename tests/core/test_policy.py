"""The laws of the one authorisation function: default deny, deny wins, a link never does more than its owner."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.approval import Approval, ApprovalTerms
from gateway.core.attempt import ANONYMOUS, Attempt, Principal
from gateway.core.grant import Grant, GrantKind, Scope
from gateway.core.narrowing import Narrowing
from gateway.core.pattern import NamePattern, PathPattern
from gateway.core.policy import (
    Policy,
    decide,
    explain,
    objections_to_share,
    only_time_can_end,
    rules_to_approve,
)
from gateway.core.reasons import Reason, Refused
from gateway.core.request import Action, Operation
from gateway.core.route import Backend, Bucket, Capability, Delivery
from gateway.core.rule import Effect, KeyLimits, LimitRule, LinkLimits, Rule
from gateway.core.token import hash_secret
from gateway.core.units import Rate

BILLING = Principal("app", "billing")
_DAY = 86400.0


def rule(who: str, may: str, on: str, **more: object) -> Rule:
    actions = frozenset(Action(word) for word in may.split())
    names = tuple(NamePattern.parse_with_groups(word) for word in who.split())
    places = tuple(PathPattern.parse(word) for word in on.split())
    return Rule(**{"name": f"{may} {on}", "who": names, "may": actions, "on": places} | more)


def policy(*rules: Rule, **more: object) -> Policy:
    backends = {
        "store": Backend("store"),
        "folding": Backend("folding", frozenset({Capability.FOLDS_SLASHES, Capability.FOLDS_UNICODE})),
        "drained": Backend("drained", drained=True),
    }
    buckets = {
        "reports": Bucket("reports", "store", "real", "prod/"),
        "folded": Bucket("folded", "folding", "real"),
        "away": Bucket("away", "drained", "real"),
    }
    return Policy(**{"backends": backends, "buckets": buckets, "rules": rules} | more)


def attempt(action: str | None, place: str, who: Principal = BILLING, **more: object) -> Attempt:
    bucket, _, key = place.partition("/")
    wanted = None if action is None else Action(action)
    operation = Operation.LIST_OBJECTS_V2 if wanted is Action.LIST else Operation.GET_OBJECT
    values = {"operation": operation, "action": wanted, "bucket": bucket, "key": key, "peer": None, "now": 1000.0}
    return Attempt(**{"principal": who} | values | more)


def link(key: str | None = None, prefix: str | None = None, **more: object) -> Grant:
    values = {"id": "l_1", "kind": GrantKind.LINK, "hash": hash_secret("x"), "owner": BILLING, "issued_at": 0.0}
    values |= {"scope": Scope("reports", key, prefix), "actions": frozenset({Action.READ})}
    return Grant(**values | more)


def reason(rules: Policy, tried: Attempt, grant: Grant | None = None) -> Reason | None:
    try:
        decide(rules, grant, tried)
    except Refused as refusal:
        return refusal.reason
    return None


@dataclass(frozen=True)
class Saying:
    """A condition that always says the same."""

    held: bool | None
    text: str = "always"

    def holds(self, attempt: Attempt, grant: Grant | None) -> bool | None:
        return self.held


# Everything at once, over a small world in which rules and attempts meet often.

_keys = st.sampled_from(["a", "a/x", "a/b/x", "ab/x", "a/b", "c/x", "a//x", "a/../c", "e\u0301"])
_patterns = st.sampled_from(
    ["**", "reports/**", "reports/a/**", "reports/a/*", "reports/a/b/**", "*/a/x", "folded/**", "away/**"]
)
_who = st.sampled_from(["app:billing", "app:*", "*", "anonymous", "app:other", "link:*", "admin:*"])
_actions = st.sets(st.sampled_from(list(Action)), min_size=1).map(frozenset)
_networks = st.sampled_from([(), (ip_network("10.0.0.0/8"),)])
_limits = st.builds(LinkLimits, actions=_actions, max_expires=st.sampled_from([None, 50.0]), password=st.booleans())
_rules = st.builds(
    Rule,
    name=st.text("xyz", min_size=1, max_size=3),
    who=_who.map(lambda text: (NamePattern.parse(text),)),
    may=_actions,
    on=_patterns.map(lambda text: (PathPattern.parse(text),)),
    effect=st.sampled_from(Effect),
    networks=_networks,
    max_size=st.sampled_from([None, 10]),
    links=st.none() | _limits,
    condition=st.none() | st.builds(Saying, st.sampled_from([True, False, None])),
)
_policies = st.lists(_rules, max_size=6).map(lambda rules: policy(*rules))
_principals = st.sampled_from([BILLING, Principal("app", "other"), ANONYMOUS, Principal("admin", "ops")])
_attempts = st.builds(
    Attempt,
    principal=_principals,
    operation=st.just(Operation.GET_OBJECT),
    action=st.none() | st.sampled_from(list(Action)),
    bucket=st.sampled_from(["reports", "folded", "away", "missing"]),
    key=_keys,
    peer=st.sampled_from([None, ip_address("10.1.1.1"), ip_address("192.0.2.1")]),
    now=st.sampled_from([0.0, 100.0]),
    size=st.sampled_from([None, 5, 50]),
)
_links = st.builds(
    lambda owner, scope, actions, expires, password, size: link(
        owner=owner, scope=scope, actions=actions, expires_at=expires, password=password, max_size=size, key="a"
    ),
    st.sampled_from([BILLING, Principal("app", "other")]),
    st.sampled_from(
        [Scope("reports", "a/x"), Scope("reports", prefix="a/"), Scope("reports", prefix=""), Scope("folded", "a")]
    ),
    _actions,
    st.sampled_from([None, 50.0, 200.0]),
    st.sampled_from([None, "scrypt$x$y"]),
    st.sampled_from([None, 10]),
)


@given(_policies, st.none() | _links, _attempts)
def test_decide_and_explain_never_disagree(rules: Policy, grant: Grant | None, tried: Attempt) -> None:
    """`explain` allows exactly what `decide` allows, with the same route, and its first objection is the refusal."""
    told = explain(rules, grant, tried)
    if told.allowed:
        assert ((), decide(rules, grant, tried)) == (told.objections, told.route)
    else:
        with pytest.raises(Refused) as refusal:
            decide(rules, grant, tried)
        assert (told.objections[0].reason, told.objections[0].detail) == (refusal.value.reason, refusal.value.detail)
        assert told.route is None


def test_what_only_time_can_end_is_the_same_from_anywhere() -> None:
    """As long as its grant has not lapsed; and most of what is allowed is such."""
    lasting = 0

    @given(_policies, st.none() | _links, _attempts, _attempts)
    def same(rules: Policy, grant: Grant | None, tried: Attempt, other: Attempt) -> None:
        nonlocal lasting
        again = tried.again(other.peer, other.now)
        allowed = reason(rules, tried, grant) is None
        if not allowed or not only_time_can_end(rules, grant, tried) or (grant and grant.lapsed(again.now)):
            return
        lasting += 1
        assert decide(rules, grant, tried) == decide(rules, grant, again)

    same()
    assert lasting


NARROW = {
    "a grant's networks": (policy(rule("app:*", "read", "**")), {"cidrs": (ip_network("10.0.0.0/8"),)}),
    "a limit by address": (
        policy(
            rule("app:*", "read", "**"),
            limits=(LimitRule(who=NamePattern.parse("*"), per="address", requests=Rate(1, 1.0, 1)),),
        ),
        {},
    ),
    "a rule's networks": (policy(rule("app:*", "read", "**", networks=(ip_network("10.0.0.0/8"),))), {}),
    "a condition": (policy(rule("app:*", "read", "**", condition=Saying(held=True))), {}),
    "a rule about size": (policy(rule("app:*", "read", "**", max_size=10)), {}),
}


@pytest.mark.parametrize("what", NARROW)
def test_what_more_than_time_can_end_is_said_so(what: str) -> None:
    """Whatever looks at the caller or at a condition is judged every time."""
    rules, narrow = NARROW[what]
    key = replace(link("a"), kind=GrantKind.KEY, scope=None, actions=frozenset(), **narrow)
    here = attempt("read", "reports/a", peer=ip_address("10.1.1.1"))
    assert None is reason(rules, here, key)
    assert not only_time_can_end(rules, key, here)
    assert only_time_can_end(policy(rule("app:*", "read", "**")), replace(key, cidrs=()), here)


@given(_policies, _attempts)
def test_nothing_is_allowed_without_a_rule_that_says_so(rules: Policy, tried: Attempt) -> None:
    """An allowed attempt has an allow rule that names its principal, action and place and whose condition held."""
    if reason(rules, tried) is None:
        assert any(
            r.effect is Effect.ALLOW
            and r.names(tried.principal)
            and (tried.action is None or tried.action in r.may)
            and r.covers(tried)
            and (r.condition is None or r.condition.holds(tried, None) is True)
            for r in rules.rules
        )


@given(_policies, _rules, _attempts)
def test_a_further_deny_rule_never_allows_more(rules: Policy, more: Rule, tried: Attempt) -> None:
    """Adding a deny rule anywhere can only take away."""
    narrower = replace(rules, rules=(*rules.rules, replace(more, effect=Effect.DENY)))
    if reason(rules, tried) is not None:
        assert reason(narrower, tried) is not None


@given(_policies, _rules, _attempts, st.none() | _links)
def test_the_order_of_rules_decides_nothing(rules: Policy, more: Rule, tried: Attempt, grant: Grant | None) -> None:
    """Whether an attempt is allowed does not depend on where in the files a rule stands."""
    first = replace(rules, rules=(more, *rules.rules))
    last = replace(rules, rules=(*rules.rules, more))
    assert explain(first, grant, tried).allowed == explain(last, grant, tried).allowed


@given(_policies, _links, _attempts)
def test_a_link_never_does_more_than_its_owner(rules: Policy, grant: Grant, tried: Attempt) -> None:
    """What a link may do, its owner may do from the same place, and the owner has a share rule over it."""
    used = replace(tried, principal=grant.principal)
    if reason(rules, used, grant) is None:
        assert reason(rules, replace(tried, principal=grant.owner)) is None
        assert any(
            Action.SHARE in r.may and r.effect is Effect.ALLOW and r.names(grant.owner) and r.covers(tried)
            for r in rules.rules
        )


@given(_policies, _links, _attempts)
def test_a_link_stays_inside_its_scope_actions_and_life(rules: Policy, grant: Grant, tried: Attempt) -> None:
    """No policy widens a link: scope, actions and expiry hold whatever the rules say."""
    if reason(rules, replace(tried, principal=grant.principal), grant) is None:
        assert grant.scope is not None
        assert grant.scope.reaches(tried.bucket, tried.key)
        assert tried.action in grant.actions
        assert grant.expires_at is None or tried.now < grant.expires_at


@given(_policies, _links)
def test_a_link_that_may_be_issued_works_from_the_first_moment(rules: Policy, grant: Grant) -> None:
    """For a one-object link, what issuing finds acceptable a first use is allowed, unless the store is drained."""
    objections, share_rule = objections_to_share(rules, grant)
    if not objections and grant.scope is not None and grant.scope.key is not None and not grant.lapsed(0.0):
        assert share_rule is not None
        for action in grant.actions - {Action.LIST}:
            tried = attempt(action, f"{grant.scope.bucket}/{grant.scope.key}", grant.principal, now=0.0)
            assert reason(rules, tried, grant) in {None, Reason.BACKEND_DRAINED}


# One law at a time.


def test_an_empty_policy_allows_nothing() -> None:
    """Without rules every action by everybody is refused."""
    for action in (*Action, None):
        assert reason(policy(), attempt(action, "reports/a")) is Reason.NOT_ALLOWED


def test_a_route_leads_to_the_real_place() -> None:
    """An allowed attempt carries backend, real key, rule and delivery of its bucket."""
    rules = policy(rule("app:billing", "read", "reports/a/**", delivery=Delivery.REDIRECT))
    route = decide(rules, None, attempt("read", "reports/a/x"))
    assert ("store", "prod/a/x", "read reports/a/**") == (route.backend.name, route.real_key, route.rule)
    assert route.delivery is Delivery.REDIRECT


@pytest.mark.parametrize(
    ("held", "allowed", "denied"), [(True, True, True), (False, False, False), (None, False, True)]
)
def test_a_condition_that_fails_never_allows_and_always_denies(held: bool | None, allowed: bool, denied: bool) -> None:
    """An allow rule needs True; a deny rule is silenced only by False."""
    free = rule("*", "read", "**")
    allowing = policy(replace(free, condition=Saying(held)))
    denying = policy(free, replace(free, effect=Effect.DENY, condition=Saying(held)))
    assert allowed == (reason(allowing, attempt("read", "reports/a")) is None)
    assert denied == (reason(denying, attempt("read", "reports/a")) is Reason.DENIED_BY_RULE)


def test_a_listing_that_could_show_a_denied_name_is_denied() -> None:
    """A deny rule below a listed prefix refuses the listing; beside it, it does not."""
    rules = policy(rule("*", "list", "reports/**"), rule("*", "list", "reports/a/secret/**", effect=Effect.DENY))
    for prefix in ("", "a/", "a/secret/", "a/sec", "a/secret/deeper/"):
        assert reason(rules, attempt("list", "reports/" + prefix)) is Reason.DENIED_BY_RULE
    assert reason(rules, attempt("list", "reports/b/")) is None


def test_a_listing_is_allowed_only_where_all_it_shows_is() -> None:
    """A rule on a folder allows listing the folder, and neither its parent nor a sibling that shares its name."""
    rules = policy(rule("*", "list", "reports/a/**"))
    assert reason(rules, attempt("list", "reports/a/")) is None
    for prefix in ("", "a", "a-old/"):
        assert reason(rules, attempt("list", "reports/" + prefix)) is Reason.NOT_ALLOWED


@pytest.mark.parametrize("key", ["/a", "a//b", "a\\b", "e\u0301"])
def test_names_that_a_store_folds_are_refused(key: str) -> None:
    """Where the store takes one name for another, only the plain form passes; other stores take them all."""
    rules = policy(rule("*", "read", "**"))
    assert reason(rules, attempt("read", "folded/" + key)) is Reason.KEY_AMBIGUOUS
    assert reason(rules, attempt("read", "reports/" + key)) is None


def test_seeing_a_bucket_needs_any_allow_rule_about_it() -> None:
    """A bucket is visible to whom some allow rule names in it, and to nobody else."""
    rules = policy(
        rule("app:billing", "read", "reports/a/b/**"), rule("app:billing", "read", "away/**", effect=Effect.DENY)
    )
    assert reason(rules, attempt(None, "reports/")) is None
    assert reason(rules, attempt(None, "away/")) is Reason.NOT_ALLOWED
    assert ["reports"] == [bucket.name for bucket in rules.visible_buckets(BILLING)]
    assert [] == rules.visible_buckets(ANONYMOUS)


def test_networks_of_a_rule_need_a_known_peer() -> None:
    """A rule for a network allows peers inside it, and neither others nor a peer without an address."""
    rules = policy(rule("*", "read", "**", networks=(ip_network("10.0.0.0/8"),)))
    assert reason(rules, attempt("read", "reports/a", peer=ip_address("10.9.9.9"))) is None
    for peer in (None, ip_address("192.0.2.1"), ip_address("::1")):
        assert reason(rules, attempt("read", "reports/a", peer=peer)) is Reason.NOT_ALLOWED


def test_a_drained_backend_refuses_only_what_would_be_allowed() -> None:
    """Being drained shows to those who may use the place; others hear that they may not."""
    rules = policy(rule("app:billing", "read", "away/**"))
    assert reason(rules, attempt("read", "away/a")) is Reason.BACKEND_DRAINED
    assert reason(rules, attempt("write", "away/a")) is Reason.NOT_ALLOWED


_LISTED = LinkLimits(actions=frozenset({Action.READ, Action.LIST}))
_SHARING = (
    rule("app:billing", "read list write", "reports/**"),
    rule("app:billing", "share", "reports/a/**", links=_LISTED),
)


def test_a_link_works_where_its_owner_may_act_and_share() -> None:
    """Read alone or share alone is not enough for a link."""
    used = attempt("read", "reports/a/x", Principal("link", "l_1"))
    assert reason(policy(*_SHARING), used, link("a/x")) is None
    assert reason(policy(_SHARING[0]), used, link("a/x")) is Reason.OWNER_NOT_ALLOWED
    assert reason(policy(_SHARING[1]), used, link("a/x")) is Reason.OWNER_NOT_ALLOWED


@pytest.mark.parametrize("narrow", [{"effect": Effect.DENY}, {"effect": Effect.DENY, "condition": Saying(None)}])
def test_a_deny_rule_on_sharing_ends_links_and_prevents_new_ones(narrow: dict[str, object]) -> None:
    """Denying `share` in a folder refuses its links at issue and at use, though the owner may still read it."""
    rules = policy(*_SHARING, rule("app:billing", "share", "reports/a/secret/**", **narrow))
    secret = link("a/secret/x")
    used = attempt("read", "reports/a/secret/x", secret.principal)
    assert reason(rules, used, secret) is Reason.OWNER_NOT_ALLOWED
    assert reason(rules, replace(used, principal=BILLING)) is None
    assert objections_to_share(rules, secret)[0]
    for prefix, refused in (("a/", True), ("a/secret/", True), ("a/open/", False)):
        lister = link(prefix=prefix, actions=frozenset({Action.LIST}))
        assert refused == bool(objections_to_share(rules, lister)[0])
    assert not objections_to_share(rules, link("a/x"))[0]


@pytest.mark.parametrize("held", [False, None])
def test_a_share_rule_whose_condition_does_not_hold_shares_nothing(held: bool | None) -> None:
    """A share rule's condition counts at issue and at use."""
    rules = policy(_SHARING[0], replace(_SHARING[1], condition=Saying(held)))
    assert objections_to_share(rules, link("a/x"))[0]
    assert reason(rules, attempt("read", "reports/a/x", link("a/x").principal), link("a/x")) is Reason.OWNER_NOT_ALLOWED


@pytest.mark.parametrize(
    ("limits", "fine", "excessive"),
    [
        (LinkLimits(max_expires=_DAY), {"expires_at": _DAY + 0.5}, {"expires_at": _DAY + 2}),
        (LinkLimits(max_expires=_DAY), {"expires_at": 1.0}, {"expires_at": None}),
        (LinkLimits(max_uses=3), {"uses": 3}, {"uses": 4}),
        (LinkLimits(max_uses=3), {"uses": 1}, {"uses": None}),
        (LinkLimits(password=True), {"password": "scrypt$x$y"}, {}),
        (LinkLimits(), {}, {"actions": frozenset({Action.READ, Action.WRITE})}),
        (
            LinkLimits(actions=frozenset({Action.WRITE}), max_size=10),
            {"actions": frozenset({Action.WRITE}), "max_size": 10},
            {"actions": frozenset({Action.WRITE})},
        ),
    ],
)
def test_a_link_beyond_the_share_rules_limits_is_not_issued(
    limits: LinkLimits, fine: dict[str, object], excessive: dict[str, object]
) -> None:
    """Each limit on links refuses what passes it, and "no limit" passes every limit."""
    rules = policy(_SHARING[0], replace(_SHARING[1], links=limits))
    assert ((), replace(_SHARING[1], links=limits)) == objections_to_share(rules, link("a/x", **fine))
    objections, share_rule = objections_to_share(rules, link("a/x", **excessive))
    assert (1, None) == (len(objections), share_rule)


def test_a_prefix_link_needs_a_share_rule_over_all_of_it() -> None:
    """Sharing a folder is refused when the share rule covers only a part of it."""
    lister = frozenset({Action.LIST})
    assert not objections_to_share(policy(*_SHARING), link(prefix="a/", actions=lister))[0]
    assert objections_to_share(policy(*_SHARING), link(prefix="", actions=lister))[0]


def test_a_key_acts_as_its_app_without_a_share_rule() -> None:
    """A gateway-issued key has exactly its app's rights."""
    key = link("a", kind=GrantKind.KEY, scope=None, actions=frozenset())
    assert reason(policy(_SHARING[0]), attempt("read", "reports/z"), key) is None
    assert reason(policy(), attempt("read", "reports/z"), key) is Reason.NOT_ALLOWED


def test_limits_name_who_shares_a_count() -> None:
    """A count is shared by principal, address class or link, and a link is also counted for its owner."""
    many = Rate(5, 1.0, 5)
    app, every = NamePattern.parse("app:*"), NamePattern.parse("*")
    rules = policy(
        rule("*", "read share", "**"),
        limits=(
            LimitRule(who=app, requests=many),
            LimitRule(who=every, per="address", concurrent=2),
            LimitRule(who=every, per="link", bandwidth=9),
        ),
    )
    grant = link("a", rate=many)
    tried = attempt("read", "reports/a", grant.principal, peer=ip_address("2001:db8::1:2:3:4"))
    keys = [limit.key for limit in decide(rules, grant, tried).limits]
    assert ["0:app:billing", "1:2001:db8::/64", "2:l_1", "grant:l_1"] == keys
    assert ["0:app:billing", "1:local"] == [
        limit.key for limit in decide(rules, None, attempt("read", "reports/a")).limits
    ]


def test_the_memo_of_names_is_bounded() -> None:
    """However many principals come by, the policy remembers at most a few thousand of them."""
    rules = policy(rule("*", "read", "**"))
    for number in range(5000):
        rules.rules_for(Principal("app", f"a{number}"))
    assert len(rules._named) <= 4096


ANN = Principal("user", "ann@acme.example")
_BY_GROUP = (
    rule("group:finance", "read list", "reports/**"),
    rule("group:finance", "share", "reports/a/**"),
)


def test_a_rule_about_a_group_is_about_its_users() -> None:
    """With the groups that came with the request where there is no grant; another group's user is nobody here."""
    rules = policy(*_BY_GROUP)
    for groups, expected in ((("finance",), None), (("/ops", "finance"), None)):
        assert expected == reason(rules, attempt("read", "reports/z", ANN, groups=groups))
    for groups in ((), ("financial",), ("/finance",), ("ops",)):
        assert Reason.NOT_ALLOWED is reason(rules, attempt("read", "reports/z", ANN, groups=groups))
    assert Reason.NOT_ALLOWED is reason(rules, attempt("read", "reports/z", Principal("user", "finance")))


def test_a_link_stands_on_the_groups_that_it_was_made_with() -> None:
    """Its own groups count at issue and at each use; those of who comes with it, and of other links, do not."""
    rules = policy(*_BY_GROUP)
    theirs = link("a/x", owner=ANN, groups=("finance", "staff"))
    used = attempt("read", "reports/a/x", theirs.principal)
    assert ((), _BY_GROUP[1]) == objections_to_share(rules, theirs)
    assert reason(rules, used, theirs) is None
    for groups in ((), ("staff",)):
        bare = replace(theirs, groups=groups)
        assert objections_to_share(rules, bare)[0]
        assert Reason.OWNER_NOT_ALLOWED is reason(rules, replace(used, groups=("finance",)), bare)
    assert reason(rules, used, theirs) is None
    assert explain(rules, theirs, used).allowed
    assert [rule for rule, _ in explain(rules, theirs, used).rules] == list(_BY_GROUP)


@pytest.mark.parametrize("who", ["group:contractors", "group:con*", "group:*"])
def test_a_group_is_denied_whatever_else_its_users_are(who: str) -> None:
    """A deny rule about one of the groups wins, for links made before it was written too."""
    everybody = rule("user:*", "read share", "reports/**")
    denied = policy(everybody, rule(who, "share", "reports/**", effect=Effect.DENY))
    for groups, refused in (((), False), (("contractors", "finance"), True)):
        theirs = link("a/x", owner=ANN, groups=groups)
        assert refused == bool(objections_to_share(denied, theirs)[0])
        found = reason(denied, attempt("read", "reports/a/x", theirs.principal), theirs)
        assert (Reason.OWNER_NOT_ALLOWED if refused else None) is found


def test_each_of_a_group_has_a_count_of_their_own() -> None:
    """A limit for a group holds for each of its users by themselves."""
    limit = LimitRule(who=NamePattern.of("group:finance"), requests=Rate(5, 1.0, 5))
    rules = policy(*_BY_GROUP, limits=(limit,))
    theirs = link("a/x", owner=ANN, groups=("finance",))
    used = attempt("read", "reports/a/x", theirs.principal)
    assert [f"0:{ANN}"] == [found.key for found in rules.limits_for(used, theirs)]
    assert [f"0:{ANN}"] == [
        found.key for found in rules.limits_for(replace(used, principal=ANN, groups=("finance",)), None)
    ]
    assert () == rules.limits_for(used, replace(theirs, groups=("ops",)))


TERMS = ApprovalTerms((NamePattern.parse("user:ann"),), 60.0)


def approved(grant: Grant, *rules: str) -> Grant:
    return replace(grant, approvals=tuple(Approval(name, "user:ann", 1.0) for name in rules))


def key_of(*narrowed: Narrowing) -> Grant:
    return link("a", kind=GrantKind.KEY, scope=None, actions=frozenset(), narrowed=narrowed)


def test_a_share_rule_that_asks_for_approval_counts_for_approved_links() -> None:
    """At issue it lets the link be; at use it does not before it was approved under this very rule."""
    asking = replace(_SHARING[1], approval=TERMS)
    rules, used = policy(_SHARING[0], asking), attempt("read", "reports/a/x", Principal("link", "l_1"))
    assert ((), asking) == objections_to_share(rules, link("a/x"))
    assert (asking,) == rules_to_approve(rules, link("a/x"))
    assert reason(rules, used, link("a/x")) is Reason.AWAITING_APPROVAL
    assert reason(rules, used, approved(link("a/x"), "another rule")) is Reason.AWAITING_APPROVAL
    assert reason(rules, used, approved(link("a/x"), asking.name)) is None
    assert () == rules_to_approve(rules, approved(link("a/x"), asking.name))
    assert reason(rules, used, link("a/x", uses=3, actions=frozenset({Action.WRITE}))) is Reason.METHOD_NOT_ALLOWED


def test_a_share_rule_that_asks_for_nothing_comes_first() -> None:
    """Whatever else covers the link: a short link is free where only long ones are to be approved."""
    short = replace(_SHARING[1], name="short", links=LinkLimits(max_expires=10.0))
    long = replace(_SHARING[1], name="long", approval=TERMS)
    for order in ((short, long), (long, short)):
        rules = policy(_SHARING[0], *order)
        assert ((), short) == objections_to_share(rules, link("a/x", expires_at=5.0))
        assert ((), long) == objections_to_share(rules, link("a/x", expires_at=50.0))
        used = attempt("read", "reports/a/x", Principal("link", "l_1"), now=1.0)
        assert reason(rules, used, link("a/x", expires_at=5.0)) is None
        assert reason(rules, used, link("a/x", expires_at=50.0)) is Reason.AWAITING_APPROVAL


def test_an_approval_lifts_no_other_limit() -> None:
    """Who was approved is still held to all else that the rule says."""
    asking = replace(_SHARING[1], approval=TERMS, links=LinkLimits(max_uses=3))
    used = attempt("read", "reports/a/x", Principal("link", "l_1"))
    assert reason(policy(_SHARING[0], asking), used, approved(link("a/x"), asking.name)) is Reason.OWNER_NOT_ALLOWED


def test_a_rule_that_asks_for_approval_counts_for_approved_keys() -> None:
    """Not for others, and nobody is shown its bucket; who acts without a key is not asked."""
    asking = rule("app:billing", "read list", "reports/**", approval=TERMS)
    rules = policy(asking)
    for tried in (attempt("read", "reports/a"), attempt("list", "reports/"), attempt(None, "reports/")):
        assert reason(rules, tried, key_of()) is Reason.AWAITING_APPROVAL
        assert reason(rules, tried, approved(key_of(), "another rule")) is Reason.AWAITING_APPROVAL
        assert reason(rules, tried, approved(key_of(), asking.name)) is None
        assert reason(rules, tried) is None
    assert reason(rules, attempt("write", "reports/a"), key_of()) is Reason.NOT_ALLOWED
    assert [] == rules.visible_buckets(BILLING, key_of())
    assert ["reports"] == [one.name for one in rules.visible_buckets(BILLING, approved(key_of(), asking.name))]
    assert not only_time_can_end(policy(replace(asking, max_size=1)), key_of(), attempt("read", "reports/a"))


@pytest.mark.parametrize(
    ("other", "narrowed", "waits"),
    [
        (None, (), True),
        (None, (Narrowing(bucket="reports", prefix="a/"),), True),
        (None, (Narrowing(bucket="reports", prefix="a/b/"),), True),
        (None, (Narrowing(bucket="reports", keys=frozenset({"c", "a/x"})),), True),
        (None, (Narrowing(actions=frozenset({Action.WRITE})), Narrowing(bucket="reports")), True),
        (None, (Narrowing(bucket="reports", prefix="b/"),), False),
        (None, (Narrowing(bucket="folded"),), False),
        (None, (Narrowing(bucket="reports", keys=frozenset({"c"})),), False),
        (None, (Narrowing(actions=frozenset({Action.WRITE})),), False),
        (rule("app:billing", "read", "reports/**"), (), False),
        (rule("app:billing", "read write", "**"), (), False),
        (rule("app:billing", "read", "reports/a/x/**"), (), True),
        (rule("app:billing", "write", "reports/**"), (), True),
        (rule("app:billing", "read", "reports/**", networks=(ip_network("10.0.0.0/8"),)), (), True),
        (rule("app:billing", "read", "reports/**", keys=KeyLimits(max_uses=3)), (), True),
        (rule("app:other", "read", "reports/**"), (), True),
        (None, (Narrowing(actions=frozenset({Action.READ})),), True),
    ],
)  # fmt: skip
def test_a_key_waits_for_what_nothing_else_gives_it(
    other: Rule | None, narrowed: tuple[Narrowing, ...], waits: bool
) -> None:
    """A rule that asks, about something where the key reaches; unless another lets it do all the same unasked."""
    asking = rule("app:billing", "read share", "reports/a/**", approval=TERMS)
    rules = policy(asking, *(() if other is None else (other,)))
    assert ((asking,) if waits else ()) == rules_to_approve(rules, key_of(*narrowed))
    assert () == rules_to_approve(rules, approved(key_of(*narrowed), asking.name))


def test_a_key_waits_for_each_rule_that_asks() -> None:
    """One approval is not another's; and a rule about links alone asks nothing of keys."""
    one, two = (rule("app:billing", "read", f"reports/{name}/**", approval=TERMS) for name in "ab")
    rules = policy(one, two, rule("app:billing", "share", "reports/**", approval=TERMS))
    assert (one, two) == rules_to_approve(rules, key_of())
    assert (two,) == rules_to_approve(rules, approved(key_of(), one.name))
