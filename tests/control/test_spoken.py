"""Answers that know their sentences."""

from __future__ import annotations

import orjson

from gateway.control.spoken import Spoken
from gateway.core.said import Said, phrase
from gateway.wire.replies import Reply


def test_what_is_sent_is_english_and_the_sentences_are_found_again() -> None:
    """Wherever they stand in the answer; a text that is no sentence stays one, and nothing is added."""
    sentence = phrase("late", "{count} too late", count=3)
    members = {"detail": sentence, "errors": [{"detail": "plain"}, {"detail": sentence}], "status": 409}
    reply = Spoken.of(Reply(409, (("A", "b"),), orjson.dumps(members)), [sentence, "plain", None])
    assert b'{"detail":"3 too late","errors":[{"detail":"plain"},{"detail":"3 too late"}],"status":409}' == reply.body
    found = reply.restore(orjson.loads(reply.body))
    assert members == found
    assert [Said, str, Said] == [type(one) for one in (found["detail"], *(each["detail"] for each in found["errors"]))]
