"""What a request says of its own purpose."""

from __future__ import annotations

import pytest

from gateway.core.request import RawRequest
from gateway.wire.http.target import raw_request
from gateway.wire.links.visitor import Visit, opens_page, reads_index, visit_of

PREVIEWS = (
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Slack-ImgProxy (+https://api.slack.com/robots)",
    "Twitterbot/1.0",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
    "WhatsApp/2.23.20.0 A",
    "TelegramBot (like TwitterBot)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 "
        "Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0"
    ),
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "Mozilla/5.0 (compatible; Google-PageRenderer Google (+https://developers.google.com/+/web/snippet/))",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (Windows NT 6.1) BingPreview/1.0b",
    "Microsoft Office Existence Discovery",
    "Mozilla/5.0 (compatible; Applebot/0.1)",
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
    "Pinterest/0.2 (+https://www.pinterest.com/bot.html)",
    "Synapse (bot; +https://github.com/matrix-org/synapse)",
    "http.rb/5.1.1 (Mastodon/4.2.1; +https://mastodon.example/) Bot",
    "Mattermost-Bot/1.1",
    "Barracuda Sentinel (EE)",
    "Mozilla/5.0 (compatible; Proofpoint URL Defense)",
    "facebookexternalhit/1.1;line-poker/1.0",
    "Snap URL Preview Service; bot; snapchat; https://developers.snap.com/robots",
    "Bluesky Cardyb/1.1",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Perplexity-User/1.0)",
    "SomethingNew-UrlPreview/3",
)
PEOPLE = (
    "",
    "curl/8.5.0",
    "Wget/1.21.3",
    "aria2/1.36.0",
    "VLC/3.0.20 LibVLC/3.0.20",
    "Lavf/59.27.100",
    "mpv 0.35.1",
    "python-requests/2.32.3",
    "Go-http-client/2.0",
    "okhttp/4.12.0",
    "AppleCoreMedia/1.0.0.21F90 (iPhone; U; CPU OS 17_5 like Mac OS X; en_us)",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Linux; Android 9; CUBOT P40 Build/PPR1) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36",
    "robot framework/7",
    "Microsoft-WebDAV-MiniRedir/10.0.19045",
    "rclone/v1.65.0",
    "JDownloader/2.0",
)


def request(method: str = "GET", **headers: str) -> RawRequest:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return raw_request(method, "/s/x", [(b"Host", b"gw"), *pairs])


def visit(**headers: str) -> Visit:
    return visit_of(request(**headers))


@pytest.mark.parametrize("agent", PREVIEWS)
def test_who_makes_previews_says_so(agent: str) -> None:
    """Chats, networks, search and mail scanners that name themselves, whatever they accept."""
    assert Visit.PREVIEW is visit(user_agent=agent, accept="*/*")


@pytest.mark.parametrize("agent", PEOPLE)
def test_people_and_their_programs_are_taken_for_that(agent: str) -> None:
    """Browsers, players, download managers and libraries; a phone of the wrong name, too."""
    assert Visit.ACT is visit(user_agent=agent, accept="*/*")
    assert Visit.ACT is visit(user_agent=agent, sec_fetch_mode="navigate", sec_fetch_dest="document")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sec-Purpose", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender"),
        ("Sec-Purpose", "prefetch;anonymous-client-ip"),
        ("Purpose", "prefetch"),
        ("Purpose", "Preview"),
        ("X-Purpose", "preview"),
        ("X-Moz", "prefetch"),
    ],
)
def test_a_look_ahead_says_so(name: str, value: str) -> None:
    """In each spelling that browsers have had; a navigation it may be all the same."""
    assert Visit.AHEAD is visit(**{name: value, "Sec-Fetch-Mode": "navigate", "Accept": "text/html"})
    assert Visit.ACT is visit(**{name: "else"})


@pytest.mark.parametrize("mode", ["no-cors", "cors", "same-origin", "websocket"])
def test_a_part_of_a_page_says_so(mode: str) -> None:
    """By its fetch mode."""
    assert Visit.PART is visit(**{"Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": "image", "Sec-Fetch-Site": "cross-site"})


ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PAGES = (
    {"user_agent": FIREFOX, "sec_fetch_mode": "navigate"},
    {"user_agent": "Mozilla/5.0 (Windows NT 6.1) Gecko/20100101 Firefox/52.0"},
    {
        "user_agent": "Lynx/2.9.0dev.12 libwww-FM/2.14",
        "accept": "text/html, text/plain, text/sgml, text/css, */*;q=0.01",
    },
    {"user_agent": "w3m/0.5.3+git20230121", "accept": "text/html, text/*;q=0.5, image/*, application/*, */*"},
    {"user_agent": "curl/8.5.0", "accept": "text/html"},
    {"user_agent": "wget2"},
    {},
)
FETCHED = (
    {"user_agent": "wget2/1.99.1"},
    {"user_agent": "WGET2/2.2.0", "accept": "text/html"},
    {"user_agent": "Java/1.8.0_392", "accept": "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"},
    {"user_agent": "SomeApp/3", "accept": "text/html, image/gif, image/jpeg, */*; q=0.2"},
    {"user_agent": FIREFOX, "range": "bytes=0-2097151"},
    {"user_agent": FIREFOX, "range": "bytes=100-", "sec_fetch_mode": "navigate"},
    {"user_agent": FIREFOX, "sec_fetch_mode": "no-cors"},
    {"user_agent": "curl/8.5.0", "accept": "*/*"},
    {"method": "HEAD"},
    {"method": "POST"},
)


@pytest.mark.parametrize("said", PAGES)
def test_a_browser_opens_a_page(said: dict[str, str]) -> None:
    """New, old or of texts; and who asks for one by name."""
    assert opens_page(request(**{"accept": ACCEPT} | said))


def test_head_asks_for_what_a_page_would_be() -> None:
    """Only where that is wanted, and never by another method."""
    head = request(accept=ACCEPT, method="HEAD")
    assert [False, True] == [opens_page(head), opens_page(head, head=True)]
    assert not opens_page(request(accept=ACCEPT, method="POST"), head=True)


@pytest.mark.parametrize("said", FETCHED)
def test_a_program_that_accepts_pages_fetches_the_file(said: dict[str, str]) -> None:
    """Whoever asks for a part, and those who accept as a browser does under a name of their own, or as Java."""
    assert not opens_page(request(**{"accept": ACCEPT} | said))


@pytest.mark.parametrize(
    ("agent", "accept", "reads"),
    [
        ("rclone/v1.75.2", None, True),
        ("lftp/4.9.2", "*/*", True),
        ("Wget/1.21.3", "*/*", True),
        ("wget2/2.1.0", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("HTTPDirFS-1.2.5", "*/*", True),
        ("pip/25.3 {...}", "application/vnd.pypi.simple.v1+json, text/html; q=0.01", True),
        ("fsspec", "*/*", True),
        ("rclone/v1.75.2", "application/json", False),
        ("Python/3.11 aiohttp/3.14.5", "*/*", False),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "text/html,*/*;q=0.8", False),
        ("curl/8.5.0", "*/*", False),
        ("python-requests/2.32.3", "*/*", False),
        ("not lftp/4", None, False),
        ("", None, False),
    ],
)
def test_programs_that_read_an_index_are_known(agent: str, accept: str | None, *, reads: bool) -> None:
    """By their names, unless they name JSON; people's programs, and those that read anything, are others."""
    headers = [("host", "gw"), ("user-agent", agent), *([("accept", accept)] if accept else [])]
    raw = raw_request("GET", "/s/tok/", [(name.encode(), value.encode()) for name, value in headers])
    assert reads is reads_index(raw)
