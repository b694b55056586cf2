"""The upload page in a real browser: files, folders, a network that fails, a tab that is closed."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from tests.e2e.cutting import CuttingProxy
from tests.e2e.firefox import Firefox
from tests.e2e.narrow import NarrowProxy
from tests.e2e.place import Place, digest, noise
from tests.e2e.webkit import Webkit

pytestmark = pytest.mark.browser

_FILES, _FOLDERS, _CUTS = 500, 40, 10
_MIB = 1024**2


def opened(context: BrowserContext, address: str) -> tuple[Page, list[str]]:
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None)
    page.goto(address)
    return page, complaints


def left(page: Page) -> int:
    return int(page.locator("#send").get_attribute("data-left") or 0)


def until_sent(page: Page, seconds: float = 60) -> None:
    page.locator("#send[data-left='0']").wait_for(timeout=1000 * seconds)


def failed(page: Page) -> list[str]:
    return page.locator("li:has(.bad)").all_inner_texts()


def digests(page: Page) -> dict[str, str]:
    """What the receipt says: each file's SHA-256 by its name."""
    rows = page.locator("li[data-sha256]").evaluate_all(
        "rows => rows.map(r => [r.firstChild.textContent, r.dataset.sha256])"
    )
    return {name.rpartition(" (")[0]: digest for name, digest in rows}


def folder_of_files(root: Path) -> dict[str, bytes]:
    """Five hundred small files in forty folders, by their names as a page sees them."""
    chance = random.Random(5)
    bodies: dict[str, bytes] = {}
    for number in range(_FILES):
        name = f"all/{number % _FOLDERS:02d} größe/file {number}.bin"
        bodies[name] = chance.randbytes(chance.choice((0, 1, 300, 5000, 60_000)))
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(bodies[name])
    return bodies


def test_files_are_sent_with_a_receipt(weed: Place, browser: Browser, tmp_path: Path) -> None:
    """Several at once; each is stored byte for byte, and the receipt names its SHA-256."""
    bodies = {"one.txt": b"hello", "two.bin": noise(700_000), "größe 3.pdf": noise(20_000), "empty": b""}
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
    link = weed.link(prefix="page/", actions=["write"], message="Please\nsend all.", undo="10m")
    page, complaints = opened(browser.new_context(), link.url)
    assert page.get_by_text("send all.").is_visible()
    assert 0 == page.locator("#plain").count()
    page.locator("#files").set_input_files([tmp_path / name for name in bodies])
    until_sent(page)
    assert [] == failed(page)
    assert bodies == {name: weed.stored(f"page/{name}") for name in bodies}
    assert {name: sha256(body).hexdigest() for name, body in bodies.items()} == digests(page)
    page.locator("li", has_text="one.txt").get_by_role("button").click()
    page.get_by_text("Taken back").wait_for()
    assert weed.stored("page/one.txt") is None
    assert [] == complaints


def test_five_hundred_files_through_a_network_that_fails(weed: Place, browser: Browser, tmp_path: Path) -> None:
    """In forty folders, cut ten times, the tab closed once: every file is there, byte for byte."""
    bodies = folder_of_files(tmp_path)
    link = weed.link(prefix="many/", actions=["write"])
    with CuttingProxy(int(weed.gateway.data.rpartition(":")[2])) as network:
        address = link.url.replace(weed.gateway.data, f"http://127.0.0.1:{network.port}")
        context = browser.new_context()
        page, complaints = opened(context, address)
        page.locator("#folder").set_input_files(tmp_path / "all")
        until(page, lambda page=page: _FILES == page.locator("li").count())
        for number in range(1, _CUTS + 1):
            goal = _FILES - number * 30
            until(page, lambda page=page, goal=goal: left(page) < goal)
            network.cut()
            if number == _CUTS // 2:
                page.close()
                page, complaints = opened(context, address)
                page.locator("#folder").set_input_files(tmp_path / "all")
                until(page, lambda page=page: _FILES == page.locator("li").count())
        until_sent(page, 90)
        assert _CUTS == network.cuts
    assert [] == failed(page)
    assert [] == complaints
    wrong = [name for name, body in bodies.items() if weed.stored(f"many/{name}") != body]
    assert [] == wrong
    assert {name: sha256(body).hexdigest() for name, body in bodies.items()} == digests(page)


