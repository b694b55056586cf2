"""Owns who acts in a flow: an app with a gateway-issued key, its tools, and the proof that its key can be revoked."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.clients.install import NODE, program
from tests.e2e.place import Place
from tests.servers import over_tls

__all__ = ["AWS", "S3CMD", "Actor", "Answered", "curl", "until"]

AWS = program("core", "aws")
S3CMD = program("core", "s3cmd")
_SCRIPTS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Answered:
    """An HTTP answer as curl saw it. Header names are lower-cased."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error code of an S3 document."""
        return self.body.decode().partition("<Code>")[2].partition("</Code>")[0]


def curl(directory: Path, url: str, *options: str | Path) -> Answered:
    """One request by the real curl, in a directory of the caller's."""
    body, head = directory / "curl.body", directory / "curl.head"
    body.unlink(missing_ok=True)
    command = ["curl", "-sS", "-o", body, "-D", head, "-w", "%{http_code}", *options, url]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, cwd=directory)
    lines = head.read_text().strip().split("\n\n")[-1].splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Answered(int(done.stdout), headers, body.read_bytes() if body.exists() else b"")


def until(ask: Callable[[], Answered], status: int, within: float) -> Answered:
    """Ask again and again for at most so many seconds; the last answer, whatever it is."""
    deadline = time.monotonic() + within
    while (answered := ask()).status != status and time.monotonic() < deadline:
        pass
    return answered


@dataclass(frozen=True, slots=True, repr=False)
class Actor:
    """An app that knows the gateway's address and its own key, and nothing else."""

    place: Place
    key_id: str
    access_key_id: str
    secret_access_key: str
    home: Path
    endpoint: str = field(default="")

    @property
    def environ(self) -> dict[str, str]:
        """What the AWS tools read, and none of this machine's own settings."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": self.place.gateway.data,
            "AWS_EC2_METADATA_DISABLED": "true",
            "BUCKET": self.place.bucket,
        } | over_tls.program_variables()

    def run(self, *command: str | Path, check: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a tool as this app would; `more` goes to its environment."""
        done = subprocess.run(
            [str(part) for part in command],
            check=False,
            capture_output=True,
            text=True,
            timeout=100,
            cwd=self.home,
            env=self.environ | more,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def aws(self, *arguments: str | Path, check: bool = True) -> str:
        """What `aws ARGUMENTS` prints."""
        return self.run(AWS, *arguments, "--endpoint-url", self.place.gateway.data, check=check).stdout

    def node(self, script: str, **more: str) -> str:
        """What a script beside this file prints when node runs it with the SDKs at hand."""
        return self.run("node", _SCRIPTS / script, NODE_PATH=str(NODE / "node_modules"), **more).stdout.strip()

    def client(self, **config: Any) -> Any:
        """A boto3 client with its default settings, but for `config`."""
        return boto3.client(
            "s3",
            endpoint_url=self.place.gateway.data,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name="us-east-1",
            config=Config(**config) if config else None,
        )

    def curl(self, url: str, *options: str | Path) -> Answered:
        return curl(self.home, url, *options)

    def revoke(self) -> None:
        """Returns when the gateway has acknowledged it."""
        self.place.gateway.api("DELETE", f"/v1/keys/{self.key_id}")

    def loses(self, ask: Callable[[], Answered], granted: int = 200) -> None:
        """F16: what works with this key now is refused within a second of its revocation, as an unknown key is."""
        assert granted == ask().status
        began = time.monotonic()
        self.revoke()
        refused = ask()
        assert (403, "InvalidAccessKeyId") == (refused.status, refused.code or "InvalidAccessKeyId")
        assert time.monotonic() - began < 1.0
