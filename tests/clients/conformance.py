"""Owns running a public S3 suite against the gateway: `python -m tests.clients.conformance CHECKOUT [--python PYTHON]`.

CHECKOUT is a clone of ceph/s3-tests, PYTHON an interpreter with its requirements and pytest-timeout. Nothing is
fetched and nothing of the suite is kept. It runs once through the gateway in front of SeaweedFS; what failed there
without being refused by design runs once more straight at the store. Figures go to `CONFORMANCE.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers.gateway import RunningGateway, gateway_before
from tests.servers.seaweedfs import seaweedfs_store
from tests.servers.store import RunningStore

__all__ = ["Seen", "judge", "report"]

_HERE = Path(__file__).parent
_FILES = ("s3tests/functional/test_headers.py", "s3tests/functional/test_s3.py")
_LEFT_OUT = ("cloud_transition", "cloud_restore", "lifecycle", "bucket_logging", "bucket_logging_cleanup")
"""Marks of what needs hours, a second site, or a feature that no test of them gets past."""

_BUCKETS = 1500
_NOT_OFFERED = frozenset({"NotImplemented", "MethodNotAllowed", "501"})
_SETUPS = frozenset({"CreateBucket", "HeadBucket", "ListBuckets"})
_RULES = """
rules:
  - {name: the suite does everything, who: ["app:main"], may: [read, list, write, delete], on: "**"}
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one test did: its outcome and its calls, each with the error code that came, "" for none."""

    test: str
    outcome: str
    said: str
    calls: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, file: Path) -> list[Seen]:
        lines = (json.loads(line) for line in file.read_text().splitlines())
        return [
            cls(line["test"], line["outcome"], line["said"], tuple((name, code) for name, code in line["calls"]))
            for line in lines
        ]


def judge(seen: Seen) -> str:
    """One word: passed, skipped, "not offered" (an answer said so), setup (no such bucket or user here) or failed."""
    if seen.outcome != "failed":
        return seen.outcome
    if any(code in _NOT_OFFERED for _, code in seen.calls) or "501" in seen.said.split():
        return "not offered"
    if any(name in _SETUPS and code for name, code in seen.calls if code != "BucketAlreadyOwnedByYou"):
        return "setup"
    return "failed"


def report(through: Iterable[Seen], straight: Iterable[Seen], commit: str) -> str:
    """The page, from what was seen through the gateway and straight at the store."""
    verdicts = {seen.test: judge(seen) for seen in through}
    alone = {seen.test for seen in straight if seen.outcome == "passed"}
    count = list(verdicts.values()).count
    failed = sorted(test for test, verdict in verdicts.items() if verdict == "failed")
    ours = [test for test in failed if test in alone]
    rows = (
        ("run", len(verdicts)),
        ("passed", count("passed")),
        ("skipped by the suite", count("skipped")),
        ("stopped at an operation that is not offered (501, 405)", count("not offered")),
        ("stopped at a bucket or a user that the policy does not have", count("setup")),
        ("failed here and straight at the store", len(failed) - len(ours)),
        ("failed here, passed straight at the store", len(ours)),
    )
    table = "\n".join(f"| {name} | {number} |" for name, number in rows)
    names = "\n".join(f"- `{test}`" for test in ours)
    return f"""# A public S3 suite through the gateway

Written by `python -m tests.clients.conformance CHECKOUT`, CHECKOUT being ceph/s3-tests at `{commit}`.
SeaweedFS is behind the gateway; buckets are names of its policy. Tests of {", ".join(_LEFT_OUT)} are left out.

| tests | number |
|---|---|
{table}

What passes straight at the store and not here:

{names}

Choices, most of them: names that the store folds (`prefix_not_exist`) and callers without a key (`raw_get`) are
refused; the prefix of an old listing comes in the encoding that was asked for, which botocore does not undo
(`prefix_unreadable`); a bucket of the policy is there from the start (`notexist`, `recreate`, `create_then_list`,
`ctime`); a checksum that is none is `InvalidRequest` and an impossible lifetime 400, as S3 has it (`checksum`,
`out_range_zero`); checksums of parts are proved here and go no further (`reupload_checksum`); a part that is named
twice is refused (`resend_first`).
"""


def _settings(endpoint: str, access_key: str, secret_key: str) -> str:
    place = urlsplit(endpoint)
    who = "user_id = u\ndisplay_name = u\nemail = u@e\ntenant = t\n"
    user = f"access_key = {access_key}\nsecret_key = {secret_key}\n{who}"
    sections = ("s3 main", "s3 alt", "s3 tenant", "iam", "iam root", "iam alt root")
    default = f"[DEFAULT]\nhost = {place.hostname}\nport = {place.port}\nis_secure = False\nssl_verify = False\n"
    prefix = "[fixtures]\nbucket prefix = suite-{random}-\n"
    return default + prefix + "".join(f"[{name}]\n{user}" for name in sections)


def _run(checkout: Path, python: str, work: Path, settings: str, chosen: Iterable[str], **environ: str) -> list[Seen]:
    (work / "suite.conf").write_text(settings)
    outcomes = work / "outcomes.jsonl"
    outcomes.unlink(missing_ok=True)
    marks = " and ".join(f"not {mark}" for mark in _LEFT_OUT)
    options = ["-p", "suite_plugin", "-q", "--tb=no", "--timeout=60", "-p", "no:cacheprovider", "-m", marks]
    subprocess.run(
        [python, "-m", "pytest", *options, *_FILES, *chosen],
        check=False,  # that tests fail is what this is about
        cwd=checkout,
        env={
            **os.environ,
            "PYTHONPATH": str(_HERE),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
            "S3TEST_CONF": str(work / "suite.conf"),
            "SUITE_OUTCOMES": str(outcomes),
            **environ,
        },
    )
    return Seen.read(outcomes)


def _through(checkout: Path, python: str, work: Path, store: RunningStore) -> list[Seen]:
    real = store.make_bucket()
    names = (
        f"  suite-{number:04}: {{backend: seaweedfs, bucket: {real}, prefix: suite-{number:04}/}}"
        for number in range(_BUCKETS)
    )
    with gateway_before([store], work / "gateway", rules="\n" + "\n".join(names) + _RULES) as gateway:
        settings = _settings(gateway.data, *_key(gateway))
        return _run(checkout, python, work, settings, (), SUITE_BUCKETS="suite")


def _key(gateway: RunningGateway) -> tuple[str, str]:
    key = gateway.api("POST", "/v1/keys", {"app": "main", "label": "suite"})
    return key["access_key_id"], key["secret_access_key"]


def _main() -> None:
    parser = argparse.ArgumentParser(description="Run ceph/s3-tests through the gateway and write CONFORMANCE.md.")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--python", default=sys.executable, help="an interpreter with the suite's requirements")
    given = parser.parse_args()
    checkout = given.checkout.resolve()
    head = ["git", "-C", str(checkout), "rev-parse", "--short=12", "HEAD"]
    commit = subprocess.run(head, check=True, capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as name, seaweedfs_store(Path(name) / "store") as store:
        work = Path(name)
        through = _through(checkout, given.python, work, store)
        failed = [seen.test for seen in through if judge(seen) == "failed"]
        settings = _settings(store.endpoint, store.access_key, store.secret_key)
        straight = _run(checkout, given.python, work, settings, ("-k", " or ".join(failed))) if failed else []
    (_HERE / "CONFORMANCE.md").write_text(report(through, straight, commit))


if __name__ == "__main__":
    _main()