def test_a_large_file_goes_on_where_it_was(weed: Place, browser: Browser, tmp_path: Path) -> None:
    """After a cut, a pause and a closed tab; what was stored is not sent again."""
    body = noise(120_000_000)
    (tmp_path / "large.bin").write_bytes(body)
    link = weed.link(prefix="large/", actions=["write"])
    with CuttingProxy(int(weed.gateway.data.rpartition(":")[2])) as network:
        address = link.url.replace(weed.gateway.data, f"http://127.0.0.1:{network.port}")
        context = browser.new_context()
        page, _ = opened(context, address)
        page.locator("#files").set_input_files(tmp_path / "large.bin")
        until(page, lambda: network.carried > 60_000_000)
        network.cut()
        until(page, lambda: network.carried > 90_000_000)
        page.locator("[data-pause]").click()
        page.get_by_role("button", name="Go on").wait_for()
        page.close()
        before = network.carried
        page, _ = opened(context, address)
        page.locator("#files").set_input_files(tmp_path / "large.bin")
        until_sent(page)
        assert [] == failed(page)
        assert network.carried - before < 0.75 * len(body)
    assert body == weed.stored("large/large.bin")


@pytest.mark.parametrize("limit", [{"uses": 1}, {"max_files": 1}], ids=["uses", "files"])
def test_the_last_file_of_a_link_goes_on_after_a_closed_tab(
    weed: Place, browser: Browser, tmp_path: Path, limit: dict[str, int]
) -> None:
    """At a link that takes no other by then: its page refuses, and lets go on what this browser began."""
    body = noise(60_000_000)
    (tmp_path / "large.bin").write_bytes(body)
    (tmp_path / "other.bin").write_bytes(b"other")
    folder = f"last of {next(iter(limit))}"
    link = weed.link(prefix=f"{folder}/", actions=["write"], **limit)
    with NarrowProxy(int(weed.gateway.data.rpartition(":")[2]), each=2e7) as network:
        address = link.url.replace(weed.gateway.data, f"http://127.0.0.1:{network.port}")
        context = browser.new_context()
        page, _ = opened(context, address)
        page.locator("#files").set_input_files(tmp_path / "large.bin")
        until(page, lambda: sum(network.carried) > 20_000_000)
        page.close()
        before = sum(network.carried)
        page = context.new_page()
        assert 410 == page.goto(address).status
        page.locator("#files").set_input_files(tmp_path / "large.bin")
        until_sent(page)
        assert [] == failed(page)
        assert sum(network.carried) - before < 0.9 * len(body)
        page.locator("#files").set_input_files(tmp_path / "other.bin")
        until(page, lambda: failed(page))
        assert "used up" in " ".join(failed(page))
    assert body == weed.stored(f"{folder}/large.bin")


def test_a_file_by_several_connections_goes_on_where_it_was(weed: Place, browser: Browser, tmp_path: Path) -> None:
    """Where one is slow, others send parts from the end: after a cut, a pause and a closed tab nothing of that comes
    again but the parts that were on their way, and the file is one."""
    body, size = noise(96_000_000), 8 * _MIB
    (tmp_path / "large.bin").write_bytes(body)
    link = weed.link(prefix="several/", actions=["write"], max_files=2)
    with NarrowProxy(int(weed.gateway.data.rpartition(":")[2]), each=4e6) as network:
        address = link.url.replace(weed.gateway.data, f"http://127.0.0.1:{network.port}")
        context = browser.new_context()
        page, complaints = opened(context, address)
        page.locator("#files").set_input_files(tmp_path / "large.bin")
        until(page, lambda: 3 <= sum(one > _MIB for one in network.carried))
        network.cut()
        until(page, lambda: sum(network.carried) > 36_000_000)
        page.locator("[data-pause]").click()
        page.get_by_role("button", name="Go on").click()
        until(page, lambda: sum(network.carried) > 60_000_000)
        page.close()
        page, complaints = opened(context, address)
        page.locator("#files").set_input_files(tmp_path / "large.bin")
        until_sent(page)
        assert ([], []) == (failed(page), complaints)
        assert sum(network.carried) < len(body) + 3 * 2 * size + 4 * _MIB
        [found] = digests(page).values()
    assert body == weed.stored("several/large.bin")
    pieces = [sha256(body[at : at + 2 * size]).digest() for at in range(0, len(body), 2 * size)]
    assert f"{sha256(b''.join(pieces)).hexdigest()}-{len(pieces)}" == found


