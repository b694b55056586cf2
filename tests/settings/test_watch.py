"""Reloading: everything or nothing, whatever replaced the files, and never because of somebody else's file."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.core.attempt import Attempt, Principal
from gateway.core.policy import explain
from gateway.core.reasons import SettingsError
from gateway.core.request import Action, Operation
from gateway.settings import watch as watching
from gateway.settings.watch import LoadedSettings, Reloader, watch
from tests.settings.conftest import GOOD_POLICY, MINIMAL, PROFILES, Folder

POLICY = GOOD_POLICY + "examples:\n  - {who: app:billing, do: GetObject, on: reports/billing/a, expect: allow}\n"


class Site:
    """A folder under watch: what was loaded, what was refused, and a wait for the next of either."""

    def __init__(self, folder: Folder, **environ: str) -> None:
        self.folder = folder
        folder.settings_file.write_text(MINIMAL)
        (folder.policies / "a.yaml").write_text(POLICY)
        self.reloader = Reloader(folder.settings_file, environ, PROFILES)
        self.loaded: list[LoadedSettings] = []
        self.refused: list[tuple[str, ...]] = []
        self._changed = asyncio.Event()

    def reload(self) -> None:
        try:
            self.loaded.append(self.reloader.load())
        except SettingsError as error:
            self.refused.append(error.faults)
        self._changed.set()

    async def next(self) -> None:
        """Until the next reload, good or bad."""
        await asyncio.wait_for(self._changed.wait(), 10)
        self._changed.clear()

    async def settled(self, condition: Callable[[], bool]) -> None:
        """Until a reload makes the condition true."""
        while not condition():
            await self.next()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(watch(self.reloader, self.reload))
            yield
            task.cancel()

    @property
    def rules(self) -> list[str]:
        return [rule.name for rule in self.loaded[-1].policies.policy.rules] if self.loaded else []


def renamed(name: str) -> str:
    return POLICY.replace("billing reads", name)


def test_a_reading_is_settings_and_policies_together(folder: Folder) -> None:
    """One value, kept as the last good one."""
    site = Site(folder)
    loaded = site.reloader.load()
    assert loaded is site.reloader.last
    assert "memory" == loaded.settings.state.grants.engine
    assert ["billing reads"] == [rule.name for rule in loaded.policies.policy.rules]
    assert not site.reloader.changed()


def test_faults_of_settings_and_policies_are_told_together(folder: Folder) -> None:
    """Whoever broke both fixes both."""
    site = Site(folder)
    folder.settings_file.write_text("state: x\n")
    (folder.policies / "a.yaml").write_text("rules: 5\n")
    with pytest.raises(SettingsError) as raised:
        site.reloader.load()
    assert ["gateway.yaml:1:8", "policies/a.yaml:1:8"] == [
        fault.removeprefix(f"{folder.path}/").partition(": ")[0] for fault in raised.value.faults
    ]


def test_a_token_that_can_be_guessed_is_warned_of(folder: Folder) -> None:
    """By whose it is, and never by what it is; one that `openssl rand -hex 16` writes is long enough."""
    site = Site(folder, SHORT="swordfish", LONG="0123456789abcdef0123456789abcdef")
    control = "tokens: [{name: ops, secret: env:LONG}, {name: ann, secret: env:SHORT}]"
    folder.settings_file.write_text(
        f"{MINIMAL}control: {{{control}, credentials: [{{app: app:web, token: env:SHORT}}]}}\n"
    )
    assert [
        f"{whose} has a token of fewer than 16 characters: `openssl rand -hex 32` makes a longer one"
        for whose in ("control.tokens: ann", "control.credentials: app:web")
    ] == list(site.reloader.load().warnings)


def test_a_failing_example_refuses_the_whole_reading(folder: Folder) -> None:
    """A policy that does not do what its file says it does is not taken over."""
    site = Site(folder)
    good = site.reloader.load()
    (folder.policies / "a.yaml").write_text(POLICY.replace("reports/billing/**", "reports/other/**"))
    with pytest.raises(SettingsError, match="expected allow, but: no rule allows app:billing to read this"):
        site.reloader.load()
    assert good is site.reloader.last


def test_a_bad_reading_is_not_tried_again_until_something_changes(folder: Folder) -> None:
    """One fault is one log line, not one a second."""
    site = Site(folder)
    site.reloader.load()
    (folder.policies / "a.yaml").write_text("{")
    assert site.reloader.changed()
    with pytest.raises(SettingsError):
        site.reloader.load()
    assert not site.reloader.changed()
    (folder.policies / "a.yaml").write_text(POLICY)
    assert site.reloader.changed()


def test_a_policy_file_that_ends_in_nothing_is_waited_for(folder: Folder) -> None:
    """Nothing changes and it is told once; the reading is tried again when it leads somewhere, or is taken away."""
    site = Site(folder)
    (folder.path / "denies").write_text("rules: [{name: no, effect: deny, who: '*', may: read, on: '*/x/**'}]")
    (folder.policies / "b.yaml").symlink_to("../denies")
    good = site.reloader.load()
    for mend in (lambda: (folder.path / "away").rename(folder.path / "denies"), (folder.policies / "b.yaml").unlink):
        (folder.path / "denies").rename(folder.path / "away")
        assert site.reloader.changed()
        with pytest.raises(SettingsError, match=r"b\.yaml: is not a file"):
            site.reloader.load()
        assert good is site.reloader.last
        assert not site.reloader.changed()
        mend()
        assert site.reloader.changed()
        good = site.reloader.load()
    assert ["billing reads"] == [rule.name for rule in good.policies.policy.rules]


def test_files_that_come_and_go_are_changes(folder: Folder) -> None:
    """Another policy file, one less, and a secret that was missing."""
    site = Site(folder)
    site.reloader.load()
    (folder.policies / "b.yaml").write_text("")
    assert site.reloader.changed()
    site.reloader.load()
    (folder.policies / "b.yaml").unlink()
    assert site.reloader.changed()
    site.reloader.load()
    assert not site.reloader.changed()
    folder.settings_file.write_text(MINIMAL + "control: {tokens: [{name: ops, secret: file:token}]}")
    with pytest.raises(SettingsError, match="token cannot be read"):
        site.reloader.load()
    assert not site.reloader.changed()
    (folder.path / "token").write_text("x")
    assert site.reloader.changed()
    assert "x" == site.reloader.load().settings.control.tokens[0].secret.resolve()


def _corrupted(text: str, rng: random.Random) -> str:
    """A text with one thing wrong: cut off, a piece doubled, lost, swapped or replaced."""
    at, length = rng.randrange(len(text)), rng.randrange(1, 12)
    piece = text[at : at + length]
    match rng.randrange(6):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + piece + text[at:]
        case 2:
            return text[:at] + text[at + length :]
        case 3:
            return text[:at] + piece[::-1] + text[at + length :]
        case 4:
            return text[:at] + rng.choice(["{", "]", ": ", "&a ", "\t", "'", "*", "\x00", "- "]) + text[at:]
        case _:
            lines = text.splitlines(keepends=True)
            rng.shuffle(lines)
            return "".join(lines)


DECISIONS = [
    Attempt(
        principal=Principal.parse(who),
        operation=operation,
        action=action,
        bucket=bucket,
        key=key,
        peer=None,
        now=0.0,
    )
    for who in ("app:billing", "app:payroll", "anonymous", "admin:ops")
    for operation, action in ((Operation.GET_OBJECT, Action.READ), (Operation.PUT_OBJECT, Action.WRITE))
    for bucket, key in (("reports", "billing/a"), ("reports", "payroll/a"), ("other", "a"))
]


def _answers(loaded: LoadedSettings | None) -> list[bool]:
    assert loaded is not None
    return [explain(loaded.policies.policy, None, attempt).allowed for attempt in DECISIONS]


def test_a_thousand_corrupted_files_change_nothing(folder: Folder) -> None:
    """After every refused reload the very same reading is in force, and it decides as before."""
    site = Site(folder)
    good = site.reloader.load()
    before = _answers(good)
    rng = random.Random(20310101)
    refused = 0
    path = folder.policies / "a.yaml"
    while refused < 1000:
        path.write_text(_corrupted(POLICY, rng))
        try:
            site.reloader.load()
        except SettingsError:
            refused += 1
            assert good is site.reloader.last
        else:
            path.write_text(POLICY)
            good = site.reloader.load()
    assert before == _answers(site.reloader.last)


async def test_an_edited_policy_is_live_within_two_seconds(folder: Folder) -> None:
    """From the write to the new rules in force."""
    site = Site(folder)
    site.reload()
    async with site.watched():
        started = asyncio.get_running_loop().time()
        (folder.policies / "a.yaml").write_text(renamed("edited"))
        await site.settled(lambda: site.rules == ["edited"])
        assert 2 > asyncio.get_running_loop().time() - started


async def test_a_file_that_is_still_being_written_is_not_read(folder: Folder) -> None:
    """Its first half is a good policy, which lacks the rules that deny; none of its states but the last is in force."""
    site = Site(folder)
    site.reload()
    denies = [f"no {number}" for number in range(8)]
    text = "".join(f"  - {{name: {name}, effect: deny, who: '*', may: read, on: reports/x/**}}\n" for name in denies)
    lines = POLICY.replace("examples:\n", f"{text}examples:\n").splitlines(keepends=True)
    async with site.watched():
        with (folder.policies / "a.yaml").open("w") as file:
            for line in lines:
                file.write(line)
                file.flush()
                await asyncio.sleep(0.2)
        await site.settled(lambda: len(site.loaded) > 1)
    assert [["billing reads"], ["billing reads", *denies]] == [
        [rule.name for rule in loaded.policies.policy.rules] for loaded in site.loaded
    ]
    assert [] == site.refused


class Restless:
    """Files of which one is another at each look."""

    looks = 0

    def changed(self) -> object:
        self.looks += 1
        return self.looks


async def test_a_file_that_never_rests_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that writes one of the files again and again keeps nobody from changing another one."""
    monkeypatch.setattr(watching, "_LOOK_SECONDS", 0.001)
    assert 20 == await _looks_until_read()


