"""The loaded policy as a whole: complete, immutable, with what a watcher needs; or every fault and nothing else."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from gateway.core.reasons import SettingsError
from gateway.settings.grammar import SECTIONS
from gateway.settings.policies import PolicySet, load_policies, read_policies
from gateway.settings.references import References
from gateway.settings.schemas import build_policy_schema
from tests.settings.conftest import GOOD_POLICY, PROFILES, Folder


def test_all_files_are_one_policy_that_stays_as_it_is(folder: Folder) -> None:
    """And what they refer to is noted, for who watches files."""
    (folder.policies / "key").write_text("x")
    (folder.policies / "z.yml").write_text(
        "backends: {far: {profile: regional, credentials: {access_key: file:key, secret_key: env:S}}}"
    )
    folder.policy(S="s")
    references = References({"S": "s"}, folder.policies, profiles=PROFILES)
    loaded = read_policies(folder.policies, references)
    assert {folder.policies / "key"} == references.files
    assert {"near", "far"} == {backend.name for backend in loaded.backends} == set(loaded.policy.backends)
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded.examples = ()  # type: ignore[misc]


def test_all_faults_of_all_files_are_told_at_once(folder: Folder) -> None:
    """In the order of files and lines."""
    (folder.policies / "b.yaml").write_text("limits: [{who: '*'}]\nbuckest: 1")
    (folder.policies / "c.yaml").write_text("{")
    assert [
        "a.yaml:2:58",
        "a.yaml:9:9",
        "b.yaml:1:10",
        "b.yaml:2:1",
        "c.yaml:1:2",
    ] == [
        fault.partition(": ")[0]
        for fault in folder.policy_faults(
            GOOD_POLICY.replace("chain}", "chain, drained: 1}").replace("reports/billing/**", "reports/..")
        )
    ]


def test_relative_references_start_at_the_policies(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the process was started, and even if the directory is given relative to that."""
    monkeypatch.chdir(folder.path)
    (folder.policies / "key").write_text("x")
    (folder.policies / "a.yaml").write_text(
        "backends: {far: {profile: regional, credentials: {access_key: file:key, secret_key: file:key}}}"
    )
    assert {"far"} == {backend.name for backend in load_policies(Path("policies"), PROFILES, {}).backends}


def test_the_schema_has_every_section_and_forbids_the_rest() -> None:
    """Editors complete what a file may say."""
    schema = build_policy_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert set(SECTIONS) == set(schema["properties"])
    objects = [schema, *(model for model in schema["$defs"].values() if model.get("type") == "object")]
    assert all(model["additionalProperties"] is False for model in objects)
    assert {"from", "when", "who"} < set(schema["$defs"]["RuleEntry"]["properties"])


def outcome(folder: Folder, text: str) -> PolicySet | tuple[str, ...]:
    (folder.policies / "a.yaml").write_text(text)
    try:
        return load_policies(folder.policies, PROFILES, {})
    except SettingsError as error:
        return error.faults


keys = st.sampled_from(
    sorted(
        {key for model in build_policy_schema()["$defs"].values() for key in model.get("properties", {})}
        | {"near", "reports"}
    )
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(
        ["app:*", "**", "reports/**", "read", "chain", "regional", "size < 1", "10.0.0.0/8", "1/s", "near"]
    )
)
values = scalars | st.lists(scalars, max_size=2)
entries = st.dictionaries(keys, values | st.dictionaries(keys, values, max_size=3), max_size=5)
sections = values | st.dictionaries(keys, entries | values, max_size=3) | st.lists(entries | values, max_size=3)


@given(st.dictionaries(st.sampled_from(list(SECTIONS)) | st.text(max_size=5), sections, max_size=4))
@given_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_content_gives_anything_but_a_policy_or_faults(folder: Folder, content: dict[str, Any]) -> None:
    """Whatever stands under the known keys, loading ends in a policy or in sentences."""
    assert outcome(folder, json.dumps(content))


@given(st.integers(0, len(GOOD_POLICY)), st.integers(0, 12), st.text(max_size=6))
@given_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_accident_in_a_good_file_gives_anything_else(folder: Folder, at: int, cut: int, put: str) -> None:
    """The same for a good file with a piece replaced by anything."""
    text = GOOD_POLICY[:at] + put + GOOD_POLICY[at + cut :]
    assert outcome(folder, text.encode("utf-8", "replace").decode())
