"""The policies that ship: the default one works on a bare machine, and every worked example decides as it says."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gateway.backends.profiles import PROFILES
from gateway.core.attempt import Principal
from gateway.core.reasons import SettingsError
from gateway.core.request import Action
from gateway.core.rule import Effect
from gateway.settings.policies import PolicySet, check_examples, load_policies
from gateway.settings.schemas import build_policy_schema
from gateway.settings.source import read_document

POLICIES = Path(__file__).parents[2] / "policies"
EXAMPLES = sorted((POLICIES / "examples").glob("*.yaml"))
_VARIABLE = re.compile(r"env:(\w+)")
_FILE = re.compile(r"file:/run/secrets/([\w/]+)")


def load_alone(path: Path, into: Path) -> PolicySet:
    """One example as if it were the whole policy, with every secret that it names set to something."""
    text = path.read_text()
    environ: Mapping[str, str] = dict.fromkeys(_VARIABLE.findall(text), "x")
    for name in _FILE.findall(text):
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).write_text("x")
    (into / path.name).write_text(text.replace("/run/secrets/", f"{into}/"))
    return load_policies(into, PROFILES, environ)


def test_the_default_policy_loads_on_a_bare_machine() -> None:
    """No variable, no file, no store has to be there."""
    loaded = load_policies(POLICIES, PROFILES, {})
    assert [] == check_examples(loaded)
    assert {"local"} == {backend.name for backend in loaded.backends}


def test_the_default_policy_lets_administrators_alone_do_anything() -> None:
    """Everybody else waits for a rule."""
    policy = load_policies(POLICIES, PROFILES, {}).policy
    assert set(Action) == {
        action
        for rule in policy.rules_for(Principal("admin", "ops"))
        if rule.effect is Effect.ALLOW
        for action in rule.may
    }
    for nobody in (Principal("app", "x"), Principal("anonymous"), Principal("link", "l_1")):
        assert () == policy.rules_for(nobody)
        assert [] == policy.visible_buckets(nobody)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_decides_as_it_says(path: Path, tmp_path: Path) -> None:
    """Each file is a whole policy of its own."""
    loaded = load_alone(path, tmp_path)
    assert [] == check_examples(loaded)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_proves_both_ways(path: Path, tmp_path: Path) -> None:
    """Something allowed, something denied, and every allow rule shown at work by at least one attempt."""
    loaded = load_alone(path, tmp_path)
    assert {"allow", "deny"} == {example.expect for example in loaded.examples}
    shown = {
        rule.name
        for example in loaded.examples
        for rule in loaded.policy.rules_for(example.who)
        if rule.mismatch(example.attempt, None) is None
    }
    assert [] == [rule.name for rule in loaded.policy.rules if rule.name not in shown]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_rule_of_an_example_matters(path: Path, tmp_path: Path) -> None:
    """Without any one rule some example fails, so the examples would notice its loss."""
    loaded = load_alone(path, tmp_path)
    for lost in loaded.policy.rules:
        left = tuple(rule for rule in loaded.policy.rules if rule is not lost)
        changed = type(loaded.policy)(
            backends=loaded.policy.backends, buckets=loaded.policy.buckets, rules=left, limits=loaded.policy.limits
        )
        assert check_examples(PolicySet(policy=changed, backends=(), examples=loaded.examples)), lost.name


@pytest.mark.parametrize("path", [POLICIES / "default.yaml", *EXAMPLES], ids=lambda path: path.stem)
def test_the_schema_accepts_what_ships(path: Path) -> None:
    """An editor that checks against it shows no error where there is none."""
    schema = build_policy_schema()
    Draft202012Validator.check_schema(schema)
    assert [] == list(Draft202012Validator(schema).iter_errors(read_document(path).data))


@pytest.mark.parametrize("vendor", ["wasabi", "cegedim", "abci", "qencode", "outscale"])
def test_each_vendor_has_its_example(vendor: str, tmp_path: Path) -> None:
    """With that vendor's profile and no endpoint to look up."""
    [backend] = load_alone(POLICIES / "examples" / f"{vendor}.yaml", tmp_path).backends
    assert vendor == backend.profile.name
    assert backend.endpoint.startswith("https://")


def test_the_examples_can_be_used_together(tmp_path: Path) -> None:
    """No two of them use one name for two things, so copying a second one in breaks nothing."""
    environ: dict[str, str] = {}
    for path in EXAMPLES:
        environ |= dict.fromkeys(_VARIABLE.findall(path.read_text()), "x")
        load_alone_into = tmp_path / "all"
        load_alone_into.mkdir(exist_ok=True)
        for name in _FILE.findall(path.read_text()):
            (load_alone_into / name).parent.mkdir(parents=True, exist_ok=True)
            (load_alone_into / name).write_text("x")
        (load_alone_into / path.name).write_text(path.read_text().replace("/run/secrets/", f"{load_alone_into}/"))
    shutil.copy(POLICIES / "default.yaml", tmp_path / "all")
    assert len(list((tmp_path / "all").glob("*.yaml"))) == len(EXAMPLES) + 1
    load_policies(tmp_path / "all", PROFILES, environ)


@pytest.mark.parametrize("path", [POLICIES / "default.yaml", *EXAMPLES], ids=lambda path: path.stem)
def test_a_shipped_secret_is_a_reference(path: Path, tmp_path: Path) -> None:
    """Without its variables and files an example is refused, and no value stands in it."""
    if _VARIABLE.search(path.read_text()) or _FILE.search(path.read_text()):
        shutil.copy(path, tmp_path)
        with pytest.raises(SettingsError, match=r"is not set|cannot be read"):
            load_policies(tmp_path, PROFILES, {})


def test_the_guide_lists_every_example_and_profile() -> None:
    """And nothing that is not there."""
    guide = (POLICIES / "README.md").read_text()
    assert {path.name for path in EXAMPLES} == set(re.findall(r"examples/([\w-]+\.yaml)", guide))
    [profiles] = re.findall(r"\| `profile` \| the kind of store: (.*) \|", guide)
    assert set(PROFILES) == set(profiles.split(", "))
