"""`control.identity`: what it may say, and what would make it an open door."""

from __future__ import annotations

import pytest

from gateway.core.attempt import Principal
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
    found = folder.settings(text(jwks="jwks.json", bearer="file:token")).control.identity
    assert found is not None
    assert (Principal("app", "billing"), ("system:serviceaccount:billing:*",)) == (
        found.roles["billing"].app,
        found.roles["billing"].subjects,
    )
    assert folder.path / "jwks.json" == found.jwks
    assert found.bearer is not None
    assert "a-pods-own-token" == found.bearer.resolve()
    assert "a-pods-own-token" not in repr(found)


def test_nobody_is_believed_unless_it_is_written(folder: Folder) -> None:
    """There is no default issuer."""
    assert None is folder.settings("state: memory://\n").control.identity


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
