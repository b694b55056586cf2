"""A folder link's listing."""

from __future__ import annotations

import io
import json
import re
import zipfile
from html import unescape
from urllib.parse import urlencode

import pytest

from gateway.core.intake import Intake
from gateway.core.password import SALT_BYTES, hash_password
from gateway.core.request import Action
from gateway.data.links import listing
from tests.data.harness import Rig
from tests.data.raw_client import Got
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


INDEX = {"User-Agent": "lftp/4.9.2", "Accept": "*/*"}


def lines(got: Got) -> list[str]:
    return [unescape(name) for name in re.findall(r'<a href="([^"]*)">', got.text)]


@pytest.mark.parametrize(
    ("query", "headers"), [("", INDEX), ("?view=index", {}), ("?view=index", {"Accept": "text/html"})]
)
async def test_programs_that_know_no_other_get_an_index(rig: Rig, query: str, headers: dict[str, str]) -> None:
    """As a web server writes it: names of this folder alone, at relative addresses; and so does who asks for one."""
    got = await rig.ask("GET", f"/s/{await folder(rig)}/{query}", headers)
    assert (200, "text/html; charset=utf-8") == (got.status, got.header("content-type"))
    assert ["sub/", "b.txt", "zz.txt"] == lines(got)
    assert "deep" not in got.text


@pytest.mark.parametrize("headers", [JSON, {}, {"Accept": "*/*", "User-Agent": "curl/8.5.0"}, INDEX | JSON])
async def test_all_other_programs_get_json(rig: Rig, headers: dict[str, str]) -> None:
    """Who names it, whoever they are, and who names nothing."""
    got = await rig.ask("GET", f"/s/{await folder(rig)}/", headers)
    assert "application/json" == got.header("content-type")


async def test_an_index_is_the_whole_folder(rig: Rig) -> None:
    """Its readers know of no second page: however many pages the store has."""
    for number in range(2100):
        rig.store.hold(f"inside/in/{number:04}.txt", b"x")
    got = await rig.ask("GET", f"/s/{await rig.link(prefix='in/')}/", INDEX)
    assert [f"{number:04}.txt" for number in range(2100)] == lines(got)
    assert 3 == len(rig.store.seen)


