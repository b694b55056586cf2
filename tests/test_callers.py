"""What the control plane is told of its callers."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.callers import list_proofs, make_callers, make_console_rules, make_sign_ins
from gateway.core.holders import ProvedBy
from gateway.core.token import hash_secret
from gateway.settings.load import load_settings
from gateway.settings.mail import HookSettings, MailSettings
from gateway.settings.secret import SecretRef

SETTINGS = """state: memory://
trusted_proxies: [10.0.0.0/8, unix]
control:
  public_url: https://gw.example/x
  console: {idle: 5m, longest: 1h}
  tokens: [{name: ops, secret: env:OPS}]
  credentials: [{app: app:billing, token: env:APP}]
  identity:
    - {issuer: https://a.example, audience: gateway, users: {admit: "*@a.example"}, sign_in: {label: A}}
    - {issuer: https://b.example, audience: gateway, users: {admit: "*@b.example"}}
    - {issuer: https://c.example, audience: links, holders: {admit: "*@*", label: C}}
"""


@pytest.fixture
def settings(tmp_path: Path):
    (tmp_path / "policies").mkdir()
    (tmp_path / "gateway.yaml").write_text(SETTINGS)
    secrets = {"OPS": "an-operators-own-token", "APP": "an-applications-own-token"}
    return load_settings(tmp_path / "gateway.yaml", secrets)


def test_a_token_is_known_by_its_hash(settings) -> None:
    """Each kind on its own, and no secret beside it."""
    found = make_callers(settings)
    assert {hash_secret("an-operators-own-token")} == found.admins.keys()
    assert {hash_secret("an-applications-own-token"): "billing"} == found.apps
    assert "own-token" not in repr(found)


def test_the_console_offers_the_issuers_that_have_a_sign_in(settings) -> None:
    """And believes the declared proxies."""
    found = make_console_rules(settings)
    assert ["https://a.example"] == [rules.issuer for rules in found.sign_ins]
    assert (True, "https://gw.example/x", 300.0, 3600.0) == (
        found.enabled,
        found.public_url,
        found.idle,
        found.longest,
    )
    assert (["10.0.0.0/8"], True) == ([str(one) for one in found.proxies], found.proxy_socket)


def test_people_prove_who_they_are_where_there_is_a_way(settings) -> None:
    """By a code where mail is sent, by a sign-in where an issuer is for them; else nobody is asked for what is not."""
    assert ["https://c.example"] == [rules.issuer for rules in make_sign_ins(settings)]
    assert {ProvedBy.OIDC} == list_proofs(settings)
    hook = HookSettings.model_construct(url="https://h.example/", secret=SecretRef("env:H", "a secret"), ca_file=None)
    mailing = settings.model_copy(update={"mail": MailSettings.model_construct(smtp=None, webhook=hook)})
    assert {ProvedBy.OIDC, ProvedBy.CODE} == list_proofs(mailing)
    nobody = settings.control.model_copy(update={"identity": settings.control.identity[:2]})
    assert frozenset() == list_proofs(settings.model_copy(update={"control": nobody}))
