"""A folder link's listing."""

from __future__ import annotations

import json

from gateway.core.request import Action
from tests.data.harness import Rig
from tests.data.scripted_store import xml

JSON = {"Accept": "application/json"}


async def folder(rig: Rig, **fields) -> str:
    for name in ("b.txt", "sub/c.txt", "sub/d.txt", "zz.txt"):
        rig.store.hold(f"inside/deep/in/{name}", b"12345")
    rig.store.hold("inside/deep/other.txt", b"x")
    return await rig.link(prefix="deep/in/", **fields)


async def test_programs_get_json_with_relative_names(rig: Rig) -> None:
    """Folders first, and nothing of where the folder lies."""
    got = await rig.ask("GET", f"/s/{await folder(rig)}/", JSON)
    document = json.loads(got.body)
    names = [entry["name"] for entry in document["entries"]]
    assert (["sub/", "b.txt", "zz.txt"], None) == (names, document["cursor"])
    assert 5 == document["entries"][1]["size"]
    assert "deep" not in got.text
    assert "inside" not in got.text


async def test_people_get_a_page(rig: Rig) -> None:
    """With the same rows, and the same silence about what is above."""
    got = await rig.ask("GET", f"/s/{await folder(rig)}/", {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})
    assert "text/html" in (got.header("content-type") or "")
    assert "b.txt" in got.text
    assert "deep" not in got.text


async def test_people_are_led_to_where_the_pages_links_begin(rig: Rig) -> None:
    """Without its slash the address would make every relative link point beside the folder; programs do not care."""
    token = await folder(rig)
    got = await rig.ask("GET", f"/s/{token}?cursor=", {"Accept": "text/html"})
    assert (308, f"/s/{token}/?cursor=", []) == (got.status, got.header("location"), rig.store.seen)
    assert 200 == (await rig.ask("GET", f"/s/{token}", JSON)).status


async def test_a_folder_below_is_listed_below(rig: Rig) -> None:
    """Its rows are relative to itself."""
    got = await rig.ask("GET", f"/s/{await folder(rig)}/sub/", JSON)
    assert ("sub/", ["c.txt", "d.txt"]) == (
        json.loads(got.body)["path"],
        [entry["name"] for entry in json.loads(got.body)["entries"]],
    )


async def test_a_cursor_goes_on_where_it_stopped(rig: Rig) -> None:
    """It holds no name of the store's, and the next page begins after it."""
    token = await folder(rig)
    page = "<IsTruncated>true</IsTruncated><NextContinuationToken>inside/deep/in/b.txt</NextContinuationToken>"
    rig.store.script(xml(f"<ListBucketResult>{page}</ListBucketResult>"))
    cursor = json.loads((await rig.ask("GET", f"/s/{token}/", JSON)).body)["cursor"]
    assert "inside" not in cursor
    got = await rig.ask("GET", f"/s/{token}/?cursor={cursor}", JSON)
    assert "zz.txt" in got.text
    assert '"b.txt"' not in got.text
    assert ("continuation-token", "inside/deep/in/b.txt") in rig.store.seen[-1].call.query


async def test_a_link_that_may_only_read_lists_nothing(rig: Rig) -> None:
    """Knowing a name is one thing, seeing all names another."""
    token = await folder(rig, actions=[Action.READ])
    assert 405 == (await rig.ask("GET", f"/s/{token}/", JSON)).status
    assert 200 == (await rig.fetch(token, "/b.txt")).status
    assert {"inside/deep/in/b.txt"} == {seen.call.key for seen in rig.store.seen}


async def test_head_of_a_listing_has_no_body(rig: Rig) -> None:
    """And the next answer is where it belongs."""
    token = await folder(rig)
    async with rig.client() as client:
        for _ in range(2):
            await client.send(f"HEAD /s/{token}/ HTTP/1.1\r\nHost: gw\r\n\r\n".encode())
            assert 200 == (await client.answer("HEAD")).status


async def test_a_listing_takes_no_use(rig: Rig) -> None:
    """Looking around is free, downloading is not."""
    token, grant = await rig.granted(prefix="deep/in/", uses=1)
    assert 200 == (await rig.ask("GET", f"/s/{token}/", JSON)).status
    assert 0 == await rig.used(grant)
