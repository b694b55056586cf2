"""Environment overrides: two underscores a level, JSON or a plain scalar, faults by the variable's name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.overrides import apply_overrides
from gateway.settings.source import Plain, parse_document
from tests.settings.conftest import Folder

SECTIONS = ("data", "control", "log")


def overridden(text: str, **environ: str) -> Plain:
    document = parse_document(text, "f")
    assert [] == apply_overrides(document, environ, SECTIONS)
    return document.data


def faults(text: str, **environ: str) -> list[str]:
    return apply_overrides(parse_document(text, "f"), environ, SECTIONS)


def test_two_underscores_lead_one_level_down() -> None:
    """Keys keep their single underscores."""
    assert {"data": {"public_url": "http://h", "tls": {"key": "k"}}} == overridden(
        "data: {public_url: x}", GATEWAY_DATA__PUBLIC_URL="http://h", GATEWAY_DATA__TLS__KEY="k"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("true", True),
        ("no", "no"),
        ("010", "010"),
        ("null", None),
        ("", ""),
        ("[::1]:80", "[::1]:80"),
        ('["a", 1, null]', ["a", 1, None]),
        ('{"a": {"b": 1.5}}', {"a": {"b": 1.5}}),
        ('"8"', "8"),
        ('"', '"'),
        ("127.0.0.1:80", "127.0.0.1:80"),
    ],
)
def test_a_value_is_json_or_a_plain_scalar(text: str, value: object) -> None:
    """What begins and ends like JSON is JSON; an IPv6 listener is not."""
    assert {"log": {"x": value}} == overridden("log: {x: old}", GATEWAY_LOG__X=text)


def test_inner_keys_are_set_after_outer_ones() -> None:
    """A variable for a whole section does not undo one for a key in it."""
    assert {"log": {"level": "debug", "format": "json"}} == overridden(
        "log: {addresses: none}", GATEWAY_LOG__LEVEL="debug", GATEWAY_LOG='{"level": "info", "format": "json"}'
    )


def test_an_entry_of_a_list_can_be_reached_by_its_number() -> None:
    """So that one token's reference can be replaced."""
    assert {"control": {"tokens": [{"name": "a"}, {"name": "c"}]}} == overridden(
        "control: {tokens: [{name: a}, {name: b}]}", GATEWAY_CONTROL__TOKENS__1__NAME="c"
    )


def test_an_empty_file_and_an_empty_section_can_be_filled() -> None:
    """Sections whose every line is commented out are there for overrides."""
    assert {"log": {"level": "debug"}} == overridden("", GATEWAY_LOG__LEVEL="debug")
    assert {"log": {"level": "debug"}} == overridden("log:", GATEWAY_LOG__LEVEL="debug")


def test_variables_of_others_are_left_alone() -> None:
    """The command line's, and what Kubernetes injects for a Service that is named gateway."""
    environ = {
        "GATEWAY_URL": "http://h",
        "GATEWAY_ADMIN_TOKEN": "t",
        "GATEWAY_SERVICE_HOST": "10.0.0.1",
        "GATEWAY_PORT": "tcp://10.0.0.1:8080",
        "GATEWAY_PORT_8080_TCP_ADDR": "10.0.0.1",
        "DATA__LISTEN": "x",
        "gateway_log__level": "debug",
    }
    assert {"log": {}} == overridden("log: {}", **environ)


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("GATEWAY_LGO__LEVEL", "x", "there is no section 'lgo' (did you mean 'log'? allowed: control, data, log)"),
        ("GATEWAY_LOG", "{x}", "begins and ends like JSON but is none"),
        ("GATEWAY_LOG", '{"a": 1, "a": 2}', "begins and ends like JSON but is none"),
        ("GATEWAY_LOG", '{"a": NaN}', "begins and ends like JSON but is none"),
        ("GATEWAY_LOG__LEVEL__X", "1", "log.level is not a mapping that 'x' could be in"),
        ("GATEWAY_LOG__LEVEL__X__Y", "1", "log.level is not a mapping that 'x' could be in"),
        ("GATEWAY_LOG__LIST__1", "1", "log.list is not a mapping that '1' could be in"),
        ("GATEWAY_LOG__LIST__X__Y", "1", "log.list is not a mapping that 'x' could be in"),
    ],
)
def test_a_variable_that_leads_nowhere_is_a_fault(variable: str, value: str, fault: str) -> None:
    """A misspelt override must not be silently without effect."""
    assert [f"{variable}: {fault}"] == faults("log: {level: info, list: [1]}", **{variable: value})


def test_a_file_that_is_no_mapping_cannot_be_overridden() -> None:
    """It is told where it was tried; the file's own fault comes with it."""
    assert ["GATEWAY_LOG__LEVEL: the file is not a mapping that 'log' could be in"] == faults(
        "[1]", GATEWAY_LOG__LEVEL="x"
    )


def test_a_wrong_value_is_told_by_the_variables_name(folder: Folder) -> None:
    """Whoever set the variable finds its name, not a line of a file that is right."""
    assert [
        "GATEWAY_DATA__MAX_TRANSFERS: data.max_transfers: must be a whole number",
        "GATEWAY_FAIL: fail.limit: unknown key (did you mean 'limits'? allowed: audit, grants, limits, revocations)",
        "gateway.yaml:1:35: log.level: 'x' is not allowed (allowed: debug, error, info, warning)",
    ] == folder.settings_faults(
        "{state: 'memory://', log: {level: x}, data: {max_transfers: 1}}",
        GATEWAY_DATA__MAX_TRANSFERS="many",
        GATEWAY_FAIL='{"limit": "open"}',
    )


@given(
    st.dictionaries(
        st.lists(st.sampled_from(["DATA", "LOG", "TOKENS", "0", "", "X_", "_"]), min_size=1, max_size=4).map(
            lambda parts: "GATEWAY_" + "__".join(parts)
        ),
        st.text(max_size=10) | st.sampled_from(["{}", "[]", '""', "[1]"]),
        max_size=4,
    ),
    st.sampled_from(["", "data: 1", "log: {tokens: [1]}", "[1]", "data: {x: [{y: 1}]}", "text"]),
)
def test_no_environment_gives_anything_but_a_document_or_faults(environ: dict[str, str], text: str) -> None:
    """Whatever the variables are, applying them ends in data or in sentences that name a variable."""
    found = apply_overrides(parse_document(text, "f"), environ, SECTIONS)
    assert all(fault.startswith("GATEWAY_") for fault in found)
