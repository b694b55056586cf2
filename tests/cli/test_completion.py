"""Shell completion, in real shells: commands, options, contexts; and what a key press costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.contexts import Context, Contexts, change_contexts
from gateway.cli.group import cli

SHELLS = ["bash", *(shell for shell in ("zsh", "fish") if shutil.which(shell))]
"""Bash is on every machine of ours; the others where they are installed."""

IN_SHELL = {
    "bash": """
        eval "$(gateway completion bash)"
        complete -p gateway > /dev/null || exit 9
        COMP_LINE="$1"; read -ra COMP_WORDS <<< "$1"
        [ "${1: -1}" = " " ] && COMP_WORDS+=("")
        COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
        _gateway_completion gateway 2> /dev/null
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "zsh": """
        autoload -Uz compinit; compinit -u -D
        eval "$(gateway completion zsh)"
        (( $+_comps[gateway] )) || exit 9
        compadd() { print -rl -- "${(P@)@[-1]}" }
        _describe() { print -rl -- ${${(P@)3}%%:*} }
        words=("${(@s: :)1}"); CURRENT=${#words}
        _gateway_completion
    """,
    "fish": """
        gateway completion fish | source
        complete -C $argv[1] | string replace -r '\\t.*' ''
        true
    """,
}


def complete(shell: str, line: str, config: Path) -> list[str]:
    """What this shell offers after a line."""
    binaries = Path(sys.executable).parent
    environ = {
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "HOME": str(config.parent),
        "GATEWAY_CONFIG_DIR": str(config),
        "LC_ALL": "C.UTF-8",
    }
    flags = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    rest = [line] if shell == "fish" else [shell, line]
    command = [shell, *flags, "-c", IN_SHELL[shell], *rest]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout.split()


@pytest.fixture(autouse=True)
def contexts() -> None:
    known = {name: Context(name, f"https://{name}.example") for name in ("prod", "preview", "lab")}
    change_contexts(lambda before: Contexts(known, "prod"))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gateway whoa", ["whoami"]),
        ("gateway link re", ["resume", "revoke"]),
        ("gateway whoami --js", ["--json"]),
        ("gateway link ls --con", ["--context"]),
        ("gateway link ls --context pr", ["preview", "prod"]),
        ("gateway context use ", ["lab", "preview", "prod"]),
        ("gateway key ls --state sus", ["suspended"]),
    ],
)
def test_a_shell_offers_what_may_stand_there(shell: str, line: str, expected: list[str], config: Path) -> None:
    """After its script was sourced: subcommands, options, choices, and the contexts of whoever types."""
    begun = line.rpartition(" ")[2]
    assert expected == sorted(one for one in complete(shell, line, config) if one.startswith(begun))


def test_a_damaged_file_of_contexts_offers_none_and_says_nothing(config: Path) -> None:
    """A key press never prints an error into the line."""
    (config / "contexts.json").write_text("{")
    assert [] == complete("bash", "gateway link ls --context ", config)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_asks_this_program(shell: str) -> None:
    """By the variable that the root listens to; and no other shell is known."""
    told = CliRunner().invoke(cli, ["completion", shell], prog_name="gateway").stdout
    assert f"_GATEWAY_COMPLETE={shell}_complete" in told
    assert 2 == CliRunner().invoke(cli, ["completion", "tcsh"]).exit_code


def test_a_key_press_imports_nothing_heavy() -> None:
    """What completes a command or a context is there before the server's libraries are."""
    code = (
        "import sys; from gateway.cli.group import cli; from click.shell_completion import BashComplete;"
        "words = [('link', 'ls', '--context'), ('key',), ()];"
        "[BashComplete(cli, {}, 'gateway', '_X').get_completions(list(one), '') for one in words];"
        "heavy = {'pydantic', 'aiohttp', 'aiobotocore', 'botocore', 'asyncio', 'ssl', 'http.client', 'secrets'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]\n" == done.stdout
