"""Owns the command `completion`: what a shell is told so that it completes commands, options and contexts.

Refuses to own what may stand where: the commands say that.
"""

from __future__ import annotations

import click

_VARIABLE = "_GATEWAY_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options and the names of contexts.

    \b
    bash   eval "$(gateway completion bash)"               in ~/.bashrc, or once:
           gateway completion bash > ~/.local/share/bash-completion/completions/gateway
    zsh    eval "$(gateway completion zsh)"                in ~/.zshrc, after compinit; or once:
           gateway completion zsh > "${fpath[1]}/_gateway"
    fish   gateway completion fish > ~/.config/fish/completions/gateway.fish
    """
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    kind = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    made = kind(ctx.find_root().command, {}, "gateway", _VARIABLE)
    click.echo(made.source_template % made.source_vars())
