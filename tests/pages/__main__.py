"""`python -m tests.pages DIRECTORY`: a picture of each page and of the console, wide, narrow and dark."""

from __future__ import annotations

import os
import shutil
import sys
from html import escape
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from tests.control.console.scenes import SCENES, sign_in
from tests.control.console.showing import showing
from tests.pages.samples import LOOKS, SAMPLES
from tests.pages.showing import showing_samples

__all__ = ["SCREENS", "take_pictures"]

SCREENS: Final[dict[str, dict[str, Any]]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 320, "height": 640}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
}


def take_pictures(browser: Browser, directory: Path) -> int:
    """How many were made; `index.html` beside them shows them all."""
    directory.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[str]] = {}

    def keep(page: Page, name: str, screen: str) -> None:
        file = f"{name}-{screen}.png"
        page.screenshot(path=directory / file, full_page=True)
        rows.setdefault(name, []).append(f'<td><img src="{escape(file)}" alt="{escape(file)}" height="360"></td>')

    with showing_samples() as address, showing() as console:
        for screen, options in SCREENS.items():
            for look in LOOKS:
                for sample in SAMPLES:
                    context = browser.new_context(timezone_id="Europe/Berlin", **options)
                    page = context.new_page()
                    page.goto(f"{address}/{look}/{sample}")
                    keep(page, f"{sample}-{look}", screen)
                    context.close()
            context = browser.new_context(**options)
            page = sign_in(context, console)
            for name, scene in SCENES.items():
                scene(page, console)
                keep(page, f"console-{name}", screen)
            context.close()
    table = "".join(f"<tr><th>{escape(name)}</th>{''.join(cells)}</tr>" for name, cells in rows.items())
    (directory / "index.html").write_text(f"<!doctype html><title>Gallery</title><table>{table}</table>\n")
    return sum(map(len, rows.values()))


def main() -> None:
    with sync_playwright() as driver:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=sandbox)
        made = take_pictures(browser, Path(sys.argv[1]))
        browser.close()
    sys.stdout.write(f"{made} pictures in {sys.argv[1]}/index.html\n")


if __name__ == "__main__":
    main()
