"""A policy that gives one folder gives that folder, whatever the names in a request look like.

After every trick the store itself is asked: nothing outside was changed, and nothing of it was in any answer.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any

import pytest

from tests.fuzz.sent import Sent
from tests.fuzz.signers import Pair, uri
from tests.fuzz.tricks import SUB_RESOURCES, Door, absolute, forms, listings, requests, spellings
from tests.servers.gateway import RunningGateway, gateway_before
from tests.servers.store import RunningStore

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_RULES = """
rules:
  - {name: the tests look, who: ["admin:tests", "app:auditor"], may: [read, list, write, delete, share], on: "**",
     links: {actions: [read, list, write]}}
  - {name: billing has a folder, who: app:billing, may: [read, list, write, delete], on: "*/billing/**"}
  - {name: but not all of it, who: app:billing, may: [read, list, write, delete], on: "*/billing/secret/**",
     effect: deny}
  - {name: billing may share, who: app:billing, may: [share], on: "*/billing/**", links: {actions: [read, write, list]}}
  - {name: anybody may read, who: anonymous, may: [read], on: "*/public/**"}
"""
_OUTSIDE = ("payroll/a.pdf", "billing-old/x.txt", "billing/secret/pay.txt", "a.txt", "billing")
_BEYOND = ("root.txt", "insider/x.txt", "payroll/a.pdf")
"""Keys beside the bucket's prefix in the same real bucket."""


@dataclass
class Scene:
    """A bucket with things to protect. `marks` are random texts that stand in what nobody may see."""

    gateway: RunningGateway
    store: RunningStore
    real: str
    elsewhere: str
    marks: list[str] = field(default_factory=list)
    kept: str = field(default_factory=lambda: f"kept-{token_hex(16)}")
    before: Mapping[tuple[str, str], Any] = field(default_factory=dict)

    def fill(self) -> None:
        """Everything in its place, each protected thing with a mark in its bytes, and a name never spoken of."""
        client = self.store.client()
        for key in _OUTSIDE:
            if key != "billing" or self.store.profile != "seaweedfs":  # there, a folder's name is taken
                self._hide(self.real, f"inside/{key}")
        for key in _BEYOND:
            self._hide(self.real, key)
        self._hide(self.elsewhere, "inside/a.txt")
        for folder in ("payroll", "billing-old", "billing/secret", ""):
            name = f"hidden-{token_hex(8)}"
            self.marks.append(name)
            self._hide(self.real, f"inside/{folder}/{name}".replace("//", "/"))
        for key in ("billing/mine.txt", "billing/open/b.txt", "public/p.txt"):
            client.put_object(Bucket=self.real, Key=f"inside/{key}", Body=b"mine", ContentType="text/plain")
        client.put_object(Bucket=self.real, Key="inside/billing/keep.txt", Body=self.kept.encode())
        self.before = self.protected()

    def _hide(self, bucket: str, key: str) -> None:
        mark = f"canary-{token_hex(16)}"
        self.marks.append(mark)
        answer = self.store.client().put_object(Bucket=bucket, Key=key, Body=mark.encode())
        self.marks.append(answer["ETag"].strip('"'))

    def protected(self) -> dict[tuple[str, str], Any]:
        """Every object that must not change, with its bytes, and every upload in progress there."""
        client, found = self.store.client(), {}
        for bucket in (self.real, self.elsewhere):
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                for entry in page.get("Contents", []):
                    key = entry["Key"]
                    mine = key.startswith("inside/billing/") and not key.startswith("inside/billing/secret/")
                    if not mine or key == "inside/billing/keep.txt":
                        found[bucket, key] = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return found

    def door(self, app: str | None = "billing") -> Door:
        pair = None
        if app is not None:
            key = self.gateway.api("POST", "/v1/keys", {"app": app})
            pair = Pair(key["access_key_id"], key["secret_access_key"])
        return Door(self.gateway.data, self.store.profile, pair, time.time())

    def judge(self, door: Door, tried: Iterator[Sent]) -> int:
        """Send everything; returns how many. Nothing protected may show, and nothing may break."""
        signed = [door.signed(sent, number) for number, sent in enumerate(tried)]
        with ThreadPoolExecutor(8) as many:
            answers = list(many.map(door.ask, signed))
        for sent, got in zip(signed, answers, strict=True):
            shown = f"{sent.method} {sent.target} {sent.headers} -> {got[:300]!r}"
            seen = [mark for mark in self.marks if mark.encode() in got]
            assert not seen, shown
        assert "internal error" not in self.gateway.log()  # a store's own 500 is relayed, and is not ours
        assert self.before == self.protected()
        return len(signed)


