"""What people's own tools do with credentials that end: those of a link, and those that a catalog vends by STS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig

from tests.clients.install import command, install, program
from tests.clients.run import DRIVERS
from tests.e2e.conftest import require
from tests.e2e.place import Place
from tests.servers.gateway import Link, gateway_before
from tests.servers.store import RunningStore

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_ROLE = "arn:aws:iam::000000000000:role/lake"
_GIB = 1024 * 1024 * 1024
_PACE = 32 * 1024 * 1024
_RULES = f"""
rules:
  - name: the tests do everything
    who: ["admin:tests", "app:lake", "app:catalog"]
    may: [read, list, write, delete, share]
    on: "**"
    links: {{actions: [read, list, write]}}
limits:
  - {{who: "*", bandwidth: {_PACE}}}
"""


@pytest.fixture(scope="module")
def lake(seaweedfs: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A gateway that lets a GiB take half a minute, and answers STS at its data listener too."""
    roles = {"lake": {"app": "app:lake", "who": ["app:catalog"]}}
    environ = {"GATEWAY_DATA__STS": "true", "GATEWAY_CONTROL__STS_ROLES": json.dumps(roles)}
    with gateway_before([seaweedfs], tmp_path_factory.mktemp("lake"), rules=_RULES, environ=environ) as running:
        place = Place.before(running, seaweedfs)
        for key in ("db/t1/a", "db/t1/b", "db/t2/a"):
            place.put(key, key.encode())
        yield place


@pytest.fixture(scope="module")
def large(lake: Place) -> str:
    """A GiB in the folder."""
    client = lake.store.client()
    config = TransferConfig(multipart_chunksize=64 * 1024 * 1024, max_concurrency=2)
    client.upload_fileobj(_Zeros(_GIB), lake.real_bucket, "inside/db/t1/large", Config=config)
    return "db/t1/large"


class _Zeros:
    """A file of so many zeros."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        count = self._left if size < 0 else min(size, self._left)
        self._left -= count
        return bytes(count)


@dataclass
class Tool:
    """A tool that has its credentials: how it writes an object to its standard output, and lists a folder."""

    environ: dict[str, str]
    reading: Callable[[str], Sequence[str | Path]]
    listing: Callable[[str], Sequence[str | Path]]

    def run(self, args: Sequence[str | Path]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(args, check=False, capture_output=True, timeout=120, env=self.environ)

    def reads(self, key: str) -> bytes | None:
        """The object, None if the tool failed."""
        done = self.run(self.reading(key))
        return done.stdout if done.returncode == 0 else None

    def lists(self, folder: str) -> str:
        return self.run(self.listing(folder)).stdout.decode()


def _environ(work: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RCLONE_"))}
    return kept | {"HOME": str(work), "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1"} | more


def _printed(link: Link, form: str) -> str:
    """What `gateway link credentials` prints for the tool."""
    command = [sys.executable, "-m", "gateway", "link", "credentials", link.url, "--as", form]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def _aws(lake: Place, environ: dict[str, str]) -> Tool:
    aws, s3 = program("core", "aws"), f"s3://{lake.bucket}/"
    return Tool(
        environ,
        lambda key: [aws, "s3", "cp", s3 + key, "-"],
        lambda folder: [aws, "s3", "ls", "--recursive", s3 + folder],
    )


def _aws_env(lake: Place, link: Link, work: Path) -> Tool:
    script = _printed(link, "env") + "env -0"
    done = subprocess.run(["sh", "-c", script], check=True, capture_output=True, env=_environ(work))
    return _aws(lake, dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if "=" in line))


def _aws_process(lake: Place, link: Link, work: Path) -> Tool:
    config = work / "config"
    config.write_text(
        f"""[default]
