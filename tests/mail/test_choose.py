"""Laws of `gateway.mail.choose`."""

from __future__ import annotations

import builtins
import subprocess
import sys

import pytest

from gateway.core.mail import MailHook, MailServer
from gateway.core.reasons import SettingsError
from gateway.mail.choose import make_mailer
from gateway.mail.smtp import SmtpMailer
from gateway.mail.webhook import WebhookMailer

SERVER = MailServer(host="h", port=25, security="tls", address="a@b.example", domain="b.example")


def test_each_way_has_its_mailer() -> None:
    """And none has none."""
    made = [make_mailer(way) for way in (SERVER, MailHook(url="https://h/", secret="s"), None)]
    assert [SmtpMailer, WebhookMailer, type(None)] == [type(one) for one in made]


def test_without_mail_its_library_is_not_imported() -> None:
    """A gateway that sends none starts as before."""
    program = "import sys, gateway.app; sys.exit(str({'aiosmtplib'} & sys.modules.keys() or ''))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "" == done.stderr.strip()


def test_a_library_that_is_missing_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is installed with an extra of its own."""
    usual = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("gateway.mail.smtp"):
            raise ModuleNotFoundError(name)
        return usual(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"install gateway\[mail\]"):
        make_mailer(SERVER)
