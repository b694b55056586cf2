"""The laws of the one table from reason to public answer."""

from __future__ import annotations

import pytest

from gateway.core.reasons import TABLE, Reason, Refused, public_reason


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_public_answer(reason: Reason) -> None:
    """The table is total; statuses are errors, codes are S3's words, texts are sentences."""
    answer = TABLE[reason]
    assert 400 <= answer.status <= 504
    assert 400 <= answer.link_status <= 504
    assert answer.code.isascii()
    assert answer.code.isalnum()
    assert answer.text[0].isupper()


@pytest.mark.parametrize("reason", Reason)
def test_our_own_faults_are_told_apart_from_the_callers(reason: Reason) -> None:
    """What answers 5xx for another reason than load is logged as a warning or an error."""
    answer = TABLE[reason]
    quiet = {
        Reason.UNSUPPORTED_OPERATION,
        Reason.NOT_SUPPORTED_BY_BACKEND,
        Reason.FOLDER_BODY,
        Reason.HEADER_NOT_OFFERED,
        Reason.PIECE_OF_FILE,
        Reason.SHUTTING_DOWN,
    }
    if answer.status >= 500 and answer.code != "SlowDown" and reason not in quiet:
        assert answer.level in {"warning", "error"}


def test_a_stranger_cannot_tell_a_wrong_scope_from_a_wrong_token() -> None:
    """Unknown tokens and keys outside a link's scope get the same answer on link paths."""
    unknown, outside = TABLE[Reason.UNKNOWN_TOKEN], TABLE[Reason.OUT_OF_SCOPE]
    assert (unknown.link_status, unknown.text) == (outside.link_status, outside.text)


@pytest.mark.parametrize("reason", [Reason.EXPIRED, Reason.REVOKED, Reason.USED_UP, Reason.OWNER_NOT_ALLOWED])
def test_who_held_a_valid_link_hears_that_it_is_gone(reason: Reason) -> None:
    """A once-valid secret gets 410, each with its own reason."""
    assert 410 == TABLE[reason].link_status


def test_two_reasons_with_one_answer_have_one_name() -> None:
    """The world cannot tell them apart by what they are called, and others keep their names."""
    assert public_reason(Reason.DENIED_BY_RULE) is public_reason(Reason.NOT_ALLOWED)
    assert public_reason(Reason.OUT_OF_SCOPE) is public_reason(Reason.UNKNOWN_TOKEN)
    assert public_reason(Reason.EXPIRED) is Reason.EXPIRED


def test_the_three_links_ends_read_differently() -> None:
    """The holder of a link hears whether it expired, was revoked or was used up."""
    assert 3 == len({TABLE[reason].text for reason in (Reason.EXPIRED, Reason.REVOKED, Reason.USED_UP)})


def test_a_refusal_keeps_its_detail_for_the_log() -> None:
    """The detail is carried beside the reason and is in no public text."""
    refusal = Refused(Reason.NOT_ALLOWED, "the rule 'x'", rule="x")
    assert ("the rule 'x'", "x") == (refusal.detail, refusal.rule)
    assert refusal.detail not in TABLE[refusal.reason].text
