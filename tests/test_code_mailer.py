"""Laws of `gateway.code_mailer`."""

from __future__ import annotations

import pytest

from gateway.code_mailer import CodeMailer
from gateway.core.mail import Mail
from gateway.core.reasons import Reason, Refused
from gateway.mail.outbox import Outbox
from gateway.pages.branding import Branding
from gateway.pages.render import look_for

LOOK = look_for(Branding(), "de")


class Silent:
    """Metrics that nobody reads."""

    def count_mail(self, result: str) -> None: ...

    def set_mails_waiting(self, count: int) -> None: ...


class Way:
    """A mailer that is never reached: nothing runs the outbox."""

    async def send(self, mail: Mail) -> None:
        raise AssertionError(mail)


async def test_a_code_is_handed_to_the_outbox_and_for_nobody_it_is_not() -> None:
    """In the reader's language, a moment after whoever asked was answered; for nobody as much is done until then."""
    outbox, waiting = Outbox(Way(), Silent(), str), []
    post = CodeMailer(outbox, lambda seconds, act: waiting.append((seconds, act)))
    for address in (None, "ann@acme.example"):
        await post(address, "12345678", LOOK)
    assert (2, False) == (len(waiting), outbox.busy)
    assert all(0.1 <= seconds <= 0.4 for seconds, _ in waiting)
    waiting[0][1]()
    assert not outbox.busy
    waiting[1][1]()
    mail = outbox._queue.get_nowait().mail
    assert ("ann@acme.example", "de", True) == (mail.to, mail.language, "12345678" in mail.text)
    assert "12345678" not in mail.subject


async def test_without_a_way_nobody_is_told_otherwise_than_anybody_else() -> None:
    """And nobody can prove anything by a code then."""
    outbox = Outbox(None, Silent(), str)
    post = CodeMailer(outbox)
    for address in ("ann@acme.example", None):
        with pytest.raises(Refused) as refused:
            await post(address, "12345678", LOOK)
        assert refused.value.reason is Reason.DEPENDENCY_DOWN