async def test_what_need_not_rest_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of revocations holds within a second, and half a list is none."""
    monkeypatch.setattr(watching, "_LOOK_SECONDS", 0.001)
    assert 1 == await _looks_until_read(most_looks=1)


async def _looks_until_read(**bound: int) -> int:
    files, looks, read = Restless(), 0, asyncio.Event()

    def note() -> None:
        nonlocal looks
        looks = looks or files.looks
        read.set()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch(files, note, **bound))
        await asyncio.wait_for(read.wait(), 10)
        task.cancel()
    return looks


async def test_a_file_replaced_by_another_is_seen(folder: Folder) -> None:
    """Editors write beside and rename; a watch on the file would go on looking at the old one."""
    site = Site(folder)
    site.reload()
    async with site.watched():
        for name in ("first", "second"):
            beside = folder.policies / ".a.yaml.swp"
            beside.write_text(renamed(name))
            beside.replace(folder.policies / "a.yaml")
            await site.settled(lambda name=name: site.rules == [name])  # type: ignore[misc]


async def test_a_bad_file_changes_nothing_and_a_good_one_after_it_does(folder: Folder) -> None:
    """Three times in a row: the bad reading is told once, the good one before it stays."""
    site = Site(folder)
    site.reload()
    async with site.watched():
        for number in range(3):
            kept = site.loaded[-1]
            (folder.policies / "a.yaml").write_text("{")
            await site.settled(lambda number=number: len(site.refused) > number)  # type: ignore[misc]
            assert kept is site.reloader.last
            (folder.policies / "a.yaml").write_text(renamed(f"good {number}"))
            await site.settled(lambda number=number: site.rules == [f"good {number}"])  # type: ignore[misc]
    assert 3 == len(site.refused)


def _mounted(folder: Folder, version: str, policy: str, settings: str, *, tidy: bool = True) -> None:
    """What a kubelet does: a new directory beside the old one, and one atomic rename of the `..data` link.

    Then the old directory is removed, unless not `tidy`: its removal is what a watch on a file would wake up for.
    """
    for mount, name, text in ((folder.policies, "a.yaml", policy), (folder.path, "gateway.yaml", settings)):
        target = mount / f"..{version}"
        target.mkdir()
        (target / name).write_text(text)
        (mount / "..data_tmp").symlink_to(target.name)
        old = (mount / "..data").resolve() if (mount / "..data").exists() else None
        (mount / "..data_tmp").replace(mount / "..data")
        if not (mount / name).is_symlink():
            (mount / name).unlink(missing_ok=True)
            (mount / name).symlink_to(f"..data/{name}")
        if old is not None and tidy:
            (old / name).unlink()
            old.rmdir()


async def test_a_configmap_swap_is_seen_every_time(folder: Folder) -> None:
    """The swap of a mounted directory touches no file by its name; three of them are three reloads."""
    site = Site(folder)
    _mounted(folder, "v0", POLICY, MINIMAL)
    site.reload()
    async with site.watched():
        for version in ("v1", "v2", "v3"):
            _mounted(folder, version, renamed(version), f"{MINIMAL}log: {{level: debug}}\n# {version}\n")
            await site.settled(lambda version=version: site.rules == [version])  # type: ignore[misc]
    assert "debug" == site.loaded[-1].settings.log.level
    assert [] == site.refused


async def test_a_rotated_secret_is_taken_over(folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The file of a reference is watched wherever it is, mounted Secrets included."""
    mount = tmp_path_factory.mktemp("secret")
    site = Site(folder)
    folder.settings_file.write_text(f"{MINIMAL}control: {{tokens: [{{name: ops, secret: 'file:{mount}/token'}}]}}")

    def secret() -> str:
        return site.loaded[-1].settings.control.tokens[0].secret.resolve()

    (mount / "..v0").mkdir()
    (mount / "..v0" / "token").write_text("old")
    (mount / "..data").symlink_to("..v0")
    (mount / "token").symlink_to("..data/token")
    site.reload()
    async with site.watched():
        (mount / "..v1").mkdir()
        (mount / "..v1" / "token").write_text("new")
        (mount / "..tmp").symlink_to("..v1")
        (mount / "..tmp").replace(mount / "..data")
        await site.settled(lambda: secret() == "new")