credential_process = {sys.executable} -m gateway link credentials {link.url} --as process
endpoint_url = {lake.gateway.data}
region = us-east-1
"""
    )
    return _aws(lake, _environ(work, AWS_CONFIG_FILE=str(config), PYTHONPATH=os.environ.get("PYTHONPATH", "")))


def _rclone(lake: Place, link: Link, work: Path) -> Tool:
    config, at = work / "rclone.conf", f"link:{lake.bucket}/"
    config.write_text(_printed(link, "rclone"))
    rclone = [program("core", "rclone"), "--config", config, "--retries", "1", "--low-level-retries", "1"]
    return Tool(
        _environ(work), lambda key: [*rclone, "cat", at + key], lambda folder: [*rclone, "lsf", "-R", at + folder]
    )


def _driven(lake: Place, work: Path, group: str, driver: str, settings: str) -> Tool:
    path, place = work / "settings", f"s3://{lake.bucket}/"
    path.write_text(settings)
    run = [*command(group, DRIVERS / driver), path]
    return Tool(_environ(work), lambda key: [*run, "read", place + key], lambda folder: [*run, "list", place + folder])


OF_LINKS: dict[str, tuple[str, Callable[[Place, Link, Path], Tool]]] = {
    "aws cli": ("core", _aws_env),
    "aws cli by process": ("core", _aws_process),
    "rclone": ("core", _rclone),
    "DuckDB": (
        "frames",
        lambda lake, link, work: _driven(lake, work, "frames", "read_duckdb.py", _printed(link, "duckdb")),
    ),
    "s3fs": ("s3fs", lambda lake, link, work: _driven(lake, work, "s3fs", "read_s3fs.py", _printed(link, "s3fs"))),
}


def _tool_of_link(lake: Place, link: Link, work: Path, name: str) -> Tool:
    require("npm")  # what installs the clients
    group, make = OF_LINKS[name]
    install(group)
    return make(lake, link, work)


_SLOW = ("DuckDB", "s3fs", "PyIceberg")
"""Whose start alone takes seconds."""


def _slow(name: str) -> tuple[pytest.MarkDecorator, ...]:
    return (pytest.mark.slow,) if name in _SLOW else ()


@pytest.mark.parametrize("name", [pytest.param(name, marks=_slow(name)) for name in OF_LINKS])
def test_a_tool_reads_what_the_link_shows(lake: Place, tmp_path: Path, name: str) -> None:
    """By nothing but what `gateway link credentials` prints; beside it, and once the link is revoked, it fails."""
    link = lake.link(prefix="db/t1/")
    tool = _tool_of_link(lake, link, tmp_path, name)
    assert b"db/t1/a" == tool.reads("db/t1/a")
    listed = tool.lists("db/t1/")
    assert [True, True, False] == [f"{name}" in listed for name in ("a", "b", "t2/")]
    assert tool.reads("db/t2/a") is None
    lake.gateway.revoke(link)
    assert tool.reads("db/t1/a") is None


@pytest.mark.parametrize("name", ["aws cli", "rclone"])
def test_a_tool_uploads_in_parts_what_the_link_takes(lake: Place, tmp_path: Path, name: str) -> None:
    """It arrives whole, replaces nothing, and is no larger than the link's `max_size`; else nothing is stored."""
    folder = f"inbox/{name.replace(' ', '-')}/"
    link = lake.link(prefix=folder, actions=["read", "list", "write"], max_size=24 * 1024 * 1024)
    tool = _tool_of_link(lake, link, tmp_path, name)
    files = {size: tmp_path / f"{size}.bin" for size in (20, 21, 30)}
    for size, file in files.items():
        file.write_bytes(os.urandom(size * 1024 * 1024))

    def send(size: int, key: str) -> int:
        if name == "rclone":
            run = [*tool.reading("")[:-2], "copyto", "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M"]
            return tool.run([*run, files[size], f"link:{lake.bucket}/{key}"]).returncode
        return tool.run([program("core", "aws"), "s3", "cp", files[size], f"s3://{lake.bucket}/{key}"]).returncode

    assert 0 == send(20, folder + "a.bin")
    assert 0 != send(21, folder + "a.bin")
    assert files[20].read_bytes() == lake.stored(folder + "a.bin")
    assert 0 != send(30, folder + "b.bin")
    assert 0 != send(20, "db/t1/c.bin")
    assert [None, None] == [lake.stored(key) for key in (folder + "b.bin", "db/t1/c.bin")]


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_LINKS)
def test_a_tool_is_cut_while_it_reads_a_gib_of_a_link(lake: Place, large: str, tmp_path: Path, name: str) -> None:
    """Within a second of the revocation nothing moves any more, and the tool says that it failed."""
    link = lake.link(prefix="db/t1/")
    tool = _tool_of_link(lake, link, tmp_path, name)
    _cut(lake, tool, large, lambda: lake.gateway.revoke(link))


