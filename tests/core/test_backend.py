"""A spec that exists can be dialled."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.backends.profiles import PROFILES
from gateway.core.backend import BackendSpec
from gateway.core.profile import Addressing
from tests.backends.fault_server import CREDENTIALS


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
    assert Addressing.VIRTUAL is spec.profile.addressing
    spec = BackendSpec.resolve("b", PROFILES["wasabi"], CREDENTIALS, addressing=Addressing.PATH)
    assert ("https://s3.wasabisys.com", "us-east-1") == (spec.endpoint, spec.region)
    assert Addressing.PATH is spec.profile.addressing


def test_no_secret_in_the_repr() -> None:
    """A spec can be logged."""
    spec = BackendSpec.resolve("b", PROFILES["aws"], CREDENTIALS)
    assert CREDENTIALS.secret_key not in repr(spec)
