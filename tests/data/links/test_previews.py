"""What a page shows of a file: only where looking takes nothing, only what may be read, and never much of it."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import pytest

from gateway.core.attempt import Principal
from gateway.core.grant import Shown
from gateway.core.request import Action
from gateway.data.links import previews
from gateway.data.links.previews import is_free
from gateway.pages.previews import READ_AT_MOST
from tests.data.harness import Rig

BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PAGE = frozenset({Shown.PAGE})


async def opened(rig: Rig, target: str, **fields: object):
    return await rig.ask("GET", f"/s/{await rig.link(**fields)}{target}", BROWSER)


@pytest.mark.parametrize(
    ("target", "shows", "paged"),
    [
        ("", (), False),
        ("?page=1", (), True),
        ("?page=2", (), False),
        ("", PAGE, True),
        ("?page=0", PAGE, False),
        ("?download=1", PAGE, False),
        ("?page=1&download=1", (), False),
    ],
)
async def test_an_unlimited_link_is_its_bytes_unless_a_page_was_chosen(
    rig: Rig, target: str, shows: frozenset[Shown], paged: bool
) -> None:
    """By its owner, or by its address; whoever wants the bytes all the same gets them."""
    rig.store.hold("inside/a.txt", b"hello")
    got = await opened(rig, target, shows=frozenset(shows))
    assert (200, paged) == (got.status, b"<!doctype html>" in got.body)
    assert paged or b"hello" == got.body


@pytest.mark.parametrize("headers", [{}, {"Accept": "*/*"}, {"Accept": "image/png,*/*", "Sec-Fetch-Mode": "no-cors"}])
async def test_only_who_opens_it_as_a_page_gets_one(rig: Rig, headers: dict[str, str]) -> None:
    """Programs, players and pictures within pages get the bytes, whatever was chosen."""
    rig.store.hold("inside/a.txt", b"hello")
    token = await rig.link(shows=PAGE)
    assert b"hello" == (await rig.ask("GET", f"/s/{token}?page=1", headers)).body


async def test_the_beginning_of_a_text_is_shown(rig: Rig) -> None:
    """A part of fixed length is read, of the very version that the page tells of; markup in it is text."""
    body = b"<script>x</script>\n" + b"line\n" * 100_000
    rig.store.hold("inside/a.txt", body, content_type="text/plain")
    got = await opened(rig, "?page=1")
    assert "&lt;script&gt;x&lt;/script&gt;" in got.text
    assert "Only the beginning is shown." in got.text
    [read] = rig.store.calls("GET")
    etag = rig.store.objects["real", "inside/a.txt"][1]["etag"]
    assert {"range": f"bytes=0-{READ_AT_MOST - 1}", "if-match": etag} == dict(read.call.headers)
    assert len(got.body) < READ_AT_MOST + 20_000


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [
        ("a.md", "text/markdown", "<strong>b</strong>"),
        ("a.csv", "text/csv", '<td dir="auto">**b**</td>'),
        ("a.png", "image/png", '<img class="preview" src="?page=0"'),
        ("a.mp4", "video/mp4", '<video class="preview" controls preload="metadata" src="?page=0"'),
        ("a.mp3", "audio/mpeg", "<audio "),
        ("a.pdf", "application/pdf", '<iframe class="preview document" src="?page=0"'),
    ],
)
async def test_each_kind_has_its_preview(rig: Rig, name: str, kind: str, shown: str) -> None:
    """Texts are read here; the rest is fetched by the browser, from the same address."""
    rig.store.hold(f"inside/{name}", b"**b**", content_type=kind)
    got = await opened(rig, "?page=1", key=name)
    assert shown in got.text
    assert (1 if kind.startswith("text/") else 0) == len(rig.store.calls("GET"))


@pytest.mark.parametrize("limit", [{"uses": 5}, {"budget": 10**6}, {"confirm": True}])
async def test_what_is_counted_or_asked_for_has_no_preview(rig: Rig, limit: dict[str, object]) -> None:
    """Looking at the page reads nothing of the object and has the browser fetch nothing."""
    for name, kind in (("a.txt", "text/plain"), ("b.png", "image/png")):
        rig.store.hold(f"inside/{name}", b"hello", content_type=kind)
        token, grant = await rig.granted(name, **limit)
        got = await rig.ask("GET", f"/s/{token}?page=1", BROWSER)
        assert (200, False, False) == (got.status, "hello" in got.text, "<img" in got.text)
        assert (0, 0) == (await rig.used(grant), await rig.moved(grant))
        assert ("<button" in got.text, 'href="?download=1"' in got.text) == ("budget" not in limit, "budget" in limit)
        assert not is_free(grant)
    assert [] == rig.store.calls("GET")


async def test_showing_a_limited_file_is_a_use_of_its_own_button(rig: Rig) -> None:
    """The page says so; the button leads to the bytes in the browser, once, with their ranges."""
    rig.store.hold("inside/a.png", b"hello", content_type="image/png")
    token, grant = await rig.granted("a.png", uses=1)
    assert "Showing it counts as a download, too." in (await rig.ask("GET", f"/s/{token}", BROWSER)).text
    pressed = await rig.ask("POST", f"/s/{token}", FORM, b"show=1")
    assert (303, f"/s/{token}") == (pressed.status, pressed.header("location"))
    cookie = {"Cookie": (pressed.header("set-cookie") or "").partition(";")[0]}
    got = await rig.ask("GET", f"/s/{token}", BROWSER | cookie)
    assert (b"hello", True) == (got.body, (got.header("content-disposition") or "").startswith("inline"))
    assert 206 == (await rig.ask("GET", f"/s/{token}", BROWSER | cookie | {"Range": "bytes=1-2"})).status
    assert 1 == await rig.used(grant)
    assert 410 == (await rig.ask("GET", f"/s/{token}", BROWSER)).status


async def test_what_is_saved_anyway_has_no_button_to_show_it(rig: Rig) -> None:
    """A use must not be spent on what the browser would only save."""
    rig.store.hold("inside/a.zip", b"hello", content_type="application/zip")
    assert 'name="show"' not in (await opened(rig, "", key="a.zip", uses=1)).text


async def test_the_sender_is_named_where_the_owner_chose_so(rig: Rig) -> None:
    """And nowhere else."""
    rig.store.hold("inside/a.txt", b"hello")
    for shows, named in ((PAGE, False), (PAGE | {Shown.SENDER}, True)):
        token, grant = await rig.granted(shows=shows)
        got = await rig.ask("GET", f"/s/{token}", BROWSER)
        assert named is (f"<dd>{grant.owner.name}</dd>" in got.text)
        assert Principal("app", "billing") == grant.owner


async def test_a_digest_of_the_whole_object_is_shown(rig: Rig) -> None:
    """That of a store that has one; one of parts would match no tool's."""
    digest = b64encode(sha256(b"hello").digest()).decode()
    for given, shown in (
        ({"x_amz_checksum_sha256": digest}, True),
        ({"x_amz_checksum_sha256": digest, "x_amz_checksum_type": "COMPOSITE"}, False),
        ({"x_amz_checksum_sha256": digest + "-3"}, False),
        ({}, False),
    ):
        rig.store.hold("inside/a.txt", b"hello", **given)
        got = await opened(rig, "?page=1")
        assert shown is (sha256(b"hello").hexdigest() in got.text)


