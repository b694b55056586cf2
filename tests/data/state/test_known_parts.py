"""The parts of uploads that a process has seen."""

from __future__ import annotations

from gateway.data.state.known_parts import KnownParts
from gateway.wire.s3.multipart import Part


def parts(count: int) -> list[Part]:
    return [Part(number, 5, f'"{number}"') for number in range(1, count + 1)]


def test_what_is_known_is_of_one_upload_by_its_name_at_the_store() -> None:
    """What is added to it is known, too."""
    known, kept = KnownParts(), parts(2)
    known.keep("a", "1", kept)
    kept.append(Part(3, 5, "e"))
    assert kept == known.of("a", "1")
    assert [(), ()] == [known.of("a", "2"), known.of("b", "1")]


def test_what_came_last_is_known_and_all_of_it_is_bounded() -> None:
    """By parts, whichever uploads they are of; the largest upload has a place."""
    known = KnownParts()
    known.keep("large", "1", parts(10_000))
    known.keep("small", "1", parts(100))
    assert [10_000, 100] == [len(known.of(upload, "1")) for upload in ("large", "small")]
    known.keep("next", "1", parts(10_000))
    assert [0, 10_000] == [len(known.of(upload, "1")) for upload in ("large", "next")]