_CHOOSE = """(() => {
  const chosen = new DataTransfer();
  const bytes = (size, seed) => new Uint8Array(size).map((_, at) => (at * 31 + seed) % 251);
  for (const [name, size, seed] of FILES) chosen.items.add(new File([bytes(size, seed)], name));
  const input = document.querySelector("#files");
  input.files = chosen.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
})()"""


def test_a_file_that_was_chosen_by_mistake_is_removed(weed: Place, browser: Browser, tmp_path: Path) -> None:
    """While it is sent, and while it rests: nothing is stored, and the one place that the link has is free again."""
    (tmp_path / "wrong.bin").write_bytes(noise(20_000_000))
    (tmp_path / "right.txt").write_bytes(b"right")
    link = weed.link(prefix="removed/", actions=["write"], max_files=1)
    with NarrowProxy(int(weed.gateway.data.rpartition(":")[2]), each=1e6) as network:
        address = link.url.replace(weed.gateway.data, f"http://127.0.0.1:{network.port}")
        page, complaints = opened(browser.new_context(), address)
        page.locator("#files").set_input_files(tmp_path / "wrong.bin")
        page.get_by_text("of 1 files").wait_for()
        end = time.monotonic() + 60
        while not page.locator("[data-all]").evaluate("bar => bar.value"):
            assert time.monotonic() < end
        page.get_by_role("button", name="Remove: wrong.bin").click()
        page.get_by_text("Taken back").wait_for()
        page.locator("#files").set_input_files(tmp_path / "wrong.bin")
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="Remove: wrong.bin").click()
        page.get_by_text("Taken back").nth(1).wait_for()
        page.locator("#files").set_input_files(tmp_path / "right.txt")
        page.get_by_role("button", name="Go on").click()
        page.get_by_text("1 of 1 files").wait_for()
        assert ["Taken back", "Taken back"] == page.locator("li span:text-is('Taken back')").all_inner_texts()
    assert (None, b"right") == (weed.stored("removed/wrong.bin"), weed.stored("removed/right.txt"))
    assert [] == complaints


def test_the_receipt_says_what_a_file_is_called_now(weed: Place, browser: Browser, tmp_path: Path) -> None:
    """Where its link gives names; one that keeps its own is not named twice."""
    (tmp_path / "größe.txt").write_bytes(b"x")
    for fields, wanted in (({"names": "in/{stem}-2{ext}"}, "Stored. größe-2.txt SHA-256"), ({}, "Stored.  SHA-256")):
        page, _ = opened(browser.new_context(), weed.link(prefix="names/", actions=["write"], **fields).url)
        page.locator("#files").set_input_files(tmp_path / "größe.txt")
        until_sent(page)
        assert wanted in (page.locator("li[data-sha256] span").last.text_content() or "")


