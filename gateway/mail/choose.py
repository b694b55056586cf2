"""Owns which way of sending the settings mean. Refuses to own the ways.

Law: what is not configured is not imported.
"""

from __future__ import annotations

from gateway.core.mail import Mailer, MailHook, MailServer
from gateway.core.reasons import SettingsError


def make_mailer(way: MailServer | MailHook | None) -> Mailer | None:
    """Who sends mails that way. Connects to nothing.

    Raises:
        SettingsError: its library is not installed.
    """
    match way:
        case MailServer():
            try:
                from gateway.mail.smtp import SmtpMailer
            except ModuleNotFoundError as error:
                raise SettingsError("mail: SMTP needs aiosmtplib: install gateway[mail].") from error
            return SmtpMailer(way)
        case MailHook():
            from gateway.mail.webhook import WebhookMailer

            return WebhookMailer(way)
        case None:
            return None
