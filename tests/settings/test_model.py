"""Every key of gateway.yaml: what it may say, its default, and the fault when it says something else."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.core.attempt import Principal
from gateway.core.duty import AdminTerms, Duty
from gateway.core.posture import FailPosture
from gateway.schema.addresses import ListenAddress
from tests.settings.conftest import MINIMAL, Folder

STATE = "state: memory://\n"


def test_the_defaults_are_safe_and_local(folder: Folder) -> None:
    """A file that names only where state is kept listens on loopback alone and opens nothing."""
    settings = folder.settings(STATE)
    assert "127.0.0.1:8080" == str(settings.data.listen)
    assert "127.0.0.1:8081" == str(settings.control.listen)
    assert "http://localhost:8080" == settings.data.public_url
    assert () == settings.data.domains == settings.data.trusted == settings.control.tokens == settings.trusted_proxies
    assert 1024 == settings.data.max_transfers
    assert None is settings.data.app
    assert folder.path / "policies" == settings.policies
    assert FailPosture() == settings.fail.posture()
    assert ("info", "json", "full") == (settings.log.level, settings.log.format, settings.log.addresses)
    deadlines = settings.deadlines
    assert (10, 1024, 5, None, 30) == (
        deadlines.headers,
        deadlines.min_rate,
        deadlines.connect,
        deadlines.total,
        deadlines.drain,
    )
    assert 30 * 86400 == settings.records.keep


def test_a_snapshot_never_changes(folder: Folder) -> None:
    """A request that began with it ends with it."""
    settings = folder.settings(STATE)
    with pytest.raises(ValidationError):
        settings.log.level = "debug"
    with pytest.raises(ValidationError):
        settings.log = settings.log
    with pytest.raises(AttributeError):
        settings.data.listen.port = 1  # type: ignore[misc]
    assert "info" == settings.log.level


@pytest.mark.parametrize(
    ("data", "url"),
    [
        ("{listen: '0.0.0.0:9000'}", "http://localhost:9000"),
        ("{listen: 'gw.example.com:9000'}", "http://gw.example.com:9000"),
        ("{listen: '[2001:db8::1]:9000'}", "http://[2001:db8::1]:9000"),
        ("{listen: '[::1]:9000'}", "http://localhost:9000"),
        ("{listen: unix:/run/x.sock}", "http://localhost"),
        ("{listen: '0.0.0.0:9000', public_url: 'https://s.example.com/'}", "https://s.example.com"),
    ],
)
def test_the_public_url_follows_the_listener(folder: Folder, data: str, url: str) -> None:
    """Left out, links lead to where the gateway listens."""
    assert url == folder.settings(f"{STATE}data: {data}").data.public_url


def test_a_listener_with_tls_has_an_https_url(folder: Folder) -> None:
    """Certificates are files that have to be there; relative paths start at the settings file."""
    (folder.path / "cert.pem").touch()
    (folder.path / "key.pem").touch()
    settings = folder.settings(f"{STATE}data: {{tls: {{cert: cert.pem, key: key.pem}}}}")
    assert "https://localhost:8080" == settings.data.public_url
    assert settings.data.tls is not None
    assert (folder.path / "cert.pem", folder.path / "key.pem") == (settings.data.tls.cert, settings.data.tls.key)


def test_a_trusted_listener_acts_as_one_app(folder: Folder) -> None:
    """As a text for the main listener, as a list for further ones."""
    web = Principal("app", "web")
    data = folder.settings(f"{STATE}data: {{trusted: app:web}}").data
    assert (web, ()) == (data.app, data.further)
    further = "[{listen: '127.0.0.1:8082', app: app:web}, {listen: unix:/run/x.sock, app: app:etl}]"
    data = folder.settings(f"{STATE}data: {{trusted: {further}}}").data
    assert None is data.app
    assert [
        (ListenAddress("127.0.0.1", 8082), web),
        (ListenAddress(path="/run/x.sock"), Principal("app", "etl")),
    ] == [(trusted.listen, trusted.app) for trusted in data.further]


def test_each_listener_has_its_own_word_on_unsigned_types(folder: Folder) -> None:
    """Accepted unless refused; a further listener does as the main one until it says otherwise."""
    main, side = ListenAddress("127.0.0.1", 8080), ListenAddress("127.0.0.1", 8082)
    further = "trusted: [{listen: '127.0.0.1:8082', app: app:web%s}]"
    for text, expected in (
        ("", (True, True)),
        ("unsigned_content_type: refuse", (False, False)),
        (further % ", unsigned_content_type: refuse", (True, False)),
        ("unsigned_content_type: refuse, " + further % "", (False, False)),
        ("unsigned_content_type: refuse, " + further % ", unsigned_content_type: accept", (False, True)),
    ):
        data = folder.settings(f"{STATE}data: {{{text}}}").data
        assert expected == (data.takes_unsigned_type(main), data.takes_unsigned_type(side))


def test_everything_that_can_be_said_is_read(folder: Folder) -> None:
    """Values arrive in their units."""
    settings = folder.settings(
        """
