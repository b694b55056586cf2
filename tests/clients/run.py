"""Owns running the clients: each in a process of its own, unmodified, with a key that the gateway issued.

What a client says of itself is not taken on trust where the store can be asked: objects it says it wrote or removed are
looked up past the gateway.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.clients.install import command, install
from tests.e2e.place import Place, noise
from tests.servers import over_tls

__all__ = ["CLIENTS", "COUNT", "DRIVERS", "STEPS", "Client", "Outcome", "Step", "drive", "environ", "stock"]

STEPS = ("put", "get", "range", "list", "multipart", "copy", "batch delete", "unicode")
COUNT = 2500
MANY = "many/"
DRIVERS = Path(__file__).parent / "drivers"
_SMALL = 100_000
_UNICODE = "ünïcode/日本 語 + & ='🎉.bin"


@dataclass(frozen=True, slots=True)
class Client:
    """A client, the group of `tests.clients.install` that it is in, and its driver. `raw` ones store bytes as given."""

    name: str
    group: str
    driver: str
    core: bool = False
    raw: bool = True


CLIENTS = (
    Client("boto3", "core", "drive_boto3.py", core=True),
    Client("aws cli", "core", "drive_awscli.py", core=True),
    Client("s3cmd", "core", "drive_s3cmd.py", core=True),
    Client("rclone", "core", "drive_rclone.py", core=True),
    Client("s3fs", "s3fs", "drive_s3fs.py"),
    Client("pyarrow", "frames", "drive_pyarrow.py"),
    Client("DuckDB httpfs", "frames", "drive_duckdb.py", raw=False),
    Client("polars", "frames", "drive_polars.py", raw=False),
    Client("obstore", "frames", "drive_obstore.py"),
    Client("minio-py", "frames", "drive_minio.py"),
    Client("AWS SDK for JavaScript", "node", "drive_js.cjs", core=True),
    Client("AWS SDK for JavaScript 2", "node", "drive_js2.cjs", core=True),
    Client("minio-js", "node", "drive_minio_js.cjs", core=True),
    Client("Bun", "bun", "drive_bun.ts"),
    Client("minio-go", "go", "drive_minio_go.go"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one step: `ok` None means that the client offers no such thing. `said` is for people."""

    ok: bool | None
    said: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A client's version and its steps by name."""

    client: Client
    version: str
    steps: dict[str, Step]

    @property
    def faults(self) -> dict[str, str]:
        return {name: step.said for name, step in self.steps.items() if step.ok is False}


def stock(place: Place) -> None:
    """Put the objects of the long listing past the gateway."""
    client = place.store.client(max_pool_connections=8)

    def put(number: int) -> None:
        key = f"inside/{MANY}{number:05}.csv"
        client.put_object(Bucket=place.real_bucket, Key=key, Body=f"n\n{number}\n".encode())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(COUNT)))


def drive(client: Client, place: Place, work: Path, size: int, **settings: str) -> Outcome:
    """Run one client through every step. `size` in bytes is its large object's; `settings` adds to its settings."""
    install(client.group)
    (work / "small.bin").write_bytes(noise(_SMALL))
    if not (work / "big.bin").exists():
        (work / "big.bin").write_bytes(noise(size))
    prefix = client.name.lower().replace(" ", "-") + "/"
    done = subprocess.run(
        command(client.group, DRIVERS / client.driver),
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
        cwd=work,
        env=environ(place, work, prefix) | settings,
    )
    (work / "driver.log").write_text(done.stderr)
    return _judged(client, done, place, prefix, work)


def environ(place: Place, work: Path, prefix: str) -> dict[str, str]:
    """What every driver is told: the gateway's address, a new key, and where it works."""
    key = place.gateway.api("POST", "/v1/keys", {"app": "tests", "label": prefix})
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(work),
        "LC_ALL": "C.UTF-8",
        "AWS_ENDPOINT_URL_S3": place.gateway.data,
        "AWS_ACCESS_KEY_ID": key["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
        "BUCKET": place.bucket,
        "PREFIX": prefix,
        "WORK": str(work),
        "MANY": MANY,
        "COUNT": str(COUNT),
    } | over_tls.program_variables()


def _judged(client: Client, done: subprocess.CompletedProcess[str], place: Place, prefix: str, work: Path) -> Outcome:
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    version = next((line["version"] for line in lines if "version" in line), "?")
    told = {line["step"]: Step(line["ok"], line["said"]) for line in lines if "step" in line}
    silent = Step(ok=False, said=f"no answer; {done.stderr[-300:]}")
    steps = {name: told.get(name, silent) for name in STEPS}
    for name, look in _looks(client, place, prefix, work).items():
        if steps[name].ok and not look():
            steps[name] = Step(ok=False, said="the client is content, but the store has something else")
    return Outcome(client, version, steps)


def _looks(client: Client, place: Place, prefix: str, work: Path) -> dict[str, Callable[[], bool]]:
    """What the store itself has to say of a step."""
    if not client.raw:
        return {
            "put": lambda: (place.stored(f"{prefix}put.parquet") or b"").startswith(b"PAR1"),
            "multipart": lambda: _length(place, f"{prefix}big.parquet") >= (work / "big.bin").stat().st_size,
        }
    small = noise(_SMALL)
    return {
        "put": lambda: place.stored(f"{prefix}put.bin") == small,
        "copy": lambda: place.stored(f"{prefix}copy.bin") == small,
        "multipart": lambda: _digest(place, f"{prefix}big.bin") == _file_digest(work / "big.bin"),
        "unicode": lambda: place.stored(f"{prefix}{_UNICODE}") == small,
        "batch delete": lambda: all(place.stored(f"{prefix}batch/{number}") is None for number in range(3)),
    }


def _length(place: Place, key: str) -> int:
    found: int = place.store.client().head_object(Bucket=place.real_bucket, Key=f"inside/{key}")["ContentLength"]
    return found


def _digest(place: Place, key: str) -> str:
    digest = hashlib.sha256()
    body = place.store.client().get_object(Bucket=place.real_bucket, Key=f"inside/{key}")["Body"]
    for piece in body.iter_chunks(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
