"""What the documents point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from gateway.cli.group import cli

_ROOT = Path(__file__).resolve().parents[1]
_DOCUMENTS = [
    path
    for path in (*_ROOT.glob("*.md"), *_ROOT.glob("policies/**/*.md"), *_ROOT.glob("tests/**/*.md"))
    if not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(_ROOT).parts)
]


@pytest.mark.parametrize("document", _DOCUMENTS, ids=lambda path: str(path.relative_to(_ROOT)))
def test_every_link_into_the_tree_leads_somewhere(document: Path) -> None:
    """A file that moved takes its mentions along."""
    targets = re.findall(r"\]\(([^)#:]+)\)", document.read_text())
    assert [] == [target for target in targets if not (document.parent / target).exists()]


def test_every_command_in_the_readme_is_one_with_these_options() -> None:
    """What is copied from the first page works."""
    text = (_ROOT / "README.md").read_text()
    named = re.findall(r"(?:^\$ |`)gateway ([^`\n]+)", text, re.MULTILINE)
    assert len(named) > 10
    wrong = []
    for line in named:
        command: click.Command | None = cli
        words = line.split()
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            command = command.get_command(click.Context(command), words.pop(0))
        known = {option for parameter in command.params for option in parameter.opts} if command is not None else set()
        if command is None or not {word for word in words if word.startswith("--")} <= known | {"--help"}:
            wrong.append(line)
    assert [] == wrong
