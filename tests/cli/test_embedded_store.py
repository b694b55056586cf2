"""The laws of the throw-away store: it is ready inside the block, its own, and gone afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from gateway.cli.embedded_store import EmbeddedStore
from gateway.core.reasons import SettingsError, UpstreamFailed

_LAUNCHER = """
import sys
from pathlib import Path
from gateway.cli.embedded_store import EmbeddedStore
with EmbeddedStore(Path(sys.argv[1])) as store:
    print(store.pid, flush=True)
    sys.stdin.read()
"""


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _client(store: EmbeddedStore, secret_key: str) -> object:
    return boto3.client(
        "s3",
        endpoint_url=store.endpoint,
        aws_access_key_id=store.access_key,
        aws_secret_access_key=secret_key,
        region_name=store.region,
        config=Config(signature_version="s3v4", retries={"total_max_attempts": 1}),
    )


async def test_it_is_ready_inside_the_block_and_gone_after_it(tmp_path: Path) -> None:
    """Inside, buckets can be made and signatures are checked; after, no process and no socket file is left."""
    async with EmbeddedStore(tmp_path) as store:
        pid = store.pid
        store.create_bucket("demo")
        store.create_bucket("demo")
        assert ["demo"] == [bucket["Name"] for bucket in _client(store, store.secret_key).list_buckets()["Buckets"]]
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            _client(store, "wrong").list_buckets()
        port = store.endpoint.rpartition(":")[2]
        assert store.secret_key not in repr(store) + store.log.read_text()
    assert pid is not None
    assert not _alive(pid)
    assert store.pid is None
    assert [] == list(Path("/tmp").glob(f"seaweedfs-*-grpc-{port}*.sock"))


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_it_dies_with_whoever_started_it(tmp_path: Path) -> None:
    """When the launcher is killed without a chance to clean up, the kernel ends the store."""
    command = [sys.executable, "-c", _LAUNCHER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        pid = int(launcher.stdout.readline())
        assert _alive(pid)
        os.kill(launcher.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _alive(pid):
        assert time.monotonic() < deadline, "the store outlived its launcher"
        time.sleep(0.02)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """Who asks for a port that somebody else holds is told so before anything starts."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        with pytest.raises(SettingsError, match=str(holder.getsockname()[1])):
            EmbeddedStore(tmp_path, port=holder.getsockname()[1])


def test_a_store_that_ends_at_once_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that fails to start is an error with the end of its log, not a long wait."""
    monkeypatch.setattr("gateway.cli.embedded_store._find_program", lambda: "/bin/ls")
    with pytest.raises(UpstreamFailed) as failure, EmbeddedStore(tmp_path):
        pass
    assert "ls: " in failure.value.detail


def test_without_the_program_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not installed the demo's extra is told its name."""
    monkeypatch.setattr("gateway.cli.embedded_store.shutil.which", lambda *_, **__: None)
    with pytest.raises(SettingsError, match=r"gateway\[demo\]"), EmbeddedStore(tmp_path):
        pass