async def test_an_index_that_would_not_be_whole_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of too many names, and a store that begins again, give no part of an index that looks whole."""
    token = await folder(rig)
    page = "<IsTruncated>true</IsTruncated><NextContinuationToken>inside/deep/in/b.txt</NextContinuationToken>"
    rig.store.script(*[xml(f"<ListBucketResult>{page}</ListBucketResult>") for _ in range(2)])
    assert 502 == (await rig.ask("GET", f"/s/{token}/", INDEX)).status
    monkeypatch.setattr(listing, "_LONGEST_INDEX", 2)
    assert 413 == (await rig.ask("GET", f"/s/{token}/", INDEX)).status
    assert 200 == (await rig.ask("GET", f"/s/{token}/", JSON)).status


async def test_an_index_begins_at_the_folders_own_address(rig: Rig) -> None:
    """Else its addresses would lead beside the folder. Whoever asks for its head alone lists nothing."""
    token = await folder(rig)
    got = await rig.ask("GET", f"/s/{token}", INDEX)
    assert (308, f"/s/{token}/") == (got.status, got.header("location"))
    seen = await rig.ask("HEAD", f"/s/{token}/", INDEX)
    assert (200, b"", []) == (seen.status, seen.body, rig.store.seen)


@pytest.mark.parametrize("headers", [INDEX, {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}])
async def test_a_folder_below_is_found_without_its_slash(rig: Rig, headers: dict[str, str]) -> None:
    """By those who know folders from web servers. The beginning of a name is none."""
    token = await folder(rig)
    got = await rig.ask("GET", f"/s/{token}/sub?find=c", headers)
    assert (308, f"/s/{token}/sub/?find=c") == (got.status, got.header("location"))
    assert 404 == (await rig.ask("GET", f"/s/{token}/su", headers)).status
    assert 404 == (await rig.ask("GET", f"/s/{token}/sub", JSON)).status


async def test_to_be_led_to_a_folder_takes_no_use(rig: Rig) -> None:
    """It was asked for as a file, and there is none."""
    await folder(rig)
    token, grant = await rig.granted(prefix="deep/in/", uses=1)
    assert 308 == (await rig.ask("GET", f"/s/{token}/sub", INDEX)).status
    await rig.settled()
    assert 0 == await rig.used(grant)


async def test_a_folder_that_may_not_be_listed_is_not_found(rig: Rig) -> None:
    """Who may only read is not told that there is one; the store is not asked."""
    token = await folder(rig, actions=[Action.READ])
    assert 404 == (await rig.ask("GET", f"/s/{token}/sub", INDEX)).status
    assert ["inside/deep/in/sub"] == [seen.call.key for seen in rig.store.seen]


async def test_a_listing_takes_no_use(rig: Rig) -> None:
    """Looking around is free, downloading is not."""
    token, grant = await rig.granted(prefix="deep/in/", uses=1)
    assert 200 == (await rig.ask("GET", f"/s/{token}/", JSON)).status
    assert 0 == await rig.used(grant)


PERSON = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BOTH = frozenset({Action.READ, Action.LIST})


def rows(got: Got) -> list[str]:
    return re.findall(r'name="select" value="([^"]*)"', got.text)


async def test_a_persons_page_is_short_and_leads_on(rig: Rig) -> None:
    """However large the folder is: the page is below 100 KiB, and its next one begins where it ends."""
    for number in range(600):
        rig.store.hold(f"inside/in/{number:04} of a file.txt", b"x")
    token = await rig.link(prefix="in/")
    seen, target = [], "./"
    while target:
        got = await rig.ask("GET", f"/s/{token}/{target.removeprefix('./')}", PERSON)
        assert len(got.body) < 100 * 1024
        seen.append(rows(got))
        found = re.search(r'rel="next" href="([^"]*)"', got.text)
        target = unescape(found[1]) if found else ""
    assert [200, 200, 200] == [len(page) for page in seen]
    names = [name for page in seen for name in page]
    assert sorted(names) == names


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["sub/", "Bee.txt", "ant.txt", "cat.md"]),
        ("?sort=-name", ["sub/", "cat.md", "ant.txt", "Bee.txt"]),
        ("?sort=size", ["sub/", "ant.txt", "cat.md", "Bee.txt"]),
        ("?sort=-size", ["sub/", "Bee.txt", "cat.md", "ant.txt"]),
        ("?find=TXT", ["Bee.txt", "ant.txt"]),
        ("?find=t&sort=-name", ["cat.md", "ant.txt", "Bee.txt"]),
        ("?find=none", []),
        ("?sort=nothing", ["sub/", "Bee.txt", "ant.txt", "cat.md"]),
    ],
)
async def test_rows_are_searched_and_put_in_order(rig: Rig, query: str, names: list[str]) -> None:
    """By the address alone; folders come first, and case does not matter in a search."""
    for name, size in (("ant.txt", 1), ("Bee.txt", 300), ("cat.md", 20), ("sub/x", 5)):
        rig.store.hold(f"inside/in/{name}", b"x" * size)
    got = await rig.ask("GET", f"/s/{await rig.link(prefix='in/')}/{query}", PERSON)
    assert names == rows(got)
    assert "entries at a time" not in got.text


async def test_a_long_folder_is_ordered_in_blocks_and_says_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is reached, a block at a time, and no page asks the store more often than for its block."""
    monkeypatch.setattr(listing, "_BLOCK_PAGES", 2)
    monkeypatch.setattr(listing, "_ROWS", 700)
    for number in range(3500):
        rig.store.hold(f"inside/in/{number:04}", b"x" * (number % 7))
    token = await rig.link(prefix="in/")
    seen, query = [], "?sort=-size"
    while query:
        before = len(rig.store.seen)
        got = await rig.ask("GET", f"/s/{token}/{query}", PERSON)
        assert len(rig.store.seen) - before <= 2
        assert "entries at a time" in got.text
        seen += rows(got)
        found = re.search(r'rel="next" href="([^"]*)"', got.text)
        query = unescape(found[1]) if found else ""
    assert 3500 == len(set(seen)) == len(seen)
    sizes = [int(name) % 7 for name in seen[:2000]]
    assert sorted(sizes, reverse=True) == sizes


async def test_a_list_to_be_ordered_needs_room(rig: Rig) -> None:
    """Memory for lists is bounded, and what finds none is told to come again; the plain page needs none."""
    rig.store.hold("inside/in/a", b"x")
    token = await rig.link(prefix="in/")
    rig.plane.archive_memory.room = 0
    assert 503 == (await rig.ask("GET", f"/s/{token}/?sort=size", PERSON)).status
    assert 200 == (await rig.ask("GET", f"/s/{token}/", PERSON)).status


