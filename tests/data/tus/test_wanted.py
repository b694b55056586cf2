"""What a link wants of a resumable upload, seen through the protocol. Types and names have tests of their own
(`tests/data/uploads`), files and bytes too (`tests/data/steps/test_reserve_intake.py`)."""

from __future__ import annotations

import pytest

from gateway.core.intake import Intake
from tests.data.harness import Rig
from tests.data.uploading import WRITE, create, created, metadata, patch

NAMED = metadata(filename="a.txt")


@pytest.fixture
async def rig(uploads: Rig) -> Rig:
    return uploads


async def joined(rig: Rig, token: str, *pieces: bytes) -> int:
    addresses = [await created(rig, token, len(piece), Upload_Concat="partial") for piece in pieces]
    for address, piece in zip(addresses, pieces, strict=True):
        assert 204 == (await patch(rig, address, 0, piece)).status
    final = {"Tus-Resumable": "1.0.0", "Upload-Concat": f"final;{' '.join(addresses)}", "Upload-Metadata": NAMED}
    return (await rig.ask("POST", f"/s/{token}", final)).status


async def test_what_is_joined_is_counted_once(rig: Rig) -> None:
    """As one file with all of its bytes, when it is joined and not before."""
    token, grant = await rig.granted(prefix="in/", actions=WRITE, intake=Intake(max_files=1, total_bytes=9))
    assert 201 == await joined(rig, token, b"1234", b"56789")
    await rig.settled()
    usage = (await rig.state.leases.usage([grant.intake_id]))[grant.intake_id]
    assert (1, 9) == (usage.uses, usage.moved)
    assert 410 == (await create(rig, f"/s/{token}", 1, Upload_Metadata=NAMED)).status


async def test_what_is_joined_has_to_fit(rig: Rig) -> None:
    """More in pieces than the link may receive is refused when it is joined, and stores nothing."""
    token = await rig.link(prefix="in/", actions=WRITE, intake=Intake(total_bytes=9))
    assert 413 == await joined(rig, token, b"12345", b"67890")
    assert rig.store.stored("inside/in/a.txt") is None
    assert 201 == await joined(rig, token, b"1234", b"5678")


async def test_what_is_joined_gets_a_free_name(rig: Rig) -> None:
    """As any other upload."""
    rig.store.hold("inside/in/a.txt", b"old")
    token = await rig.link(prefix="in/", actions=WRITE, intake=Intake(rename=True))
    assert 201 == await joined(rig, token, b"12", b"34")
    assert (b"old", b"1234") == (rig.store.stored("inside/in/a.txt"), rig.store.stored("inside/in/a (1).txt"))


async def test_a_creation_that_cannot_fit_is_refused_at_once(rig: Rig) -> None:
    """Before anything is sent for nothing; one of unknown length is refused where it does not fit."""
    token = await rig.link(prefix="in/", actions=WRITE, intake=Intake(total_bytes=9))
    assert 413 == (await create(rig, f"/s/{token}", 10, Upload_Metadata=NAMED)).status
    got = await create(rig, f"/s/{token}", None, Upload_Metadata=NAMED)
    assert 413 == (await patch(rig, got.header("location") or "", 0, b"1234567890")).status


async def test_a_declared_type_is_refused_at_once(rig: Rig) -> None:
    """By the metadata, before the first byte."""
    token = await rig.link(prefix="in/", actions=WRITE, intake=Intake(types=("image/*",)))
    told = metadata(filename="a.txt", filetype="text/html")
    assert 415 == (await create(rig, f"/s/{token}", 10, Upload_Metadata=told)).status


async def test_discovery_is_of_a_link_that_may_receive(rig: Rig) -> None:
    """A full one says so before anything else."""
    token = await rig.link(prefix="in/", actions=WRITE, intake=Intake(max_files=1))
    assert 204 == (await rig.ask("OPTIONS", f"/s/{token}", {"Tus-Resumable": "1.0.0"})).status
    assert 201 == (await rig.ask("PUT", f"/s/{token}/b", {}, b"x")).status
    assert 410 == (await rig.ask("OPTIONS", f"/s/{token}", {"Tus-Resumable": "1.0.0"})).status
