"""From files to one snapshot: every fault at once, and both shipped and exported forms agree with the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.core.reasons import SettingsError
from gateway.settings.load import find_policies, load_settings
from gateway.settings.model import DataSettings, Settings
from gateway.settings.schemas import build_policy_schema, build_settings_schema
from gateway.settings.secret import SecretReader
from gateway.settings.source import read_document
from tests.settings.conftest import Folder

Place = tuple[str | int, ...]
SHIPPED = Path(__file__).parents[2] / "gateway.yaml"


def test_a_missing_file_leads_to_the_demo(folder: Folder) -> None:
    """Whoever starts without a file learns what needs none."""
    with pytest.raises(SettingsError, match="`gateway demo`") as raised:
        load_settings(folder.settings_file, {})
    assert str(folder.settings_file) in str(raised.value)


def test_all_faults_are_told_at_once_in_the_order_of_the_file(folder: Folder) -> None:
    """Wrong keys, wrong values, missing variables, clashes and overrides in one answer."""
    sections = f"allowed: {', '.join(sorted(Settings.model_fields))}"
    keys = f"allowed: {', '.join(sorted(DataSettings.model_fields))}"
    assert [
        f"GATEWAY_LGO__LEVEL: there is no section 'lgo' (did you mean 'log'? {sections})",
        f"gateway.yaml:1:8: data.listn: unknown key (did you mean 'listen'? {keys})",
        "gateway.yaml:2:20: control.tokens[0]: the key 'name' is missing",
        "gateway.yaml:2:29: control.tokens[0].secret: the variable NO is not set",
        "gateway.yaml:3:8: state: names no host",
        "gateway.yaml:4:14: log.level: 'x' is not allowed (allowed: debug, error, info, warning)",
    ] == folder.settings_faults(
        "data: {listn: x}\ncontrol: {tokens: [{secret: env:NO}]}\nstate: redis:///0\nlog: {level: x}",
        GATEWAY_LGO__LEVEL="x",
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "data: {listen: '127.0.0.1:80'}\ncontrol: {listen: '127.0.0.1:80'}",
            "2:19: control.listen: the address 127.0.0.1:80 is already taken by data.listen",
        ),
        (
            "data: {listen: '127.0.0.1:8081'}",
            "1:16: data.listen: the address 127.0.0.1:8081 is already taken by control.listen, which is left out",
        ),
        (
            "data: {trusted: [{listen: unix:/x, app: app:a}, {listen: unix:/x, app: app:b}]}",
            "1:58: data.trusted[1].listen: the address unix:/x is already taken by data.trusted.0.listen",
        ),
        (
            "control: {tokens: [{name: a, secret: env:T}, {name: a, secret: env:T}]}",
            "1:53: control.tokens[1].name: a second token is named 'a'",
        ),
    ],
)
def test_two_right_values_can_be_wrong_together(folder: Folder, text: str, fault: str) -> None:
    """One address for two listeners, one name for two tokens."""
    assert [f"gateway.yaml:{fault}"] == folder.settings_faults(f"{text}\nstate: memory://", T="t")


def test_clashes_are_told_beside_other_faults(folder: Folder) -> None:
    """A wrong value elsewhere does not hide them."""
    assert 2 == len(
        folder.settings_faults("{data: {listen: 'h:1'}, control: {listen: 'h:1'}, state: memory://, log: {level: x}}")
    )


def test_listeners_on_any_free_port_do_not_clash(folder: Folder) -> None:
    """Port 0 is another port each time."""
    text = "{data: {listen: 'localhost:0'}, control: {listen: 'localhost:0'}, state: memory://}"
    assert 0 == folder.settings(text).control.listen.port


@pytest.mark.parametrize("text", ["", "[]", "text", "5", "- a"])
def test_a_file_that_is_no_mapping_is_a_fault(folder: Folder, text: str) -> None:
    """An empty file lacks the state; another shape is told as such."""
    [fault] = folder.settings_faults(text)
    assert fault in {
        "gateway.yaml:1:1: the key 'state' is missing",
        "gateway.yaml:1:1: must be a mapping of keys and values",
    }


def test_the_policies_directory_is_known_even_when_the_rest_is_wrong(folder: Folder) -> None:
    """So that the faults of both can be told at once; a file that is no YAML leaves it unknown."""
    folder.settings_file.write_text("policies: rules\nlog: {level: x}")
    assert folder.path / "rules" == find_policies(folder.settings_file, {})
    assert folder.path / "other" == find_policies(folder.settings_file, {"GATEWAY_POLICIES": "other"})
    folder.settings_file.write_text("log: {level: x}")
    assert folder.path / "policies" == find_policies(folder.settings_file, {})
    for text in ("policies: [1]", "{"):
        folder.settings_file.write_text(text)
        assert None is find_policies(folder.settings_file, {})


def test_the_shipped_file_works_as_it_is() -> None:
    """With the one variable it names, and no other."""
    settings = load_settings(SHIPPED, {"GATEWAY_ADMIN_TOKEN": "x"})
    assert "sqlite" == settings.state.grants.engine
    assert SHIPPED.parent / "policies" == settings.policies
    with pytest.raises(SettingsError) as raised:
        load_settings(SHIPPED, {})
    [fault] = raised.value.faults
    assert fault.endswith("control.tokens[0].secret: the variable GATEWAY_ADMIN_TOKEN is not set")


def test_the_shipped_file_says_what_the_defaults_are() -> None:
    """Whoever deletes a line of it changes nothing."""
    shipped = load_settings(SHIPPED, {"GATEWAY_ADMIN_TOKEN": "x"})
    defaults = Settings.model_validate({"state": "memory://"}, context=SecretReader({}, SHIPPED.parent))
    for section in ("data", "fail", "log", "deadlines", "records", "trusted_proxies", "policies"):
        assert getattr(defaults, section) == getattr(shipped, section)


def keys_of(schema: dict[str, Any]) -> set[str]:
    models = [schema, *schema["$defs"].values()]
    return {key for model in models for key in model.get("properties", {})}


def test_every_key_stands_in_the_shipped_file() -> None:
    """gateway.yaml is the reference of its own keys: each one is in it, in use or commented out."""
    text = SHIPPED.read_text()
    assert [] == [key for key in sorted(keys_of(build_settings_schema())) if f"{key}:" not in text]


def test_the_schema_is_a_schema_of_the_shipped_file() -> None:
    """Editors get every key, and no key beside them."""
    schema = build_settings_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]
    assert ["state"] == schema["required"]
    Draft202012Validator.check_schema(schema)
    assert [] == list(Draft202012Validator(schema).iter_errors(read_document(SHIPPED).data))
    for short in ({"state": "memory://"}, {"state": "memory://", "data": {"trusted": "app:web"}}):
        assert Draft202012Validator(schema).is_valid(short)
    for wrong in ({}, {"state": "memory://", "lgo": {}}, {"state": "memory://", "log": {"level": "x"}}):
        assert not Draft202012Validator(schema).is_valid(wrong)
    objects = [schema, *(model for model in schema["$defs"].values() if model.get("type") == "object")]
    assert all(model["additionalProperties"] is False for model in objects)


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
values = scalars | st.lists(scalars, max_size=2)
keys = st.sampled_from(sorted(keys_of(build_settings_schema())))
sections = values | st.dictionaries(
    keys, values | st.lists(st.dictionaries(keys, values, max_size=3), max_size=2), max_size=4
)


@given(st.dictionaries(keys, sections, max_size=4))
@given_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_content_gives_anything_but_settings_or_faults(folder: Folder, content: dict[str, Any]) -> None:
    """Whatever stands under the known keys, loading ends in settings or in sentences."""
    folder.settings_file.write_text(json.dumps(content))
    assert outcome(folder.settings_file)


def outcome(path: Path) -> Settings | tuple[str, ...]:
    try:
        return load_settings(path, {})
    except SettingsError as error:
        return error.faults


def _places(
    schema: dict[str, Any], node: dict[str, Any], above: tuple[str | int, ...] = ()
) -> set[tuple[str | int, ...]]:
    """Every place of a document that a schema speaks of; an entry of a list is its first, of a mapping `some`."""
    if "$ref" in node:
        return _places(schema, schema["$defs"][node["$ref"].rpartition("/")[2]], above)
    below = {(*above, name): part for name, part in node.get("properties", {}).items()}
    below |= {
        (*above, place): node[word]
        for word, place in (("items", 0), ("additionalProperties", "some"))
        if isinstance(node.get(word), dict)
    }
    found = set(below)
    for place, part in below.items():
        found |= _places(schema, part, place)
    for word in ("anyOf", "allOf", "oneOf"):
        for part in node.get(word, ()):
            found |= _places(schema, part, above)
    return found


def _document(place: Place, value: object) -> str:
    for part in reversed(place):
        value = [value] if part == 0 else {part: value}
    return json.dumps(value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "value", [None, [], {}, [[]], True, 1.5, "ja", "\0", "x" * 5000], ids=lambda value: repr(value)[:5]
)
@pytest.mark.parametrize("kind", ["settings", "policy"])
def test_whatever_stands_wherever_is_a_fault_or_is_right(folder: Folder, kind: str, value: object) -> None:
    """No value at any place of either file ends otherwise than in sentences of ours, so that a reload refuses it and
    goes on."""
    schema = build_settings_schema() if kind == "settings" else build_policy_schema()
    places = _places(schema, schema)
    assert len(places) > 60
    for place in sorted(places, key=str):
        read = folder.policy if kind == "policy" else folder.settings
        faults: tuple[str, ...] = ()
        try:
            read(_document(place, value))
        except SettingsError as error:
            faults = error.faults
        assert [] == [fault for fault in faults if "nput should" in fault], place
