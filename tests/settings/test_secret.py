"""The law of secrets: references only, read once, shown never."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from gateway.core.reasons import SettingsError
from gateway.settings.secret import SecretReader, SecretRef, is_reference
from tests.settings.conftest import Folder

CANARY = "kanarienvogel-7d1f"


class Holder(BaseModel):
    secret: SecretRef


def test_a_variable_and_a_file_are_read(tmp_path: Path) -> None:
    """`env:` reads the given environment, `file:` a file beside the settings, without its last line end."""
    (tmp_path / "token").write_text(f"{CANARY}\n")
    reader = SecretReader({"NAME": CANARY}, tmp_path)
    assert CANARY == reader.read("env:NAME")
    assert CANARY == reader.read("file:token")
    assert CANARY == reader.read(f"file:{tmp_path}/token")
    assert {tmp_path / "token"} == reader.files


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("env:MISSING", "the variable MISSING is not set"),
        ("env:EMPTY", "the variable EMPTY is empty"),
        ("env:", "is not a whole reference: write env:NAME or file:PATH"),
        ("env:NO-NAME", "is not a whole reference: write env:NAME or file:PATH"),
        ("file:", "is not a whole reference: write env:NAME or file:PATH"),
        ("file:empty", "the file {0}/empty is empty"),
        ("file:lines", "the file {0}/lines has more than one line"),
        ("file:binary", "the file {0}/binary is not UTF-8 text"),
        ("file:large", "the file {0}/large is too large for a secret"),
        ("file:missing", "the file {0}/missing cannot be read: No such file or directory"),
        ("file:.", "the file {0} cannot be read: Is a directory"),
        (
            CANARY,
            "holds a value where a reference belongs: secrets are never written here; write env:NAME or file:PATH",
        ),
    ],
)
def test_what_cannot_be_read_is_told_without_a_value(tmp_path: Path, reference: str, sentence: str) -> None:
    """Each way in which a reference can be wrong has its own sentence."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "lines").write_text(f"{CANARY}\n{CANARY}\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    with pytest.raises(ValueError) as raised:
        SecretReader({"EMPTY": "", "NO-NAME": CANARY}, tmp_path).read(reference)
    assert sentence.format(tmp_path) == str(raised.value)
    assert CANARY not in str(raised.value)


def test_a_missing_file_is_noted_for_the_watcher(tmp_path: Path) -> None:
    """A secret that arrives late can be waited for."""
    reader = SecretReader({}, tmp_path)
    with pytest.raises(ValueError, match="cannot be read"):
        reader.read("file:late")
    assert {tmp_path / "late"} == reader.files


@pytest.mark.timeout(10)
def test_a_pipe_or_an_endless_device_is_no_secret(tmp_path: Path) -> None:
    """A running gateway reads its secrets again, and would wait for a pipe without end."""
    os.mkfifo(tmp_path / "pipe")
    for reference in ("file:pipe", "file:/dev/zero"):
        with pytest.raises(ValueError, match="cannot be read: not a regular file"):
            SecretReader({}, tmp_path).read(reference)


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    """Neither the reference nor the reader nor a model that holds them shows what was read."""
    reader = SecretReader({"NAME": CANARY}, tmp_path)
    holder = Holder.model_validate({"secret": "env:NAME"}, context=reader)
    assert CANARY == holder.secret.resolve()
    for shown in (repr(holder), str(holder), repr(holder.secret), f"{holder.secret}", repr(reader)):
        assert CANARY not in shown
    assert "SecretRef(reference='env:NAME')" == repr(holder.secret)


def test_a_rotated_secret_is_another_reference(tmp_path: Path) -> None:
    """Two readings with different secrets are not equal, so a rotation is seen as a change."""
    before = Holder.model_validate({"secret": "env:NAME"}, context=SecretReader({"NAME": "a"}, tmp_path))
    after = Holder.model_validate({"secret": "env:NAME"}, context=SecretReader({"NAME": "b"}, tmp_path))
    assert before != after


def test_only_texts_are_references() -> None:
    """Numbers, lists and nothing are no references, and their sentence shows no value."""
    assert is_reference("env:X")
    assert is_reference("file:x")
    assert not is_reference("environment")
    with pytest.raises(ValidationError, match="is a reference to a secret: write env:NAME or file:PATH"):
        Holder.model_validate({"secret": 4711}, context=SecretReader({}, Path()))
    ready = SecretRef("env:NAME", CANARY)
    assert ready is Holder.model_validate({"secret": ready}).secret


