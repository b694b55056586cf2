"""Sentences with a key."""

from __future__ import annotations

from copy import deepcopy

import orjson

from gateway.core.said import Said, phrase


def test_a_sentence_is_its_english_text() -> None:
    """To whoever compares, writes or sends it; its key and what fills it come with it."""
    found = phrase("ends", "the {kind} ends {when!r}", kind="link", when="now")
    assert ("the link ends 'now'", b"\"the link ends 'now'\"") == (found, orjson.dumps(found))
    assert ("ends", {"kind": "link", "when": "now"}) == (found.key, found.values)
    assert not isinstance(str(found), Said)
    copied = deepcopy(found)
    assert (found, "ends", found.values) == (copied, copied.key, copied.values)


def test_several_stand_in_one_row() -> None:
    """And braces that came with a value fill no place."""
    many = (phrase("a", "first"), "{second}")
    assert "both: first; {second}" == phrase("both", "both: {many}", many=many)
