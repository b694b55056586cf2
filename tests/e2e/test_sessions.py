"""Sessions with a policy in the hands of the programs that people use, vended on the data listener and taken back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore.credentials
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, IncompleteReadError, ResponseStreamingError
from urllib3.exceptions import ProtocolError

from tests.e2e.conftest import Run
from tests.e2e.place import Place, noise
from tests.servers.gateway import gateway_before
from tests.servers.store import RunningStore

_ROLE = "arn:aws:iam::000000000000:role/lake"
_LARGE = 256 * 1024 * 1024
_RULES = """
rules:
  - {name: the lake's app does everything, who: ["app:lake", "app:catalog"], may: [read, list, write, delete], on: "**"}
"""


@pytest.fixture(scope="module")
def lake(seaweedfs: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A gateway that answers STS at its data listener too; a catalog's keys take the role of the lake's app."""
    roles = {"lake": {"app": "app:lake", "who": ["app:catalog"], "max_duration": "2h"}}
    environ = {"GATEWAY_DATA__STS": "true", "GATEWAY_CONTROL__STS_ROLES": json.dumps(roles)}
    with gateway_before([seaweedfs], tmp_path_factory.mktemp("lake"), rules=_RULES, environ=environ) as running:
        place = Place.before(running, seaweedfs)
        for key in ("db/t1/a", "db/t1/b", "db/t2/a"):
            place.put(key, key.encode())
        yield place


def _key(lake: Place) -> dict[str, Any]:
    made: dict[str, Any] = lake.gateway.api("POST", "/v1/keys", {"app": "catalog", "expires_in": 3600})
    return made


def _client(lake: Place, service: str, key: str, secret: str, token: str | None = None) -> Any:
    return boto3.client(
        service,
        endpoint_url=lake.gateway.data + ("/sts" if service == "sts" else ""),
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )


def _policy(lake: Place, actions: list[str]) -> str:
    """What a catalog vends for the table t1."""
    bucket = f"arn:aws:s3:::{lake.bucket}"
    listing = {"StringLike": {"s3:prefix": "db/t1/*"}}
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Sid": "TableAccess", "Effect": "Allow", "Action": actions, "Resource": f"{bucket}/db/t1/*"},
                {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket, "Condition": listing},
                {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": bucket},
            ],
        }
    )


def _vend(lake: Place, key: dict[str, Any], name: str = "etl", **more: Any) -> dict[str, Any]:
    sts = _client(lake, "sts", key["access_key_id"], key["secret_access_key"])
    found: dict[str, Any] = sts.assume_role(RoleArn=_ROLE, RoleSessionName=name, **more)["Credentials"]
    return found


def _s3(lake: Place, vended: dict[str, Any]) -> Any:
    return _client(lake, "s3", vended["AccessKeyId"], vended["SecretAccessKey"], vended["SessionToken"])


def _refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as failure:
        call(**arguments)
    return str(failure.value.response["Error"]["Code"])


def test_vended_keys_reach_their_table_and_nothing_beside(lake: Place) -> None:
    """Reads, lists, copies and batches inside the table work; each step outside of it is AccessDenied."""
    actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    s3, bucket = _s3(lake, _vend(lake, _key(lake), Policy=_policy(lake, actions))), lake.bucket
    assert b"db/t1/a" == s3.get_object(Bucket=bucket, Key="db/t1/a")["Body"].read()
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="db/t1/")["Contents"]
    assert {"db/t1/a", "db/t1/b"} <= {one["Key"] for one in listed}
    s3.copy_object(Bucket=bucket, Key="db/t1/c", CopySource={"Bucket": bucket, "Key": "db/t1/a"})
    assert "AccessDenied" == _refused(s3.get_object, Bucket=bucket, Key="db/t2/a")
    assert "AccessDenied" == _refused(s3.list_objects_v2, Bucket=bucket, Prefix="db/")
    assert "AccessDenied" == _refused(s3.list_objects_v2, Bucket=bucket)
    assert "AccessDenied" == _refused(s3.put_object, Bucket=bucket, Key="db/t2/x", Body=b"x")
    source = {"Bucket": bucket, "Key": "db/t2/a"}
    assert "AccessDenied" == _refused(s3.copy_object, Bucket=bucket, Key="db/t1/d", CopySource=source)
    assert "AccessDenied" == _refused(s3.put_object, Bucket=bucket, Key="db/t1/e", Body=b"x", Tagging="a=b")
    doomed = {"Objects": [{"Key": "db/t1/c"}, {"Key": "db/t2/a"}]}
    done = s3.delete_objects(Bucket=bucket, Delete=doomed)
    assert ["db/t1/c"] == [one["Key"] for one in done["Deleted"]]
    assert [("db/t2/a", "AccessDenied")] == [(one["Key"], one["Code"]) for one in done["Errors"]]
    assert b"db/t2/a" == lake.stored("db/t2/a")


def test_explain_names_the_statement(lake: Place) -> None:
    """For a session's key: the one that allows, and that there is none."""
    vended = _vend(lake, _key(lake), Policy=_policy(lake, ["s3:GetObject"]))
    [shown] = lake.gateway.api("GET", "/v1/keys?owner=app:lake&limit=1")["keys"]
    question = {"key": shown["id"], "do": "GetObject", "on": f"{lake.bucket}/db/t1/a"}
    allowed = lake.gateway.api("POST", "/v1/policy/explain", question)
    assert ["the statement TableAccess of the session policy allows s3:GetObject"] == allowed["session"]
    refused = lake.gateway.api("POST", "/v1/policy/explain", {**question, "do": "PutObject"})
    assert "denied_by_session" == refused["objections"][0]["reason"]
    assert vended


@pytest.mark.parametrize("by", ["issuing key", "session name", "role", "app", "session"])
def test_a_revoked_session_is_cut_while_it_moves_a_large_body(lake: Place, by: str) -> None:
    """However it is named, it ends within seconds, with an error and before the body's end, and stays refused."""
    lake.put("db/t1/large", noise(1024 * 1024) * (_LARGE // 1024 // 1024))
    key = _key(lake)
    vended = _vend(lake, key, f"cut-{by[:3]}", Policy=_policy(lake, ["s3:GetObject"]))
    s3 = _s3(lake, vended)
    body = s3.get_object(Bucket=lake.bucket, Key="db/t1/large")["Body"]
    assert 65536 == len(body.read(65536))
    target = {
        "issuing key": {"key": key["id"]},
        "session name": {"session": f"cut-{by[:3]}"},
        "role": {"role": "lake"},
        "app": {"owner": "app:lake"},
        "session": {"key": vended["AccessKeyId"]},
    }[by]
    assert lake.gateway.api("POST", "/v1/revocations", target)["revoked"] >= 1
    moved: list[int] = []
    with pytest.raises((IncompleteReadError, ResponseStreamingError, ProtocolError)):
        moved.extend(iter(lambda: len(body.read(1024 * 1024)), 0))
    assert sum(moved) < _LARGE - 65536
    assert "InvalidAccessKeyId" == _refused(s3.get_object, Bucket=lake.bucket, Key="db/t1/a")


def test_refreshable_credentials_over_a_shifted_clock(lake: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK fetches new ones when the old are about to end, and goes on."""
    key, fetched = _key(lake), list[str]()

    def refresh() -> dict[str, str]:
        vended = _vend(lake, key, DurationSeconds=3600)
        fetched.append(vended["AccessKeyId"])
        return {"access_key": vended["AccessKeyId"], "secret_key": vended["SecretAccessKey"],
                "token": vended["SessionToken"], "expiry_time": vended["Expiration"].isoformat()}  # fmt: skip

    credentials = botocore.credentials.RefreshableCredentials.create_from_metadata(refresh(), refresh, "assume-role")
    session = botocore.session.get_session()
    session._credentials = credentials
    s3 = boto3.Session(botocore_session=session, region_name="us-east-1").client("s3", endpoint_url=lake.gateway.data)
    assert b"db/t1/a" == s3.get_object(Bucket=lake.bucket, Key="db/t1/a")["Body"].read()
    assert 1 == len(fetched)
    later = datetime.now(UTC) + timedelta(seconds=3580)
    monkeypatch.setattr(credentials, "_time_fetcher", lambda: later)
    assert b"db/t1/a" == s3.get_object(Bucket=lake.bucket, Key="db/t1/a")["Body"].read()
    assert len(set(fetched)) == len(fetched) > 1


def test_the_aws_cli_takes_a_role_by_its_profile(lake: Place, run: Run, tmp_path: Path) -> None:
    """`role_arn` and `source_profile`, with the endpoints of both services in the configuration: nothing else."""
    key = _key(lake)
    config = lake.role_config(tmp_path, key, _ROLE, "role_session_name = cli")
    environ = {**os.environ, "AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
               "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}  # fmt: skip
    who = json.loads(run("aws", "--profile", "lake", "sts", "get-caller-identity", env=environ).stdout)
    assert "arn:aws:sts::000000000000:assumed-role/lake/cli" == who["Arn"]
    done = run("aws", "--profile", "lake", "s3", "cp", f"s3://{lake.bucket}/db/t1/b", "-", env=environ)
    assert "db/t1/b" == done.stdout


def test_only_by_the_setting_is_sts_answered_at_the_data_listener(seaweedfs: RunningStore, tmp_path: Path) -> None:
    """Without it the path is a bucket's like any other; and no role is there that the settings do not name."""
    with gateway_before([seaweedfs], tmp_path / "plain", rules=_RULES) as running:
        place = Place(running, seaweedfs, seaweedfs.profile, "")
        key = _key(place)
        sts = _client(place, "sts", key["access_key_id"], key["secret_access_key"])
        with pytest.raises(ClientError) as failure:
            sts.get_caller_identity()
        assert 400 <= failure.value.response["ResponseMetadata"]["HTTPStatusCode"] < 500
        at_control = replace(place, gateway=replace(running, data=running.control))
        sts = _client(at_control, "sts", key["access_key_id"], key["secret_access_key"])
        assert "arn:aws:iam::000000000000:user/catalog" == sts.get_caller_identity()["Arn"]
        assert "AccessDenied" == _refused(sts.assume_role, RoleArn=_ROLE, RoleSessionName="etl")