@pytest.fixture(scope="module")
def running(
    seaweedfs: RunningStore, swift: RunningStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    with gateway_before([seaweedfs, swift], tmp_path_factory.mktemp("tricks"), rules=_RULES) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=["seaweedfs", "swift"])
def scene(request: pytest.FixtureRequest, running: RunningGateway) -> Scene:
    """Once on a store that folds names and once on one that does not."""
    store: RunningStore = request.getfixturevalue(request.param)
    made = Scene(running, store, running.real_buckets[store.profile], store.make_bucket())
    made.fill()
    return made


def test_its_own_folder_is_open(scene: Scene) -> None:
    """What the policy gives works: else every trick would fail for the wrong reason."""
    door = scene.door()
    for way in range(3):
        assert b"\r\n\r\nmine" in door.ask(door.signed(door.asked("GET", "billing/mine.txt"), way))
        assert b"HTTP/1.1 200" in door.ask(door.signed(door.asked("PUT", "billing/new", body=b"x"), way))
        listed = door.ask(door.signed(door.asked("GET", "", "list-type=2&prefix=billing%2Fopen%2F"), way))
        assert b"billing/open/b.txt" in listed


def test_a_wider_policy_shows_it_all(scene: Scene) -> None:
    """Control: for an app that may read everything, the same requests do show what the marks stand in."""
    door, seen = scene.door("auditor"), set()
    for key in _OUTSIDE:
        for sent in [door.asked("GET", key), door.asked("GET", "", "list-type=2")]:
            got = door.ask(door.signed(sent, 0))
            seen |= {mark for mark in scene.marks if mark.encode() in got}
    assert len(seen) >= 8


@pytest.mark.parametrize("target", _OUTSIDE)
def test_no_spelling_of_a_name_leads_out(scene: Scene, target: str) -> None:
    """Dot segments, encoded, doubled and backward slashes, NUL and their like, in every place a name can stand."""
    door, rng = scene.door(), random.Random(target)
    paths = list(dict.fromkeys(spellings(target)))
    plain = paths.index(target) if target in paths else 0
    chosen = [paths[plain], *rng.sample(paths, 12)]
    tried = (sent for path in chosen for sent in requests(door, path, "billing/mine.txt"))
    assert scene.judge(door, tried) > 150
    assert scene.judge(door, (door.asked("GET", path) for path in paths)) > 80


@pytest.mark.parametrize("target", ["payroll/a.pdf", "billing/mine.txt"])
def test_bucket_and_key_are_told_apart_in_one_way(scene: Scene, target: str) -> None:
    """Encoded separators, other hosts, absolute forms and doubled slashes open no other bucket and no other key."""
    door = scene.door()
    assert scene.judge(door, absolute(door, target)) > 20


def test_no_listing_shows_more_than_the_folder(scene: Scene) -> None:
    """Cut segments, odd delimiters, markers and tokens, listings of versions and uploads: no name from outside."""
    door = scene.door()
    assert scene.judge(door, listings(door, list(_OUTSIDE))) > 300