state: memory://
policies: rules.d
data: {domains: [S3.Example.com], max_transfers: 7}
control:
  tokens: [{name: ops, secret: env:T}, {name: ci@example.com, secret: env:U}]
  credentials: [{app: app:web, token: env:T}]
  sidecars:
    - {name: edge, secret: env:T, apps: [app:web, app:api]}
    - {name: ops, secret: env:U, serves: [app:web, admin:*]}
trusted_proxies: [10.0.0.0/8, "2001:db8::/32"]
fail: {limits: closed, audit: closed}
log: {level: debug, format: console, addresses: short}
deadlines: {headers: 5, min_rate: 2KiB/s, connect: 500ms, total: 1h, drain: 1m}
records: {keep: 1y}
""",
        T="one",
        U="two",
    )
    assert folder.path / "rules.d" == settings.policies
    serves = {name: [one.text for one in found] for name, found in settings.control.sidecar_serves.items()}
    assert {"edge": ["*"], "ops": ["app:web", "admin:*"]} == serves
    assert ("s3.example.com",) == settings.data.domains
    assert ["admin:ops", "admin:ci@example.com"] == [str(token.principal) for token in settings.control.tokens]
    assert ["one", "two"] == [token.secret.resolve() for token in settings.control.tokens]
    [credential] = settings.control.credentials
    assert (Principal("app", "web"), "one") == (credential.app, credential.token.resolve())
    assert {"edge": frozenset({"web", "api"}), "ops": frozenset()} == settings.control.sidecar_apps
    assert (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")) == settings.trusted_proxies
    assert FailPosture(limits="closed", audit="closed") == settings.fail.posture()
    deadlines = settings.deadlines
    assert (5, 2048, 0.5, 3600, 60) == (
        deadlines.headers,
        deadlines.min_rate,
        deadlines.connect,
        deadlines.total,
        deadlines.drain,
    )
    assert 31536000 == settings.records.keep


@pytest.mark.parametrize("none", ["none", "null", ""])
def test_no_total_deadline_is_written_in_words(folder: Folder, none: str) -> None:
    """`none` is not a duration of nothing."""
    assert None is folder.settings(f"{STATE}deadlines: {{total: {none}}}").deadlines.total


def test_a_section_without_lines_has_its_defaults(folder: Folder) -> None:
    """Commenting out every line of a section is no fault."""
    assert "info" == folder.settings(f"{STATE}log:\ndata:\ncontrol:\npolicies:\n").log.level


def test_a_token_is_narrowed_and_ends(folder: Folder) -> None:
    """What is left out is everything, for ever; one word may be written without brackets; a last day is whole."""
    settings = folder.settings(
        f"""{STATE}control:
  tokens:
    - {{name: ops, secret: env:T}}
    - {{name: night, secret: env:U, may: revoke, not_before: 2027-01-01T00:00:00Z, expires: 2027-01-31}}
