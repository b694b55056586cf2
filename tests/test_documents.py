"""What the documents point at is there."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import click
import pytest

from gateway.backends.profiles import PROFILES
from gateway.cli.group import cli
from gateway.settings.load import load_settings
from gateway.settings.policies import check_examples, load_policies
from gateway.settings.schemas import build_policy_schema

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


def _yaml_blocks(document: str) -> list[str]:
    """The examples of a guide, with a variable for each file that they name, which is not here."""
    found = re.findall(r"^( *)```yaml\n(.*?)^ *```", (_ROOT / document).read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(r"file:/[\w/.-]+", "env:FILE", textwrap.dedent(block)) for _, block in found]


def _environment(text: str) -> dict[str, str]:
    return dict.fromkeys(re.findall(r"env:(\w+)", text), "x" * 40)


def _is_about(text: str, *sections: str) -> bool:
    return re.search(rf"^({'|'.join(sections)}):", text, re.MULTILINE) is not None


@pytest.mark.parametrize("document", ["docs/console.md", "docs/identity.md", "docs/mail.md"])
def test_the_settings_that_a_guide_shows_can_be_copied(document: str, tmp_path: Path) -> None:
    """Each of them is read without a fault, beside a state."""
    shown = [block for block in _yaml_blocks(document) if _is_about(block, "control", "data", "mail")]
    assert shown
    for block in shown:
        (tmp_path / "gateway.yaml").write_text(f"{block}\nstate: memory://\n")
        load_settings(tmp_path / "gateway.yaml", _environment(block))


@pytest.mark.parametrize("document", ["docs/identity.md", "policies/README.md"])
def test_the_rules_that_a_guide_shows_can_be_copied(document: str, tmp_path: Path) -> None:
    """All of them, into one policy, whose examples get the decisions that they have to get."""
    shown = [f"rules:\n{block}" if block.startswith("- ") else block for block in _yaml_blocks(document)]
    shown = [block for block in shown if _is_about(block, "backends", "buckets", "rules", "limits", "examples")]
    assert len(shown) > 2
    text = "".join(shown)
    if not _is_about(text, "backends"):
        shown.append(
            "backends: {s: {profile: wasabi, region: us-east-1, credentials: chain}}\nbuckets: {reports: {backend: s}}"
        )
    for number, block in enumerate(shown):
        (tmp_path / f"{number}.yaml").write_text(block)
    policies = load_policies(tmp_path, PROFILES, _environment(text))
    assert policies.policy.rules
    assert [] == list(check_examples(policies))


def test_what_a_document_has_a_contributor_run_is_there() -> None:
    """Targets of make, and modules that are run."""
    text = "".join(path.read_text() for path in (*_DOCUMENTS, *_ROOT.glob("helm/*.md"), _ROOT / "Makefile"))
    targets = set(re.findall(r"(?:`|^\$ )make ([a-z-]+)", text, re.MULTILINE))
    modules = set(re.findall(r"python -m (tests(?:\.\w+)+)", text))
    assert len(targets) > 15
    assert len(modules) > 15
    known = set(re.findall(r"^([a-z-]+):", (_ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set() == targets - known
    runs = {name for name in modules if "__main__" in _source(name.split("."))}
    assert set() == modules - runs


def _source(name: list[str]) -> str:
    """Of what a name has run: a module that asks whether it is run, or that of a folder that is there to be."""
    package = _ROOT.joinpath(*name, "__main__.py")
    return package.name if package.exists() else _ROOT.joinpath(*name).with_suffix(".py").read_text()


def test_a_command_that_is_none_is_found() -> None:
    """The control: in a span, in a block with a prompt and without, behind another program; prose is none."""
    block = "$ gateway link ls --al\ngateway link ls  # --x\nx -- gateway check --f\n"
    text = f"`gateway lnk ls` a gateway says\n```sh\n{block}```"
    found = _commands(text)
    assert ["lnk ls", "link ls --al", "link ls  # --x", "check --f"] == found
    assert [False, False, True, False] == [_is_a_command(line) for line in found]