def test_a_page_that_is_let_in_no_longer_says_so(weed: Place, browser: Browser, tmp_path: Path) -> None:
    """No dialogue of the browser's holds it up when the password is another one meanwhile; loaded again, and let in by
    that, it goes on where it was."""
    body = noise(30_000_000)
    (tmp_path / "large.bin").write_bytes(body)
    link = weed.link(prefix="other-password/", actions=["write"], password="sesame")
    page, _ = opened(browser.new_context(), link.url)
    page.on("dialog", lambda dialog: dialog.accept())
    offsets: list[int] = []
    page.on(
        "request", lambda sent: offsets.append(int(sent.headers["upload-offset"])) if sent.method == "PATCH" else None
    )
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 10, "downloadThroughput": 6e6, "uploadThroughput": 6e6}
    network.send("Network.emulateNetworkConditions", slow)
    for password in ("sesame", "other"):
        page.get_by_label("Password").fill(password)
        page.keyboard.press("Enter")
        page.locator("#files").set_input_files(tmp_path / "large.bin")
        if password == "sesame":
            until(page, lambda: max(offsets, default=0) > 0)
            weed.gateway.api("PATCH", f"/v1/links/{link.id}", {"password": "other"})
            until(page, lambda: failed(page))
            assert "Load it again" in failed(page)[0]
            offsets.clear()
            page.reload()
    until_sent(page)
    assert [] == failed(page)
    assert offsets[0] > 0
    assert body == weed.stored("other-password/large.bin")


def test_another_file_of_the_same_name_is_another(weed: Place, browser: Browser) -> None:
    """It is sent, and its row says what became of it; the same file is sent once. A name that turns its letters around
    turns nothing beside it."""
    name = "a\u202egpj.txt"
    link = weed.link(prefix="twice/", actions=["write"])
    page, complaints = opened(browser.new_context(), link.url)
    chosen = [
        _CHOOSE_TEXT.replace("BODY", json.dumps(body)).replace("NAME", json.dumps(name))
        for body in ("first one", "second", "second")
    ]
    page.evaluate(";".join(chosen))  # at once: one that was refused before may be sent again
    until_sent(page)
    assert ["An object with this name exists already."] == [one.split("\n")[1] for one in failed(page)]
    assert 2 == page.locator("li").count()
    assert weed.stored(f"twice/{name}") in {b"first one", b"second"}
    assert page.evaluate(_STANDS_BEHIND)
    page.evaluate("document.querySelector('li bdi').replaceWith(document.querySelector('li bdi').textContent)")
    assert not page.evaluate(_STANDS_BEHIND), "the control: a name that is part of the line"
    assert [] == complaints


_CHOOSE_TEXT = """(() => {
  const chosen = new DataTransfer();
  chosen.items.add(new File([BODY], NAME, { lastModified: 5 }));
  const input = document.querySelector("#files");
  input.files = chosen.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
})()"""
_STANDS_BEHIND = """(() => {
  const line = document.querySelector("li").firstChild;
  const box = (from, to) => {
    const range = document.createRange();
    range.setStart(...from);
    range.setEnd(...to);
    return range.getBoundingClientRect();
  };
  const size = line.lastChild;
  return box([size, 1], [size, 2]).left >= box([line, 0], [size, 0]).right - 1;
})()"""
"""Whether the size stands where the name has ended."""


def test_what_cannot_be_read_is_named(weed: Place, browser: Browser) -> None:
    """A folder that is dropped and not readable is not passed over in silence; what lies beside it is sent."""
    page, complaints = opened(browser.new_context(), weed.link(prefix="unread/", actions=["write"]).url)
    page.evaluate(
        """() => {
        const read = (go) => go(new File(["x"], "a.txt"));
        const broken = { name: "broken", createReader: () => ({ readEntries: (_, no) => no(new Error("denied")) }) };
        const items = [broken, { isFile: true, name: "a.txt", file: read }];
        const dataTransfer = { items: items.map((one) => ({ webkitGetAsEntry: () => one })) };
        dispatchEvent(Object.assign(new Event("drop"), { dataTransfer }));
    }"""
    )
    page.get_by_text("1 of 2 files, Not stored: 1").wait_for()
    assert ["broken (0 B)\nIt cannot be read"] == [one.partition(":")[0] for one in failed(page)]
    assert b"x" == weed.stored("unread/a.txt")
    assert [] == complaints


