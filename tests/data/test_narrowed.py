"""A narrowed key before the whole data plane: every operation of the S3 face, inside and outside; uses and bytes."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from hashlib import md5
from ipaddress import ip_network
from typing import Any

import pytest

from gateway.core.approval import Waiting
from gateway.core.backend import Credentials
from gateway.core.grant import Grant
from gateway.core.narrowing import Narrowing
from gateway.core.request import Action, Operation
from gateway.core.units import Rate
from gateway.data.s3 import copy as copies
from gateway.wire.sig.sigv4 import SigningKeys, presign
from tests.data.harness import Rig, policy, request, running
from tests.data.scripted_store import Scripted, xml
from tests.waiting import until

BODY = b"0123456789"
FOLDER = Narrowing(bucket="reports", prefix="2026/")
_DELETE = b"<Delete>%b</Delete>"
_COMPLETE = (
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag></Part>"
    b"</CompleteMultipartUpload>"
)
_COMPLETED = xml("<CompleteMultipartUploadResult><ETag>&quot;e&quot;</ETag></CompleteMultipartUploadResult>")
_COPIED = xml("<CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>")
_TAGS = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"

NAMED: list[tuple[Operation, str, list[tuple[str, str]], bytes]] = [
    (Operation.GET_OBJECT, "GET", [], b""),
    (Operation.HEAD_OBJECT, "HEAD", [], b""),
    (Operation.PUT_OBJECT, "PUT", [], BODY),
    (Operation.DELETE_OBJECT, "DELETE", [], b""),
    (Operation.CREATE_MULTIPART_UPLOAD, "POST", [("uploads", "")], b""),
    (Operation.UPLOAD_PART, "PUT", [("partNumber", "1"), ("uploadId", "u")], BODY),
    (Operation.COMPLETE_MULTIPART_UPLOAD, "POST", [("uploadId", "u")], _COMPLETE),
    (Operation.ABORT_MULTIPART_UPLOAD, "DELETE", [("uploadId", "u")], b""),
    (Operation.LIST_PARTS, "GET", [("uploadId", "u")], b""),
    (Operation.GET_OBJECT_TAGGING, "GET", [("tagging", "")], b""),
    (Operation.PUT_OBJECT_TAGGING, "PUT", [("tagging", "")], _TAGS),
    (Operation.DELETE_OBJECT_TAGGING, "DELETE", [("tagging", "")], b""),
    (Operation.GET_OBJECT_ATTRIBUTES, "GET", [("attributes", "")], b""),
]
LISTINGS: list[list[tuple[str, str]]] = [
    [],
    [("list-type", "2")],
    [("versions", "")],
    [("uploads", "")],
]


async def ask(
    rig: Rig,
    credentials: Credentials,
    method: str,
    place: str,
    query: list[tuple[str, str]] | None = None,
    body: bytes = b"",
    **headers: str,
) -> Any:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    target, signed = rig.signed(credentials, method, place, query=sorted(query or []), headers=fields)
    return await rig.ask(method, target, signed, body)


async def reaches(rig: Rig, credentials: Credentials, *args: Any, **headers: str) -> bool:
    """Whether the request got as far as the store; what is refused says AccessDenied and no more."""
    before = len(rig.store.seen)
    got = await ask(rig, credentials, *args, **headers)
    if len(rig.store.seen) > before:
        return True
    assert 403 == got.status
    assert args[0] == "HEAD" or b"<Code>AccessDenied</Code><Message>Access Denied</Message>" in got.body
    return False


@pytest.mark.parametrize(("operation", "method", "query", "body"), NAMED, ids=lambda value: str(value)[:24])
async def test_every_operation_on_a_name_stays_inside(
    rig: Rig, operation: Operation, method: str, query: list[tuple[str, str]], body: bytes
) -> None:
    """Below the folder it reaches the store; beside it, above it and in another bucket it is refused before that."""
    folder, _ = await rig.key(narrowed=(FOLDER,))
    names, _ = await rig.key(narrowed=(Narrowing(bucket="reports", keys=frozenset({"2026/a", "b"})),))
    more = {"x_amz_object_attributes": "ETag"} if operation is Operation.GET_OBJECT_ATTRIBUTES else {}
    places = ("reports/2026/a", "reports/2026/in/b", "reports/b", "reports/2026-old/a", "reports/2026", "other/2026/a")
    for key, inside in ((folder, places[:2]), (names, (places[0], places[2]))):
        found = {place: await reaches(rig, key, method, place, query, body, **more) for place in places}
        assert {place: place in inside for place in places} == found


@pytest.mark.parametrize("query", LISTINGS, ids=lambda query: query[0][0] if query else "v1")
async def test_a_listing_needs_a_prefix_inside(rig: Rig, query: list[tuple[str, str]]) -> None:
    """Its folder or below it; without a prefix, with the beginning of one, and for exact names it is refused."""
    folder, _ = await rig.key(narrowed=(FOLDER,))
    names, _ = await rig.key(narrowed=(Narrowing(bucket="reports", keys=frozenset({"2026/a"})),))
    for prefix, inside in (("2026/", True), ("2026/in", True), ("", False), ("2026", False), ("2026-old/", False)):
        asked = [*query, ("prefix", prefix)] if prefix else query
        assert inside == await reaches(rig, folder, "GET", "reports", asked), prefix
        assert not await reaches(rig, names, "GET", "reports", asked)
    assert not await reaches(rig, names, "GET", "reports", [*query, ("prefix", "2026/a")])


async def test_only_its_buckets_are_there(rig: Rig) -> None:
    """The list of buckets shows those of its narrowing, and others cannot be looked at."""
    whole, _ = await rig.key()
    narrow, _ = await rig.key(narrowed=(FOLDER,))
    listed = [(await ask(rig, key, "GET", "")).body for key in (whole, narrow)]
    buckets = ("far", "other", "reports")
    shown = [[name for name in buckets if f"<Name>{name}</Name>".encode() in body] for body in listed]
    assert [[*buckets], ["reports"]] == shown
    for query in ([], [("location", "")], [("versioning", "")]):
        method = "GET" if query else "HEAD"
        assert [200, 403] == [(await ask(rig, narrow, method, place, query)).status for place in ("reports", "other")]


async def test_both_ends_of_a_copy_lie_inside(rig: Rig) -> None:
    """From outside nothing is copied in, to outside nothing is copied out; the same for a part."""
    for name in ("2026/a", "b"):
        rig.store.hold(f"inside/{name}", BODY)
    key, _ = await rig.key(narrowed=(FOLDER,))
    for query in ([], [("partNumber", "1"), ("uploadId", "u")]):
        for source, target, inside in (("2026/a", "2026/c", True), ("b", "2026/c", False), ("2026/a", "c", False)):
            copied = await reaches(rig, key, "PUT", f"reports/{target}", query, x_amz_copy_source=f"/reports/{source}")
            assert inside == copied


async def test_each_name_of_a_batch_is_decided_on(rig: Rig) -> None:
    """Those outside are answered AccessDenied, and the store is asked for the others alone."""
    key, _ = await rig.key(narrowed=(FOLDER,))
    names = (b"2026/a", b"2026-old/a", b"b")
    body = _DELETE % b"".join(b"<Object><Key>%b</Key></Object>" % name for name in names)
    rig.store.script(Scripted(200, {}, [b"<DeleteResult><Deleted><Key>inside/2026/a</Key></Deleted></DeleteResult>"]))
    digest = b64encode(md5(body, usedforsecurity=False).digest()).decode()
    got = await ask(rig, key, "POST", "reports", [("delete", "")], body, content_md5=digest)
    assert 200 == got.status
    assert [True, False, False] == [b"<Deleted><Key>%b</Key>" % name in got.body for name in names]
    assert 2 == got.body.count(b"<Code>AccessDenied</Code>")


async def test_an_action_that_it_has_not_is_refused_inside_too(rig: Rig) -> None:
    """A key that reads does not write, and a key for actions alone has them wherever its app may."""
    reading = frozenset({Action.READ})
    here, _ = await rig.key(narrowed=(Narrowing(bucket="reports", prefix="2026/", actions=reading),))
    anywhere, _ = await rig.key(narrowed=(Narrowing(actions=reading),))
    for key, place in ((here, "reports/2026/a"), (anywhere, "other/a")):
        assert await reaches(rig, key, "GET", place)
        assert not await reaches(rig, key, "PUT", place, [], BODY)
        assert not await reaches(rig, key, "GET", place.partition("/")[0], [("prefix", "2026/")])


async def test_a_url_presigned_by_it_reaches_no_further(rig: Rig) -> None:
    """The signature is the key's, and so is what it may be used for."""
    rig.store.hold("inside/2026/a", BODY)
    rig.store.hold("inside/b", BODY)
    key, _ = await rig.key(narrowed=(FOLDER,))
    for name, status in (("2026/a", 200), ("b", 403)):
        path = f"/reports/{name}"
        query = presign(
            key, SigningKeys(), method="GET", host="gw", path=path, region="us-east-1", now=rig.clock.now, expires=60
        )
        assert status == (await rig.ask("GET", f"{path}?{query}")).status


