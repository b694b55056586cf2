"""Laws of `gateway.mail.smtp`, against a real server."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.mail import Mail, MailServer
from gateway.core.reasons import Reason, UpstreamFailed
from gateway.mail.smtp import SmtpMailer
from tests.servers.certificate import certificate
from tests.servers.smtp import PASSWORD, USER, Post, running_post

MAIL = Mail("ann@acme.example", "Your code", "Your code is:\n\n    12345678\n", id="m1")


def server_of(post: Post, **changes) -> MailServer:
    usual = MailServer(
        host="127.0.0.1", port=post.port, security="plain", address="files@acme.example", domain="acme.example"
    )
    return replace(usual, **changes)


async def refusal(server: MailServer) -> tuple[Reason, str]:
    with pytest.raises(UpstreamFailed) as caught:
        await SmtpMailer(server).send(MAIL)
    return caught.value.reason, caught.value.detail


async def test_a_mail_arrives_as_it_was_handed_over() -> None:
    """One recipient, the text to its last letter, and the headers that keep other programs from answering."""
    with running_post() as post:
        await SmtpMailer(server_of(post, name="Ächme")).send(MAIL)
        [mail] = post.mails
    assert ["ann@acme.example"] == post.recipients
    assert MAIL.text == mail.get_content().replace("\r\n", "\n")
    assert ("Ächme <files@acme.example>", "auto-generated", "<m1@acme.example>", "text/plain") == (
        mail["From"],
        mail["Auto-Submitted"],
        mail["Message-ID"],
        mail.get_content_type(),
    )


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_with_tls_the_certificate_is_checked_and_the_login_said_behind_it(tmp_path: Path, security) -> None:
    """A server whose authority is trusted gets login and mail encrypted; any other gets neither."""
    files = certificate(tmp_path)
    with running_post(files, tls_first=security == "tls", login=True) as post:
        known = server_of(post, security=security, user=USER, password=PASSWORD, ca_file=str(files[0]))
        await SmtpMailer(known).send(MAIL)
        unknown = await refusal(replace(known, ca_file=None))
    assert ([True], [True]) == (post.encrypted, post.known)
    assert Reason.UPSTREAM_UNREACHABLE == unknown[0]
    assert "certificate" in unknown[1]


async def test_a_wrong_name_is_a_wrong_server(tmp_path: Path) -> None:
    """A certificate that everybody trusts for another name is none for this one."""
    files = certificate(tmp_path)
    with running_post(files) as post:
        server = server_of(post, security="starttls", ca_file=str(files[0]), host="localhost")
        assert "certificate" in (await refusal(server))[1]
    assert [] == post.mails


@pytest.mark.parametrize("login", [{}, {"user": USER, "password": PASSWORD}])
async def test_nothing_is_said_in_clear_where_tls_is_wanted(login: dict[str, str]) -> None:
    """A server, or somebody on the way, who takes STARTTLS out of the answer gets no login and no mail."""
    with running_post() as post:
        reason, detail = await refusal(server_of(post, security="starttls", **login))
    assert (Reason.UPSTREAM_REFUSED, True) == (reason, "STARTTLS" in detail)
    assert [] == post.mails


async def test_a_wrong_login_is_told_without_the_password(tmp_path: Path) -> None:
    """It is told as such, and for good."""
    files = certificate(tmp_path)
    with running_post(files, login=True) as post:
        wrong = server_of(post, security="starttls", ca_file=str(files[0]), user=USER, password="of another server")
        reason, detail = await refusal(wrong)
    assert (Reason.UPSTREAM_REFUSED, "the mail server refused the login (535)") == (reason, detail)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("550 5.1.1 <ann@acme.example> is unknown", (Reason.UPSTREAM_REFUSED, "the mail server answered 550 5.1.1")),
        ("451 4.7.1 ann@acme.example: come again", (Reason.UPSTREAM_BROKE, "the mail server answered 451 4.7.1")),
        ("452 full of ann@acme.example", (Reason.UPSTREAM_BROKE, "the mail server answered 452")),
    ],
)
async def test_what_a_server_says_is_told_by_its_numbers(answer: str, told) -> None:
    """Its words may hold the address; 5xx is for good, 4xx for now."""
    with running_post() as post:
        post.answers.append(answer)
        assert told == await refusal(server_of(post))


async def test_a_server_that_hangs_costs_its_deadline_alone() -> None:
    """It accepts and says nothing, or begins and stops: the whole of it has one deadline."""

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said[-1])
        await ended.wait()
        writer.close()

    ended = asyncio.Event()
    said = []
    for greeting in (b"", b"220-half a greeting\r\n", b"220 ok\r\n"):
        said.append(greeting)
        listener = await asyncio.start_server(hang, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        async with asyncio.timeout(5):
            reason, detail = await refusal(server_of(Post(port=port), timeout=0.2))
        assert (Reason.UPSTREAM_TIMED_OUT, "the mail server did not answer in time") == (reason, detail)
        listener.close()
    ended.set()


async def test_a_server_that_is_slow_has_no_more_time() -> None:
    """Each answer in time, and no end: the deadline is that of the whole."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = b"220 ok\r\n"
        try:
            while not ended.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), 0.2)
                writer.write(answer)
                line = await reader.readline()
                answer = b"354 go on\r\n" if line.startswith(b"DATA") else b"250 ok\r\n"
        finally:
            writer.close()

    ended = asyncio.Event()
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    reason, _ = await refusal(server_of(Post(port=listener.sockets[0].getsockname()[1]), timeout=0.5))
    ended.set()
    listener.close()
    assert Reason.UPSTREAM_TIMED_OUT == reason


async def test_nobody_there_is_told() -> None:
    """By the kind of failure."""
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    assert Reason.UPSTREAM_UNREACHABLE == (await refusal(server_of(Post(port=port))))[0]


async def test_a_server_that_parts_badly_has_the_mail() -> None:
    """What was acknowledged is not sent again because the good-bye hangs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ok\r\n")
        while line := await reader.readline():
            if line.upper().startswith(b"QUIT"):
                break
            if line == b".\r\n" or not inside.is_set():
                inside.clear()
                writer.write(b"354 go on\r\n" if line.upper().startswith(b"DATA") else b"250 ok\r\n")
            if line.upper().startswith(b"DATA"):
                inside.set()
        writer.transport.abort()

    inside = asyncio.Event()
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    await SmtpMailer(server_of(Post(port=listener.sockets[0].getsockname()[1]))).send(MAIL)
    listener.close()


async def test_a_login_can_be_tried_without_a_mail(tmp_path: Path) -> None:
    """The server tells its name, and nobody is sent anything."""
    with running_post() as post:
        assert "post.example" == await SmtpMailer(server_of(post)).try_login()
    assert [] == post.mails


async def test_the_authorities_are_read_once_and_beside_the_loop(tmp_path: Path, monkeypatch) -> None:
    """However many mails: reading them would stop every transfer for as long."""
    read: list[str] = []
    usual = ssl.create_default_context

    def noted(**options: object) -> ssl.SSLContext:
        read.append(threading.current_thread().name)
        return usual(**options)

    monkeypatch.setattr("gateway.mail.smtp.ssl.create_default_context", noted)
    files = certificate(tmp_path)
    with running_post(files) as post:
        mailer = SmtpMailer(server_of(post, security="starttls", ca_file=str(files[0])))
        for _ in range(3):
            await mailer.send(MAIL)
    assert 3 == len(post.mails)
    assert [False] == [name == threading.main_thread().name for name in read]