def test_what_is_dropped_from_a_mail_is_sent(weed: Place, browser: Browser) -> None:
    """A file that lies in no folder of this computer: a mail's attachment, another page's picture. A text is none."""
    page, complaints = opened(browser.new_context(), weed.link(prefix="dropped/", actions=["write"]).url)
    page.evaluate(
        """() => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add("some words", "text/plain");
        dataTransfer.items.add(new File(["from a mail"], "attached.txt"));
        dispatchEvent(new DragEvent("drop", { dataTransfer }));
    }"""
    )
    page.get_by_text("1 of 1 files").wait_for()
    assert b"from a mail" == weed.stored("dropped/attached.txt")
    assert [] == complaints


def test_a_file_that_changed_meanwhile_is_named(weed: Place, browser: Browser, tmp_path: Path) -> None:
    """A browser does not read on in a file that was changed or deleted since it was chosen: the page says so at once,
    and sends the others. It is no network that fails."""
    for name in ("changed.txt", "deleted.txt", "same.txt"):
        (tmp_path / name).write_bytes(b"as it was chosen")
    link = weed.link(prefix="changed/", actions=["write"])
    page, complaints = opened(browser.new_context(), link.url)
    page.evaluate("document.querySelector('[data-pause]').click()")
    page.locator("#files").set_input_files([tmp_path / name for name in ("changed.txt", "deleted.txt", "same.txt")])
    (tmp_path / "changed.txt").write_bytes(b"longer than it was when it was chosen")
    (tmp_path / "deleted.txt").unlink()
    page.get_by_role("button", name="Go on").click()
    until_sent(page, 10)
    said = failed(page)
    assert [True, True] == ["changed, moved or deleted" in one for one in said]
    assert [None, None] == [weed.stored(f"changed/{name}") for name in ("changed.txt", "deleted.txt")]
    assert b"as it was chosen" == weed.stored("changed/same.txt")
    assert [] == complaints


