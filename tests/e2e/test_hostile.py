"""Files that strangers send stay files: no browser runs them in our name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page

from gateway.wire.http.media import VIEWED_TYPES, read_type
from tests.e2e.hostile import MARK, NAMES, Payload, payloads, pdf
from tests.e2e.place import Place
from tests.servers import over_tls

pytestmark = pytest.mark.browser

_BESIDE = "<iframe src='{0}'></iframe><object data='{0}'></object><embed src='{0}'><img src='{0}'>"


class Watched:
    """A browser window and every sign that a file's script ran in it."""

    def __init__(self, browser: Browser) -> None:
        self.context: BrowserContext = browser.new_context(accept_downloads=True)
        self.signs: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self._note(message.text) if MARK == message.text else None)
        self.page.on("dialog", lambda dialog: (self._note(dialog.message), dialog.dismiss()))
        self.context.on(
            "request", lambda asked: self._note(asked.url) if urlsplit(asked.url).path == f"/{MARK}" else None
        )

    def _note(self, sign: str) -> None:
        self.signs.append(sign)

    def open(self, url: str) -> None:
        """Go there; a download instead of a page is fine."""
        try:
            self.page.goto(url, wait_until="load", timeout=5000)
        except Error as ended:
            if "Download is starting" not in str(ended) and "ERR_ABORTED" not in str(ended):
                raise
        if self.page.title() == MARK:
            self._note("the title")

    def open_beside(self, foreign: str, url: str) -> None:
        """As a part of a foreign page, in each way that a page can hold one."""
        self.open(f"{foreign}/beside?{quote(url, safe='')}")


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    made = Watched(browser)
    yield made
    made.context.close()


class _Careless(BaseHTTPRequestHandler):
    """A foreign site: serves a payload with the type that its sender gave, and pages that hold another address."""

    wanted: Payload

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        kind, body = self.wanted.kind or "text/html", self.wanted.body
        if path == "/beside":
            kind, body = "text/html", _BESIDE.format(unquote(query)).encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def foreign() -> Iterator[str]:
    """The foreign site's address."""
    _Careless.wanted = payloads()[0]
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Careless)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _send(place: Place, url: str, payload: Payload) -> int:
    """Upload through a link, with exactly these headers."""
    at = urlsplit(url)
    connection = over_tls.dial(at.geturl(), timeout=20)
    headers = {"Content-Type": payload.kind} if payload.kind is not None else {}
    headers |= {"Content-Encoding": payload.encoding} if payload.encoding else {}
    connection.request("PUT", f"{at.path}/{quote(payload.name)}", payload.body, headers)
    status = connection.getresponse().status
    connection.close()
    return status


def _head(url: str) -> dict[str, str]:
    """What the head of an answer says, each name once."""
    at = urlsplit(url)
    connection = over_tls.dial(at.geturl(), timeout=20)
    connection.request("GET", f"{at.path}?{at.query}")
    fields = connection.getresponse().getheaders()
    connection.close()
    assert len(fields) == len({name.lower() for name, _ in fields})
    return {name.lower(): value for name, value in fields}


def _faces(weed: Place, trusted: str) -> dict[str, Callable[[Payload], str]]:
    """Every way to one and the same object, with the type that its sender gave or with one that a caller chooses."""
    folder = weed.link(prefix="hostile/")
    clients = {"v4": _client(weed), "v2": _client(weed, signature_version="s3")}

    def own_link(payload: Payload) -> str:
        return weed.link("hostile/" + payload.name, content_type=_chosen(payload)).url

    def presigned(version: str, payload: Payload, kind: str | None) -> str:
        asked = {"Bucket": weed.bucket, "Key": "hostile/" + payload.name, "ResponseContentDisposition": "inline"}
        asked |= {"ResponseContentType": kind} if kind else {}
        return clients[version].generate_presigned_url("get_object", asked)

    return {
        "member": lambda payload: f"{folder.url}/{quote(payload.name)}?download=0",
        "link": own_link,
        "v4": lambda payload: presigned("v4", payload, None),
        "v4 and its type again": lambda payload: presigned("v4", payload, payload.kind),
        "v2 and a type": lambda payload: presigned("v2", payload, _chosen(payload)),
        "trusted": lambda payload: f"{trusted}/{weed.bucket}/hostile/{quote(payload.name)}",
    }


def _chosen(payload: Payload) -> str:
    return "image/svg+xml" if payload.name.endswith(".svg") else "text/html"


