"""Laws of `gateway.pages.render`, and of the templates."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest

from gateway.pages import render as module
from gateway.pages.assets import Asset, stored_assets
from gateway.pages.branding import Branding
from gateway.pages.languages import Language, languages
from gateway.pages.render import Look, look_for, render, visible

_TEMPLATES = Path(module.__file__).parent / "templates"
_ROOT = Path(__file__).resolve().parents[2]


def test_a_missing_value_is_an_error() -> None:
    """No page says "None" or nothing where something was meant."""
    with pytest.raises(jinja2.UndefinedError):
        render("receipt.html", look_for(Branding(), None), name="a")


def test_every_template_escapes() -> None:
    """Nothing is marked as safe but the style sheet and elements made from Markdown; nothing switches escaping off."""
    for path in _TEMPLATES.rglob("*.html"):
        text = path.read_text()
        safe = re.findall(r"\{\{([^}]*)\|\s*safe", text)
        known = {"layout.html": ["style"], "preview.html": ["preview.markup"]}
        assert known.get(path.relative_to(_TEMPLATES).as_posix(), []) == [part.strip() for part in safe], path
        assert not re.search(r"autoescape|Markup", text), path


def test_no_template_has_script_or_style_of_its_own() -> None:
    """Scripts are files of ours, and the one style sheet stands in the layout."""
    for path in _TEMPLATES.rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"\s(?:style|on[a-z]+)=", text), path
        for tag in ("<style", "<script"):
            assert (tag in text) is (path.name == "layout.html" and tag in text), path


def test_the_style_sheet_knows_no_left_and_right() -> None:
    """What is written from right to left has it the other way round: sides are named by the text's direction."""
    sided = r"(?:margin|padding|border)-(?:left|right)|text-align:\s*(?:left|right)|(?:^|[;{])(?:left|right):|float:"
    assert [] == re.findall(sided, stored_assets()["pages.css"].body.decode())
    assert ["margin-left"] == re.findall(sided, "a{margin-left:1rem}")


def test_a_language_brings_its_direction() -> None:
    """`dir` and `lang` are the file's."""
    page = render("front.html", Look(Branding(), Language("ar", "rtl", {})))
    assert b'<html lang="ar" dir="rtl">' in page.body
    assert ("Content-Language", "ar") in page.headers


def test_branding_is_shown() -> None:
    """Name, footer and addresses are on the page; a logo stands for the name, and its picture alone is allowed."""
    named = Branding(name="Acme & Co", footer="A footer", imprint="https://a.example/i", privacy="https://a.example/p")
    page = render("front.html", look_for(named, "de"))
    text = page.body.decode()
    for shown in ("Acme &amp; Co", "A footer", 'href="https://a.example/i"', "Impressum", "Datenschutz"):
        assert shown in text
    assert "img-src" not in dict(page.headers)["Content-Security-Policy"]
    logo = Asset("logo.svg", b"<svg/>")
    page = render("front.html", look_for(Branding(name="Acme", logo=logo), None))
    assert f'<img src="/s/-/{logo.served_as}" alt="Acme">' in page.body.decode()
    assert "img-src 'self'" in dict(page.headers)["Content-Security-Policy"]


def test_a_script_is_allowed_by_its_hash_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our host also serves what strangers upload, so `'self'` would allow theirs."""
    module_file = Asset("a.js", b"export {}")
    monkeypatch.setattr(module, "stored_assets", lambda: stored_assets() | {"a.js": module_file})
    page = render("front.html", look_for(Branding(), None, "/ui/-/"), scripts=["a.js"], fetches=["connect-src"])
    policy = dict(page.headers)["Content-Security-Policy"]
    assert f"script-src '{module_file.integrity}'; connect-src 'self'" in policy
    tag = f'<script type="module" src="/ui/-/{module_file.served_as}" integrity="{module_file.integrity}"></script>'
    assert tag in page.body.decode()


def test_colours_of_the_sheet_are_those_that_branding_is_held_to() -> None:
    """The contrast that a brand's colours must keep is with the surfaces that there are."""
    sheet = stored_assets()["pages.css"].body.decode()
    assert "--paper:#f4f5f7" in sheet
    assert "--card:#1e2128" in sheet


_SERVING = """
import asyncio, sys
from tests.data.harness import running

def engines():
    return sorted({"jinja2", "markdown_it"} & set(sys.modules))

async def main():
    async with running() as rig:
        rig.store.hold("inside/a.txt", b"hello")
        token = await rig.link()
        assert b"hello" == (await rig.fetch(token)).body
        assert 404 == (await rig.fetch("nothing")).status
        print(engines())
        await rig.fetch("nothing", Accept="text/html")
        print(engines())

import gateway.app
asyncio.run(main())
"""


def test_the_template_engine_is_imported_with_the_first_page() -> None:
    """Who starts, serves links and refuses programs pays nothing for pages; the second line is the control."""
    done = subprocess.run([sys.executable, "-c", _SERVING], cwd=_ROOT, capture_output=True, text=True, check=True)
    assert ["[]", "['jinja2']"] == done.stdout.splitlines()


def test_every_template_is_made_by_somebody() -> None:
    """No template is left over."""
    code = "".join(path.read_text() for path in Path(module.__file__).parents[1].rglob("*.py"))
    code += "".join(path.read_text() for path in _TEMPLATES.rglob("*.html"))
    unused = [
        name
        for path in _TEMPLATES.rglob("*.html")
        if f'"{(name := path.relative_to(_TEMPLATES).as_posix())}"' not in code
    ]
    assert [] == unused


def test_what_is_not_seen_is_shown_as_missing() -> None:
    """Names with direction marks or control characters cannot pass for others."""
    assert "a\ufffdgpj.exe" == visible("a\u202egpj.exe")
    assert "\u3000a\ufffd" == visible("\u3000a\n")


def test_joiners_stay_where_writing_needs_them() -> None:
    """In Persian words and in families of emoji; elsewhere nobody could see them, so they are shown."""
    for name in ("می\u200cخواهم.txt", "👨\u200d👩\u200d👧.txt", "❤\ufe0f\u200d🔥"):
        assert name == visible(name)
    for name in ("a\u200db", "ä\u200db", "\u200dä", "ä\u200d", "ä\u200d\u200dä"):
        assert visible(name).count("\ufffd") == name.count("\u200d"), name


def test_all_languages_render_every_page_of_texts() -> None:
    """A text with a place that nobody fills would be an error here."""
    for language in languages().values():
        assert language.code.encode() in render("front.html", Look(Branding(), language)).body


@pytest.mark.parametrize("room", ["", "console/"])
def test_what_is_compiled_is_kept_where_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: str) -> None:
    """A file for each template; where nothing can be written, pages come all the same."""

    def read(folder: Path) -> None:
        monkeypatch.setattr(module, "_COMPILED", folder)
        module._environment.cache_clear()
        module.read_templates(room)

    try:
        read(tmp_path / "kept")
        own = [*_TEMPLATES.glob("*.html"), *(_TEMPLATES.glob(f"{room}*.html") if room else ())]
        assert len(own) == len(list((tmp_path / "kept").iterdir()))
        (tmp_path / "file").touch()
        read(tmp_path / "file")
        assert render("front.html", look_for(Branding(), None)).body
    finally:
        module._environment.cache_clear()