def _cut(lake: Place, tool: Tool, key: str, revoke: Callable[[], Any]) -> None:
    gateway, sent = lake.gateway, "gateway_bytes_total"
    _await(lambda: gateway.metric("gateway_transfers_in_progress") == 0)
    before, cuts = gateway.metric(sent), gateway.metric("gateway_streams_cut_total", reason="revoked")
    with subprocess.Popen(
        tool.reading(key), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=tool.environ
    ) as run:
        _await(lambda: gateway.metric("gateway_transfers_in_progress") > 0, 60.0)
        time.sleep(0.5)  # some of it moves: at most a sixtieth
        assert run.poll() is None
        revoke()
        _await(lambda: gateway.metric("gateway_streams_cut_total", reason="revoked") > cuts, 2.0)
        assert 0 == gateway.metric("gateway_transfers_in_progress")
        assert 0 != run.wait(60)
    assert gateway.metric(sent) - before < _GIB / 2


def _await(condition: Callable[[], bool], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


# what a catalog vends


def _vend(lake: Place, actions: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A key of the catalog, and what it vends for the table t1."""
    key = lake.gateway.api("POST", "/v1/keys", {"app": "catalog"})
    sts = boto3.client(
        "sts",
        endpoint_url=lake.gateway.data + "/sts",
        region_name="us-east-1",
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
    )
    bucket = f"arn:aws:s3:::{lake.bucket}"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": f"{bucket}/db/t1/*"},
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": bucket,
                "Condition": {"StringLike": {"s3:prefix": "db/t1/*"}},
            },
        ],
    }
    found = sts.assume_role(RoleArn=_ROLE, RoleSessionName="etl", Policy=json.dumps(policy))
    return key, found["Credentials"]


def _vended_to_duckdb(lake: Place, vended: dict[str, Any], work: Path) -> Tool:
    install("frames")
    host = lake.gateway.data.removeprefix("http://")
    secret = (
        f"CREATE SECRET (TYPE s3, KEY_ID '{vended['AccessKeyId']}', SECRET '{vended['SecretAccessKey']}', "
        f"SESSION_TOKEN '{vended['SessionToken']}', REGION 'us-east-1', ENDPOINT '{host}', URL_STYLE 'path', "
        "USE_SSL false)"
    )
    return _driven(lake, work, "frames", "read_duckdb.py", secret)


def _properties(lake: Place, key: str, secret: str, token: str | None = None) -> dict[str, str]:
    """As an Iceberg REST catalog vends them (`s3.` properties)."""
    return {
        "s3.endpoint": lake.gateway.data,
        "s3.region": "us-east-1",
        "s3.access-key-id": key,
        "s3.secret-access-key": secret,
        **({} if token is None else {"s3.session-token": token}),
    }


def _vended_to_iceberg(lake: Place, vended: dict[str, Any], work: Path) -> Tool:
    install("tables")
    given = _properties(lake, vended["AccessKeyId"], vended["SecretAccessKey"], vended["SessionToken"])
    return _driven(lake, work, "tables", "read_iceberg.py", json.dumps(given))


def _vended_to_boto3(lake: Place, vended: dict[str, Any], work: Path) -> Tool:
    install("core")
    given = {
        "endpoint_url": lake.gateway.data,
        "aws_access_key_id": vended["AccessKeyId"],
        "aws_secret_access_key": vended["SecretAccessKey"],
        "aws_session_token": vended["SessionToken"],
    }
    return _driven(lake, work, "core", "read_boto3.py", json.dumps(given))


VENDED: dict[str, Callable[[Place, dict[str, Any], Path], Tool]] = {
    "boto3": _vended_to_boto3,
    "DuckDB": _vended_to_duckdb,
    "PyIceberg": _vended_to_iceberg,
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=_slow(name)) for name in VENDED])
def test_an_engine_reads_its_table_by_vended_keys(lake: Place, tmp_path: Path, name: str) -> None:
    """And no other; once the catalog's key is revoked, what it vended is nothing."""
    require("npm")
    key, vended = _vend(lake, ["s3:GetObject"])
    tool = VENDED[name](lake, vended, tmp_path)
    assert b"db/t1/b" == tool.reads("db/t1/b")
    assert tool.reads("db/t2/a") is None
    lake.gateway.api("DELETE", f"/v1/keys/{key['id']}")
    assert tool.reads("db/t1/b") is None


@pytest.mark.slow
@pytest.mark.parametrize("name", VENDED)
def test_an_engine_is_cut_while_it_reads_a_gib(lake: Place, large: str, tmp_path: Path, name: str) -> None:
    """By the end of the key by which its own was vended."""
    require("npm")
    key, vended = _vend(lake, ["s3:GetObject"])
    tool = VENDED[name](lake, vended, tmp_path)
    _cut(lake, tool, large, lambda: lake.gateway.api("DELETE", f"/v1/keys/{key['id']}"))


@pytest.mark.slow
def test_the_aws_cli_is_cut_while_it_reads_a_gib_by_a_role(lake: Place, large: str, tmp_path: Path) -> None:
    """It takes the role by its profile's `role_arn`, and takes none any more once the key is gone."""
    require("npm")
    install("core")
    key = lake.gateway.api("POST", "/v1/keys", {"app": "catalog"})
    config = lake.role_config(tmp_path, key, _ROLE)
    tool = _aws(lake, _environ(tmp_path, AWS_CONFIG_FILE=str(config), AWS_PROFILE="lake"))
    assert b"db/t1/b" == tool.reads("db/t1/b")
    _cut(lake, tool, large, lambda: lake.gateway.api("DELETE", f"/v1/keys/{key['id']}"))
    assert tool.reads("db/t1/b") is None


@pytest.mark.slow
def test_pyiceberg_scans_a_table_by_vended_keys(lake: Place, tmp_path: Path) -> None:
    """Metadata, manifests and data alike, with keys that can do nothing but read that table."""
    require("npm")
    install("tables")
    full = lake.gateway.api("POST", "/v1/keys", {"app": "lake"})
    driver, settings = command("tables", DRIVERS / "read_iceberg.py"), tmp_path / "properties"

    def ask(properties: dict[str, str], act: str, place: str) -> subprocess.CompletedProcess[str]:
        settings.write_text(json.dumps(properties))
        run = [*driver, settings, act, place]
        return subprocess.run(run, check=False, capture_output=True, text=True, timeout=120, env=_environ(tmp_path))

    whole = _properties(lake, full["access_key_id"], full["secret_access_key"])
    begun = [ask(whole, "begin", f"s3://{lake.bucket}/db/{name}") for name in ("t1/ice", "t2/ice")]
    places = [done.stdout.split()[-1] for done in begun]
    _, vended = _vend(lake, ["s3:GetObject"])
    given = _properties(lake, vended["AccessKeyId"], vended["SecretAccessKey"], vended["SessionToken"])
    assert "3" == ask(given, "rows", places[0]).stdout.strip()
    assert 0 != ask(given, "rows", places[1]).returncode
    assert 0 != ask(given, "begin", f"s3://{lake.bucket}/db/t1/new").returncode