async def test_a_program_that_looks_is_told_the_digest(rig: Rig) -> None:
    """By HEAD, for which the store is asked for it where it knows what that is; a part may have a digest of its own."""
    digest = b64encode(sha256(b"hello").digest()).decode()
    rig.store.hold("inside/a.txt", b"hello", x_amz_checksum_sha256=digest)
    token = await rig.link()
    got = await rig.ask("HEAD", f"/s/{token}")
    assert f"sha-256=:{digest}:" == got.header("repr-digest")
    assert ("x-amz-checksum-mode", "ENABLED") in rig.store.seen[-1].call.headers
    part = await rig.ask("GET", f"/s/{token}", {"Range": "bytes=1-2"})
    assert (206, None) == (part.status, part.header("repr-digest"))


@pytest.mark.parametrize(
    ("field", "asks"), [("sha-256=10", True), ("sha-512=3, SHA-256=1", True), ("sha-256=0", False)]
)
async def test_who_wants_the_digest_of_a_download_gets_it(rig: Rig, field: str, asks: bool) -> None:
    """With the bytes, and with any range of them that the store says it of; nobody else makes the store look for it."""
    digest = b64encode(sha256(b"hello").digest()).decode()
    rig.store.hold("inside/a.txt", b"hello", x_amz_checksum_sha256=digest, x_amz_checksum_type="FULL_OBJECT")
    token = await rig.link()
    for more, status in (({}, 200), ({"Range": "bytes=1-2"}, 206)):
        got = await rig.ask("GET", f"/s/{token}", {"Want-Repr-Digest": field} | more)
        assert (status, f"sha-256=:{digest}:") == (got.status, got.header("repr-digest"))
        assert asks is (("x-amz-checksum-mode", "ENABLED") in rig.store.seen[-1].call.headers)


