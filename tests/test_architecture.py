"""The rules of the house that a machine can check. What import-linter holds is in pyproject.toml."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from gateway.core.reasons import Reason, public_reason
from gateway.pages.languages import SOURCE, languages
from gateway.pages.refusals import NEXT_STEPS

_ROOT = Path(__file__).resolve().parents[1]
_SOURCES = sorted((_ROOT / "gateway").rglob("*.py"))
_TESTS = sorted((_ROOT / "tests").rglob("*.py"))
_PURE = [path for path in _SOURCES if path.relative_to(_ROOT).parts[1] in {"core", "wire"}]
_NO_CODE_OF_THEIR_OWN = {"gateway/core/record.py"}
"""Files without a mirrored test: nouns and interfaces only. This set may shrink, not grow."""

_OPERATING_SYSTEM = {
    *(
        "asyncio",
        "concurrent",
        "ctypes",
        "glob",
        "http.client",
        "http.server",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
    ),
    *("secrets", "select", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading"),
    *("time", "urllib.request", "uuid"),
}
_VENDORS = re.compile(
    r"\b(wasabi|ceph|rgw|minio|backblaze|b2|cloudflare|r2|seaweedfs|rclone|hetzner|ovh|scaleway|storj|garage)\b", re.I
)


def _name(path: Path) -> str:
    return path.relative_to(_ROOT).as_posix()


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(_tree(path)))


@pytest.fixture(scope="module", autouse=True)
def read_once() -> Iterator[None]:
    """Each file's tree is made once for all tests here, and given back: it is a hundred megabytes."""
    yield
    _tree.cache_clear()
    _nodes.cache_clear()


def _imports(path: Path) -> Iterator[str]:
    """The full names of all modules that a file imports, wherever in it."""
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "import_module":
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant))


@cache
def _code(path: Path) -> str:
    """A file without its docstrings and comments."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
    return ast.unparse(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def test_core_and_wire_import_only_the_pure_part_of_the_standard_library() -> None:
    """Nothing in these rooms can reach a file, a socket, a clock, a logger or a source of randomness."""
    assert [] == [(_name(path), module) for path in _PURE for module in _imports(path) if not _is_pure(module)]


def _is_pure(module: str) -> bool:
    top = module.partition(".")[0]
    ours = module.startswith(("gateway.core", "gateway.wire"))
    return ours or (top in sys.stdlib_module_names and not _OPERATING_SYSTEM & {top, module})


def test_time_and_randomness_are_arguments_in_core_and_wire() -> None:
    """No call asks for now, today or random bytes."""
    asks = re.compile(r"\b(time\.(time|monotonic)|datetime\.(now|utcnow|today)|date\.today|secrets\.|random\.)")
    assert [] == [(_name(path), found[0]) for path in _PURE for found in asks.finditer(_code(path))]


def test_there_are_four_exception_classes() -> None:
    """A reason says what went wrong; a new class needs an `except` that only it satisfies."""
    classes = {}
    for path in _SOURCES:
        for node in _nodes(path):
            if isinstance(node, ast.ClassDef):
                classes[node.name] = [ast.unparse(base) for base in node.bases]
    errors = {"Exception", "BaseException"} | {name for name in dir(__builtins__) if name.endswith("Error")}
    ours = {
        name for name, bases in classes.items() if any(b.endswith(("Error", "Exception")) or b in errors for b in bases)
    }
    assert {"Refused", "UpstreamFailed", "DependencyDown", "SettingsError"} == ours


def test_no_file_is_named_for_homeless_code() -> None:
    """What belongs nowhere is named for what it does, or moves to whom it serves."""
    homeless = {"utils", "util", "helpers", "common", "misc", "manager", "base", "tools", "lib"}
    assert [] == [_name(path) for path in _SOURCES + _TESTS if path.stem.strip("_") in homeless]


def test_every_source_file_has_a_mirrored_test_file() -> None:
    """`gateway/x/y.py` is tested in `tests/x/test_y.py`, where everybody looks first."""
    untested = {_name(path) for path in _SOURCES if path.name != "__init__.py" and not _mirrored(path).exists()}
    assert _NO_CODE_OF_THEIR_OWN == untested


def _mirrored(path: Path) -> Path:
    return _ROOT / "tests" / path.relative_to(_ROOT / "gateway").with_name(f"test_{path.name}")


def test_the_list_of_untested_files_does_not_grow() -> None:
    """A new file comes with its test."""
    assert 1 >= len(_NO_CODE_OF_THEIR_OWN)


def test_every_module_says_what_it_owns_and_refuses_to_own() -> None:
    """Within its first lines; a package's own file, and the one that starts the command line, have nothing to own."""
    heads = {path: ast.get_docstring(ast.parse(path.read_text())) or "" for path in _SOURCES if _owns_code(path)}
    assert [] == [_name(path) for path, head in heads.items() if not head.startswith("Owns ")]
    assert [] == [_name(path) for path, head in heads.items() if "Refuses to own " not in head]