def test_no_form_writes_outside(scene: Scene) -> None:
    """Keys and file names of a form are judged as the text that is written, with ${filename} filled in."""
    door = scene.door()
    for sent in forms(door, random.Random(7), "payroll/a.pdf"):
        got = door.ask(sent)
        assert not [mark for mark in scene.marks if mark.encode() in got]
    assert scene.before == scene.protected()


@pytest.mark.parametrize("key", ["billing/keep.txt", ""])
def test_unknown_sub_resources_are_refused_and_touch_nothing(scene: Scene, key: str) -> None:
    """A sub-resource that a store would take for a plain write or read is refused, even where writing is allowed."""
    door = scene.door()
    for number, name in enumerate(SUB_RESOURCES):
        for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
            query = (name, f"{name}=", f"versionId=null&{name}")[number % 3]
            sent = door.asked(method, key, query, body=b"overwritten" if method in {"PUT", "POST"} else b"")
            got = door.ask(door.signed(sent, number))
            if (method, key, name) == ("GET", "", "metadata"):
                continue  # a listing, in which minio-go would like metadata
            assert got[9:10] == b"4" or got[9:12] == b"501", (method, query, got[:200])
    assert scene.before == scene.protected()


def test_a_signature_for_get_is_none_for_head(scene: Scene) -> None:
    """Nor for any other method."""
    door = scene.door()
    for way in range(3):
        signed = door.signed(door.asked("GET", "billing/mine.txt"), way)
        assert door.ask(signed).startswith(b"HTTP/1.1 200")
        for method in ("HEAD", "PUT", "DELETE", "POST", "OPTIONS"):
            got = door.ask(replace(signed, method=method).setting("Content-Length", "0"))
            assert got[9:10] == b"4", (method, got[:100])


def test_strangers_get_public_objects_and_no_say_in_their_headers(scene: Scene) -> None:
    """Without a credential, `response-*` is refused: else a stranger chooses the type that a page is shown as."""
    door = scene.door(None)
    assert b"\r\n\r\nmine" in door.ask(door.asked("GET", "public/p.txt"))
    for name in ("content-type", "content-disposition", "cache-control", "expires"):
        got = door.ask(door.asked("GET", "public/p.txt", f"response-{name}=text%2Fhtml"))
        assert got[9:10] == b"4", got[:200]
    for path in ("billing/mine.txt", "public/../billing/mine.txt", "public/%2e%2e/payroll/a.pdf"):
        assert door.ask(door.asked("GET", path))[9:10] == b"4"
    assert scene.judge(door, (sent for sent in requests(door, "public/x", "public/p.txt") if sent.method != "GET")) > 5


def test_an_upload_belongs_to_its_own_key(scene: Scene) -> None:
    """The id of somebody else's upload adds no part to it, ends it for nobody and shows none of its parts."""
    client, key = scene.store.client(), "inside/payroll/up.bin"
    upload = client.create_multipart_upload(Bucket=scene.real, Key=key)["UploadId"]
    part = client.upload_part(Bucket=scene.real, Key=key, UploadId=upload, PartNumber=1, Body=b"theirs")
    door, at = scene.door(), uri(upload)
    document = (
        b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part></CompleteMultipartUpload>"
    )
    for path in ("billing/up.bin", "payroll/up.bin", "billing/..%2fpayroll/up.bin"):
        for sent in (
            door.asked("PUT", path, f"partNumber=1&uploadId={at}", body=b"ours"),
            door.asked("PUT", path, f"partNumber=2&uploadId={at}", body=b"ours"),
            door.asked("GET", path, f"uploadId={at}"),
            door.asked("DELETE", path, f"uploadId={at}"),
            door.asked("POST", path, f"uploadId={at}", body=document % part["ETag"].encode()),
            door.asked("PUT", path, f"partNumber=1&uploadId={at}").with_header(
                "x-amz-copy-source", f"/{door.bucket}/payroll/a.pdf"
            ),
        ):
            got = door.ask(door.signed(sent, 0))
            assert part["ETag"].strip('"').encode() not in got
    listed = client.list_parts(Bucket=scene.real, Key=key, UploadId=upload).get("Parts", [])
    assert [(1, 6)] == [(each["PartNumber"], each["Size"]) for each in listed]
    client.abort_multipart_upload(Bucket=scene.real, Key=key, UploadId=upload)


