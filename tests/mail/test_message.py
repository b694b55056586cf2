"""Laws of `gateway.mail.message`."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import SMTP

import pytest

from gateway.core.mail import Mail, MailServer
from gateway.mail.message import write_message

SERVER = MailServer(host="h", port=25, security="tls", address="files@acme.example", domain="mx.acme.example")


def test_headers_say_what_it_is() -> None:
    """Who, to whom, when, that a program wrote it, and in which language; one text and no attachment."""
    mail = Mail("ann@acme.example", "Ihr Code für Ännchen", "Grüße\n", "de", id="abc")
    message = write_message(mail, SERVER, 1_800_000_000)
    read = message_from_bytes(message.as_bytes(), policy=SMTP)
    assert {
        "From": "files@acme.example",
        "To": "ann@acme.example",
        "Subject": "Ihr Code für Ännchen",
        "Date": "Fri, 15 Jan 2027 08:00:00 +0000",
        "Message-ID": "<abc@mx.acme.example>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "Content-Language": "de",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "quoted-printable",
        "MIME-Version": "1.0",
    } == {name: str(value) for name, value in read.items()}
    assert "Grüße" == read.get_content().strip()


@pytest.mark.parametrize(
    "text", [".\n.\nQUIT\n", "x" * 5000, "a\rb\nc\r\n.\r\nMAIL FROM:<x@y>\r\n", "\N{GRINNING FACE}" * 300]
)
def test_no_text_leaves_its_place(text: str) -> None:
    """Lines stay short enough for every server, and none is what ends a mail."""
    lines = write_message(Mail("a@b.example", "s", text, id="m"), SERVER, 0).as_bytes().split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert all(b"\r" not in line and b"\n" not in line for line in lines)
    headers = lines[: lines.index(b"")]
    assert [] == [line for line in headers if line.startswith((b"MAIL", b"QUIT"))]
