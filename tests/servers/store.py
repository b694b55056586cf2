"""Owns what a test sees of a running store: where it is, its credentials, and a client that is not ours."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.servers import over_tls

__all__ = ["RunningStore"]

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, repr=False)
class RunningStore:
    """An S3 store that answers. `profile` is the name of the profile that fits it."""

    endpoint: str
    access_key: str
    secret_key: str
    profile: str
    region: str = "us-east-1"

    def client(self, **changes: Any) -> Any:
        """A boto3 client (SigV4, path style, checksums only when required); `changes` go to its `Config`."""
        return _make_client(self, **changes) if changes else _plain_client(self)

    def make_bucket(self, name: str | None = None) -> str:
        """A new bucket, under a name that no other test uses unless one is given."""
        bucket = name or f"test-{os.getpid()}-{next(_numbers)}"
        self.client().create_bucket(Bucket=bucket)
        return bucket


@cache
def _plain_client(store: RunningStore) -> Any:
    return _make_client(store)


def _make_client(store: RunningStore, **changes: Any) -> Any:
    import boto3
    from botocore.config import Config

    settings: dict[str, Any] = {
        "signature_version": "s3v4",
        "s3": {"addressing_style": "path"},
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "retries": {"total_max_attempts": 1},
    }
    return boto3.client(
        "s3",
        endpoint_url=store.endpoint,
        aws_access_key_id=store.access_key,
        aws_secret_access_key=store.secret_key,
        region_name=store.region,
        config=Config(**(settings | changes)),
        verify=over_tls.authorities(),
    )
