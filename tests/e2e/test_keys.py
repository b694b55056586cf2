"""Narrowed keys in the hands of the programs that people use: what must work, and what must be refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.e2e.conftest import Run, require
from tests.e2e.place import Place, noise

_SIZE = 64 * 1024 * 1024


def _key(place: Place, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = place.gateway.api("POST", "/v1/keys", {"app": "tests", "expires_in": 3600, **fields})
    return made


def _client(place: Place, key: dict[str, Any]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=place.gateway.data,
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
        region_name="us-east-1",
        config=Config(signature_version="s3v4", retries={"total_max_attempts": 1}),
    )


def _environ(key: dict[str, Any], tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": key["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }


def _rclone(place: Place, key: dict[str, Any], run: Run, *words: str, check: bool = True) -> Any:
    """rclone, told only endpoint and key; `g:` in a word is the bucket."""
    program = shutil.which("rclone", path=str(Path(sys.executable).parent)) or "rclone"
    remote = (
        f":s3,provider=Other,access_key_id={key['access_key_id']},secret_access_key={key['secret_access_key']}"
        f",endpoint='{place.gateway.data}':{place.bucket}/"
    )
    named = [word.replace("g:", remote, 1) if word.startswith("g:") else word for word in words]
    fast = ("--retries", "1", "--low-level-retries", "1", "--config", "/dev/null")
    return run(program, *named, *fast, check=check)


def _code(call: Any, **arguments: Any) -> str:
    """The code of S3's answer, "" for a success."""
    try:
        call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_boto3_works_inside_and_nowhere_else(place: Place) -> None:
    """Objects, listings, parts, copies, batches and forms below its folder; AccessDenied beside it, whatever it is."""
    for name in ("narrow/a", "narrow-old/a", "outside"):
        place.put(name, b"here")
    client, bucket = _client(place, _key(place, bucket=place.bucket, prefix="narrow/")), place.bucket
    client.put_object(Bucket=bucket, Key="narrow/b", Body=b"new")
    assert b"here" == client.get_object(Bucket=bucket, Key="narrow/a")["Body"].read()
    assert {"narrow/a", "narrow/b"} == {
        one["Key"] for one in client.list_objects_v2(Bucket=bucket, Prefix="narrow/")["Contents"]
    }
    assert [bucket] == [one["Name"] for one in client.list_buckets()["Buckets"]]
    client.copy_object(Bucket=bucket, Key="narrow/c", CopySource={"Bucket": bucket, "Key": "narrow/a"})
    for call, arguments in (
        (client.get_object, {"Key": "outside"}),
        (client.put_object, {"Key": "narrow-old/b", "Body": b"x"}),
        (client.delete_object, {"Key": "outside"}),
        (client.copy_object, {"Key": "narrow/d", "CopySource": {"Bucket": bucket, "Key": "outside"}}),
        (client.copy_object, {"Key": "outside2", "CopySource": {"Bucket": bucket, "Key": "narrow/a"}}),
        (client.create_multipart_upload, {"Key": "outside"}),
        (client.list_objects_v2, {}),
        (client.list_objects_v2, {"Prefix": "narrow"}),
        (client.list_objects, {"Prefix": "narrow-old/"}),
        (client.list_multipart_uploads, {}),
    ):
        assert "AccessDenied" == _code(call, Bucket=bucket, **arguments), (call, arguments)
    done = client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "narrow/c"}, {"Key": "outside"}]})
    assert (["narrow/c"], [("outside", "AccessDenied")]) == (
        [one["Key"] for one in done["Deleted"]],
        [(one["Key"], one["Code"]) for one in done["Errors"]],
    )
    assert (b"here", None, b"here") == (
        place.stored("outside"),
        place.stored("narrow-old/b"),
        place.stored("narrow-old/a"),
    )


def test_a_form_by_a_narrowed_key_reaches_no_further(weed: Place, run: Run, tmp_path: Path) -> None:
    """A policy that was signed with it for any name of the bucket still takes files for its folder alone."""
    (tmp_path / "f").write_bytes(b"x")
    client = _client(weed, _key(weed, bucket=weed.bucket, prefix="n/", actions=["write"]))
    for name, status in (("n/form", "204"), ("form", "403")):
        form = client.generate_presigned_post(weed.bucket, name, Conditions=[["starts-with", "$key", ""]])
        fields = [word for pair in form["fields"].items() for word in ("-F", "=".join(pair))]
        sent = run("curl", "-sS", "-o", "answer", "-w", "%{http_code}", *fields, "-F", "file=@f", form["url"])
        assert status == sent.stdout
        assert (status == "204") == (weed.stored(name) == b"x")


def test_uploads_in_parts_stay_inside_and_are_one_use(weed: Place, tmp_path: Path) -> None:
    """boto3's transfer of 24 MiB, up and down again in ranges, is two uses; a third object is refused."""
    (tmp_path / "in").write_bytes(noise(24 * 1024 * 1024))
    key = _key(weed, bucket=weed.bucket, prefix="n/", uses=2, bytes=48 * 1024 * 1024)
    client = _client(weed, key)
    client.upload_file(str(tmp_path / "in"), weed.bucket, "n/big")
    client.download_file(weed.bucket, "n/big", str(tmp_path / "out"))
    assert (tmp_path / "in").read_bytes() == (tmp_path / "out").read_bytes()
    assert "AccessDenied" == _code(client.put_object, Bucket=weed.bucket, Key="n/more", Body=b"x")
    shown = weed.gateway.api("GET", f"/v1/keys/{key['id']}")
    assert (2, 48 * 1024 * 1024, "used_up") == (shown["uses_used"], shown["bytes_used"], shown["state"])


