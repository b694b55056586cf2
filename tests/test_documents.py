"""What the documents point at is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest

from gateway.cli.group import cli
from gateway.settings.schemas import build_policy_schema, build_settings_schema

_ROOT = Path(__file__).resolve().parents[1]
_DOCUMENTS = [
    path
    for path in (
        *_ROOT.glob("*.md"),
        *_ROOT.glob("docs/*.md"),
        *_ROOT.glob("policies/**/*.md"),
        *_ROOT.glob("tests/**/*.md"),
    )
    if not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(_ROOT).parts)
]


@pytest.mark.parametrize("document", _DOCUMENTS, ids=lambda path: str(path.relative_to(_ROOT)))
def test_every_link_into_the_tree_leads_somewhere(document: Path) -> None:
    """A file that moved takes its mentions along."""
    targets = re.findall(r"\]\(([^)#:]+)\)", document.read_text())
    assert [] == [target for target in targets if not (document.parent / target).exists()]


_CODE = sorted(path for room in ("gateway", "tests") for path in (_ROOT / room).rglob("*.py"))


def _cited(pattern: str) -> dict[str, str]:
    """What the code cites, and one file that does."""
    cited = re.compile(pattern)
    return {
        found[1]: str(path.relative_to(_ROOT))
        for path in _CODE
        if path != Path(__file__).resolve()
        for found in cited.finditer(path.read_text())
    }


def test_every_promise_that_the_code_cites_is_made() -> None:
    """By its number in the first page's table."""
    made = set(re.findall(r"^\| (\d+) \|", (_ROOT / "README.md").read_text(), re.MULTILINE))
    cited = _cited(r"\bpromise (\d+)\b")
    assert len(cited) > 4
    assert {} == {number: path for number, path in cited.items() if number not in made}


def test_every_trap_that_is_cited_is_described() -> None:
    """In the plan of the house; so a newcomer finds what `T5` is."""
    described = set(re.findall(r"^\| (T\d+) \|", (_ROOT / "docs/architecture.md").read_text(), re.MULTILINE))
    cited = _cited(r"\b(T\d{1,2})\b")
    assert {"T1", "T5", "T12"} <= cited.keys()
    assert {} == {trap: path for trap, path in cited.items() if trap not in described}


def test_what_one_module_says_of_another_is_there() -> None:
    """A dotted name in a docstring or comment is a module's, or that of something in it."""
    gone = []
    for path in _CODE:
        for name in re.findall(r"`(gateway(?:\.\w+)+)`", path.read_text()):
            module, rest = _ROOT, name.split(".")
            while rest and ((module / rest[0]).is_dir() or (module / f"{rest[0]}.py").exists()):
                module /= rest.pop(0)
            source = module.with_suffix(".py")
            there = not rest or (source.exists() and re.search(rf"\b{rest[0]}\b", source.read_text()))
            if not there and name != "gateway.yaml":
                gone.append(f"{path.relative_to(_ROOT)}: {name}")
    assert [] == gone


def test_the_plan_names_files_that_are_there() -> None:
    """`room/file.py` in the plan of the house is one below gateway/."""
    named = re.findall(r"`((?:\w+/)+\w+\.py)`", (_ROOT / "docs/architecture.md").read_text())
    assert len(named) > 20
    assert [] == [name for name in named if not any((_ROOT / top / name).exists() for top in ("gateway", "."))]


def test_the_plan_shows_every_room() -> None:
    """Whoever opens a folder of gateway/ finds it in the picture."""
    picture = (_ROOT / "docs/architecture.md").read_text().split("```")[1]
    rooms = {folder.parent.name for folder in (_ROOT / "gateway").glob("*/__init__.py")}
    assert {"core", "data", "splice"} <= rooms
    assert set() == rooms - set(re.findall(r"\w+", picture))


