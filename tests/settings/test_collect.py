"""Reading a directory of policy files: which files, in which order, and no fault hides another."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.core.reasons import SettingsError
from gateway.settings import collect as room
from gateway.settings.collect import collect, list_files
from gateway.settings.references import References
from tests.settings.conftest import GOOD_POLICY, PROFILES, Folder


def references(folder: Folder) -> References:
    return References({}, folder.policies, profiles=PROFILES)


def test_files_are_read_in_the_order_of_their_names(folder: Folder) -> None:
    """Both endings count, in large letters too; other files, hidden ones and other directories do not."""
    for name in ("b.yml", "a.yaml", "10.yaml", "d.YAML", ".hidden.yaml", "notes.md", "c.yaml~"):
        (folder.policies / name).write_text("")
    (folder.policies / "examples").mkdir()
    (folder.policies / "examples" / "x.yaml").write_text("not: read")
    assert ["10.yaml", "a.yaml", "b.yml", "d.YAML"] == [path.name for path, *_ in list_files(folder.policies)]
    assert ["10.yaml", "a.yaml", "b.yml", "d.YAML"] == [
        path.name for path in collect(folder.policies, references(folder)).sources
    ]


def test_a_mounted_configmap_is_read_once(folder: Folder) -> None:
    """Its files are symbolic links through `..data`; the directories behind them are hidden."""
    version = folder.policies / "..2031_01_01"
    version.mkdir()
    (version / "a.yaml").write_text(GOOD_POLICY)
    (folder.policies / "..data").symlink_to("..2031_01_01")
    (folder.policies / "a.yaml").symlink_to("..data/a.yaml")
    draft = collect(folder.policies, references(folder))
    assert (folder.policies / "a.yaml",) == draft.sources
    assert ["reports"] == [entry.name for entry in draft.buckets]


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.mkdir(),
        lambda path: path.symlink_to("missing"),
        lambda path: path.symlink_to(path.name),
        lambda path: os.mkfifo(path),
    ],
    ids=["a directory", "a link to nowhere", "a link to itself", "a pipe"],
)
def test_what_is_named_as_a_policy_file_and_is_none_is_a_fault(folder: Folder, make: Callable[[Path], None]) -> None:
    """Its deny rules are not forgotten in silence, and no other fault is; hidden, or named otherwise, it is let be."""
    for name in (".x.yaml", "x.yaml~", "x"):
        make(folder.policies / name)
    assert 1 == len(folder.policy().policy.rules)
    make(folder.policies / "x.yaml")
    told = "x.yaml: is not a file: mend it, or rename it if it is no part of the policy"
    assert [told] == folder.policy_faults(GOOD_POLICY)
    assert {"a.yaml:1:8: rules: must be a list", told} == set(folder.policy_faults("rules: 5"))


def test_a_link_that_the_system_cannot_follow_is_a_fault_of_its_own(folder: Folder) -> None:
    """It is told by its own name, with the system's word for it, and not as a fault of the whole directory."""
    (folder.policies / "x.yaml").symlink_to("x" * 300)
    assert ["x.yaml: cannot be read: File name too long"] == folder.policy_faults(GOOD_POLICY)


def test_entries_of_all_files_make_one_policy(folder: Folder) -> None:
    """A file may use what another one names, whichever comes first."""
    (folder.policies / "z.yaml").write_text("backends: {near: {profile: regional, credentials: chain}}")
    loaded = folder.policy(GOOD_POLICY.partition("\n")[2].partition("\n")[2])
    assert ["near"] == [backend.name for backend in loaded.backends]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("x")])
