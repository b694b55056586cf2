"""Owns what an end-to-end test works on: one bucket of the gateway, and the store behind it seen directly."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import ClientError

from tests.servers.gateway import Link, RunningGateway
from tests.servers.store import RunningStore

__all__ = ["Place", "digest", "noise"]


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that do not repeat, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True, repr=False)
class Place:
    """A bucket named `bucket` at the gateway; its keys lie below `inside/` of the store's `real_bucket`."""

    gateway: RunningGateway
    store: RunningStore
    bucket: str
    real_bucket: str

    @classmethod
    def before(cls, gateway: RunningGateway, store: RunningStore) -> Self:
        """The bucket that the gateway has on this store, whose name it bears."""
        return cls(gateway, store, store.profile, gateway.real_buckets[store.profile])

    def put(self, key: str, body: bytes | Any, **more: Any) -> None:
        """Put an object past the gateway."""
        self.store.client().put_object(Bucket=self.real_bucket, Key="inside/" + key, Body=body, **more)

    def role_config(self, folder: Path, key: Mapping[str, Any], role: str, *more: str) -> Path:
        """A configuration of the AWS CLI whose profile `lake` takes a role by the key of its profile `catalog`."""
        config = folder / "config"
        lines = (
            "[profile catalog]",
            f"aws_access_key_id = {key['access_key_id']}",
            f"aws_secret_access_key = {key['secret_access_key']}",
            "region = us-east-1",
            "services = gateway",
            "[profile lake]",
            f"role_arn = {role}",
            "source_profile = catalog",
            *more,
            "region = us-east-1",
            "services = gateway",
            "[services gateway]",
            "s3 =",
            f"  endpoint_url = {self.gateway.data}",
            "sts =",
            f"  endpoint_url = {self.gateway.data}/sts",
        )
        config.write_text("\n".join(lines) + "\n")
        return config

    def stored(self, key: str) -> bytes | None:
        """What the store holds, None if there is no such object."""
        try:
            return self.store.client().get_object(Bucket=self.real_bucket, Key="inside/" + key)["Body"].read()
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            return None

    def link(self, key: str | None = None, prefix: str | None = None, **more: Any) -> Link:
        return self.gateway.link(self.bucket, key, prefix, **more)
