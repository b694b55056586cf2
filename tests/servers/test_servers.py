"""The servers of the tests are what the tests take them for."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.servers.store import RunningStore


@pytest.fixture(params=["seaweedfs", "swift", "rclone"])
def store(request: pytest.FixtureRequest) -> RunningStore:
    return request.getfixturevalue(request.param)


def test_a_store_keeps_what_it_is_given(store: RunningStore) -> None:
    """An object with a space and an umlaut in its name comes back byte for byte."""
    bucket = store.make_bucket()
    store.client().put_object(Bucket=bucket, Key="a b/ü.bin", Body=bytes(range(256)))
    assert bytes(range(256)) == store.client().get_object(Bucket=bucket, Key="a b/ü.bin")["Body"].read()


def test_a_store_checks_signatures(store: RunningStore) -> None:
    """A wrong secret is refused: what passes against these stores was signed right."""
    spoilt = RunningStore(store.endpoint, store.access_key, store.secret_key + "x", store.profile, store.region)
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        spoilt.client().list_buckets()
