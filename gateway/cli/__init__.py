"""The command line: `serve`, `demo`, `check`, `doctor`, and everything one does with links, keys and policies.

Refuses to own logic: what changes something goes to the control API over HTTP, what runs something goes to
`gateway.app`.

Law: nothing heavy is imported before the command that needs it, so that `--help` and `link create` answer at once;
a failure is one sentence and a documented exit code, never a traceback.
"""

from __future__ import annotations

import sys


def main() -> None:
    """The entry point of the `gateway` command. Ends the process."""
    # Where it is installed, structlog would load it to draw tracebacks with local variables, secrets among them.
    sys.modules["rich"] = None  # type: ignore[assignment]
    from gateway.cli.group import cli

    cli(prog_name="gateway")
