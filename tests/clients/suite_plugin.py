"""Owns what pytest is told while somebody else's S3 suite runs: buckets by name, and what came of each test.

Runs in the suite's own environment, which has pytest and botocore and nothing of ours; its settings come from the
environment. Without `SUITE_BUCKETS` the suite makes its own buckets, straight at a store.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.client
import pytest

_BUCKETS = os.environ.get("SUITE_BUCKETS", "")
_calls: list[tuple[str, str]] = []


def pytest_configure(config: pytest.Config) -> None:
    """Give the suite buckets that exist, nothing to clean up, and a witness of its calls."""
    suite: Any = importlib.import_module("s3tests.functional")
    suite.setup = suite.teardown = lambda: None
    if _BUCKETS:
        numbers = itertools.count(1)
        suite.get_new_bucket_name = lambda: f"{_BUCKETS}-{next(numbers):04}"
    make = botocore.client.BaseClient._make_api_call

    def witnessed(client: Any, operation: str, arguments: Any) -> Any:
        try:
            answer = make(client, operation, arguments)
        except Exception as failure:
            code = getattr(failure, "response", {}).get("Error", {}).get("Code", "")
            _calls.append((operation, code))
            if _BUCKETS and (operation, code) == ("CreateBucket", "BucketAlreadyOwnedByYou"):
                return {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}
            raise
        _calls.append((operation, ""))
        return answer

    botocore.client.BaseClient._make_api_call = witnessed


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """One line of JSON for each test."""
    result: Any = yield
    report = result.get_result()
    if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
        said = str(call.excinfo.value) if call.excinfo is not None else ""
        line = {"test": item.name, "outcome": report.outcome, "said": said[:300], "calls": _calls}
        with Path(os.environ["SUITE_OUTCOMES"]).open("a") as out:
            out.write(json.dumps(line) + "\n")
        _calls.clear()
