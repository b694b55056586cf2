"""Owns the figures in `helm/CAPACITY.md`, and the first of them in the README: tables between two marks, written from a
whole run and never by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.bench.extents import Extent
from tests.bench.figures import Spread
from tests.bench.rounds import Compared

__all__ = ["FILES", "replaced", "table", "write"]

_ROOT = Path(__file__).resolve().parents[2]
FILES = _ROOT / "helm" / "CAPACITY.md", _ROOT / "README.md"
_IN_BOTH = {"ready", "idle", "500 stalled readers, above idle"}
_BEGIN, _END = "<!-- figures of a run of `make bench` -->", "<!-- end of these figures -->"
_SMALL = (("get4k", "GET of 4 KiB, a link"), ("get4k-sigv4", "GET of 4 KiB, SigV4"), ("put4k", "PUT of 4 KiB, SigV4"))
_LARGE = (
    ("get1g", "GET of 1 GiB, a link"),
    ("put1g", "PUT of 1 GiB, a link"),
    ("put1g-sdk", "PUT of 1 GiB, aws-chunked"),
)


def table(compared: Mapping[str, Compared], extents: Sequence[Extent]) -> Iterator[str]:
    """The lines of the table; a row that was not measured is not told."""
    yield "| one process on one CPU | gateway | compared with | times |"
    yield "|---|---|---|---|"
    for rows, unit, scale, their in (
        (_SMALL, "µs of CPU", 1e6, "nginx signing in njs"),
        (_LARGE, "CPU s", 1.0, "nginx"),
    ):
        for key, title in rows:
            if key in compared:
                found = compared[key]
                ours, theirs = (Spread.of(figures).middle * scale for figures in (found.ours, found.theirs))
                yield f"| {title} | {ours:.3g} {unit} | {theirs:.3g} {unit} ({their}) | {found.ratio.middle:.2f} |"
    for extent in extents:
        if extent.unit != "×":
            yield f"| {extent.title} | {extent.spread.middle:.3g} {extent.unit} | | |"


def replaced(text: str, lines: Iterator[str]) -> str:
    """The document with these lines between its marks. Raises ValueError when it has none."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError("the document has no place for the figures")
    return "".join([before, _BEGIN, "\n\n", "\n".join(lines), "\n\n", _END, after])


def write(compared: Mapping[str, Compared], extents: Sequence[Extent]) -> None:
    for file, told in zip(FILES, (extents, [one for one in extents if one.title in _IN_BOTH]), strict=True):
        file.write_text(replaced(file.read_text(), table(compared, told)))
