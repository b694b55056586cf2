"""Owns the tree of commands and what happens to an exception that reaches its root.

Refuses to own what a command does, and the sentences and exit codes of failures (`gateway.cli.output`).

Law: the tree is a table of names, one-line helps and places; a command's module is imported when it is run or asked
for its own help.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from gateway import __version__
from gateway.cli.contexts import context_option
from gateway.cli.output import EPILOG, Exit, fail
from gateway.core.reasons import DependencyDown, Refused, SettingsError, UpstreamFailed

TREE: Final = {
    "serve": ("gateway.cli.serve:serve", "Run the gateway."),
    "demo": ("gateway.cli.demo:demo", "Try everything, with no configuration."),
    "check": ("gateway.cli.check:check", "Check gateway.yaml and the policies."),
    "doctor": ("gateway.cli.doctor:doctor", "Try each backend: address, clock, credentials, capabilities."),
    "link": ("gateway.cli.links:link", "Create, show, change and revoke links."),
    "key": ("gateway.cli.keys:key", "Create, show, change and revoke keys for apps."),
    "policy": ("gateway.cli.policy:policy", "Explain and test decisions."),
    "audit": ("gateway.cli.audit:audit", "Export and verify the audit trail, export records."),
    "approvals": ("gateway.cli.approvals:approvals", "List what waits for your approval."),
    "approve": ("gateway.cli.approvals:approve", "Release a link or a key that waits for your approval."),
    "reject": ("gateway.cli.approvals:reject", "Revoke a link or a key that waits for your approval."),
    "revoke": ("gateway.cli.revoke:revoke", "Revoke many links and keys at once."),
    "revocations": (
        "gateway.cli.revocations:revocations",
        "Write the revocation list for gateways that follow a file.",
    ),
    "login": ("gateway.cli.login:login", "Sign in to a gateway as yourself."),
    "logout": ("gateway.cli.login:logout", "Sign out again."),
    "context": ("gateway.cli.context:context", "Name several gateways, and choose between them."),
    "completion": ("gateway.cli.completion:completion", "Print what makes a shell complete all of this."),
    "ui": ("gateway.cli.ui:ui", "Open the console in a browser."),
    "whoami": ("gateway.cli.whoami:whoami", "Show as whom the gateway knows you."),
    "backend": ("gateway.cli.operate:backend", "List backends, take one out of use and back."),
    "log-level": ("gateway.cli.operate:log_level", "Change how much a running gateway logs."),
    "support-bundle": ("gateway.cli.support:support_bundle", "Write what helps to find a fault into one archive."),
}
"""Each command's name: where it is, and its line in the help of `gateway`."""

LOCAL: Final = frozenset(
    {
        *("serve", "demo", "check", "doctor", "context", "completion", "audit verify", "policy test"),
        *("link credentials", "link download", "link open", "link qr"),
    }
)
"""What speaks to no gateway's control API, or to none but that of a URL. Every other command takes `--context`."""


def _take_context(command: click.Command, path: str) -> None:
    """Give every command below this one `--context`, once."""
    if path in LOCAL:
        return
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            _take_context(below, f"{path} {name}")
    elif not any("--context" in parameter.opts for parameter in command.params):
        command.params.append(context_option())


class _Tree(click.Group):
    """The root: commands by name from the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(TREE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in TREE:
            return None
        module, _, name = TREE[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        _take_context(command, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in TREE.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """As click has it, but without importing every command for its help."""
        named = [CompletionItem(name, help=text) for name, (_, text) in TREE.items() if name.startswith(incomplete)]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            fail("\n".join(error.faults), Exit.SETTINGS)
        except (Refused, UpstreamFailed) as error:
            fail(error.detail or str(error.reason))
        except DependencyDown as error:
            fail(f"{error.dependency} cannot be reached: {error.detail or 'no answer'}")
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:  # the last fence: a person gets a sentence
            if os.environ.get("GATEWAY_DEBUG"):
                raise
            fail(f"{type(error).__name__}: {error} (GATEWAY_DEBUG=1 shows where)")


@click.group(
    cls=_Tree,
    epilog=EPILOG,
    params=[context_option()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="gateway")
def cli() -> None:
    """Brokered, revocable access to S3-compatible object storage."""