def test_no_policy_file_is_a_fault(tmp_path: Path, make: object) -> None:
    """A missing directory, an empty one, and a file in its place: never an empty policy by accident."""
    directory = tmp_path / "policies"
    assert callable(make)
    make(directory)
    with pytest.raises(SettingsError, match=r"holds no policy file|cannot be read as a directory of policy files"):
        collect(directory, References({}, tmp_path))


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("[1]", ["a.yaml:1:1: must be a mapping with the keys backends, buckets, rules, limits, examples"]),
        ("backends: [1]", ["a.yaml:1:11: backends: must be a mapping of names and what they are"]),
        ("limits: {a: 1}", ["a.yaml:1:9: limits: must be a list"]),
        (
            "backends: {Near: {profile: regional, credentials: chain}}",
            ["a.yaml:1:12: backends.Near: a backend name has up to 63 lower-case letters, digits, _ and -"],
        ),
        (
            "backends: {near: {profile: regional, credentials: chain}}\nbuckets: {s: {backend: near}}",
            [
                (
                    "a.yaml:2:11: buckets.s: a bucket name has 3 to 63 lower-case letters, digits, dots and hyphens, "
                    "a letter or digit at both ends"
                )
            ],
        ),
    ],
)
def test_what_is_no_section_or_no_name_is_a_fault(folder: Folder, text: str, faults: list[str]) -> None:
    """With its place."""
    assert faults == folder.policy_faults(text)


def test_a_name_stands_once_in_all_files(folder: Folder) -> None:
    """Twins are refused with both places: which one counts would depend on a file's name."""
    (folder.policies / "0.yaml").write_text(GOOD_POLICY)
    assert [
        "a.yaml:2:3: backends.near: the name 'near' stands twice in backends (first at 0.yaml:2:3)",
        "a.yaml:4:3: buckets.reports: the name 'reports' stands twice in buckets (first at 0.yaml:4:3)",
        "a.yaml:6:5: rules[0]: the name 'billing reads' stands twice in rules (first at 0.yaml:6:5)",
    ] == folder.policy_faults(GOOD_POLICY)


def test_a_broken_entry_hides_no_other_fault_and_causes_none(folder: Folder) -> None:
    """What refers to it is not blamed; what is wrong beside it is still told."""
    assert [
        "a.yaml:1:51: backends.near.credentials: must be chain, or a mapping of references",
        (
            "a.yaml:2:44: buckets.reports.prefix: must end with a slash (did you mean 'x/'?): "
            "without it, it would reach its siblings"
        ),
        (
            "a.yaml:3:38: rules[0].may: 'raed' is not allowed (did you mean 'read'? "
            "allowed: delete, list, read, share, sign, write)"
        ),
        "a.yaml:3:48: rules[0].on: 'report/**' names no bucket there is (did you mean 'reports'? allowed: reports)",
    ] == folder.policy_faults(
        "backends: {near: {profile: regional, credentials: x}}\n"
        "buckets: {reports: {backend: near, prefix: x}}\n"
        "rules: [{name: r, who: 'app:x', may: raed, on: report/**}]\n"
    )


def test_an_unreadable_file_blames_no_other(folder: Folder) -> None:
    """The bucket that a rule names may be in the file that cannot be read."""
    (folder.policies / "0.yaml").write_text("backends: {near: {")
    assert ["0.yaml:1:19: is not YAML: expected the node content, but found '<stream end>'"] == folder.policy_faults(
        "rules: [{name: r, who: 'app:x', may: read, on: reports/**}]\nbuckets: {reports: {backend: near}}"
    )


def test_a_directory_that_changes_while_it_is_read_is_read_again(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the old version and half of the new one never make a policy."""
    (folder.policies / "a.yaml").write_text(GOOD_POLICY)
    changed = GOOD_POLICY.replace("billing reads", "later")
    real, calls = room.read_document, []

    def read(path: Path) -> object:
        document = real(path)
        if not calls:
            path.write_text(changed)
        calls.append(path)
        return document

    monkeypatch.setattr(room, "read_document", read)
    assert ["later"] == [entry.name for entry in collect(folder.policies, references(folder)).rules]
    assert 2 == len(calls)


def test_a_directory_that_never_stops_changing_is_a_fault(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading gives up instead of going on for ever."""
    path = folder.policies / "a.yaml"
    path.write_text(GOOD_POLICY)
    real = room.read_document

    def read(path: Path) -> object:
        document = real(path)
        facts = path.stat()
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1_000_000))
        return document

    monkeypatch.setattr(room, "read_document", read)
    with pytest.raises(SettingsError, match="kept changing while it was read"):
        collect(folder.policies, references(folder))