async def test_a_policies_directory_that_is_replaced_is_seen(folder: Folder) -> None:
    """As by a deployment that moves a whole directory into place."""
    site = Site(folder)
    site.reload()
    async with site.watched():
        other = folder.path / "next"
        other.mkdir()
        (other / "a.yaml").write_text(renamed("moved"))
        folder.policies.rename(folder.path / "previous")
        other.rename(folder.policies)
        await site.settled(lambda: site.rules == ["moved"])
        (folder.policies / "a.yaml").write_text(renamed("and edited"))
        await site.settled(lambda: site.rules == ["and edited"])


async def test_other_files_beside_the_settings_cause_no_reload(folder: Folder) -> None:
    """The database is usually in the same directory and is written all the time."""
    site = Site(folder)
    site.reload()
    async with site.watched():
        for number in range(50):
            (folder.path / "gateway.db-wal").write_text(str(number))
        (folder.policies / "a.yaml").write_text(renamed("edited"))
        await site.settled(lambda: site.rules == ["edited"])
    assert 2 == len(site.loaded)


async def test_a_change_while_nobody_watched_is_seen(folder: Folder) -> None:
    """Between loading and watching, and between two watches, nothing is lost."""
    site = Site(folder)
    site.reload()
    (folder.policies / "a.yaml").write_text(renamed("early"))
    async with site.watched():
        await site.settled(lambda: site.rules == ["early"])


def test_backends_have_the_deadlines_of_the_settings(folder: Folder) -> None:
    """How long a store may take to be reached is one setting for all of them, and a reload changes it."""
    site = Site(folder)
    site.reload()
    folder.settings_file.write_text(MINIMAL + "deadlines: {connect: 3s}\n")
    site.reload()
    assert [5.0, 3.0] == [loaded.backends[0].connect_timeout for loaded in site.loaded]
    assert site.loaded[0].policies.backends[0].name == site.loaded[1].backends[0].name
