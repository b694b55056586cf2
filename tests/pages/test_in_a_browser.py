"""What every page is in a real browser: for everybody, on small screens, in the dark, and without a complaint of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Browser, Page, Request

from tests.control.console.scenes import SCENES
from tests.pages.__main__ import SCREENS, take_pictures
from tests.pages.samples import LOOKS, SAMPLES

pytestmark = pytest.mark.browser


def opened(browser: Browser, address: str, screen: str, **options: object) -> tuple[Page, list[str]]:
    """A page, and what the browser complains of: what its policy forbids, among others."""
    page = browser.new_context(**SCREENS[screen] | options).new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    return page, complaints


def findings(page: Page, *, contrast_alone: bool = False) -> list[str]:
    """What axe-core finds, with the places."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_FILE_PATH.read_text())
    options = {"runOnly": ["color-contrast"]} if contrast_alone else {}
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]


def out_of_reach(page: Page) -> list[str]:
    """What of a page the tab key passes over, reaches out of the page's order, or reaches without showing it."""
    selector = (
        "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0'], video, audio, iframe"
    )
    controls = "Array.from(document.querySelectorAll(selector)).filter(one => one.checkVisibility())"
    told = page.evaluate(f"selector => {controls}.map(one => one.outerHTML.slice(0, 90))", selector)
    look = f"""selector => {{
        const one = document.activeElement, style = getComputedStyle(one);
        const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
        return [{controls}.indexOf(one), seen || one.localName === "iframe"];
    }}"""  # what a frame holds shows its own focus
    faults, stops = list[str](), list[int]()
    for _ in range(len(told) + 20):  # a player has controls of its own, which are reached within it
        page.keyboard.press("Tab")
        now, seen = page.evaluate(look, selector)
        if now == -1:
            break
        if [now] == stops[-1:]:
            continue
        if stops and now < stops[-1]:
            faults.append(f"comes before its turn: {told[stops[-1]]}")
        if not seen:
            faults.append(f"shows no focus: {told[now]}")
        stops.append(now)
    return faults + [f"is passed over: {told[number]}" for number in sorted(set(range(len(told))) - set(stops))]


def fits(page: Page) -> bool:
    """Whether nothing has to be scrolled sideways, and nothing sticks out of the card that it is on."""
    return page.evaluate(
        """() => document.documentElement.scrollWidth <= window.innerWidth
        && Array.from(document.querySelectorAll("main section")).every((card) => Array.from(card.querySelectorAll("*"))
          .filter((one) => one.checkVisibility() && !one.closest(".scroll, .wide, .unseen, .chart, .text table"))
          .every((one) => one.getBoundingClientRect().right <= card.getBoundingClientRect().right + 1
            && one.getBoundingClientRect().left >= card.getBoundingClientRect().left - 1))"""
    )


@pytest.mark.parametrize("sample", SAMPLES)
def test_each_page_is_for_everybody(browser: Browser, shown: str, sample: str) -> None:
    """axe-core finds nothing, the browser complains of nothing, and nothing has to be scrolled sideways, whoever's
    page it is, by day and by night, at a desk and on the smallest of telephones."""
    for look in LOOKS:
        page, complaints = opened(browser, f"{shown}/{look}/{sample}", "desktop")
        assert [] == findings(page, contrast_alone=look == "mirrored"), look
        page.emulate_media(color_scheme="dark")
        assert [] == findings(page, contrast_alone=True), (look, "dark")
        assert fits(page)
        page.set_viewport_size(SCREENS["phone"]["viewport"])
        assert [] == ([] if look != "plain" else findings(page))
        assert fits(page), look
        page.set_viewport_size({"width": 256, "height": 512})
        assert fits(page), (look, "enlarged five times at a desk")
        assert [] == complaints
        page.context.close()


def test_what_is_for_few_is_found(browser: Browser, shown: str) -> None:
    """The control: a field without a label, text without contrast, what is too wide, a script and a style of nobody."""
    page, complaints = opened(browser, f"{shown}/plain/password", "phone")
    page.evaluate(
        """() => { document.querySelector("label").remove();
        document.styleSheets[0].insertRule("h1 { color: #ccc !important; inline-size: 100rem }");
        const script = document.createElement("script"); script.textContent = "1"; document.body.append(script);
        document.body.setAttribute("style", "color: red"); }"""
    )
    assert {"label", "color-contrast"} <= {one.partition(":")[0] for one in findings(page)}
    assert not fits(page)
    page.set_viewport_size({"width": 4000, "height": 800})
    assert not fits(page), "sticks out of its card"
    assert 2 == len([text for text in complaints if "Content Security Policy" in text])
    page.context.close()