def test_a_folder_link_stays_in_its_folder(scene: Scene) -> None:
    """Paths below a link's token reach nothing above its prefix, by any spelling, for reading, listing or sending."""
    door = scene.door(None)
    link = scene.gateway.link(scene.store.profile, prefix="billing/open/", actions=["read", "list", "write"])
    base = f"/s/{link.token}"
    assert b"\r\n\r\nmine" in door.ask(replace(door.asked("GET", ""), target=f"{base}/b.txt"))

    def tried() -> Iterator[Sent]:
        for target in ("payroll/a.pdf", "billing/secret/pay.txt", "secret/pay.txt", "keep.txt"):
            for number, path in enumerate(spellings(target)):
                where = path.removeprefix("billing/")
                yield replace(door.asked("GET", ""), target=f"{base}/{where}")
                if number % 4 == 0:
                    yield replace(door.asked("PUT", "", body=b"overwritten"), target=f"{base}/{where}")
                    yield replace(door.asked("GET", ""), target=f"{base}/{where}/?archive=tar")
        for query in (
            "cursor=cGF5cm9sbA",
            "cursor=inside%2Fpayroll",
            "archive=zip",
            "prefix=",
            "download=1",
            "list-type=2",
        ):
            for folder in ("", "..%2f", "../", "%2e%2e/", "/", "b.txt/"):
                yield replace(door.asked("GET", ""), target=f"{base}/{folder}?{query}")

    scene.marks.append(scene.kept)
    try:
        assert scene.judge(door, tried()) > 500
    finally:
        scene.marks.pop()


def test_a_link_reaches_no_further_than_its_owner(scene: Scene) -> None:
    """A link to a folder of which its owner is denied a part gives neither that part nor a list or archive of it."""
    door = scene.door(None)
    tokens = []
    for actions in (["list"], ["read", "list"], ["read"], ["write"], ["read", "write"]):
        wanted = {"bucket": scene.store.profile, "prefix": "billing/", "actions": actions, "owner": "app:billing"}
        asked = wanted | {"expires_in": 600, "overwrite": True}
        made = scene.gateway.api("POST", "/v1/links", asked, expect=403 if "list" in actions else 201)
        if "list" in actions:
            continue
        tokens.append(made["token"])

    def tried() -> Iterator[Sent]:
        for token in tokens:
            for path in dict.fromkeys(spellings("secret/pay.txt")):
                yield replace(door.asked("GET", ""), target=f"/s/{token}/{path.removeprefix('billing/')}")
            for path in ("", "secret/", "secret", "secret%2f", "/secret/", "./secret/"):
                for query in ("", "archive=tar", "archive=zip", "cursor=secret"):
                    yield replace(door.asked("GET", ""), target=f"/s/{token}/{path}").asking(query=query)
                yield replace(door.asked("PUT", "", body=b"overwritten"), target=f"/s/{token}/{path}pay.txt")

    assert scene.judge(door, tried()) > 250


def test_a_profile_that_denied_the_folding_would_leak(
    seaweedfs: RunningStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Control: told that SeaweedFS does not fold names, the gateway lets doubled slashes reach the denied folder."""
    store = replace(seaweedfs, profile="minio")
    with gateway_before([store], tmp_path_factory.mktemp("folding"), rules=_RULES) as gateway:
        scene = Scene(gateway, store, gateway.real_buckets[store.profile], store.make_bucket())
        scene.fill()
        door = scene.door()
        got = [door.ask(door.signed(door.asked("GET", path), 0)) for path in spellings("billing/secret/pay.txt")]
    assert [answer for answer in got if any(mark.encode() in answer for mark in scene.marks)]
