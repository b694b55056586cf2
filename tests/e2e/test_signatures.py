"""SigV2 can be switched off: for a whole listener, and for some. Real clients of both versions."""

from __future__ import annotations

import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from tests.servers.gateway import RunningGateway, gateway_before
from tests.servers.store import RunningStore

RULES = """
rules:
  - {name: administrators share, who: "admin:*", may: [read, write, share], on: "**", signatures: [v4]}
  - {name: everybody reads, who: ["app:old", "app:any"], may: [read, list], on: "**"}
  - {name: with v4 alone, who: "app:new", may: [read], on: "**", signatures: [v4]}
  - {name: never with v2, who: "app:any", may: [read], on: "*/secret/**", effect: deny, signatures: [v2]}
examples:
  - {who: "app:new", do: GetObject, on: seaweedfs/a, signature: v4, expect: allow}
  - {who: "app:new", do: GetObject, on: seaweedfs/a, signature: v2, expect: deny}
  - {who: "app:any", do: GetObject, on: seaweedfs/secret/a, expect: allow, reason: a link signs nothing}
"""


@pytest.fixture(params=["both", "v4 alone"], scope="module")
def place(request: pytest.FixtureRequest, seaweedfs: RunningStore, tmp_path_factory: Any) -> Iterator[Any]:
    """A gateway that believes both versions, or SigV4 alone, with two objects; and which."""
    alone = request.param == "v4 alone"
    environ = {"GATEWAY_DATA__SIGNATURES": '["v4"]'} if alone else {}
    directory = tmp_path_factory.mktemp("signatures") / "gateway"
    with gateway_before([seaweedfs], directory, rules=RULES, environ=environ) as gateway:
        for key in ("inside/a", "inside/secret/a"):
            seaweedfs.client().put_object(Bucket=gateway.real_buckets["seaweedfs"], Key=key, Body=b"abc")
        yield gateway, alone


def _status(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _keys(gateway: RunningGateway, app: str) -> dict[str, str]:
    made = gateway.api("POST", "/v1/keys", {"app": app})
    return {name: made[name] for name in ("access_key_id", "secret_access_key")}


def _by_s3cmd(gateway: RunningGateway, app: str, key: str) -> tuple[int, str]:
    """What a URL of `s3cmd signurl` gets, which is SigV2."""
    keys, host = _keys(gateway, app), urlsplit(gateway.data).netloc
    program = shutil.which("s3cmd")
    assert program, "s3cmd is missing: run `apt-get install -y s3cmd`"
    who = (f"--access_key={keys['access_key_id']}", f"--secret_key={keys['secret_access_key']}")
    options = ("-c", "/dev/null", "--no-ssl", f"--host={host}", f"--host-bucket={host}", *who)
    command = [program, *options, "signurl", f"s3://seaweedfs/{key}", "+600"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=Path("/"))
    assert "Signature=" in done.stdout
    assert "X-Amz" not in done.stdout
    return _status(f"{urlsplit(gateway.data).scheme}:{done.stdout.strip().partition(':')[2]}")


def _by_boto3(gateway: RunningGateway, app: str, key: str, version: str = "s3v4") -> tuple[int, str]:
    keys = _keys(gateway, app)
    client = boto3.client(
        "s3",
        endpoint_url=gateway.data,
        region_name="us-east-1",
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
        config=Config(signature_version=version, s3={"addressing_style": "path"}),
    )
    return _status(client.generate_presigned_url("get_object", Params={"Bucket": "seaweedfs", "Key": key}))


@pytest.mark.e2e
@pytest.mark.parametrize("app", ["old", "any", "new"])
def test_sigv4_passes_everywhere(place: Any, app: str) -> None:
    """A rule for SigV4 alone, and a listener that believes nothing else, let it through."""
    gateway, _ = place
    assert (200, "abc") == _by_boto3(gateway, app, "a")


@pytest.mark.e2e
@pytest.mark.parametrize("how", [_by_s3cmd, lambda *given: _by_boto3(*given, version="s3")], ids=["s3cmd", "boto3"])
def test_sigv2_passes_where_it_is_on_and_nowhere_else(place: Any, how: Any) -> None:
    """Off for the listener: 400 with the sentence that S3 has for it. Off by a rule: 403, for whom the rule means."""
    gateway, alone = place
    if alone:
        status, text = how(gateway, "old", "a")
        assert (400, True) == (status, "Please use AWS4-HMAC-SHA256" in text)
        return
    assert (200, "abc") == how(gateway, "old", "a")
    assert (200, "abc") == how(gateway, "any", "a")
    assert 403 == how(gateway, "new", "a")[0]
    assert 403 == how(gateway, "any", "secret/a")[0]
    assert (200, "abc") == how(gateway, "old", "secret/a")


@pytest.mark.e2e
def test_links_sign_nothing_and_pass(place: Any) -> None:
    """Their owner's rule is for SigV4 alone, and that speaks of signed requests."""
    gateway, _ = place
    assert (200, "abc") == _status(gateway.link("seaweedfs", "a").url)


@pytest.mark.e2e
def test_explain_names_the_version(place: Any) -> None:
    """Asked as if signed with SigV2, the rule says that it is for others."""
    gateway, _ = place
    question = {"who": "app:new", "do": "GetObject", "on": "seaweedfs/a"}
    said = {
        version: gateway.api("POST", "/v1/policy/explain", question | ({"signature": version} if version else {}))
        for version in ("v2", "v4", None)
    }
    assert [False, True, True] == [said[version]["allowed"] for version in ("v2", "v4", None)]
    verdicts = {rule["rule"]: rule["verdict"] for rule in said["v2"]["rules"]}
    assert "is for requests signed with v4" == verdicts["with v4 alone"]
