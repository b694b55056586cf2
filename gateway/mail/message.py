"""Owns how a mail is written for SMTP: its headers and its text.

Refuses to own sending it.

Laws: plain text, and nothing that is loaded or opened. It says of itself that a program wrote it, so that no other
program answers (RFC 3834).
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from gateway.core.mail import Mail, MailServer


def write_message(mail: Mail, server: MailServer, now: float) -> EmailMessage:
    """The message as it is sent."""
    message = EmailMessage(SMTP)
    message["From"] = formataddr((server.name, server.address))
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    message["Message-ID"] = f"<{mail.id}@{server.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"  # Exchange reads this and not the standard's
    message.set_content(mail.text, charset="utf-8", cte="quoted-printable")
    message["Content-Language"] = mail.language
    return message
