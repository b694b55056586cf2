"""The table of stores holds the facts that the code relies on."""

from __future__ import annotations

import pytest

from gateway.backends.profiles import PROFILES
from gateway.core.profile import Addressing, Profile
from gateway.core.route import Capability

EXPECTED = [
    *("wasabi", "cegedim", "abci", "qencode", "outscale"),
    *("aws", "minio", "ceph", "r2", "gcs", "backblaze", "garage", "seaweedfs", "swift", "rclone", "generic"),
]


def test_every_promised_store_is_there() -> None:
    """The names that settings may use."""
    assert EXPECTED == list(PROFILES)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_profiles_are_consistent(profile: Profile) -> None:
    """Endpoints are usable URLs, caps are positive, and nothing folds names that could not be told."""
    endpoint = profile.endpoint_for(profile.region)
    assert endpoint is None or (endpoint.startswith("https://") and not endpoint.endswith("/"))
    assert endpoint is None or "{" not in endpoint
    assert profile.max_expires is None or 1 <= profile.max_expires <= 604800
    assert profile.single_put_limit >= 5 * 1024**3 - 5 * 1024**2


@pytest.mark.parametrize(
    ("name", "region", "endpoint"),
    [
        ("wasabi", "us-east-1", "https://s3.wasabisys.com"),
        ("wasabi", "us-east-2", "https://s3.us-east-2.wasabisys.com"),
        ("qencode", "eu-central", "https://eu-central.s3.qencode.com"),
        ("outscale", "eu-west-2", "https://oos.eu-west-2.outscale.com"),
        ("abci", "us-east-1", "https://s3.v3.abci.ai"),
        ("cegedim", "us-east-1", "https://storage-eb4.cegedim.cloud"),
    ],
)
def test_endpoints_follow_the_region(name: str, region: str, endpoint: str) -> None:
    """The vendors' hosts as their pages state them."""
    assert endpoint == PROFILES[name].endpoint_for(region)


def test_stated_limits_of_the_vendors() -> None:
    """Facts from the vendors' pages and from probing."""
    assert None is PROFILES["abci"].max_expires
    assert Capability.POST_FORMS not in PROFILES["outscale"].capabilities
    assert Addressing.PATH is PROFILES["cegedim"].addressing
    assert Capability.FOLDS_SLASHES in PROFILES["seaweedfs"].capabilities
    assert Capability.FOLDS_UNICODE in PROFILES["rclone"].capabilities
    lacking = {Capability.CONDITIONAL_READS, Capability.CONDITIONAL_WRITES}
    assert not lacking & PROFILES["rclone"].capabilities