def test_the_tests_that_the_table_names_are_there() -> None:
    """A kind of defect is held by tests that somebody who reads `tests/README.md` finds."""
    text = (_ROOT / "tests/README.md").read_text()
    files = re.findall(r"^\|.*", text, re.MULTILINE)
    named = [name for row in files for name in re.findall(r"`((?:[a-z]\w*/)*test_\w+\.py)(?:::\w+)?`", row)]
    assert len(named) > 50
    assert [] == [name for name in named if not any((_ROOT / top / name).exists() for top in ("tests", "."))]
    tests = set(re.findall(r"`(?:[\w/]+\.py::)?(test_\w+)`", text))
    assert len(tests) > 8
    written = "".join(path.read_text() for path in (_ROOT / "tests").rglob("test_*.py"))
    assert set() == tests - set(re.findall(r"\bdef (test_\w+)", written))


def _commands(text: str) -> list[str]:
    """What a text says after `gateway`: in a span of code, or on a line of a block of it."""
    named = re.findall(r"`gateway ([a-z][^`\n]+)`", text)
    for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL):
        named += re.findall(r"(?:^\s*|^\$ |-- |\()gateway ([a-z][^\n)]*)", block, re.MULTILINE)
    return named


def _is_a_command(line: str) -> bool:
    """Whether there is such a command, with these options."""
    command: click.Command | None = cli
    words = line.partition(" #")[0].split()
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(click.Context(command), words.pop(0))
    known = (
        {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        if command is not None
        else set()
    )
    return command is not None and {word for word in words if word.startswith("--") and word != "--"} <= known | {
        "--help"
    }


def test_every_command_that_a_document_names_is_one_with_these_options() -> None:
    """What is copied works: from the first page, the guides, the runbook and the settings' own comments."""
    texts = [*_DOCUMENTS, *_ROOT.glob("helm/*.md"), _ROOT / "gateway.yaml", _ROOT / "helm/values.yaml"]
    named = {line for path in texts if path.name != "CHANGELOG.md" for line in _commands(path.read_text())}
    assert len(named) > 80
    assert [] == sorted(line for line in named if not _is_a_command(line))


def _words(schema: dict[str, Any]) -> set[str]:
    """Every key that a file may have, and every word that has a kind of its own, like a capability."""
    parts = [schema, *schema["$defs"].values()]
    keys = {key for part in parts for key in part.get("properties", {})}
    return keys | {word for part in parts for word in part.get("enum", ())}


def test_every_word_of_a_policy_stands_in_its_guide() -> None:
    """Keys and capabilities: what a file may say, somebody who reads the guide can find."""
    words = _words(build_policy_schema())
    assert {"approval", "conditional_complete", "equal_parts"} <= words
    text = (_ROOT / "policies/README.md").read_text()
    assert set() == words - set(re.findall(r"\w+", text))


@pytest.mark.parametrize("section", ["Backend", "Bucket", "Rule", "Limit", "Example"])
def test_each_table_of_the_guide_to_policies_has_every_key(section: str) -> None:
    """One that stands in another table only is not found by who needs it here."""
    keys = set(build_policy_schema()["$defs"][f"{section}Entry"]["properties"])
    [text] = re.findall(
        rf"^## {section}s.*?(?=^## )", (_ROOT / "policies/README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    assert keys == {word for cell in cells for word in re.findall(r"`(\w+)`", cell)}


def test_every_key_of_the_settings_stands_in_the_commented_file() -> None:
    """Or, of a way to send mails, in the guide to mail."""
    written = (_ROOT / "gateway.yaml").read_text() + (_ROOT / "docs/mail.md").read_text()
    assert set() == _words(build_settings_schema()) - set(re.findall(r"\w+", written))


def test_a_command_that_is_none_is_found() -> None:
    """The control: in a span, in a block with a prompt and without, behind another program; prose is none."""
    block = "$ gateway link ls --al\ngateway link ls  # --x\nx -- gateway check --f\n"
    text = f"`gateway lnk ls` a gateway says\n```sh\n{block}```"
    found = _commands(text)
    assert ["lnk ls", "link ls --al", "link ls  # --x", "check --f"] == found
    assert [False, False, True, False] == [_is_a_command(line) for line in found]