async def test_networks_times_and_rates_hold_as_a_links_do(rig: Rig) -> None:
    """From elsewhere, too early, too late and too often it is refused, with S3's own codes."""
    rig.store.hold("inside/a", BODY)
    for fields, status, code in (
        ({"not_before": rig.clock.now + 1}, 403, b"AccessDenied"),
        ({"expires_at": rig.clock.now - 1}, 400, b"ExpiredToken"),
        ({"cidrs": (ip_network("192.0.2.0/24"),)}, 403, b"AccessDenied"),
    ):
        key, _ = await rig.key(**fields)
        got = await ask(rig, key, "GET", "reports/a")
        assert (status, True) == (got.status, code in got.body)
    key, _ = await rig.key(rate=Rate(2, 60.0, 2))
    assert [200, 200, 503] == [(await ask(rig, key, "GET", "reports/a")).status for _ in range(3)]


# uses and bytes


async def test_a_use_is_one_object_sent_or_taken(rig: Rig) -> None:
    """GET, PUT and a copy take one each; HEAD, listings and what the store refuses take none; then it is used up."""
    rig.store.hold("inside/a", BODY)
    key, grant = await rig.key(uses=3)
    assert 404 == (await ask(rig, key, "GET", "reports/none")).status
    assert 200 == (await ask(rig, key, "HEAD", "reports/a")).status
    assert 0 == await rig.used(grant)
    assert 200 == (await ask(rig, key, "GET", "reports/a")).status
    assert 200 == (await ask(rig, key, "GET", "reports/a")).status
    assert 200 == (await ask(rig, key, "PUT", "reports/b", [], BODY)).status
    assert 3 == await rig.used(grant)
    for method, place, query in (("GET", "reports/a", []), ("PUT", "reports/c", []), ("GET", "reports", [])):
        got = await ask(rig, key, method, place, query, BODY if method == "PUT" else b"")
        assert (403, True) == (got.status, b"This key has been used up." in got.body)
    assert 200 == (await ask(rig, key, "HEAD", "reports/a")).status


