"""The file in which revocations are listed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gateway.core.reasons import SettingsError
from gateway.stores import revocation_file as room
from gateway.stores.revocation_file import RevocationFile

NOW = 1_790_000_000.0


def link(number: int) -> dict[str, str]:
    return {"kind": "link", "name": f"l_{number}"}


def write(path: Path, *entries: dict[str, str], **more: object) -> None:
    path.write_text(json.dumps({"revocations": entries, **more}, indent=1))
    os.utime(path, (NOW - 9, NOW - 9))


@pytest.fixture
def file(tmp_path: Path) -> RevocationFile:
    return RevocationFile(tmp_path / "list.json", clock=lambda: NOW)


async def names(file: RevocationFile) -> list[str]:
    found: list[str] = []
    await file.read(lambda entries: found.extend(entry.name for entry in entries))
    return found


async def test_a_list_is_as_old_as_it_says_else_as_its_file(file: RevocationFile) -> None:
    """The time of writing is the heart-beat of a list that names none."""
    write(file.path, link(1))
    assert NOW - 9 == await file.read(lambda _: None)
    write(file.path, link(1), as_of="2026-09-21T14:12:20Z")
    assert NOW - 60 == await file.read(lambda _: None)


async def test_what_was_read_before_is_not_read_again(file: RevocationFile) -> None:
    """Only the entries that were added are taken, and faults among them have their right lines."""
    write(file.path, link(1), link(2))
    assert ["l_1", "l_2"] == await names(file)
    write(file.path, link(1), link(2), link(3))
    assert (["l_3"], 3) == (await names(file), file.count)
    assert [] == await names(file)
    write(file.path, link(1), link(2), link(3), {"kind": "x"})
    with pytest.raises(SettingsError, match=r"list\.json:15: revocations\[3\]"):
        await names(file)


async def test_another_beginning_is_read_whole(file: RevocationFile) -> None:
    """A byte that differs before the last entry makes it another list, and so does what stands before the entries."""
    write(file.path, link(1), link(2))
    await names(file)
    write(file.path, link(7), link(2))
    assert ["l_7", "l_2"] == await names(file)
    for serial in (1, 2):
        file.path.write_text(json.dumps({"as_of": "2026-09-21T14:12:20Z", "serial": serial, "revocations": [link(1)]}))
        assert ["l_1"] == await names(file)
        assert NOW - 60 == await file.read(lambda _: None)


@pytest.mark.parametrize(
    ("body", "said"),
    [(b'{"revocations": [\n"\xff"]}', ":2: is not UTF-8"), (b"x" * 20, "is longer than"), (None, "No such file")],
)
async def test_a_file_that_cannot_be_read_says_so(
    file: RevocationFile, body: bytes | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of it is taken."""
    if body is not None:
        file.path.write_bytes(body)
    if said.startswith("is longer"):
        monkeypatch.setattr(room, "LARGEST", 10)
    with pytest.raises(SettingsError, match=said):
        await names(file)


async def test_a_fault_anywhere_takes_nothing(file: RevocationFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when thousands of good entries come first."""
    monkeypatch.setattr("gateway.core.revocation_list._BATCH", 2)
    write(file.path, *(link(number) for number in range(9)), {"kind": "x"})
    taken: list[object] = []
    with pytest.raises(SettingsError):
        await file.read(taken.extend)
    assert [] == taken


async def test_a_list_outside_ascii_is_recognised_too(file: RevocationFile) -> None:
    """Characters and bytes are not the same number."""
    owner = {"kind": "prefix", "name": "b", "prefix": "żółć/"}
    file.path.write_text(json.dumps({"revocations": [owner]}, ensure_ascii=False))
    assert ["b"] == await names(file)
    file.path.write_text(json.dumps({"revocations": [owner, link(2)]}, ensure_ascii=False))
    assert ["l_2"] == await names(file)


def test_a_replaced_link_is_a_change(file: RevocationFile, tmp_path: Path) -> None:
    """As a ConfigMap is updated: the file stays a link, what it leads to is another one."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "list.json", link(1))
    (tmp_path / "..data").symlink_to("one")
    file.path.symlink_to("..data/list.json")
    file.settle()
    assert not file.changed()
    (tmp_path / "..new").symlink_to("two")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert file.changed()


@pytest.mark.timeout(10)
def test_a_pipe_is_no_list(file: RevocationFile) -> None:
    """It is a fault and is not waited for."""
    os.mkfifo(file.path)
    with pytest.raises(SettingsError, match="not a regular file"):
        file.check(8)


def test_a_check_takes_nothing(file: RevocationFile) -> None:
    """What was checked is still new to the next read."""
    write(file.path, link(1))
    file.check(10)
    with pytest.raises(SettingsError, match=r"more than state\.revocations\.max_age"):
        file.check(8)
    assert 0 == file.count
