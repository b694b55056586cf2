"""The description of the API, held against the running API."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from gateway.control.openapi import describe
from gateway.control.rows import ROWS
from tests.control.desk import ADMIN, Desk


async def test_the_document_is_valid(desk: Desk) -> None:
    """What is served is a valid OpenAPI 3.1 document."""
    document = (await desk.ask("GET", "/v1/openapi.json")).json
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert document == describe(ROWS, "0")


async def test_schemathesis_finds_nothing(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Generated requests get only described statuses, types and shapes, and never a server error.

    Left out are three rules that are not ours: a body may be refused for more than its schema can say, wrong tokens
    end in 429, and what is revoked can still be inspected.
    """
    monkeypatch.setattr("gateway.control.bodies.LONG_POLL", 0.05)
    await desk.link()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", f"{desk.url}/v1/openapi.json",
        "--header", f"Authorization: Bearer {ADMIN}",
        "--max-examples", "4",
        "--phases", "examples,coverage,fuzzing,stateful",
        "--exclude-checks", "positive_data_acceptance,ignored_auth,use_after_free",
        "--seed", "1",
        "--no-color",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
