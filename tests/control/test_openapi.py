"""The description of the API, held against the running API."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from gateway.control import rows
from gateway.control.openapi import describe
from gateway.control.rows import ROWS
from tests.control.desk import ADMIN, POLICY, Desk, serving


async def test_the_document_is_valid(desk: Desk) -> None:
    """What is served is a valid OpenAPI 3.1 document."""
    document = (await desk.ask("GET", "/v1/openapi.json")).json
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert document == describe(ROWS, "0")


async def test_nobody_waits_while_it_is_written(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop goes on meanwhile: anybody may ask for the document, and its first writing takes long."""
    written_in: list[int] = []
    monkeypatch.setattr(rows, "describe", lambda *_: {"thread": written_in.append(threading.get_ident())})
    rows._write_description.cache_clear()
    assert 200 == (await desk.ask("GET", "/v1/openapi.json")).status
    rows._write_description.cache_clear()
    assert 1 == len(written_in)
    assert threading.get_ident() not in written_in


@pytest.fixture
async def undrained() -> AsyncIterator[Desk]:
    """Every backend in use: buckets are named by the API, and what is signed for a drained one is 503 by right."""
    backends = {name: replace(backend, drained=False) for name, backend in POLICY.backends.items()}
    async with serving(policy=lambda: replace(POLICY, backends=backends)) as opened:
        yield opened


async def test_schemathesis_finds_nothing(undrained: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Generated requests get only described statuses, types and shapes, and never a server error.

    Left out are three rules that are not ours: a body may be refused for more than its schema can say, wrong tokens
    end in 429, and what is revoked can still be inspected.
    """
    monkeypatch.setattr("gateway.control.bodies.LONG_POLL", 0.05)
    await undrained.link()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", f"{undrained.url}/v1/openapi.json",
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