@pytest.mark.parametrize("body", [b"\0\1\2", b""])
async def test_what_is_no_text_has_no_preview(rig: Rig, body: bytes) -> None:
    """Whatever its type says; the page stands without."""
    rig.store.hold("inside/a.txt", body, content_type="text/plain")
    got = await opened(rig, "?page=1")
    assert (200, False) == (got.status, "Preview" in got.text)


async def test_what_is_packed_has_no_preview(rig: Rig) -> None:
    """Its bytes are not its text."""
    rig.store.hold("inside/a.txt", b"hello", content_type="text/plain", content_encoding="gzip")
    got = await opened(rig, "?page=1")
    assert (200, False) == (got.status, "Preview" in got.text)


async def test_a_very_large_picture_is_not_loaded_by_looking(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened or downloaded."""
    rig.store.hold("inside/a.png", b"hello", content_type="image/png")
    for largest, shown in ((5, True), (4, False)):
        monkeypatch.setattr(previews, "LARGEST_PICTURE", largest)
        assert shown is ("<img" in (await opened(rig, "?page=1", key="a.png")).text)


async def test_a_card_is_for_programs_and_only_where_the_owner_chose_it(rig: Rig) -> None:
    """Who makes previews gets name and size, or what it got before: the neutral card, or the bytes."""
    rig.store.hold("inside/a.txt", b"hello", content_type="text/plain")
    robot = {"User-Agent": "Slackbot-LinkExpanding 1.0", "Accept": "*/*"}
    card = frozenset({Shown.CARD})
    for fields, titled, neutral in (
        ({"shows": card}, True, False),
        ({"shows": card, "uses": 1}, True, False),
        ({"uses": 1}, False, True),
        ({}, False, False),
    ):
        token, grant = await rig.granted(**fields)
        got = await rig.ask("GET", f"/s/{token}", robot)
        assert titled is ('<meta property="og:title" content="a.txt">' in got.text)
        assert neutral is ("A shared file" in got.text)
        assert (not titled and not neutral) is (got.body == b"hello")
        assert 0 == await rig.used(grant)


async def test_a_file_below_a_folder_has_its_page(rig: Rig) -> None:
    """`shows` counts for each file of a folder, and not for the folder, which is a page already."""
    rig.store.hold("inside/in/a.txt", b"hello", content_type="text/plain")
    token = await rig.link(prefix="in/", actions=frozenset({Action.READ, Action.LIST}), shows=PAGE)
    assert "Preview" in (await rig.ask("GET", f"/s/{token}/a.txt", BROWSER)).text
    assert "<table>" in (await rig.ask("GET", f"/s/{token}/", BROWSER)).text
    assert b"hello" == (await rig.ask("GET", f"/s/{token}/a.txt?page=0", BROWSER)).body