async def test_ranges_of_one_object_and_parts_of_one_upload_are_one_use(rig: Rig) -> None:
    """As download managers and SDKs send and take what is large; another object, or upload, is another use."""
    rig.store.hold("inside/a", BODY)
    key, grant = await rig.key(uses=2)
    for first in (0, 5, 0):
        got = await ask(rig, key, "GET", "reports/a", range=f"bytes={first}-{first + 4}")
        assert (206, 5) == (got.status, len(got.body))
    assert 1 == await rig.used(grant)
    for number in ("1", "2", "3"):
        rig.store.script(Scripted(200, {"etag": '"e"'}))
        query = [("partNumber", number), ("uploadId", "u")]
        assert 200 == (await ask(rig, key, "PUT", "reports/big", query, BODY)).status
    assert 2 == await rig.used(grant)
    other = await ask(rig, key, "PUT", "reports/big", [("partNumber", "1"), ("uploadId", "other")], BODY)
    assert 403 == other.status
    rig.store.script(_COMPLETED)
    assert 200 == (await ask(rig, key, "POST", "reports/big", [("uploadId", "u")], _COMPLETE)).status


async def test_bytes_are_counted_both_ways_and_end(rig: Rig) -> None:
    """What was sent and taken is taken off; what would not fit is refused before its first byte."""
    rig.store.hold("inside/a", BODY)
    key, grant = await rig.key(budget=25)
    assert 200 == (await ask(rig, key, "GET", "reports/a")).status
    assert 200 == (await ask(rig, key, "PUT", "reports/b", [], BODY)).status
    assert 20 == await rig.moved(grant)
    calls = len(rig.store.seen)
    assert 403 == (await ask(rig, key, "PUT", "reports/c", [], BODY)).status
    assert ("real", "inside/c") not in rig.store.objects
    assert 206 == (await ask(rig, key, "GET", "reports/a", range="bytes=0-4")).status
    assert (25, True) == (await rig.moved(grant), len(rig.store.seen) > calls)
    assert 403 == (await ask(rig, key, "GET", "reports", [])).status


async def test_a_document_is_no_objects_bytes(rig: Rig) -> None:
    """The list of parts that ends an upload is taken when the bytes are spent, and is not counted."""
    key, grant = await rig.key(budget=10)
    rig.store.script(Scripted(200, {"etag": '"e"'}), _COMPLETED)
    part = [("partNumber", "1"), ("uploadId", "u")]
    assert 200 == (await ask(rig, key, "PUT", "reports/big", part, BODY)).status
    assert 200 == (await ask(rig, key, "POST", "reports/big", [("uploadId", "u")], _COMPLETE)).status
    assert 10 == await rig.moved(grant)
    assert 403 == (await ask(rig, key, "PUT", "reports/big", [("tagging", "")], _TAGS)).status