def _owns_code(path: Path) -> bool:
    tree = ast.parse(path.read_text())
    return any(isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) for node in tree.body)


def test_every_test_says_its_law() -> None:
    """In its docstring: whoever sees it fail knows what is broken."""
    silent = [
        f"{_name(path)}:{node.name}"
        for path in _TESTS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and ast.get_docstring(node) is None
    ]
    assert [] == silent


def test_files_and_functions_stay_small() -> None:
    """At most 280 statements a file and 35 a function: what has to be understood counts, not its spacing."""
    files = {_name(path): _statements(_tree(path)) for path in _SOURCES}
    functions = {
        f"{_name(path)}:{node.name}": _statements(node)
        for path in _SOURCES
        for node in _nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {} == {name: count for name, count in files.items() if count > 280}
    assert {} == {name: count for name, count in functions.items() if count > 35}


def _statements(tree: ast.AST) -> int:
    """Without docstrings, and without what was given."""
    return sum(isinstance(node, ast.stmt) and not _is_text(node) and node is not tree for node in ast.walk(tree))


def test_the_eight_steps_fit_a_screen() -> None:
    """`serve` in data/serve.py shows the whole way of a request in at most 40 lines."""
    tree = ast.parse((_ROOT / "gateway/data/serve.py").read_text())
    [serve] = [node for node in tree.body if isinstance(node, ast.AsyncFunctionDef) and node.name == "serve"]
    assert 40 >= (serve.end_lineno or 0) - serve.lineno + 1


def test_vendors_are_named_in_the_profiles_alone() -> None:
    """Code asks a profile for a capability; who made the store is data. What writes for a tool, or knows one by what it
    says of itself, names it."""
    allowed = {
        "gateway/backends/profiles.py",
        "gateway/cli/credentials.py",
        "gateway/cli/embedded_store.py",
        "gateway/wire/links/visitor.py",
    }
    code = {_name(path): _code(path) for path in _SOURCES}
    assert [] == [(name, found[0]) for name in code.keys() - allowed for found in _VENDORS.finditer(code[name])]


_WALLS = {
    "aiobotocore": {"backends"},
    "botocore": {"backends"},
    "httptools": {"backends", "server"},
    "asyncpg": {"stores"},
    "redis": {"stores"},
    "aiosmtplib": {"mail"},
    "sqlite3": {"stores"},
}


def test_foreign_libraries_stop_at_the_rooms_wall() -> None:
    """A library that talks to a store or a database is known in one room, and so are its exceptions."""
    imported = [
        (path.relative_to(_ROOT).parts[1], module.partition(".")[0]) for path in _SOURCES for module in _imports(path)
    ]
    assert [] == [(room, library) for room, library in imported if room not in _WALLS.get(library, {room})]


_OF_NAMED_TUPLES = {"_asdict", "_fields", "_make", "_replace"}
_OUTSIDE = {
    "os._exit",
    *("asyncio.tasks._enter_task", "asyncio.tasks._leave_task", "awaited._asyncio_future_blocking"),
    *("other._route", "self.listed._ended"),  # another object of the same class
}
"""The private members that are taken all the same. This set may shrink, not grow."""


def _private(source: str) -> set[str]:
    """The private members that a module takes of another module or of another object."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names if re.match("_(?!_)", alias.name)}
        if isinstance(node, ast.Attribute) and re.match("_(?!_)", node.attr) and node.attr not in _OF_NAMED_TUPLES:
            found |= set() if ast.unparse(node.value) in {"self", "cls"} else {ast.unparse(node)}
    return found


_LISTING = {"gateway/core/values.py"}
"""To the type checker, a name there is another module's."""


def test_no_private_member_leaves_its_class() -> None:
    """What another module needs has a public name, and a test that says what it does."""
    assert {} == {_name(path): taken for path in _SOURCES if (taken := _private(path.read_text()) - _OUTSIDE)}


def test_an_underscore_alone_says_what_is_private() -> None:
    """No module lists its public names a second time, where they would be kept alive and forgotten."""
    listing = {_name(path) for path in _SOURCES if re.search(r"^__all__\b", path.read_text(), re.MULTILINE)}
    assert _LISTING == listing


@pytest.mark.parametrize(
    "source", ["from gateway.stores.redis.server import _PREFIX", "run(store._client)", "self._server._client.get(1)"]
)
def test_a_private_member_that_is_taken_would_be_found(source: str) -> None:
    """The control: by import, from an argument, through a member of one's own."""
    assert set() != _private(source)


_MARKUP = re.compile(r"</?(?:\w+:)?[A-Z][A-Za-z]*(?:\s[^<>]*)?/?>")


def _markup(source: str) -> list[str]:
    """The literals of a module's code that hold an element's tag, and the parsers of XML that it imports."""
    tree = ast.parse(source)
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    known = [text.decode("latin-1") if isinstance(text, bytes) else text for text in texts]
    found = [text for text in known if isinstance(text, str) and _MARKUP.search(text)]
    imported = (node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return found + [name for name in imported if name.partition(".")[0] in {"xml", "lxml"}]


def test_xml_is_read_and_written_in_wire_alone() -> None:
    """One reader and one writer: a namespace or a prefix that one of two readers does not know changes the answer."""
    outside = [path for path in _SOURCES if path.relative_to(_ROOT).parts[1] != "wire"]
    assert {} == {_name(path): found for path in outside if (found := _markup(_code(path)))}


@pytest.mark.parametrize(
    "source",
    [
        'import re\nCODE = re.compile(rb"<Code>([A-Za-z]+)</Code>")',
        'def text(key): return f"<Key>{key}</Key>"',
        "DOCUMENT = b'<Error xmlns=\"u\"/>'",
        "from xml.etree import ElementTree",
    ],
)
def test_a_reader_beside_it_would_be_found(source: str) -> None:
    """The control: each way in which a second reader or writer has been written."""
    assert [] != _markup(source)


_IMPORTED_AS = {"markdown-it-py": "markdown_it", "pyyaml": "yaml", "prometheus-client": "prometheus_client"}


_POSSESSIVE_GROUP = re.compile(r"(?<!\\)\)(?:[*+?]|\{\d*,?\d*\})\+|\(\?>")


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Python before 3.11.5, as in Debian 12, lets such a group read what it does not match."""
    assert [] == [_name(path) for path in _SOURCES if _POSSESSIVE_GROUP.search(path.read_text())]
    assert all(_POSSESSIVE_GROUP.search(text) for text in (r"(?:a|b)*+", r"(a)?+", r"(a){2,}+", r"(?>a)"))
    assert not any(_POSSESSIVE_GROUP.search(text) for text in (r"[ab]*+", r"\d++", r"(a)+", r"\)++"))


_ANYTHING_REPEATED = re.compile(r"(?<!\\)\.[*+][^()]*\)(?:[*+]|\{\d*,)")


def test_no_pattern_repeats_what_is_anything() -> None:
    """What may end in many places, again and again, has a way for each choice of them: a KiB is never done with."""
    assert [] == [_name(path) for path in _SOURCES if _ANYTHING_REPEATED.search(path.read_text())]
    assert all(_ANYTHING_REPEATED.search(text) for text in (r"(?:<!--.*?-->\s*|<a[^>]*>)*", r"(a.+)+", r"(.*){2,}"))
    assert not any(_ANYTHING_REPEATED.search(text) for text in (r"(?:[^-]|-(?!->))*", r"(.*)", r"(?:a\.)*", r"(.*)x*"))


def test_every_declared_dependency_is_imported() -> None:
    """What nothing uses is in no lock, no image and no bill of materials."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[\[<>=;~! ]", name)[0] for name in project["dependencies"]}
    imported = {module.partition(".")[0] for path in _SOURCES for module in _imports(path)}
    assert set() == {name for name in declared if _IMPORTED_AS.get(name, name) not in imported}


