"""The table of sessions: what it keeps, how long, how many, and what the processes of one gateway tell each other."""

from __future__ import annotations

import json
from dataclasses import replace

from gateway.control.caller import EVERYTHING, Admitted, Reach
from gateway.control.console.sessions import Sessions
from gateway.core.attempt import Principal
from gateway.core.duty import Duty
from gateway.core.token import hash_secret
from tests.control.desk import CONSOLE, CountedEntropy, StillClock

OPS = Admitted(
    principal=Principal("admin", "ops"), reach=EVERYTHING, may=frozenset({Duty.READ}), proof=hash_secret("secret")
)


class Table:
    """A table, its clock, and what it said to the others."""

    def __init__(self) -> None:
        self.clock, self.said = StillClock(), list[str]()
        self.rules = CONSOLE
        self.sessions = Sessions(lambda: self.rules, self.clock, CountedEntropy(), self.said.append)


def user(name: str) -> Admitted:
    principal = Principal("user", name)
    return Admitted(principal=principal, reach=Reach(principal), groups=("a", "b"))


def test_a_cookie_opens_its_session_and_nothing_else_does() -> None:
    """What is kept, and what is shown, opens nothing."""
    table = Table()
    text = table.sessions.begin(OPS, "token", "192.0.2.1")
    found = table.sessions.find(text)
    assert found is not None
    assert OPS == found.admitted
    for other in ("", text[:-1], text + "x", found.id, found.digest.hex()):
        assert None is table.sessions.find(other)
    assert text not in repr(found) + "".join(table.said)


def test_a_session_has_two_ends() -> None:
    """One by idling, which looking does not put off, and one for all."""
    table = Table()
    text = table.sessions.begin(OPS, "token", "")
    table.clock.now += 1000
    assert None is not table.sessions.find(text, uses=False)
    table.clock.now += 800
    assert None is table.sessions.find(text)
    text = table.sessions.begin(OPS, "token", "")
    for _ in range(43):
        table.clock.now += 1000
        assert None is not table.sessions.find(text)
    table.clock.now += 1000
    assert None is table.sessions.find(text)


def test_shorter_settings_count_at_once() -> None:
    """A reload ends what lasts too long by now."""
    table = Table()
    text = table.sessions.begin(OPS, "token", "")
    table.clock.now += 100
    table.rules = replace(CONSOLE, idle=60.0)
    assert None is table.sessions.find(text)


def test_the_table_is_bounded() -> None:
    """Twenty of one principal, a thousand in all: the oldest end."""
    table = Table()
    own = []
    for _ in range(25):
        table.clock.now += 1
        own.append(table.sessions.begin(OPS, "token", ""))
    assert [False] * 5 + [True] * 20 == [table.sessions.find(text) is not None for text in own]
    assert 20 == len(table.sessions.of(OPS.principal))
    for number in range(990):
        table.clock.now += 1
        table.sessions.begin(user(f"u{number}"), "Acme", "")
    assert 1000 == len(table.sessions._sessions)
    assert 10 == len(table.sessions.of(OPS.principal))


def test_the_other_processes_hear_of_a_session() -> None:
    """That it began, that it is used, that it ended; without what opens it, and with all that it is."""
    here, there = Table(), Table()
    there.clock = here.clock
    there.sessions._clock = here.clock
    for admitted in (OPS, user("ann@acme.example")):
        text = here.sessions.begin(admitted, "token", "192.0.2.1", "https://issuer.example")
        there.sessions.hear(here.said[-1])
        found, heard = here.sessions.find(text), there.sessions.find(text)
        assert found is not None
        assert heard is not None
        assert (found.admitted, found.by, found.issuer, found.peer, found.id) == (
            heard.admitted,
            heard.by,
            heard.issuer,
            heard.peer,
            heard.id,
        )
        assert "secret" not in here.said[-1]
    count = len(here.said)
    for _ in range(6):
        here.clock.now += 20
        here.sessions.find(text)
    assert count + 2 == len(here.said), "about once a minute"
    there.sessions.hear(here.said[-1])
    here.clock.now += 1790
    assert None is not there.sessions.find(text)
    here.sessions.end(found)
    there.sessions.hear(here.said[-1])
    assert None is there.sessions.find(text)
    assert {"ended"} == json.loads(here.said[-1]).keys()


def test_a_process_that_began_anew_hears_of_what_is_used() -> None:
    """Whatever is said of a session is all of it."""
    here, there = Table(), Table()
    text = here.sessions.begin(OPS, "token", "")
    here.clock.now += 61
    here.sessions.find(text)
    there.clock.now = here.clock.now
    there.sessions.hear(here.said[-1])
    assert None is not there.sessions.find(text)
