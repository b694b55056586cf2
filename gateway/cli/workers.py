"""Owns several gateway processes behind the same listeners: starting them, passing signals on, ending together.

Refuses to own what a process does. The kernel spreads connections over the processes (SO_REUSEPORT).

Law: all live or none. A process that ends by itself ends the others, so that the supervisor sees it and restarts
the whole gateway, never half of one. If the first process is killed the others drain and end: nobody would restart
them, and a gateway that is started again would share its addresses with them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

from gateway.cli.output import Exit, say

_ENDING: Final = (signal.SIGTERM, signal.SIGINT)
_PASSED_ON: Final = (*_ENDING, signal.SIGHUP)


def supervise(work: Callable[[int], int], count: int) -> int:
    """Run `work` in so many forked processes, numbered from 0; returns the first exit code that is not 0, else 0.

    Call it before any thread or event loop exists. SIGTERM, SIGINT and SIGHUP reach every process.
    """
    from gateway.cli.embedded_store import die_with

    follow = die_with(os.getpid(), signal.SIGTERM)
    children: set[int] = set()
    signalled: set[int] = set()

    def pass_on(number: int, _: FrameType | None = None) -> None:
        signalled.add(number)
        for child in tuple(children):
            os.kill(child, number)

    # Nothing may arrive between a fork and the moment at which its child is known.
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    before = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    try:
        for number in range(count):
            child = os.fork()
            if child == 0:
                _run_child(work, number, follow)
            children.add(child)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        return _wait(children, signalled, pass_on)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        for number, handler in before.items():
            signal.signal(number, handler)


def _run_child(work: Callable[[int], int], number: int, follow: Callable[[], None] | None) -> NoReturn:
    code = int(Exit.FAILED)
    try:
        for passed in _PASSED_ON:
            signal.signal(passed, signal.SIG_IGN if passed == signal.SIGHUP else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        if follow is not None:
            follow()
        code = work(number)
    except Exception as error:  # noqa: BLE001 (the process ends here: no caller is left to report it)
        say(f"Error: {type(error).__name__}: {error}")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(children: set[int], signalled: set[int], pass_on: Callable[[int], None]) -> int:
    """Wait until all have ended; the first exit code that is not 0. One that ends by a signal passed on is no fault."""
    worst = 0
    while children:
        child, status = os.wait()
        children.discard(child)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            code = int(Exit.OK if -code in signalled else Exit.FAILED)
        worst = worst or code
        if signalled.isdisjoint(_ENDING):  # a second one would kill a process that has put its handlers away already
            pass_on(signal.SIGTERM)
    return worst