def test_only_who_answers_names_a_status() -> None:
    """Statuses of answers stand in the table of reasons and where replies are written; the rest gives reasons."""
    silent = [
        p
        for p in _SOURCES
        if p.relative_to(_ROOT).parts[1] in {"stores", "settings", "core"} and p.name != "reasons.py"
    ]
    named = re.compile(r"\b(status|code)\s*[=:]\s*[1-5]\d\d\b")
    assert [] == [(_name(path), found[0]) for path in silent for found in named.finditer(_code(path))]


def test_no_imports_go_in_a_circle() -> None:
    """Not even those inside a function or for types alone: of two modules, one can be understood without the other."""
    assert list(TopologicalSorter(_imports_of_ours()).static_order())


def test_a_circle_for_types_alone_would_be_found() -> None:
    """Control: two modules that name each other only where types are checked."""
    with pytest.raises(CycleError):
        list(TopologicalSorter(_imports_of_ours() | {"gateway.core.units": {"gateway.app"}}).static_order())


def test_the_data_plane_has_at_most_eight_floors() -> None:
    """From its door to its lowest part, no chain of imports within it is longer."""
    graph = {name: wanted for name, wanted in _imports_of_ours().items() if name.startswith("gateway.data.")}
    floors: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        floors[name] = 1 + max((floors[below] for below in graph.get(name, ()) if below in graph), default=0)
    assert [] == [name for name in graph if floors[name] > 8]


