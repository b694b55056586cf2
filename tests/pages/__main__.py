"""`python -m tests.pages DIRECTORY`: a picture of each page, at a desk, on a small telephone and in the dark."""

from __future__ import annotations

import os
import shutil
import sys
from html import escape
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, sync_playwright

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
    rows, made = [], 0
    with showing_samples() as address:
        for look in LOOKS:
            for sample in SAMPLES:
                cells = []
                for screen, options in SCREENS.items():
                    context = browser.new_context(timezone_id="Europe/Berlin", **options)
                    page = context.new_page()
                    page.goto(f"{address}/{look}/{sample}")
                    name = f"{sample}-{look}-{screen}.png"
                    page.screenshot(path=directory / name, full_page=True)
                    context.close()
                    cells.append(f'<td><img src="{escape(name)}" alt="{escape(name)}" height="360"></td>')
                    made += 1
                rows.append(f"<tr><th>{escape(sample)}, {escape(look)}</th>{''.join(cells)}</tr>")
    (directory / "index.html").write_text(f"<!doctype html><title>Gallery</title><table>{''.join(rows)}</table>\n")
    return made


def main() -> None:
    with sync_playwright() as driver:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=sandbox)
        made = take_pictures(browser, Path(sys.argv[1]))
        browser.close()
    sys.stdout.write(f"{made} pictures in {sys.argv[1]}/index.html\n")


if __name__ == "__main__":
    main()