""",
        T="one",
        U="two",
    )
    whole, narrow = [token.terms for token in settings.control.tokens]
    assert AdminTerms("ops") == whole
    assert AdminTerms("night", frozenset({Duty.REVOKE}), 1798761600.0, 1801439999.0) == narrow


def test_an_absolute_policies_directory_stays_absolute(folder: Folder) -> None:
    """Only relative paths start at the file."""
    assert Path("/etc/gateway/policies") == folder.settings(f"{STATE}policies: /etc/gateway/policies").policies


ADDRESS = "write HOST:PORT like 127.0.0.1:8080 or [::1]:8080, or unix:/PATH"
LOCAL = "a trusted listener asks nobody who they are: it must be loopback or a Unix socket"
EVERYWHERE = f"{ADDRESS}; for every interface 0.0.0.0:PORT or [::]:PORT"
HOST = "must be a host name like s3.example.com, without scheme, port or wildcard"
NAME = "a name is letters, digits and . _ @ + -, at most 128 of them"
NOBODY = "'web' names nobody: write app:NAME, app:*, user:NAME, admin:NAME, link:ID, anonymous or *"
PROXIES = "would let every caller choose its own address: name the networks of your own proxies"
DURATION = "is not a duration: write seconds or a text like 90s, 15m, 12h, 30d, 2w"
DATA_KEYS = (
    "allowed: connections_per_address, domains, listen, max_transfers, public_url, signatures, sts, tls, trusted, "
    "unsigned_content_type, upload_drafts"
)
SECTIONS = "allowed: control, data, deadlines, fail, log, mail, policies, records, sharing, state, trusted_proxies"
DUTIES = "'all' is not allowed (allowed: approve, issue, operate, read, revoke, serve, share, sign)"
FAULTS = [
    ("data: 5", "2:7: data: must be a mapping of keys and values"),
    ("data: {listn: x}", f"2:8: data.listn: unknown key (did you mean 'listen'? {DATA_KEYS})"),
    ("data: {listen: 8080}", f"2:16: data.listen: must be an address: {ADDRESS}"),
    ("data: {listen: ':8080'}", f"2:16: data.listen: names no host and port: {EVERYWHERE}"),
    ("data: {max_transfers: 0}", "2:23: data.max_transfers: must be at least 1"),
    ("data: {domains: s3.example.com}", "2:17: data.domains: must be a list"),
    ("data: {domains: [no, '*.x']}", f"2:22: data.domains[1]: {HOST}"),
    ("data: {tls: {cert: gateway.yaml}}", "2:13: data.tls: the key 'key' is missing"),
    ("data: {sts: yes}", "2:13: data.sts: must be true or false"),
    ("data: {upload_drafts: 1}", "2:23: data.upload_drafts: must be true or false"),
    ("control: {console: {enabled: off}}", "2:30: control.console.enabled: must be true or false"),
    ("control: {tokens: [{name: [ops], secret: env:T}]}", "2:27: control.tokens[0].name: must be a text"),
    ("data: {tls: {cert: gateway.yaml, key: k.pem}}", "2:39: data.tls.key: there is no file k.pem"),
    ("data: {trusted: web}", "2:17: data.trusted: must name an app: write app:NAME"),
    ("data: {trusted: 'admin:x'}", "2:17: data.trusted: must name an app: write app:NAME"),
    ("data: {listen: '0.0.0.0:80', trusted: app:x}", f"2:39: data.trusted: {LOCAL}"),
    ("data: {trusted: [{listen: '192.0.2.1:80', app: app:x}]}", f"2:18: data.trusted[0]: {LOCAL}"),
    ("control: {tokens: [{name: ops}]}", "2:20: control.tokens[0]: the key 'secret' is missing"),
    ("control: {tokens: [{name: 'a b', secret: env:T}]}", f"2:27: control.tokens[0].name: {NAME}"),
    ("control: {tokens: [{name: ops, secret: env:NO}]}", "2:40: control.tokens[0].secret: the variable NO is not set"),
    (
        "control: {tokens: [{name: a, secret: env:T, may: []}]}",
        "2:50: control.tokens[0].may: must have at least 1 entry",
    ),
    ("control: {tokens: [{name: a, secret: env:T, may: [all]}]}", f"2:51: control.tokens[0].may[0]: {DUTIES}"),
    (
        "control: {tokens: [{name: a, secret: env:T, not_before: 2027-01-02T00:00:00Z, expires: 2027-01-01}]}",
        "2:20: control.tokens[0]: gives a a token whose not_before is not before its end",
    ),
    (
        "control: {credentials: [{app: web, token: env:T}]}",
        "2:31: control.credentials[0].app: must name an app: write app:NAME",
    ),
    (
        "control: {sidecars: [{name: edge, secret: env:T, apps: [web]}]}",
        "2:57: control.sidecars[0].apps[0]: must name an app: write app:NAME",
    ),
    (
        "control: {tokens: [{name: ops, secret: env:T}], sidecars: [{name: ops, secret: env:T, apps: [app:web]}]}",
        "2:10: control: names a sidecar with apps ops, which is also the name of a token",
    ),
    (
        "control: {sidecars: [{name: edge, secret: env:T, apps: [app:web]}, {name: edge, secret: env:T}]}",
        "2:10: control: names two sidecars edge, with different apps",
    ),
    (
        "control: {sidecars: [{name: edge, secret: env:T, serves: web}, {name: edge, secret: env:T}]}",
        f"2:58: control.sidecars[0].serves: {NOBODY}",
    ),
    (
        "control: {sidecars: [{name: edge, secret: env:T, serves: 'app:web'}, {name: edge, secret: env:T}]}",
        "2:10: control: names two sidecars edge, which serve different owners",
    ),
    ("policies: [x]", "2:11: policies: must be the path of a directory"),
    ("trusted_proxies: [0.0.0.0/0]", f"2:19: trusted_proxies[0]: {PROXIES}"),
    ("trusted_proxies: 10.0.0.0/8", "2:18: trusted_proxies: must be a list"),
    ("fail: {grants: open}", "2:16: fail.grants: 'open' is not allowed (allowed: closed)"),
    ("fail: {limits: maybe}", "2:16: fail.limits: 'maybe' is not allowed (allowed: closed, open)"),
    (
        "log: {level: inf}",
        "2:14: log.level: 'inf' is not allowed (did you mean 'info'? allowed: debug, error, info, warning)",
    ),
    (
        "deadlines: {headers: 0}",
        "2:22: deadlines.headers: 0 is out of range: a duration is above 0 and at most 100 years",
    ),
    ("deadlines: {total: never}", f"2:20: deadlines.total: 'never' {DURATION}, or none"),
    (
        "deadlines: {total: [1]}",
        "2:20: deadlines.total: must be a duration: seconds or a text like 90s, 15m, 12h, 30d, 2w, or none",
    ),
    ("deadlines: {min_rate: 0}", "2:23: deadlines.min_rate: a bandwidth is at least 1 byte per second"),
    ("records: {keep: forever}", f"2:17: records.keep: 'forever' {DURATION}"),
    ("recrods: {}", f"2:1: recrods: unknown key (did you mean 'records'? {SECTIONS})"),
]


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_a_wrong_value_is_told_with_its_place(folder: Folder, text: str, fault: str) -> None:
    """Line and column, path, what is wrong, and what is allowed."""
    assert [f"gateway.yaml:{fault}"] == folder.settings_faults(STATE + text, T="t")


def test_each_listener_believes_the_versions_that_it_is_told(folder: Folder) -> None:
    """Both where nothing is said; a further listener may differ; none at all is a fault."""
    other = "{listen: '127.0.0.1:2', app: 'app:a', signatures: [v2]}"
    more = f"data: {{listen: '127.0.0.1:1', signatures: [v4], trusted: [{other}]}}"
    data = folder.settings(f"{MINIMAL}{more}\n").data
    assert [{"v4"}, {"v2"}] == [set(data.believed(listen)) for listen in (data.listen, data.trusted[0].listen)]
    assert {"v2", "v4"} == folder.settings(MINIMAL).data.believed(data.listen)
    for wrong in ("[]", "[v3]", "v4"):
        faults = folder.settings_faults(f"{MINIMAL}data: {{signatures: {wrong}}}\n")
        assert all("data.signatures" in fault for fault in faults)
