"""Laws of `gateway.settings.mail`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.mail import MailHook, MailServer
from tests.settings.conftest import Folder

USUAL = MailServer(host="h", port=25, security="plain", address="files@acme.example", domain="acme.example")
ENVIRON = {"PASS": "a password", "HOOK": "a secret of a webhook", "SHORT": "short", "BAD": "whsec_not base64!"}


def way(folder: Folder, text: str) -> MailServer | MailHook | None:
    return folder.settings(f"state: memory://\nmail: {text}\n", **ENVIRON).mail.way


def test_no_mail_is_the_default(folder: Folder) -> None:
    """Nobody is sent anything unless it is written."""
    assert (None, None) == (folder.settings("state: memory://").mail.way, way(folder, "{}"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{host: mx.acme.example, from: files@acme.example}",
            replace(USUAL, host="mx.acme.example", port=587, security="starttls"),
        ),
        (
            "{host: 10.0.0.1, security: tls, from: 'Acme Files <files@bücher.example>', timeout: 5s}",
            replace(
                USUAL,
                host="10.0.0.1",
                port=465,
                security="tls",
                name="Acme Files",
                address="files@xn--bcher-kva.example",
                domain="xn--bcher-kva.example",
                timeout=5.0,
            ),
        ),
        (
            "{host: 'fd00::1', from: '\"Acme, Inc.\" <files@acme.example>', user: u, password: env:PASS, domain: a.b}",
            replace(
                USUAL,
                host="fd00::1",
                port=587,
                security="starttls",
                name="Acme, Inc.",
                user="u",
                password="a password",
                domain="a.b",
            ),
        ),
        (
            "{host: localhost, security: plain, port: 2525, from: files@acme.example}",
            replace(USUAL, host="localhost", port=2525),
        ),
        (
            "{host: relay.lan, security: plain, accept_plain: true, from: files@acme.example}",
            replace(USUAL, host="relay.lan"),
        ),
    ],
)
def test_a_server_is_taken_as_it_is_written(folder: Folder, text: str, expected: MailServer) -> None:
    """Each way of security has its port; foreign domains are written in ASCII; secrets are read."""
    assert expected == way(folder, f"{{smtp: {text}}}")


def test_a_webhook_is_taken_as_it_is_written(folder: Folder) -> None:
    """With its secret by reference."""
    expected = MailHook(url="https://acme.example/mails?x=1", secret="a secret of a webhook", timeout=3.0)
    assert expected == way(folder, "{webhook: {url: 'https://acme.example/mails?x=1', secret: env:HOOK, timeout: 3s}}")
    assert "http://localhost:9/m" == way(folder, "{webhook: {url: 'http://localhost:9/m', secret: env:HOOK}}").url


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "{smtp: {host: h, from: a@b.example}, webhook: {url: https://h/, secret: env:HOOK}}",
            "write smtp, or webhook",
        ),
        ("{smtp: {host: h}}", "the key 'from' is missing"),
        ("{smtp: {host: h, from: nobody}}", "is not one address"),
        ('{smtp: {host: h, from: "a@b.example\\r\\nBcc: eve@evil.example"}}', "holds a control character"),
        ("{smtp: {host: h, from: 'a@b.example, eve@evil.example'}}", "is not one address"),
        ('{smtp: {host: h, from: "A\\nB <a@b.example>"}}', "is not one address"),
        ("{smtp: {host: 'h:25', from: a@b.example}}", "mail.smtp.host"),
        ("{smtp: {host: h, port: 0, from: a@b.example}}", "mail.smtp.port"),
        ("{smtp: {host: h, security: none, from: a@b.example}}", "mail.smtp.security"),
        ("{smtp: {host: h, security: plain, from: a@b.example}}", "accept_plain: true"),
        ("{smtp: {host: h, from: a@b.example, user: u}}", "a user without a password"),
        ("{smtp: {host: h, from: a@b.example, password: env:PASS}}", "a password without a user"),
        ("{smtp: {host: h, from: a@b.example, user: u, password: secret}}", "secrets are never written here"),
        ("{smtp: {host: h, from: a@b.example, timeout: 5m}}", "longer than 60s"),
        ("{smtp: {host: h, from: a@b.example, ca_file: absent.pem}}", "there is no file"),
        ("{webhook: {url: http://acme.example/m, secret: env:HOOK}}", "must be an https URL"),
        ("{webhook: {url: 'https://u:p@acme.example/m', secret: env:HOOK}}", "without user name and password"),
        ("{webhook: {url: https://acme.example/m, secret: env:SHORT}}", "fewer than 16 characters"),
        ("{webhook: {url: https://acme.example/m, secret: env:BAD}}", "no base64"),
        ("{webhook: {url: https://acme.example/m}}", "the key 'secret' is missing"),
        ("{smtp: {host: h, from: a@b.example, tls: true}}", "unknown key"),
    ],
)
def test_what_could_not_be_sent_is_a_fault_with_its_place(folder: Folder, text: str, told: str) -> None:
    """Told when the file is read, without any secret."""
    faults = folder.settings_faults(f"state: memory://\nmail: {text}\n", **ENVIRON)
    assert [True] == [told in fault and fault.startswith("gateway.yaml:2:") for fault in faults], faults
    assert not any(secret in "".join(faults) for secret in (ENVIRON["HOOK"], ENVIRON["BAD"]))