@pytest.mark.parametrize("engine", ["fox", "kit"], ids=["Firefox", "WebKit"])
def test_other_browsers_send_files_too(weed: Place, request: pytest.FixtureRequest, engine: str) -> None:
    """A small file, and a large one by several connections where each is slow."""
    other: Firefox | Webkit = request.getfixturevalue(engine)
    files = [("small.txt", 1000, 1), ("large.bin", 56_000_000, 2)]
    link = weed.link(prefix=f"{engine}/", actions=["write"])
    with NarrowProxy(int(weed.gateway.data.rpartition(":")[2]), each=4e6) as network:
        other.open(link.url.replace(weed.gateway.data, f"http://127.0.0.1:{network.port}"))
        other.evaluate(_CHOOSE.replace("FILES", json.dumps(files)))
        end = time.monotonic() + 60
        while other.evaluate("document.querySelector('#send').dataset.left") != "0":
            assert time.monotonic() < end, other.evaluate("document.querySelector('#send').innerText")
            time.sleep(0.2)
        assert 0 == other.evaluate("document.querySelectorAll('#send .bad').length")
        assert 3 <= sum(one > _MIB for one in network.carried)
    for name, size, seed in files:
        body = bytes((at * 31 + seed) % 251 for at in range(251)) * (size // 251 + 1)
        assert body[:size] == weed.stored(f"{engine}/{name}"), name


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_five_gibibytes_in_one_file(weed: Place, browser: Browser, tmp_path: Path) -> None:
    """Memory stays as it is with a small file, in the gateway and in the page, and every byte is there."""
    size = 5 * 1024**3
    with (tmp_path / "huge.bin").open("wb") as file:
        for place in range(0, size, 256 * _MIB):
            file.seek(place)
            file.write(noise(_MIB, seed=place))
        file.truncate(size)
    link = weed.link(prefix="huge/", actions=["write"])
    page, complaints = opened(browser.new_context(), link.url)
    weed.gateway.forget_peak()
    before, heap = weed.gateway.peak(), page.evaluate("performance.memory.usedJSHeapSize")
    page.locator("#files").set_input_files(tmp_path / "huge.bin")
    until_sent(page, 800)
    assert [] == failed(page)
    assert weed.gateway.peak() - before < 64 * _MIB
    assert page.evaluate("performance.memory.usedJSHeapSize") - heap < 64 * _MIB
    stored = weed.store.client().get_object(Bucket=weed.real_bucket, Key="inside/huge/huge.bin")
    found = sha256()
    for chunk in stored["Body"].iter_chunks(_MIB):
        found.update(chunk)
    assert digest(tmp_path / "huge.bin") == found.hexdigest()
    weed.store.client().delete_object(Bucket=weed.real_bucket, Key="inside/huge/huge.bin")
    assert [] == complaints


def until(page: Page, holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait while the page goes on."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        page.wait_for_timeout(10)


@pytest.mark.parametrize(
    ("locale", "texts"),
    [
        ("en-GB", ("Files of this type are not taken here.", "An object with this name exists already.")),
        ("de-AT", ("Dateien dieses Typs werden hier nicht angenommen.", "Ein Objekt mit diesem Namen gibt es schon.")),
    ],
)
def test_a_refused_file_says_why(
    weed: Place, browser: Browser, tmp_path: Path, locale: str, texts: tuple[str, str]
) -> None:
    """In the visitor's language; the others are sent, and it is not tried again and again."""
    (tmp_path / "a.txt").write_bytes(b"text")
    (tmp_path / "b.bin").write_bytes(b"\x7fELF" + bytes(100))
    weed.put(f"refused-{locale}/c.txt", b"there")
    (tmp_path / "c.txt").write_bytes(b"text")
    link = weed.link(prefix=f"refused-{locale}/", actions=["write"], types=["text/plain"])
    page, _ = opened(browser.new_context(locale=locale), link.url)
    page.locator("#files").set_input_files([tmp_path / name for name in ("a.txt", "b.bin", "c.txt")])
    until_sent(page)
    said = "\n".join(failed(page))
    assert 2 == len(failed(page))
    assert [True, True] == [text in said for text in texts]
    assert (b"text", None) == (weed.stored(f"refused-{locale}/a.txt"), weed.stored(f"refused-{locale}/b.bin"))


def _answer_oddly(body: str, route: Route) -> None:
    route.fulfill(status=418, body=body)


def test_a_refusal_that_nobody_knows_is_named(weed: Place, browser: Browser, tmp_path: Path) -> None:
    """What is not the gateway's own answer, or is for whoever runs it, is told by its name or status alone."""
    (tmp_path / "a.txt").write_bytes(b"text")
    link = weed.link(prefix="odd/", actions=["write"])
    for body, name in (('{"reason": "<b>odd</b>", "detail": "of a stranger"}', "<b>odd</b>"), ("no document", "418")):
        page, _ = opened(browser.new_context(locale="de"), link.url)
        page.route("**/*", partial(_answer_oddly, body))
        page.locator("#files").set_input_files([tmp_path / "a.txt"])
        until_sent(page)
        [said] = failed(page)
        assert f"Nicht gespeichert ({name})" in said


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_link_that_gives_and_takes_shows_both(weed: Place, browser: Browser, tmp_path: Path, scripts: bool) -> None:
    """What is there, and a way in; without scripts several files go in one form, with a receipt."""
    weed.put("both/there.txt", b"x")
    for name in ("p.txt", "q.txt"):
        (tmp_path / name).write_bytes(name.encode())
    link = weed.link(prefix="both/", actions=["read", "list", "write"])
    page, complaints = opened(browser.new_context(java_script_enabled=scripts), link.url)
    assert page.get_by_role("link", name="there.txt").is_visible()
    if scripts:
        page.locator("#files").set_input_files([tmp_path / name for name in ("p.txt", "q.txt")])
        until_sent(page)
    else:
        page.locator("#file").set_input_files([tmp_path / name for name in ("p.txt", "q.txt")])
        page.locator("#plain button").click()
        assert all(sha256(name.encode()).hexdigest() in page.content() for name in ("p.txt", "q.txt"))
    assert [b"p.txt", b"q.txt"] == [weed.stored(f"both/{name}") for name in ("p.txt", "q.txt")]
    for name in ("p.txt", "q.txt"):
        weed.store.client().delete_object(Bucket=weed.real_bucket, Key=f"inside/both/{name}")
    assert [] == complaints
