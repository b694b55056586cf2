"""A spec that exists can be dialled."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.backends.pool import Authority
from gateway.backends.profiles import PROFILES
from gateway.backends.spec import BackendSpec
from gateway.core.profile import Addressing
from tests.backends.fault_server import CREDENTIALS


@pytest.mark.parametrize(
    ("endpoint", "authority"),
    [
        ("http://rgw.lab:7480", Authority("rgw.lab", 7480, tls=False)),
        ("https://s3.example/", Authority("s3.example", 443, tls=True)),
        ("http://[::1]:9000", Authority("::1", 9000, tls=False)),
        ("http://10.0.0.1", Authority("10.0.0.1", 80, tls=False)),
    ],
)
def test_endpoints_become_authorities(endpoint: str, authority: Authority) -> None:
    """Host, port and TLS follow from the URL, with the scheme's own port."""
    assert authority == BackendSpec.resolve("b", PROFILES["generic"], CREDENTIALS, endpoint=endpoint).authority


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "ftp://host"},
        {"endpoint": "host:9000"},
        {"endpoint": "http://"},
        {"endpoint": "http://host/path"},
        {"endpoint": "http://host?x=1"},
        {"endpoint": "http://user:pw@host"},
        {"endpoint": "http://ho st"},
        {"endpoint": "http://host:99999"},
        {"endpoint": "http://host", "region": "a/b"},
        {"endpoint": "http://host", "max_connections": 0},
        {"endpoint": "http://host", "read_timeout": 0},
        {},
    ],
)
def test_what_cannot_be_dialled_is_refused(wrong: dict[str, Any]) -> None:
    """A wrong endpoint, region or limit is a ValueError at construction, not a surprise at the first request."""
    with pytest.raises(ValueError):
        BackendSpec.resolve("b", PROFILES["generic"], CREDENTIALS, **wrong)


def test_the_profile_answers_open_questions() -> None:
    """Endpoint, region and addressing come from the profile unless they are given."""
    spec = BackendSpec.resolve("b", PROFILES["wasabi"], CREDENTIALS, region="eu-central-1")
    assert "https://s3.eu-central-1.wasabisys.com" == spec.endpoint
    assert Addressing.VIRTUAL is spec.addressing
    spec = BackendSpec.resolve("b", PROFILES["wasabi"], CREDENTIALS, addressing=Addressing.PATH)
    assert ("https://s3.wasabisys.com", "us-east-1") == (spec.endpoint, spec.region)
    assert Addressing.PATH is spec.addressing


def test_no_secret_in_the_repr() -> None:
    """A spec can be logged."""
    spec = BackendSpec.resolve("b", PROFILES["aws"], CREDENTIALS)
    assert CREDENTIALS.secret_key not in repr(spec)
