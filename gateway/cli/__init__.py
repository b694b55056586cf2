"""Owns the command line: `serve`, `demo`, `check`, `doctor`, and everything one does with links, keys and policies.

Refuses to own logic: what changes something goes to the control API over HTTP, what runs something goes to
`gateway.app`.

Law: nothing heavy is imported before the command that needs it, so that `--help` and `link create` answer at once;
a failure is one sentence and a documented exit code, never a traceback.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from io import TextIOWrapper
from types import ModuleType


def main() -> None:
    """The entry point of the `gateway` command. Ends the process."""
    _keep_out()
    _write_what_it_can()
    from gateway.cli.group import cli

    try:
        try:
            cli(prog_name="gateway")
        finally:
            if sys.stdout is not None:  # it was closed from the start
                sys.stdout.flush()
    except OSError as error:  # of what is written last, and of --help and --version, which are no command's
        with suppress(OSError):
            sys.stdout.close()  # the interpreter would write it once more at its end, and end with a code of its own
        told = error.__context__.code if isinstance(error.__context__, SystemExit) else 0
        sys.exit(told or f"Error: {error.strerror or error}")


def _write_what_it_can() -> None:
    """Where the terminal's encoding lacks a character, write its number: a link's URL, which is shown once, is not lost
    to its label."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _keep_out() -> None:
    """Have libraries not load what happens to be installed, and what nobody here asks for."""
    # structlog would draw tracebacks with local variables by it, secrets among them.
    sys.modules["rich"] = None  # type: ignore[assignment]
    # structlog would tell apart by it what shares a thread, and nothing here does; it holds a megabyte.
    sys.modules["greenlet"] = None  # type: ignore[assignment]
    # pydantic would look through whatever is installed for plugins, which would then see every value that is read.
    none = ModuleType("pydantic.plugin._loader")
    none.get_plugins = tuple  # type: ignore[attr-defined]
    sys.modules[none.__name__] = none