@pytest.mark.parametrize("sample", SAMPLES)
def test_everything_is_reached_by_the_keyboard(browser: Browser, shown: str, sample: str) -> None:
    """Each link, button and field that is seen is reached with the tab key, in the order of the page, and shows it."""
    page, _ = opened(browser, f"{shown}/branded/{sample}", "desktop")
    assert [] == out_of_reach(page)
    page.context.close()


def test_what_the_keyboard_does_not_reach_is_found(browser: Browser, shown: str) -> None:
    """The control: a button that the tab key passes over, a focus that is not seen, an order that is another."""
    page, _ = opened(browser, f"{shown}/plain/password", "desktop")
    page.evaluate("document.querySelector('button').tabIndex = -1")
    assert any(fault.startswith("is passed over: <button") for fault in out_of_reach(page))
    page.reload()
    page.evaluate("document.styleSheets[0].insertRule('button:focus-visible { outline: 0 !important }', 0)")
    assert any(fault.startswith("shows no focus: <button") for fault in out_of_reach(page))
    page.reload()
    page.evaluate("document.querySelector('button').tabIndex = 1")
    assert any(fault.startswith("comes before") for fault in out_of_reach(page))
    page.context.close()


def is_post(request: Request) -> bool:
    return request.method == "POST"


def keep_posts(page: Page) -> None:
    """Leave the page where it is, whatever is sent from it."""
    page.route("**/*", lambda route: route.continue_() if route.request.method == "GET" else route.fulfill(status=204))


@pytest.mark.parametrize(("scripts", "sent"), [(True, 1), (False, 2)], ids=["scripts", "none"])
def test_a_form_is_sent_once(browser: Browser, shown: str, *, scripts: bool, sent: int) -> None:
    """However often its button is pressed before the answer comes: a second request would break off the first, whose
    answer brings the pass that the code was spent for. Without scripts, the control, it is sent as often."""
    page, _ = opened(browser, f"{shown}/plain/holder-code", "desktop", java_script_enabled=scripts)
    posts = list[str]()
    page.on("request", lambda request: posts.append(request.post_data or "") if request.method == "POST" else None)
    keep_posts(page)
    page.get_by_label("Code").fill("12345678")
    with page.expect_request(is_post):
        page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Continue").click()
    with page.expect_request(lambda request: is_post(request) and "email" in (request.post_data or "")):
        page.get_by_role("button", name="Send another code").click()
    assert sent == len([body for body in posts if "code=" in body]), "another button is another wish"
    page.context.close()


def test_a_form_that_is_not_answered_may_be_sent_again(browser: Browser, shown: str) -> None:
    """After ten seconds; and at once by whoever comes back to the page."""
    page, _ = opened(browser, f"{shown}/plain/password", "desktop")
    posts = list[str]()
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    keep_posts(page)
    page.get_by_label("Password").fill("sesame")
    page.clock.install()
    page.reload()
    page.get_by_label("Password").fill("sesame")
    with page.expect_request(is_post):
        page.keyboard.press("Enter")
    page.clock.fast_forward(9000)
    page.keyboard.press("Enter")
    page.clock.fast_forward(2000)
    with page.expect_request(is_post):
        page.keyboard.press("Enter")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    with page.expect_request(is_post):
        page.keyboard.press("Enter")
    assert 3 == len(posts)
    page.context.close()


def test_instants_are_in_the_visitors_zone(browser: Browser, shown: str) -> None:
    """Where scripts run, in zone and language of the visitor; where they do not, in UTC."""
    told = []
    for options in ({"timezone_id": "Asia/Tokyo"}, {"timezone_id": "America/New_York"}, {"java_script_enabled": False}):
        page, _ = opened(browser, f"{shown}/branded/landing", "desktop", **options)
        told.append(page.locator("time").inner_text())
        page.context.close()
    assert told[0].startswith("15. Januar 2027 um 17:00:00")
    assert told[1].startswith("15. Januar 2027 um 03:00:00")
    assert "2027-01-15 08:00:00 UTC" == told[2]


def test_instants_are_written_as_the_visitors_country_does(browser: Browser, shown: str) -> None:
    """Where the page is in their language: the British have the day first; guests get the page's way."""
    told = []
    for locale in ("en-GB", "en-US", "ja-JP"):
        page, _ = opened(browser, f"{shown}/plain/landing", "desktop", locale=locale, timezone_id="UTC")
        told.append(page.locator("time").inner_text())
        page.context.close()
    assert told[0].startswith("15 January 2027")
    assert told[1].startswith("January 15, 2027")
    assert told[2].startswith("January 15, 2027")