@pytest.mark.parametrize("face", ["member", "link", "v4", "v4 and its type again", "v2 and a type", "trusted"])
def test_no_file_runs_when_it_is_opened(weed: Place, watched: Watched, trusted: str, face: str) -> None:
    """Sent through a link and opened as a page of its own, by whatever address and under whatever type: nothing runs.

    The type that is written is one type, and its policy a sandbox for all but what a player or a PDF viewer shows.
    """
    inbox = weed.link(prefix="hostile/", actions=["write"], overwrite=True)
    address = _faces(weed, trusted)[face]
    opened = 0
    for payload in payloads():
        if _send(weed, inbox.url, payload) == 201:
            url = address(payload)
            watched.open(url)
            assert [] == watched.signs, payload
            headers = _head(url)
            viewed = read_type(headers["content-type"]).essence in VIEWED_TYPES
            assert viewed is not headers["content-security-policy"].endswith("; sandbox"), (payload, headers)
            assert "script" not in headers["content-security-policy"], payload
            assert "nosniff" == headers["x-content-type-options"], payload
            assert headers["content-type"] == read_type(headers["content-type"]).written, payload
            opened += 1
    assert opened >= 75


def test_a_pdf_script_has_only_its_viewer(weed: Place, watched: Watched) -> None:
    """A browser's viewer runs a PDF's script where there is no page, no origin and no network: it can only speak."""
    reach = "".join(
        f"try{{{call}}}catch\\(e\\){{}} "
        for call in (
            f"this.getURL\\('/{MARK}'\\)",
            f"app.launchURL\\('/{MARK}'\\)",
            f"this.submitForm\\('{weed.gateway.data}/{MARK}'\\)",
            f"fetch\\('/{MARK}'\\)",
            f"document.title='{MARK}'",
        )
    )
    said: list[str] = []
    watched.page.on("dialog", lambda dialog: said.append(dialog.message))
    weed.put("s.pdf", pdf(f"{reach}app.alert\\([typeof window,typeof document,typeof fetch].join\\('+'\\)\\);"))
    watched.open(weed.link("s.pdf", content_type="application/pdf").url)
    _until(watched, lambda: bool(said))
    assert {"undefined+undefined+undefined"} == set(said) | set(watched.signs)


def _until(watched: Watched, happened: Callable[[], bool], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not happened() and time.monotonic() < deadline:
        watched.page.wait_for_timeout(50)


def test_no_file_runs_within_another_page(weed: Place, watched: Watched, foreign: str) -> None:
    """In a frame, an object, an embed and an image of a foreign page: nothing runs."""
    inbox = weed.link(prefix="framed/", actions=["write"], overwrite=True)
    folder = weed.link(prefix="framed/")
    for payload in payloads():
        if _send(weed, inbox.url, payload) == 201:
            watched.open_beside(foreign, f"{folder.url}/{quote(payload.name)}")
            assert [] == watched.signs, payload


@pytest.mark.parametrize("kind", [None, "text/markdown", "text/csv", "text/plain"])
def test_no_file_runs_in_its_preview(weed: Place, watched: Watched, kind: str | None) -> None:
    """On the page before a file, under its own type or one that has it read as text: nothing of it runs or loads, and
    the page's policy names one script, by its hash."""
    inbox = weed.link(prefix="shown/", actions=["write"], overwrite=True)
    shows = {"shows": ["page"], **({"content_type": kind} if kind else {})}
    folder, previews = weed.link(prefix="shown/", **shows), 0
    for payload in payloads():
        if _send(weed, inbox.url, payload) == 201:
            watched.open(f"{folder.url}/{quote(payload.name)}")
            assert [] == watched.signs, payload
            previews += watched.page.locator("#preview").count()
            policy = _page_policy(f"{folder.url}/{quote(payload.name)}")
            assert 1 == policy.count("script"), payload
            assert "script-src 'sha256-" in policy
    assert previews >= (30 if kind is None else 60)


def _page_policy(url: str) -> str:
    at = urlsplit(url)
    connection = over_tls.dial(at.geturl(), timeout=20)
    connection.request("GET", at.path, headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})
    policy = connection.getresponse().getheader("content-security-policy")
    connection.close()
    return policy or ""


