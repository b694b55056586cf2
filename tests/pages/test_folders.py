"""Laws of `gateway.pages.folders`."""

from __future__ import annotations

import pytest

from gateway.pages.branding import Branding
from gateway.pages.folders import Folder, FolderView, Rows, folder_page
from gateway.pages.previews import Kind, Preview
from gateway.pages.render import Page, look_for
from gateway.wire.s3.listing import Entry
from tests.pages.test_links import Reader, csp

LOOK = look_for(Branding(), None)


def page(*entries: Entry, **more) -> Page:
    """A page of these rows; `more` are fields of the folder, of the rows or of the page."""
    of_rows, of_page = ("following", "begun", "block"), ("view", "none_selected")
    rows = {name: more.pop(name) for name in of_rows if name in more}
    asked = {name: more.pop(name) for name in of_page if name in more}
    return folder_page(LOOK, Folder(**({"title": "Files"} | more)), Rows(entries, **rows), **asked)


def hrefs(shown: Page) -> list[str | None]:
    return [one["href"] for one in Reader(shown).all("a")]


def test_addresses_are_relative() -> None:
    """Names are encoded, colons are no schemes, and crumbs lead no higher than the root."""
    entries = [Entry("d\u00e9/"), Entry("b a.txt", 5), Entry("javascript:x"), Entry("q?#%.txt", 0)]
    shown = hrefs(page(*entries, path=["one", "two"], following={"cursor": "a+"}))
    assert ["../../", "../"] == shown[:2]
    for wanted in ("./d%C3%A9/", "./b%20a.txt", "./javascript%3Ax", "./q%3F%23%25.txt", "?cursor=a%2B", "?archive=zip"):
        assert wanted in shown
    assert [] == [one for one in shown if one is None or not one.startswith(("./", "../", "?"))]


def test_an_empty_folder() -> None:
    """It says so, offers no archive, and has nothing to be searched."""
    reader = Reader(page())
    assert "This folder is empty." in reader.text
    assert ([], [], []) == (reader.all("a"), reader.all("nav"), reader.all("form"))


def test_nothing_found_is_not_an_empty_folder() -> None:
    """And the search can be changed or left."""
    reader = Reader(page(view=FolderView(find="x")))
    assert "No name here contains that." in reader.text
    assert "./" in [one["href"] for one in reader.all("a")]
    assert ["x"] == [one["value"] for one in reader.all("input") if one.get("name") == "find"]


def test_nothing_found_yet_is_not_nothing() -> None:
    """Of a long folder a part is searched at a time: where it goes on, nobody is told that no name contains that."""
    reader = Reader(page(view=FolderView(find="x"), following={"cursor": "c"}, block=10000))
    assert "Among these 10000 entries no name contains that, but the folder goes on." in reader.text
    assert "No name here" not in reader.text
    assert "Search the next ones" in reader.text
    last = Reader(page(view=FolderView(find="x"), block=1500, begun=True))
    assert "No name here contains that." in last.text
    assert "empty" not in Reader(page(following={"cursor": "c"})).text, "names that are not shown are names"


@pytest.mark.parametrize(
    ("params", "view"),
    [
        ({}, FolderView()),
        ({"sort": "-size", "find": " a ", "view": "grid"}, FolderView("-size", "a", grid=True)),
        ({"sort": "--size"}, FolderView()),
        ({"sort": "owner", "view": "list"}, FolderView()),
        ({"find": "x" * 500}, FolderView(find="x" * 200)),
    ],
)
def test_what_an_address_says_is_what_is_seen(params: dict[str, str], view: FolderView) -> None:
    """What it says that means nothing is left out."""
    assert view == FolderView.read(params)


def test_a_view_keeps_what_was_chosen_before() -> None:
    """Changing one thing leaves the others; the plain view has a plain address."""
    view = FolderView("-size", "a b", grid=True)
    assert "?sort=-size&find=a+b&view=grid" == view.address()
    assert "?sort=-size&find=a+b" == view.address(view="")
    assert "./" == FolderView().address()
    assert "?cursor=x%2F" == FolderView().address(cursor="x/")


@pytest.mark.parametrize(
    ("order", "sorted_by", "next_one"),
    [("name", "ascending", "?sort=-name"), ("-name", "descending", "./"), ("size", None, "./")],
)
def test_a_columns_head_sorts_by_it_and_then_the_other_way(order: str, sorted_by: str | None, next_one: str) -> None:
    """And tells in which order the rows are, for those who do not see it, too."""
    head = Reader(page(Entry("a", 1), view=FolderView(order))).all("th")[0]
    assert sorted_by == head.get("aria-sort")
    assert next_one in hrefs(page(Entry("a", 1), view=FolderView(order)))


def test_each_row_can_be_selected() -> None:
    """By a box with a name of its own, in a form that posts."""
    reader = Reader(page(Entry("sub/"), Entry("a.txt", 1)))
    boxes = [one for one in reader.all("input") if one.get("type") == "checkbox"]
    assert [("select", "sub/", "Select sub/"), ("select", "a.txt", "Select a.txt")] == [
        (one["name"], one["value"], one["aria-label"]) for one in boxes
    ]
    assert [("archive", "zip")] == [(one["name"], one["value"]) for one in reader.all("button") if "name" in one]


def test_pictures_are_loaded_within_a_budget() -> None:
    """Only what is one, is small enough, and as many as fit; the others have a sign."""
    many = [Entry(f"{number}.jpg", 4 * 1024**2) for number in range(9)]
    other = [
        Entry("large.png", 4 * 1024**2 + 1),
        Entry("empty.png", 0),
        Entry("a.svg", 5),
        Entry("a.txt", 5),
        Entry("png", 5),
    ]
    shown = page(*other, *many, view=FolderView(grid=True))
    assert [f"./{number}.jpg?page=0" for number in range(6)] == [one["src"] for one in Reader(shown).all("img")]
    assert {"lazy"} == {one["loading"] for one in Reader(shown).all("img")}
    assert "img-src 'self'" in csp(shown)


@pytest.mark.parametrize("more", [{"view": FolderView()}, {"view": FolderView(grid=True), "free": False}])
def test_no_picture_is_loaded_where_that_would_cost(more: dict[str, object]) -> None:
    """A table has none; where each would be a download, the page says so."""
    shown = page(Entry("a.jpg", 5), **more)
    assert [] == Reader(shown).all("img")
    assert "img-src" not in csp(shown)
    assert ("free" in more) is ("each would be a download" in Reader(shown).text)


def test_a_long_folder_says_how_it_is_searched() -> None:
    """Nobody takes a part for the whole."""
    assert "10000 entries at a time" in Reader(page(Entry("a"), view=FolderView("size"), block=10_000)).text


def test_a_readme_stands_below() -> None:
    """With its own heading."""
    reader = Reader(page(Entry("README.md", 5), readme=Preview(Kind.TEXT, text="hello")))
    assert "About this folder" in reader.text
    assert "hello" in reader.text
