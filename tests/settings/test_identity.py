"""`control.identity`: what it may say, and what would make it an open door."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from gateway.core.attempt import Principal
from gateway.core.identity import ProxyRules, PublicClient, SignIn, UserRules
from gateway.core.pattern import NamePattern
from tests.settings.conftest import Folder

WHOLE = {
    "issuer": "https://kubernetes.default.svc",
    "jwks": "https://kubernetes.default.svc/openid/v1/jwks",
    "audience": "gateway",
    "roles": "{billing: {app: app:billing, subjects: 'system:serviceaccount:billing:*'}}",
}


def text(**changes: str) -> str:
    entries = ", ".join(f"{name}: {value}" for name, value in (WHOLE | changes).items() if value)
    return f"state: memory://\ncontrol: {{identity: {{{entries}}}}}"


def test_an_issuer_and_its_roles_are_read(folder: Folder) -> None:
    """Subjects may be one text; a file of keys and the bearer token start at the settings file."""
    (folder.path / "jwks.json").touch()
    (folder.path / "token").write_text("a-pods-own-token\n")
    [found] = folder.settings(text(jwks="jwks.json", bearer="file:token")).control.identity
    assert found.roles is not None
    assert (Principal("app", "billing"), ("system:serviceaccount:billing:*",)) == (
        found.roles["billing"].app,
        found.roles["billing"].subjects,
    )
    assert folder.path / "jwks.json" == found.jwks
    assert found.bearer is not None
    assert "a-pods-own-token" == found.bearer.resolve()
    assert "a-pods-own-token" not in repr(found)


def test_the_command_line_has_a_client_of_its_own(folder: Folder) -> None:
    """Public, with what it asks for; left out, nobody signs in with it."""
    settings = folder.settings(
        """state: memory://
