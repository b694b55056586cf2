"""Owns what mails say, in the reader's language and under the operator's name.

Refuses to own sending them (`gateway.mail`), who is sent one, and what a code is good for.

Law: a mail holds no link. What a mail holds is opened by programs before a person reads it; a code is of use only to
somebody who types it.
"""

from __future__ import annotations

from gateway.core.mail import Mail
from gateway.pages.render import Look, visible


def code_mail(look: Look, to: str, code: str, minutes: int) -> Mail:
    """The mail that brings a code, which is good for so many minutes, to who asked for it.

    Raises:
        ValueError: no mail can be sent to this address.
    """
    text, name = look.language.text, visible(look.branding.name)
    lines = [
        text("mail.code_is"),
        f"    {code}",
        text("mail.code_use", address=to, minutes=minutes),
        text("mail.code_keep"),
        text("mail.code_unasked"),
        *([name] if name else []),
    ]
    subject = text("mail.code_subject")
    return Mail(to, f"{name}: {subject}" if name else subject, "\n\n".join(lines) + "\n", look.language.code)