async def test_what_is_selected_comes_as_one_zip(rig: Rig) -> None:
    """Files by their names and folders with all in them, and nothing else; it takes one use where uses are counted."""
    for name in ("a.txt", "b & c.txt", "sub/x.txt", "sub/deep/y.txt", "subway.txt"):
        rig.store.hold(f"inside/in/{name}", name.encode())
    body = urlencode([("select", "b & c.txt"), ("select", "sub/"), ("archive", "zip")]).encode()
    for fields in ({}, {"uses": 1}, {"confirm": True}):
        token, grant = await rig.granted(prefix="in/", actions=BOTH, **fields)
        got = await rig.ask("POST", f"/s/{token}/", PERSON | FORM, body)
        assert (200, "application/zip") == (got.status, got.header("content-type"))
        packed = zipfile.ZipFile(io.BytesIO(got.body))
        assert {"b & c.txt", "sub/x.txt", "sub/deep/y.txt"} == set(packed.namelist())
        assert b"b & c.txt" == packed.read("b & c.txt")
        if "uses" in fields:
            assert 1 == await rig.used(grant)


@pytest.mark.parametrize("below", ["", "sub/"])
async def test_who_selected_nothing_is_told(rig: Rig, below: str) -> None:
    """On the folder's page, which takes no use; by its address it says nothing of the kind."""
    rig.store.hold("inside/in/sub/a.txt", b"hello")
    token, grant = await rig.granted(prefix="in/", actions=BOTH, uses=1)
    got = await rig.ask("POST", f"/s/{token}/{below}", PERSON | FORM, b"archive=zip")
    assert (200, True, True) == (got.status, "Nothing was selected" in got.text, 'name="select"' in got.text)
    assert "Nothing was selected" not in (await rig.ask("GET", f"/s/{token}/{below}", PERSON)).text
    assert 0 == await rig.used(grant)


async def test_a_folder_that_takes_files_says_which(rig: Rig) -> None:
    """What is left of them, and that it is nothing; what was begun may go on all the same."""
    intake = Intake(max_files=1, total_bytes=2048, types=("text/plain",))
    token = await rig.link(prefix="in/", actions=[*BOTH, Action.WRITE], intake=intake)
    page = (await rig.ask("GET", f"/s/{token}/", PERSON)).text
    assert re.search(r"Files left</dt><dd>1<.*2.0 KiB.*text/plain", page, re.DOTALL)
    assert 201 == (await rig.ask("PUT", f"/s/{token}/a.txt", {"Content-Type": "text/plain"}, b"some text")).status
    page = (await rig.ask("GET", f"/s/{token}/", PERSON)).text
    assert re.search(r"Files left</dt><dd>0<", page)
    assert 'id="sending"' in page


@pytest.mark.parametrize("actions", [[Action.LIST], [Action.READ], [Action.WRITE]])
async def test_nothing_is_selected_that_may_not_be_read(rig: Rig, actions: list[Action]) -> None:
    """A selection is an archive like any other: whoever may not list and read all of it gets nothing."""
    rig.store.hold("inside/in/a.txt", b"hello")
    token = await rig.link(prefix="in/", actions=actions)
    got = await rig.ask("POST", f"/s/{token}/", PERSON | FORM, b"select=a.txt&archive=zip")
    assert got.status >= 400
    assert b"hello" not in got.body


async def test_a_selection_asks_for_the_password(rig: Rig) -> None:
    """As every other way to the bytes."""
    rig.store.hold("inside/in/a.txt", b"hello")
    token = await rig.link(prefix="in/", actions=BOTH, password=hash_password("word", b"s" * SALT_BYTES))
    got = await rig.ask("POST", f"/s/{token}/", PERSON | FORM, b"select=a.txt")
    assert 401 == got.status


async def test_a_folder_tells_of_itself(rig: Rig) -> None:
    """Its README stands below the rows, as elements of ours; not where files are counted, and not in a search."""
    rig.store.hold("inside/in/ReadMe.md", b"# Hello\n<script>x</script> [other](other.txt)")
    for fields, query, told in (({}, "", True), ({"uses": 3}, "", False), ({}, "?find=me", False)):
        token = await rig.link(prefix="in/", actions=BOTH, **fields)
        got = await rig.ask("GET", f"/s/{token}/{query}", PERSON)
        assert told is ("<h3>Hello</h3>" in got.text)
        assert "<script>x" not in got.text
    listing_only = await rig.link(prefix="in/", actions=[Action.LIST])
    assert "<h3>Hello</h3>" not in (await rig.ask("GET", f"/s/{listing_only}/", PERSON)).text


async def test_pictures_are_shown_where_looking_takes_nothing(rig: Rig) -> None:
    """As a grid, by the files' own addresses."""
    rig.store.hold("inside/in/a.png", b"hello")
    for fields, shown in (({}, True), ({"uses": 3}, False), ({"budget": 100}, False)):
        token = await rig.link(prefix="in/", actions=BOTH, **fields)
        got = await rig.ask("GET", f"/s/{token}/?view=grid", PERSON)
        assert shown is ('<img src="./a.png?page=0"' in got.text)