def test_a_readme_and_thumbnails_run_nothing(weed: Place, watched: Watched) -> None:
    """A folder shows the one and loads the others: hostile bytes under a picture's name, hostile Markdown."""
    for number, payload in enumerate(payloads()):
        weed.put(f"album/{number}.png", payload.body, ContentType=payload.kind or "image/png")
    weed.put("album/README.md", b"\n\n".join(payload.body for payload in payloads() if not payload.encoding)[:16000])
    watched.open(weed.link(prefix="album/").url + "/?view=grid")
    assert watched.page.locator("#readme").is_visible()
    assert watched.page.locator("ul.grid img").count() > 50
    assert [] == watched.signs


def test_a_frame_of_a_foreign_page_gets_nothing_of_a_limited_link(weed: Place, watched: Watched, foreign: str) -> None:
    """It would be the landing page, which no page may hold; not even a visitor who has pressed its button lends it a
    use. The control: an unlimited text is shown there."""
    weed.put("framed.txt", b"the text", ContentType="text/plain")
    for fields, seen in (({"uses": 2}, False), ({"shows": ["page"]}, False), ({}, True)):
        link = weed.link("framed.txt", **fields)
        if "uses" in fields:
            watched.open(link.url)
            with watched.page.expect_navigation():
                watched.page.locator("button[name=show]").click()
            assert "the text" in watched.page.content()
        watched.open_beside(foreign.replace("127.0.0.1", "localhost"), link.url)  # another site, not only another port
        told = [frame.content() for frame in watched.page.frames[1:]]
        assert seen is any("the text" in text for text in told)
        assert not any("framed.txt" in text for text in told)


def test_no_name_runs_on_a_page(weed: Place, watched: Watched) -> None:
    """Hostile names in a listing, on a landing page and in a refusal are text."""
    folder = weed.link(prefix="names/", label=NAMES[1])
    for name in NAMES:
        weed.put("names/" + name, b"x", ContentType="text/plain")
        shown = {"label": name, "filename": name.replace("/", "_")} if name.isprintable() else {}
        link = weed.link("names/" + name, uses=2, **shown)
        watched.open(link.url)
        assert ["/s/-/"] == watched.page.evaluate(
            "[...document.scripts].map(one => one.getAttribute('src').slice(0, 5))"
        )
    watched.open(folder.url + "/")
    watched.open(f"{folder.url}/{quote(NAMES[0], safe='')}/")
    watched.open(f"{weed.gateway.data}/s/{quote(NAMES[1], safe='')}")
    assert [] == watched.signs


def test_what_the_gateway_says_itself_is_sandboxed(weed: Place, watched: Watched, trusted: str) -> None:
    """Errors, listings and answers of the S3 face, opened as pages: text, with a policy that lets nothing run."""
    hostile = quote(f"<x:script xmlns:x='http://www.w3.org/1999/xhtml'>console.log('{MARK}')</x:script>", safe="")
    weed.put("said/" + MARK, b"x")
    for url in (
        f"{weed.gateway.data}/{weed.bucket}/{hostile}",
        f"{weed.gateway.data}/{hostile}",
        f"{trusted}/{weed.bucket}/said/none-{hostile}",
        f"{trusted}/{weed.bucket}?prefix=said/&delimiter={hostile}",
        f"{trusted}/",
        f"{trusted}/{weed.bucket}?location",
        _client(weed).generate_presigned_url("list_objects_v2", {"Bucket": weed.bucket, "Prefix": "said/"}),
        f"{weed.gateway.data}/s/{hostile}",
    ):
        watched.open(url)
        assert [] == watched.signs, url
        headers = _head(url)
        assert "default-src 'none'" in headers["content-security-policy"], url
        assert "script" not in headers["content-security-policy"], url


def _client(weed: Place, **changes: str):
    key = weed.gateway.api("POST", "/v1/keys", {"app": "tests", "expires_in": 3600})
    return type(weed.store)(
        weed.gateway.data, key["access_key_id"], key["secret_access_key"], weed.bucket, "us-east-1"
    ).client(**changes)


def test_a_careless_server_would_run_them(watched: Watched, foreign: str) -> None:
    """Control: served as they were sent, many of the same files do run, alone and within a page, and are noticed."""
    ran: dict[str, set[str]] = {"alone": set(), "within": set()}
    for payload in payloads()[:32]:
        if payload.encoding is not None:
            continue
        _Careless.wanted = payload
        address = f"{foreign}/{quote(payload.name)}"
        watched.signs.clear()
        watched.open(address)
        ran["alone"] |= {payload.name} if watched.signs else set()
        watched.signs.clear()
        watched.open_beside(foreign, address)
        ran["within"] |= {payload.name} if watched.signs else set()
    assert len(ran["alone"]) >= 12, ran
    assert len(ran["within"]) >= 12, ran
