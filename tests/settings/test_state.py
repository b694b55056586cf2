"""Where state is kept: one URL or several, and what each engine is trusted with."""

from __future__ import annotations

import pytest

from gateway.core.reasons import SettingsError
from tests.servers.certificate import certificate
from tests.settings.conftest import Folder

REDIS = (
    "keeps grants in Redis, which may lose acknowledged revocations in a crash or failover: "
    'keep grants in sqlite or postgresql and limits in Redis, or write "state: {grants: redis://…, '
    'accept_redis_durability: true}"'
).replace('"', "")


@pytest.mark.parametrize(
    ("text", "kept"), [("", 2592000.0), (", keep_expired: 2h", 7200.0), (", keep_expired: none", None)]
)
def test_what_expired_is_kept_for_a_time(folder: Folder, text: str, kept: float | None) -> None:
    """Thirty days unless it is said; `none` is for good."""
    assert kept == folder.settings(f"state: {{grants: memory://{text}}}").state.keep_expired


@pytest.mark.parametrize(
    ("text", "engines"),
    [
        ("state: memory://", ("memory", "memory", "memory")),
        ("state: sqlite:///gateway.db", ("sqlite", "sqlite", "sqlite")),
        ("state: sqlite:////var/lib/gateway.db", ("sqlite", "sqlite", "sqlite")),
        ("state: postgres://db/gateway", ("postgres", "postgres", "postgres")),
        ("state: postgresql:///gateway?host=/run/postgresql", ("postgres", "postgres", "postgres")),
        ("state: postgresql://gw@one,two/gateway", ("postgres", "postgres", "postgres")),
        ("state: 'postgresql://gw@[::1]:5434,one:5432,two:5433/gateway'", ("postgres", "postgres", "postgres")),
        ("state: env:DB", ("postgres", "postgres", "postgres")),
        ("state: {grants: env:DB, limits: 'redis://redis:6379/0'}", ("postgres", "redis", "postgres")),
        ("state: {grants: env:DB, limits: memory://, records: sqlite:///r.db}", ("postgres", "memory", "sqlite")),
        ("state: {grants: rediss://redis/0, accept_redis_durability: true}", ("redis", "redis", "redis")),
    ],
)
def test_limits_and_records_go_with_the_grants_unless_told(folder: Folder, text: str, engines: tuple[str, ...]) -> None:
    """One URL is enough; each kind can have its own."""
    state = folder.settings(text, DB="postgresql://user:pw@db/x").state
    assert engines == (state.grants.engine, state.limits.engine, state.records.engine)


NO_FILE = "names no file: write sqlite:///FILE, or sqlite:////ABSOLUTE/FILE, with nothing after"
ENGINES = "sqlite:///FILE, postgresql://…, redis://…, central+https://HOST, memory://"
FORMS = f"{ENGINES}, or env:NAME or file:PATH that holds one"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("state: mysql://db/x", [f"gateway.yaml:1:8: state: is not the URL of a store: write {FORMS}"]),
        ("state: gateway.db", [f"gateway.yaml:1:8: state: is not the URL of a store: write {FORMS}"]),
        ("state: 'redis://[db/0'", [f"gateway.yaml:1:8: state: is not the URL of a store: write {FORMS}"]),
        ("state: postgresql://db:port/0", [f"gateway.yaml:1:8: state: is not the URL of a store: write {FORMS}"]),
        ("state: 'postgresql://a:1,b:x/0'", [f"gateway.yaml:1:8: state: is not the URL of a store: write {FORMS}"]),
        ("state: 'redis://a:1,b:2/0'", [f"gateway.yaml:1:8: state: is not the URL of a store: write {FORMS}"]),
        ("state: 5", ["gateway.yaml:1:8: state: must be a mapping of keys and values"]),
        ("state: {grants: 5}", [f"gateway.yaml:1:17: state.grants: must be a URL: {FORMS}"]),
        ("state: {}", ["gateway.yaml:1:8: state: the key 'grants' is missing"]),
        ("data: {}", ["gateway.yaml:1:1: the key 'state' is missing"]),
        (
            "state: postgresql://u:p@db/x",
            ["gateway.yaml:1:8: state: holds a password: put the whole URL where env:NAME or file:PATH can name it"],
        ),
        ("state: env:NONE", ["gateway.yaml:1:8: state: the variable NONE is not set"]),
        ("state: sqlite:///", [f"gateway.yaml:1:8: state: {NO_FILE}"]),
        ("state: sqlite://", [f"gateway.yaml:1:8: state: {NO_FILE}"]),
        ("state: sqlite://gateway.db", [f"gateway.yaml:1:8: state: {NO_FILE}"]),
        ("state: sqlite:///gateway.db?mode=ro", [f"gateway.yaml:1:8: state: {NO_FILE}"]),
        ("state: redis:///0", ["gateway.yaml:1:8: state: names no host"]),
        ("state: redis://redis/0", [f"gateway.yaml:1:8: state: {REDIS}"]),
        (
            "state: {grants: memory://, limits: x}",
            [f"gateway.yaml:1:36: state.limits: is not the URL of a store: write {FORMS}"],
        ),
    ],
)
def test_what_no_store_can_be_opened_with_is_a_fault(folder: Folder, text: str, faults: list[str]) -> None:
    """Each with its place, none with the URL."""
    assert faults == folder.settings_faults(text)


def test_a_password_may_come_from_the_environment(folder: Folder) -> None:
    """An override is a variable, which is where secrets belong."""
    url = "postgresql://user:pw@db/x"
    assert url == folder.settings("state: memory://", GATEWAY_STATE=url).state.grants.url
    state = folder.settings("state: {grants: memory://}", GATEWAY_STATE__RECORDS=url).state
    assert ("memory", url) == (state.grants.engine, state.records.url)