@cache
def _imports_of_ours() -> dict[str, set[str]]:
    """Each module with those of ours that it names, wherever in it."""
    modules = {_module(path): path for path in _SOURCES}
    return {name: set(_named(path, modules.keys())) - {name} for name, path in modules.items()}


def _named(path: Path, ours: Collection[str]) -> Iterator[str]:
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in ours)
        elif isinstance(node, ast.ImportFrom) and node.module in ours:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in ours else node.module for name in whole)


def _module(path: Path) -> str:
    return ".".join(path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_every_module_imports() -> None:
    """None fails at import, the last in the alphabet first."""
    modules = sorted((_module(path) for path in _SOURCES if path.name != "__main__.py"), reverse=True)
    command = [sys.executable, "-W", "error", "-c", f"import {', '.join(modules)}"]
    assert "" == subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False).stderr


_FOREIGN = re.compile(
    r"pypi\.org|pythonhosted|files\.python|(?<![\w.])/(?:work|root|home/\w+)/|(?i:copilot|chatgpt|\bclaude\b|\banthropic\b)"
)


def _shipped() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=_ROOT, capture_output=True, text=True, check=False).stdout
    names = [name for name in listed.split("\0") if name and not name.endswith((".png", ".ico", ".woff2"))]
    return [_ROOT / name for name in names if (_ROOT / name).is_file()]


def test_no_file_names_the_place_it_was_written_in() -> None:
    """No registry host and no absolute path of a machine is in the repository."""
    found = []
    for path in _shipped():
        if path != Path(__file__).resolve():
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if _FOREIGN.search(line):
                    found.append(f"{_name(path)}:{number}: {line.strip()[:100]}")
    assert [] == found


def test_a_single_test_starts_without_what_it_does_not_ask_for() -> None:
    """What every test shares imports no client of a store: a newcomer's one test starts in less than two seconds."""
    dear = "{'boto3', 'botocore', 'aiobotocore', 'schemathesis', 'playwright', 'gateway.app'}"
    program = f"import sys, tests.conftest; sys.exit(', '.join({dear} & sys.modules.keys()))"
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=_ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "" == found.stderr.strip()


def test_each_reason_is_ready_for_people() -> None:
    """A row of the table comes with its next step in `gateway/pages/refusals.py` and its sentence in each language."""
    wanted = {public_reason(reason) for reason in Reason}
    lacking = [(reason.name, "its next step") for reason in Reason if reason not in NEXT_STEPS]
    for code in languages().keys() - {SOURCE}:
        texts = languages()[code].texts
        lacking += [
            (one.name, f"reasons.{one.value} in {code}") for one in wanted if f"reasons.{one.value}" not in texts
        ]
    assert [] == sorted(lacking)
