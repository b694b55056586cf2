"""Laws of `gateway.cli.mail_checks`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.mail_checks import examine_mail
from gateway.core.finding import Finding
from gateway.settings.mail import MailSettings
from gateway.settings.secret import SecretReader
from tests.servers.certificate import certificate
from tests.servers.smtp import PASSWORD, USER, running_post
from tests.waiting import until

ENVIRON = {"PASS": PASSWORD, "WRONG": "of another server", "HOOK": "a secret of a webhook"}


def settings(directory: Path, **mail: Any) -> MailSettings:
    return MailSettings.model_validate(mail, context=SecretReader(ENVIRON, directory))


async def examined(directory: Path, **smtp: Any) -> Finding:
    usual = {"host": "127.0.0.1", "from": "files@acme.example", "timeout": "5s"}
    [found] = await examine_mail(settings(directory, smtp=usual | smtp))
    return found


async def test_a_server_that_would_take_mails_is_in_order(tmp_path: Path) -> None:
    """Over TLS and with its login; nobody is sent anything."""
    files = certificate(tmp_path)
    with running_post(files, login=True) as post:
        found = await examined(tmp_path, port=post.port, ca_file="tls.crt", user=USER, password="env:PASS")
    told = f"127.0.0.1:{post.port}: post.example answers over TLS, logged in"
    assert Finding("mail", "smtp", True, told) == found
    assert [] == post.mails


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ca_file": None}, "certificate"),
        ({"password": "env:WRONG"}, "refused the login (535)"),
        ({"host": "localhost"}, "certificate"),
        ({"security": "plain"}, "does not do what is asked"),
    ],
)
async def test_what_is_wrong_is_told(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    """The certificate, its name, the login, or the way of security."""
    files = certificate(tmp_path)
    usual = {"ca_file": "tls.crt", "user": USER, "password": "env:PASS"}
    with running_post(files, login=True) as post:
        found = await examined(tmp_path, port=post.port, **(usual | changes))
    assert (False, True) == (found.ok, told in found.detail), found.detail
    assert not any(secret in found.detail for secret in ENVIRON.values())


async def test_a_server_without_tls_and_nobody_at_all_are_told(tmp_path: Path) -> None:
    """STARTTLS is named; a refused connection is one."""
    with running_post() as post:
        found = await examined(tmp_path, port=post.port)
    assert (False, True) == (found.ok, "STARTTLS" in found.detail), found.detail
    gone = await examined(tmp_path, port=post.port)
    assert (False, True) == (gone.ok, "cannot be reached" in gone.detail), gone.detail


async def test_a_webhook_is_connected_to_and_posted_nothing(tmp_path: Path) -> None:
    """What is posted there is a mail."""
    heard = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        hook = settings(tmp_path, webhook={"url": f"http://127.0.0.1:{port}/mails", "secret": "env:HOOK"})
        [found] = await examine_mail(hook)
        await until(lambda: heard)
    assert (True, [b""]) == (found.ok, heard)
    [gone] = await examine_mail(hook)
    assert gone.ok is False


async def test_without_mail_nothing_is_tried() -> None:
    """Most gateways send none."""
    assert [] == await examine_mail(MailSettings())