def test_the_repr_of_a_url_is_its_engine(folder: Folder) -> None:
    """Hosts and passwords do not reach a log."""
    assert "StateUrl(engine='memory')" == repr(folder.settings("state: memory://").state.grants)


@pytest.mark.parametrize(
    "text",
    [
        "state: central+https://gateway.internal:8081",
        "state: {grants: sqlite:///gateway.db, token: env:SIDECAR}",
        "state: {grants: sqlite:///gateway.db, limits: central+https://gateway.internal}",
        "state: {grants: central+https://, token: env:SIDECAR}",
        "state: {grants: central+https://gateway.internal, token: a-bare-secret}",
    ],
)
def test_a_central_gateway_needs_a_host_and_a_token(folder: Folder, text: str) -> None:
    """A token by reference exactly where grants are a central gateway's; nothing but grants and uses is kept there."""
    with pytest.raises(SettingsError):
        folder.settings(text, SIDECAR="a-token-of-many-letters")


def test_a_list_is_a_file_with_a_bound(folder: Folder) -> None:
    """Its path starts at the settings file, and it need not be there yet."""
    state = folder.settings("state: {grants: memory://, revocations: {file: revoked.json, max_age: 10m}}").state
    assert state.revocations is not None
    assert (True, "revoked.json", 600.0) == (
        state.revocations.file.is_absolute(),
        state.revocations.file.name,
        state.revocations.max_age,
    )


@pytest.mark.parametrize("text", ["{file: revoked.json}", "{max_age: 10m}", "{file: '', max_age: 10m}"])
def test_a_list_has_no_default(folder: Folder, text: str) -> None:
    """Nobody but the operator knows how old it may be."""
    with pytest.raises(SettingsError):
        folder.settings(f"state: {{grants: memory://, revocations: {text}}}")


def test_a_list_cannot_be_younger_than_the_view(folder: Folder) -> None:
    """No file keeps up with less than five seconds."""
    with pytest.raises(SettingsError, match="no file can keep up"):
        folder.settings("state: {grants: memory://, revocations: {file: revoked.json, max_age: 4s}}")


def test_a_central_gateway_with_its_token(folder: Folder) -> None:
    """The token comes by reference and is not shown."""
    text = "state: {grants: 'central+https://gateway.internal:8081', token: env:SIDECAR}"
    state = folder.settings(text, SIDECAR="a-token-of-many-letters").state
    assert state.grants.engine == "central"
    assert state.token is not None
    assert state.token.resolve() == "a-token-of-many-letters"
    assert "many-letters" not in repr(state)


def test_a_central_gateway_has_authorities_of_its_own(folder: Folder) -> None:
    """A file beside the settings, which is read; other stores name theirs in the URL."""
    file, _ = certificate(folder.path)
    text = "state: {grants: %s, token: env:SIDECAR, ca_file: tls.crt}"
    state = folder.settings(text % "central+https://gateway.internal", SIDECAR="a-token-of-many-letters").state
    assert file == state.ca_file
    with pytest.raises(SettingsError, match="for Redis write ssl_ca_certs in the URL"):
        folder.settings("state: {grants: sqlite:///gateway.db, ca_file: tls.crt}")


LONG = "a sealing key of enough characters"


def test_sealing_keys_are_references_with_numbers(folder: Folder) -> None:
    """In the order in which they are written; the text form of `state` has none."""
    keys = "sealing_keys: [{id: 2, key: 'env:NEW'}, {id: 1, key: 'env:OLD'}]"
    state = folder.settings(f"state: {{grants: memory://, {keys}}}", NEW=LONG, OLD=LONG + "!").state
    assert [(2, LONG), (1, LONG + "!")] == [(one.id, one.key.resolve()) for one in state.sealing_keys]
    assert LONG not in repr(state)
    assert () == folder.settings("state: memory://").state.sealing_keys


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("[{id: 1, key: 'env:SHORT'}]", "fewer than 32 characters"),
        ("[{id: 1, key: 'env:NONE'}]", "the variable NONE is not set"),
        ("[{id: 1, key: written here}]", "holds a value where a reference belongs"),
        ("[{id: 0, key: 'env:NEW'}]", "sealing_keys"),
        ("[{id: 65536, key: 'env:NEW'}]", "sealing_keys"),
        ("[{id: true, key: 'env:NEW'}]", "sealing_keys"),
        ("[{id: 1, key: 'env:NEW'}, {id: 1, key: 'env:OLD'}]", "one id"),
        ("[{id: 1, key: 'env:NEW'}, {id: 2, key: 'env:NEW'}]", "of one value"),
    ],
)
def test_a_sealing_key_that_protects_nothing_is_a_fault(folder: Folder, keys: str, told: str) -> None:
    """Short, missing, written in clear, without a number, or the same twice; no fault repeats a value."""
    text = f"state: {{grants: memory://, sealing_keys: {keys}}}"
    (fault,) = folder.settings_faults(text, NEW=LONG, OLD=LONG + "!", SHORT="x" * 31)
    assert told in fault
    assert LONG not in fault


def test_a_sidecar_needs_no_sealing_key(folder: Folder) -> None:
    """The central gateway opens what it hands on."""
    text = "state: {grants: 'central+https://hub', token: 'env:T', sealing_keys: [{id: 1, key: 'env:T'}]}"
    (fault,) = folder.settings_faults(text, T=LONG)
    assert "central gateway" in fault