def test_a_printed_page_is_black_on_white(browser: Browser, shown: str) -> None:
    """Also for who reads in the dark; what can only be pressed is left out."""
    page, _ = opened(browser, f"{shown}/plain/landing", "dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert "rgb(27, 29, 34)" == page.evaluate("getComputedStyle(document.querySelector('h1')).color")
    assert not page.locator("button").first.is_visible()
    page.context.close()


@pytest.mark.parametrize("sample", ["folder", "folder-grid", "folder-receives"])
def test_a_printed_folder_is_its_list(browser: Browser, shown: str, sample: str) -> None:
    """Its names stand on the paper, and no box to type in or to tick."""
    page, _ = opened(browser, f"{shown}/plain/{sample}", "desktop")
    page.emulate_media(media="print")
    assert page.get_by_text("Fotos/").first.is_visible()
    lines = "all => all.map((one) => one.getClientRects().length)"
    assert {1} >= set(page.locator("td time").evaluate_all(lines)), "a date is not broken"
    assert 0 == page.locator("button:visible, input:visible, select:visible").count()
    page.context.close()


@pytest.mark.parametrize("sample", ["password", "landing-free", "folder"])
def test_buttons_are_seen_where_colours_are_the_visitors(browser: Browser, shown: str, sample: str) -> None:
    """In forced colours a button has nothing but its border."""
    page, _ = opened(browser, f"{shown}/plain/{sample}", "desktop", forced_colors="active")
    edge = "one => getComputedStyle(one).borderTopWidth + getComputedStyle(one).borderTopStyle"
    edges = page.locator("button, a.button").evaluate_all(f"all => all.map({edge})")
    assert {"1pxsolid"} == set(edges)
    page.context.close()


def test_a_right_to_left_language_is_mirrored(browser: Browser, shown: str) -> None:
    """Names stand at the right, sizes at the left."""
    places = []
    for look in ("plain", "mirrored"):
        page, _ = opened(browser, f"{shown}/{look}/folder", "desktop")
        boxes = [page.locator(part).first.bounding_box() for part in ("tbody .name a", "tbody .date")]
        assert None not in boxes
        places.append(boxes[0]["x"] < boxes[1]["x"])
        page.context.close()
    assert [True, False] == places


@pytest.mark.parametrize("sample", ["folder", "folder-grid"])
def test_a_name_that_cannot_be_broken_stays_in_its_place(browser: Browser, shown: str, sample: str) -> None:
    """Marks without end upon one letter have no place for a break: what is too wide is cut off, and covers nothing."""
    page, _ = opened(browser, f"{shown}/plain/{sample}", "phone")
    page.locator(".name a, .grid a").nth(2).evaluate("one => one.append('Z' + '\\u0334\\u0353\\u036f'.repeat(99))")
    page.evaluate("document.styleSheets[0].insertRule('.name a, .grid a { white-space: nowrap }')")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    places = "all => all.map((one) => [getComputedStyle(one).overflowX, one.getBoundingClientRect().right < 320])"
    assert {("clip", True)} == set(map(tuple, page.locator("td.name, .grid li").evaluate_all(places)))
    page.context.close()


def test_thousands_of_files_do_not_stop_the_page(browser: Browser, shown: str) -> None:
    """Their rows come in pieces: a page that is given many files answers between them, and shows each in the end."""
    page, complaints = opened(browser, f"{shown}/plain/upload", "desktop")
    page.evaluate(
        """() => { const many = new DataTransfer();
        for (let at = 0; at < 3000; at += 1) many.items.add(new File(["x"], `file ${at}.txt`));
        document.querySelector("#files").files = many.files; }"""
    )
    most = page.evaluate(
        """async () => { const rows = document.querySelector("#send ul").children;
        document.querySelector("[data-pause]").click();
        document.querySelector("#files").dispatchEvent(new Event("change", { bubbles: true }));
        let most = 0;
        for (let before = 0; before < 3000; ) {
          most = Math.max(most, rows.length - before);
          before = rows.length;
          await new Promise((go) => setTimeout(go));
        }
        return most; }"""
    )
    assert most <= 500, "rows that are made in one turn"
    assert "3000" == page.locator("#send").get_attribute("data-left")
    assert [] == complaints
    page.context.close()


@pytest.mark.slow
def test_the_gallery_shows_each_page_three_times(browser: Browser, tmp_path: Path) -> None:
    """`make gallery`."""
    wanted = (len(LOOKS) * len(SAMPLES) + len(SCENES)) * len(SCREENS)
    assert wanted == take_pictures(browser, tmp_path) == len(list(tmp_path.glob("*.png")))