@pytest.mark.parametrize("budget", [None, 100])
async def test_a_copy_is_counted_where_bytes_are(rig: Rig, budget: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store copies by itself, unless the key may move only so many bytes: those have to be seen."""
    rig.store.hold("inside/a", BODY)
    rig.store.always = lambda call: _COPIED if "x-amz-copy-source" in dict(call.headers) else None
    key, grant = await rig.key(budget=budget)
    assert 200 == (await ask(rig, key, "PUT", "reports/b", x_amz_copy_source="/reports/a")).status
    assert (0 if budget is None else 10) == await rig.moved(grant)
    assert (budget is None) == any("x-amz-copy-source" in dict(seen.call.headers) for seen in rig.store.seen)
    monkeypatch.setattr(copies, "_counts_bytes", lambda permit: False)  # control: without it, nothing is counted
    assert 200 == (await ask(rig, key, "PUT", "reports/c", x_amz_copy_source="/reports/a")).status
    assert (0 if budget is None else 10) == await rig.moved(grant)


# edited and revoked while bytes move

Change = Callable[[Rig, Grant], Any]
_SIZE = 100_000

ENDING: dict[str, dict[str, Any]] = {
    "another folder": {"narrowed": (Narrowing(bucket="reports", prefix="2027/"),)},
    "another bucket": {"narrowed": (Narrowing(bucket="other"),)},
    "other names": {"narrowed": (Narrowing(bucket="reports", keys=frozenset({"2026/b"})),)},
    "another action": {"narrowed": (Narrowing(bucket="reports", actions=frozenset({Action.LIST})),)},
    "an end": {"expires_at": 1.0},
    "a suspension": {"suspended_at": 1.0},
    "an approval that it needs again": {"waiting": Waiting(1.0, 9e9, ())},
    "other networks": {"cidrs": (ip_network("192.0.2.0/24"),)},
    "fewer bytes": {"budget": 10},
}
HARMLESS: dict[str, dict[str, Any]] = {
    "a wider folder": {"narrowed": (Narrowing(bucket="reports"),)},
    "its name": {"narrowed": (Narrowing(bucket="reports", keys=frozenset({"2026/a"})),)},
    "no narrowing": {"narrowed": ()},
    "a label": {"label": "x"},
    "bytes enough": {"budget": 10**9},
}


@pytest.mark.parametrize(("edit", "ends"), [*((e, True) for e in ENDING), *((e, False) for e in HARMLESS)])
@pytest.mark.parametrize("writing", [False, True], ids=["get", "put"])
async def test_an_edit_acts_on_what_runs(edit: str, ends: bool, writing: bool) -> None:
    """What would not be allowed now is cut at once, a download and an upload alike; what still is comes to its end."""
    async with running(policy()) as rig:
        key, grant = await rig.key(narrowed=(FOLDER,))
        hold, half = asyncio.Event(), b"x" * (_SIZE // 2)
        action = {Action.WRITE if writing else Action.READ}
        async with rig.client() as client:
            target, signed = rig.signed(key, "PUT" if writing else "GET", "reports/2026/a")
            if writing:
                await client.send(request("PUT", target, {**signed, "Content-Length": str(_SIZE)}) + half)
                await until(lambda: any(permit.moved for permit in rig.plane.transfers))
            else:
                rig.store.script(Scripted(200, {"etag": '"v"'}, [half, hold, half], length=_SIZE))
                await client.send(request("GET", target, signed))
                assert 200 == (await client.head()).status
                await client.rest_of(_SIZE // 2)
            fields = dict((ENDING | HARMLESS)[edit])
            if edit == "another action":
                fields = {"narrowed": (Narrowing(bucket="reports", actions=frozenset(set(Action) - action)),)}
            await rig.edit(grant, **fields)
            cut = [permit.exchange.cut_reason for permit in rig.plane.transfers]
            assert ends == (not cut or cut[0] is not None)
            hold.set()
            if not ends and writing:
                await client.send(half)
                assert 200 == (await client.answer("PUT")).status
            elif not ends:
                assert _SIZE // 2 == len(await client.rest_of(_SIZE // 2))
        await rig.settled()
        assert (not ends and writing) == (("real", "inside/2026/a") in rig.store.objects)
