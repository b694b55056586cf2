"""What the sender of files is told: a page, a document or lines, with every file named once."""

from __future__ import annotations

import json

import pytest

from gateway.core.policy import Policy
from gateway.core.posture import FailPosture
from gateway.core.reasons import Reason
from gateway.core.request import RawRequest
from gateway.data.plane import Snapshot
from gateway.data.uploads.receipts import NotReceived, Received, receipt
from gateway.wire.replies import Reply

ONE = Received(name="a.txt", size=2048, etag='"e"', sha256="5e" * 32, undo="0a")
OTHER = Received(name="größe.bin", size=1)
FAILED = NotReceived("b.exe", Reason.TYPE_NOT_ALLOWED)


def told(accept: str, *files: Received | NotReceived) -> Reply:
    raw = RawRequest("POST", "/s/t", "", (("accept", accept), ("accept-language", "de")))
    stored = [one for one in files if isinstance(one, Received)]
    failed = [one for one in files if isinstance(one, NotReceived)]
    snapshot = Snapshot(policy=Policy(), posture=FailPosture(), public_url="http://gw")
    return receipt(snapshot.branding, raw, stored, failed, "r1")


def test_one_file_is_told_of_in_fields_too() -> None:
    """For programs that read no body; of several there is no field that could be meant."""
    assert (("ETag", '"e"'), ("Upload-Undo", "0a")) == told("*/*", ONE).own
    assert () == told("*/*", ONE, OTHER).own == told("*/*", ONE, FAILED).own


def test_a_document_names_every_file() -> None:
    """The only one by its own members, too, as it was before there were several."""
    document = json.loads(told("application/json", ONE).body)
    assert ("a.txt", 2048, '"e"', "r1") == tuple(document[name] for name in ("name", "size", "etag", "request_id"))
    assert [{"name": "a.txt", "size": 2048, "etag": '"e"', "sha256": "5e" * 32, "undo": "0a"}] == document["files"]
    document = json.loads(told("application/json", ONE, OTHER).body)
    assert ["a.txt", "größe.bin"] == [one["name"] for one in document["files"]]
    assert "name" not in document


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_what_failed_is_a_problem(accept: str) -> None:
    """With the refusal's status, and what was stored beside it."""
    reply = told(accept, ONE, FAILED)
    problem = json.loads(reply.body)
    assert (415, "type_not_allowed", 415) == (reply.status, problem["reason"], problem["status"])
    assert ["a.txt"] == [one["name"] for one in problem["files"]]
    assert [("b.exe", "type_not_allowed")] == [(one["name"], one["reason"]) for one in problem["failed"]]


def test_a_line_for_each_file() -> None:
    """For people at a terminal."""
    assert [f"received a.txt (2.0 KiB) sha256:{'5e' * 32}", "received größe.bin (1 byte)"] == (
        told("*/*", ONE, OTHER).body.decode().splitlines()
    )


def test_a_page_in_the_visitors_language() -> None:
    """With the way back for what can be taken back, and why what was refused was."""
    page = told("text/html", ONE, FAILED).body.decode()
    assert all(text in page for text in ("a.txt", "5e" * 32, 'value="0a"', "b.exe", "Dateien dieses Typs"))