def test_the_aws_cli_works_inside_and_nowhere_else(weed: Place, run: Run, tmp_path: Path) -> None:
    """`aws s3` copies, lists and syncs below the folder; beside it, and at its parent, it is told 403."""
    weed.put("cli/a", b"here")
    weed.put("beside", b"here")
    environ = _environ(_key(weed, bucket=weed.bucket, prefix="cli/"), tmp_path)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "x").write_bytes(b"x")

    def aws(*words: str, check: bool = True) -> Any:
        return run("aws", "--endpoint-url", weed.gateway.data, "s3", *words, check=check, env=environ)

    aws("cp", f"s3://{weed.bucket}/cli/a", "got")
    assert b"here" == (tmp_path / "got").read_bytes()
    aws("sync", "tree", f"s3://{weed.bucket}/cli/tree")
    assert "cli/tree/x" in aws("ls", "--recursive", f"s3://{weed.bucket}/cli/").stdout
    aws("rm", f"s3://{weed.bucket}/cli/tree/x")
    for words in (
        ("cp", f"s3://{weed.bucket}/beside", "stolen"),
        ("cp", "got", f"s3://{weed.bucket}/beside2"),
        ("ls", f"s3://{weed.bucket}/"),
        ("ls", f"s3://{weed.bucket}/cli"),
        ("rm", f"s3://{weed.bucket}/beside"),
    ):
        refused = aws(*words, check=False)
        assert refused.returncode != 0
        assert "403" in refused.stderr or "AccessDenied" in refused.stderr
    assert (b"here", None) == (weed.stored("beside"), weed.stored("beside2"))


def test_exact_names_are_enough_for_programs_that_are_given_one(weed: Place, run: Run, tmp_path: Path) -> None:
    """rclone and the aws cli copy a named object down; another one, and a listing, are refused."""
    for name in ("exact/a", "exact/ab"):
        weed.put(name, b"here")
    key = _key(weed, bucket=weed.bucket, keys=["exact/a"], actions=["read"])
    _rclone(weed, key, run, "copyto", "g:exact/a", "got")
    assert b"here" == (tmp_path / "got").read_bytes()
    environ = _environ(key, tmp_path)
    run("aws", "--endpoint-url", weed.gateway.data, "s3", "cp", f"s3://{weed.bucket}/exact/a", "got2", env=environ)
    for words in (("copyto", "g:exact/ab", "x"), ("lsf", "g:exact/")):
        assert _rclone(weed, key, run, *words, check=False).returncode != 0
    assert not (tmp_path / "x").exists()


def test_rclone_syncs_a_folder_with_a_key_for_it(weed: Place, run: Run, tmp_path: Path) -> None:
    """A tree goes up and comes down below the folder, named with its slash; the bucket above it is refused."""
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "a b").write_bytes(b"x")
    key = _key(weed, scopes=[{"bucket": weed.bucket, "prefix": "sync/"}])
    _rclone(weed, key, run, "sync", "tree", "g:sync/")
    _rclone(weed, key, run, "sync", "g:sync/", "back")
    assert b"x" == (tmp_path / "back" / "deep" / "a b").read_bytes()
    assert _rclone(weed, key, run, "lsf", "g:", check=False).returncode != 0


@pytest.mark.parametrize("change", ["another folder", "an end", "suspended", "revoked"])
def test_a_running_download_is_cut_when_its_key_no_longer_reaches_it(
    weed: Place, run: Run, tmp_path: Path, change: str
) -> None:
    """An edit, like a revocation, makes the program fail within a second, with a file that is short."""
    require("curl")
    weed.put("moving/big", noise(_SIZE))
    key = _key(weed, bucket=weed.bucket, prefix="moving/")
    url = _client(weed, key).generate_presigned_url("get_object", {"Bucket": weed.bucket, "Key": "moving/big"})
    command = [shutil.which("curl") or "curl", "-sS", "--limit-rate", "8M", "-o", "out", url]
    path, out = f"/v1/keys/{key['id']}", tmp_path / "out"
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as client:
        deadline = time.monotonic() + 20
        while not (out.exists() and out.stat().st_size > 1024 * 1024):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if change == "revoked":
            weed.gateway.api("DELETE", path)
        elif change == "suspended":
            weed.gateway.api("POST", f"{path}/suspend")
        else:
            body = {"prefix": "elsewhere/"} if change == "another folder" else {"expires_in": 0.05}
            weed.gateway.api("PATCH", path, body)
        client.wait(1.5)
    assert client.returncode != 0
    assert out.stat().st_size < _SIZE
    if change == "suspended":
        weed.gateway.api("POST", f"{path}/resume")
        assert "206" == run("curl", "-sS", "-r", "0-9", "-o", "again", "-w", "%{http_code}", url).stdout
