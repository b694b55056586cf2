"""The law of endpoints: exceptions before the pattern, the pattern before nothing."""

from __future__ import annotations

import pytest

from gateway.core.profile import Profile


@pytest.mark.parametrize(
    ("endpoint", "region", "expected"),
    [
        ("https://s3.{region}.example", "eu-1", "https://s3.eu-1.example"),
        ("https://s3.{region}.example", "odd", "https://odd.example"),
        ("https://s3.example", "eu-1", "https://s3.example"),
        (None, "eu-1", None),
        (None, "odd", "https://odd.example"),
    ],
)
def test_where_a_region_answers(endpoint: str | None, region: str, expected: str | None) -> None:
    """A region's own host wins over the pattern; without either, the backend has to name its endpoint."""
    profile = Profile(name="x", title="X", endpoint=endpoint, regions={"odd": "https://odd.example"})
    assert expected == profile.endpoint_for(region)
