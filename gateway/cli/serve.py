"""Owns the command that runs the gateway in the foreground, and the event loop it runs on.

Refuses to own starting and ending (`gateway.app`).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.output import Exit, say
from gateway.cli.values import config_option
from gateway.core.reasons import SettingsError

if TYPE_CHECKING:
    from gateway.processes import Worker

_STANDARD_ERROR = 2
_YOUNG = 20_000
"""New containers before the collector looks: more than some hundred requests in work hold at once."""


def run_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run to the end on uvloop, where there is one. What failed inside a task group is raised as itself."""
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with contextlib.suppress(ImportError):
        from uvloop import new_event_loop as loop_factory
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(work())
    except BaseExceptionGroup as failures:
        raise _first_failure(failures) from None


def _first_failure(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first_failure(first) if isinstance(first, BaseExceptionGroup) else first


def fill_standard_streams() -> None:
    """Open the null device for each of the descriptors 0 to 2 that is closed, as some supervisors leave them.

    Else the first sockets or files would take these numbers: what is written to a standard stream would go to a client
    or into the state, and libuv ends a process that closes one of them.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(_STANDARD_ERROR, "w", closefd=False)


def ignore_stray_signals() -> None:
    """A reload that is asked for before there is anything to reload, and what tools for logs send to have a file opened
    anew, would end the process without draining it."""
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def raise_descriptor_limit() -> None:
    """Have as many descriptors as may be had without asking anybody: the soft limit is 1024 on most systems, for the
    sake of programs that call select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # where the system grants less than it says, it stays
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@click.command()
@config_option
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes to serve with.")
def serve(config: Path, workers: int) -> None:
    """Run the gateway until SIGTERM or SIGINT; SIGHUP reads settings and policies again. SIGUSR1 and SIGUSR2 do
    nothing: the log goes to standard output, and no file has to be opened anew.

    One process serves one core. Several share the listeners, the page of metrics and the state, which therefore
    cannot be `memory:`. A revocation that one has acknowledged is refused by all; an operator's orders reach all. If
    one dies, all end, and their supervisor has to start them again. Limits on what runs at once (`concurrent`,
    `max_transfers`) are each process's own; limits on rates, uses and bytes are counted together.
    """
    ignore_stray_signals()
    fill_standard_streams()
    raise_descriptor_limit()
    if workers == 1:
        _serve(config)
        return
    from gateway.cli.workers import supervise
    from gateway.processes import make_workers

    with make_workers(workers) as places:
        code = supervise(lambda number: _run_worker(config, places[number]), workers)
    raise click.exceptions.Exit(code)


def _serve(config: Path, worker: Worker | None = None) -> None:
    from gateway.telemetry.memory import keep_one_heap

    keep_one_heap()
    gc.disable()  # a start makes what stays: to look for garbage in it again and again is a tenth of its time
    try:
        from gateway.app import run

        run_loop(lambda: run(config, environ=os.environ, settle=settle, worker=worker))
    finally:
        gc.enable()


def settle() -> None:
    """What exists by now stays. Its pages are joined before anybody is let in: a page that is being joined keeps who
    needs it waiting for milliseconds, and a start with a million revocations has dozens of them."""
    from gateway.telemetry.memory import join_pages

    tune_collector()
    join_pages()


def tune_collector() -> None:
    """What exists by now lives as long as the process, all but half a megabyte, and is never looked through again.

    Requests leave hardly a cycle: collect rarely.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG)
    gc.enable()


def _run_worker(config: Path, worker: Worker) -> int:
    """Run one worker; its exit code, after printing why it failed."""
    try:
        _serve(config, worker)
    except SettingsError as error:
        say("\n".join(error.faults))
        return int(Exit.SETTINGS)
    return int(Exit.OK)