def test_reading_without_a_reader_is_a_programming_fault() -> None:
    """Nobody reads the process's environment behind the caller's back."""
    with pytest.raises(TypeError, match="SecretReader"):
        Holder.model_validate({"secret": "env:PATH"})
    assert "PATH" in os.environ


LEAKS = [
    f"control: {{tokens: [{{name: ops, secret: {CANARY}}}]}}",
    f"control: {{tokens: [{{name: ops, secret: [{CANARY}]}}]}}",
    f"control: {{tokens: [{{name: ops, secret: {{value: {CANARY}}}}}]}}",
    f"control: {{tokens: [{{name: ops, sekret: {CANARY}}}]}}",
    f"control: {{tokens: [{CANARY}]}}",
    f"control: {{tokens: {CANARY}}}",
    f"control: {{credentials: [{{app: app:x, token: {CANARY}}}]}}",
    f"state: postgresql://user:{CANARY}@db/x",
    f"state: {{grants: 'postgresql://db/x?password={CANARY}'}}",
    f"state: mysql://user:{CANARY}@db/x",
    f"state: 'redis://user:{CANARY}@[db/x'",
    "state: env:DATABASE_URL",
    f"data: {{public_url: 'https://user:{CANARY}@h'}}",
    f"data: {{public_url: 'https://h/?key={CANARY}'}}",
    f"data: {{listen: 'user:{CANARY}@h:1'}}",
    f"data: {{tls: {CANARY}}}",
    f"fail: {CANARY}",
    f"x: {{y: '{CANARY}'",
]


@pytest.mark.parametrize("text", LEAKS)
def test_no_fault_repeats_what_could_be_a_secret(folder: Folder, text: str) -> None:
    """A secret at the wrong place is refused without being told to the log."""
    faults = folder.settings_faults(
        text if text.startswith("state") else f"state: memory://\n{text}", DATABASE_URL=f"mysql://u:{CANARY}@db/x"
    )
    assert CANARY not in "\n".join(faults)


@pytest.mark.parametrize(
    "credentials",
    [
        CANARY,
        f"{{access_key: {CANARY}, secret_key: env:S}}",
        f"{{access_key: env:A, secret_key: {CANARY}}}",
        f"{{access_key: env:A, secret_key: env:S, session_token: {CANARY}}}",
        f"{{access_key: env:A, secret_kye: {CANARY}}}",
        f"[{CANARY}]",
        f"{{role_arn: x, external_id: {CANARY}}}",
    ],
)
def test_no_policy_fault_repeats_what_could_be_a_secret(folder: Folder, credentials: str) -> None:
    """The same for the keys of a backend."""
    faults = folder.policy_faults(
        f"backends: {{near: {{profile: regional, credentials: {credentials}}}}}", A="a", S="s"
    )
    assert CANARY not in "\n".join(faults)


def test_no_loaded_value_shows_a_secret(folder: Folder) -> None:
    """A whole snapshot can be logged by mistake without harm."""
    settings = folder.settings(
        "state: env:DB\ncontrol: {tokens: [{name: ops, secret: env:T}], credentials: [{app: app:x, token: env:T}]}",
        DB=f"postgresql://user:{CANARY}@db/x",
        T=CANARY,
    )
    static = "{access_key: env:T, secret_key: env:T, session_token: env:T}"
    policies = folder.policy(f"backends: {{near: {{profile: regional, credentials: {static}}}}}", T=CANARY)
    assert CANARY not in f"{settings!r}{settings}{policies!r}{policies}"
    assert CANARY not in f"{vars(settings)}"
    assert CANARY in settings.state.grants.url


def test_a_settings_error_holds_no_secret_in_any_form(folder: Folder) -> None:
    """Neither the exception's text nor what it was raised from shows a value."""
    with pytest.raises(SettingsError) as raised:
        folder.settings(f"state: memory://\ncontrol: {{tokens: [{{name: ops, secret: {CANARY}}}]}}")
    error: BaseException | None = raised.value
    while error is not None:
        assert CANARY not in repr(error)
        error = error.__cause__