control:
  identity:
    - {issuer: https://a.example, audience: x, users: {admit: a}, cli: {client_id: gateway-cli}}
    - {issuer: https://b.example, audience: x, users: {admit: b}}
    - {issuer: https://c.example, audience: x, users: {admit: c}, cli: {client_id: c, scopes: [openid, offline_access]}}
"""
    )
    first, second, third = [one.public_client for one in settings.control.identity]
    assert PublicClient("https://a.example", "gateway-cli", "x", ("openid", "email", "profile")) == first
    assert second is None
    assert PublicClient("https://c.example", "c", "x", ("openid", "offline_access")) == third


def test_nobody_is_believed_unless_it_is_written(folder: Folder) -> None:
    """There is no default issuer."""
    assert () == folder.settings("state: memory://\n").control.identity


def test_issuers_speak_of_users_and_roles_are_given(folder: Folder) -> None:
    """Several issuers, each for users, for roles or for both; keys are asked for where none are named."""
    settings = folder.settings(
        """state: memory://
control:
  identity:
    - {issuer: https://login.acme.example, audience: gateway, users: {groups: groups, admit: "*@acme.example"}}
    - {issuer: "http://localhost:9", audience: x, algorithms: ES256, users: {name: sub, admit: [ci]}}
  roles: {admin: "group:/ops/storage", audit: ["user:*@audit.example", "group:auditors"]}
"""
    )
    first, second = [one.rules for one in settings.control.identity]
    assert (None, {}, UserRules("email", "groups", (NamePattern.parse("user:*@acme.example"),))) == (
        first.jwks,
        first.roles,
        first.users,
    )
    assert (("ES256",), UserRules("sub", None, (NamePattern.parse("user:ci"),))) == (second.algorithms, second.users)
    roles = settings.control.roles
    assert [["group:/ops/storage"], ["user:*@audit.example", "group:auditors"]] == [
        [pattern.text for pattern in patterns] for patterns in (roles.admin, roles.audit)
    ]


def test_a_front_proxy_is_read(folder: Folder) -> None:
    """Headers have no case; a Unix socket is a word of its own."""
    text = "control: {proxy_user: {header: X-User, groups_header: X-Groups, from: [10.1.0.0/16, unix]}}"
    found = folder.settings(f"state: memory://\n{text}").control.proxy_user
    assert found is not None
    assert ProxyRules("x-user", "x-groups", (ip_network("10.1.0.0/16"),), socket=True) == found.rules
    one = folder.settings(
        "state: memory://\ncontrol: {proxy_user: {header: X-User, from: loopback}}"
    ).control.proxy_user
    assert one is not None
    assert (None, False, 2) == (one.rules.groups_header, one.rules.socket, len(one.rules.networks))


ONE = "{issuer: https://a.b, audience: x, users: {admit: a}}"


@pytest.mark.parametrize(
    ("control", "fault"),
    [
        ("identity: {issuer: https://a.b, audience: x}", "control.identity: believes an issuer for nothing"),
        (
            "identity: {issuer: https://a.b, audience: x, users: {}}",
            "control.identity.users: the key 'admit' is missing",
        ),
        (
            "identity: {issuer: https://a.b, audience: x, users: {admit: '*'}}",
            "control.identity.users.admit: must say of which users",
        ),
        (
            "identity: {issuer: https://a.b, audience: x, algorithms: HS256, users: {admit: a}}",
            "control.identity.algorithms: 'HS256' is not allowed",
        ),
        (
            f"identity: [{ONE}, {ONE}]",
            "control: names an issuer twice",
        ),
        (
            "identity: {issuer: http://a.b, audience: x, users: {admit: a}}",
            "control.identity.issuer: must be the issuer",
        ),
        (
            "identity: {issuer: https://a.b, audience: x, users: {admit: a}, cli: {client_id: c, scopes: email}}",
            "control.identity.cli.scopes: does not ask for openid",
        ),
        (
            "identity: {issuer: https://a.b, audience: x, users: {admit: a}, cli: {}}",
            "control.identity.cli: the key 'client_id' is missing",
        ),
        (
            "identity: {issuer: https://a.b, audience: x, cli: {client_id: c}, roles: {r: {app: app:r, subjects: s}}}",
            "control.identity: has people sign in at an issuer that may speak of none",
        ),
        ("proxy_user: {header: X-User}", "control.proxy_user: the key 'from' is missing"),
        ("proxy_user: {header: X-User, from: []}", "control.proxy_user.from: must have at least 1"),
        ("proxy_user: {header: X-User, from: '0.0.0.0/0'}", "control.proxy_user.from: would let every caller"),
        ("proxy_user: {header: Authorization, from: unix}", "control.proxy_user.header: Authorization says something"),
        ("proxy_user: {header: x-amz-user, from: unix}", "control.proxy_user.header: x-amz-user says something"),
        ("proxy_user: {header: 'X User', from: unix}", "control.proxy_user.header: must be a header's name"),
        ("proxy_user: {header: X-U, groups_header: x-u, from: unix}", "control.proxy_user: has one header for a user"),
        ("roles: {admin: 'app:billing'}", "control.roles.admin: must name users or groups"),
        ("roles: {admin: '*'}", "control.roles.admin: must name users or groups"),
        ("roles: {audit: ['group:']}", "control.roles.audit[0]: must name users or groups"),
        ("roles: {owner: 'user:a'}", "control.roles.owner: unknown key"),
    ],
)
def test_what_would_let_in_more_than_is_written_is_a_fault(folder: Folder, control: str, fault: str) -> None:
    """No issuer is believed for everybody, twice, or by a shared secret; no app and nobody at large has a role."""
    [found] = folder.settings_faults(f"state: memory://\ncontrol: {{{control}}}")
    assert fault in found


ROLE = "control.identity.roles.billing"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"issuer": "http://issuer"}, "control.identity.issuer: must be the issuer exactly as its tokens say it"),
        ({"audience": ""}, "control.identity: the key 'audience' is missing"),
        ({"jwks": "http://issuer.example/jwks"}, "control.identity.jwks: must be an https URL: keys that anybody"),
        ({"jwks": "https://a:b@issuer.example/jwks"}, "control.identity.jwks: must be an https URL without user"),
        ({"jwks": "no.json"}, "control.identity.jwks: there is no file no.json"),
        ({"roles": "{}"}, "control.identity.roles: "),
        ({"roles": "{billing: {app: app:billing}}"}, f"{ROLE}: the key 'subjects' is missing"),
        ({"roles": "{billing: {app: app:billing, subjects: []}}"}, f"{ROLE}.subjects: "),
        ({"roles": "{billing: {app: app:billing, subjects: ['*']}}"}, f"{ROLE}.subjects[0]: a star stands at the end"),
        ({"roles": "{billing: {app: app:billing, subjects: ['a*b']}}"}, f"{ROLE}.subjects[0]: a star stands at the"),
        ({"roles": "{billing: {app: 'admin:x', subjects: [a]}}"}, f"{ROLE}.app: must name an app: write app:NAME"),
    ],
    ids=str,
)
def test_what_would_believe_too_much_is_a_fault(folder: Folder, changes: dict[str, str], fault: str) -> None:
    """A role without subjects, keys over plain HTTP, no audience: each is told with its place."""
    [found] = folder.settings_faults(text(**changes))
    assert fault in found


def test_people_sign_in_where_the_issuer_may_speak_of_them(folder: Folder) -> None:
    """As the client of the audience unless another is named; the button has the issuer's host unless it is called."""
    (folder.path / "secret").write_text("a-clients-own-secret\n")
    users = "{admit: '*@acme.example'}"
    [plain] = folder.settings(text(roles="", users=users, sign_in="{}")).control.identity
    assert SignIn("gateway", None, ("openid", "email", "profile"), "kubernetes.default.svc") == plain.rules.sign_in
    written = "{client_id: console, secret: 'file:secret', scopes: [openid, email], label: Acme}"
    [named] = folder.settings(text(roles="", users=users, sign_in=written)).control.identity
    assert SignIn("console", "a-clients-own-secret", ("openid", "email"), "Acme") == named.rules.sign_in
    assert "a-clients-own-secret" not in repr(named) + repr(named.rules)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sign_in": "{}"}, "write users"),
        ({"users": "{admit: x}", "sign_in": "{scopes: email}"}, "openid"),
        ({"users": "{admit: x}", "sign_in": "{scopes: [openid, 'a b']}"}, "pattern"),
    ],
)
def test_a_sign_in_that_names_nobody_is_refused(folder: Folder, changes: dict[str, str], said: str) -> None:
    """Without users, or without asking who it is."""
    [fault] = folder.settings_faults(text(**changes))
    assert said in fault


def test_those_whom_a_link_is_for_sign_in_where_it_is_written(folder: Folder) -> None:
    """With a client, users and groups of their own; the console and the API know nothing of them."""
    holders = "{client_id: links, admit: '*@partner.example', groups: teams, accept_unverified: true, label: Partner}"
    [one] = folder.settings(
        f"state: memory://\ncontrol: {{identity: {{issuer: https://a.example, audience: x, holders: {holders}}}}}"
    ).control.identity
    assert one.holder_rules is not None
    assert ("links", "Partner") == (one.holder_rules.sign_in.client_id, one.holder_rules.sign_in.label)
    expected = UserRules("email", "teams", (NamePattern.parse("user:*@partner.example"),), unverified=True)
    assert (expected, {}) == (one.holder_rules.users, one.holder_rules.roles)
    assert (None, None) == (one.rules.users, one.rules.sign_in)


def test_nobody_signs_in_for_a_link_unless_it_is_written(folder: Folder) -> None:
    """Users of the API are no holders by that; and whose addresses an issuer may speak of has no default."""
    [one] = folder.settings(f"state: memory://\ncontrol: {{identity: {ONE}}}").control.identity
    assert one.holder_rules is None
    without = "{issuer: https://a.b, audience: x, holders: {client_id: a}}"
    [fault] = folder.settings_faults(f"state: memory://\ncontrol: {{identity: {without}}}")
    assert "control.identity.holders: the key 'admit' is missing" in fault
