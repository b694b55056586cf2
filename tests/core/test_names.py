"""Names of buckets, regions and backends: one grammar for each, on every way in."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.names import REGION, STORED_BUCKET, backend_name_fault, bucket_name_fault, is_bucket_name, is_shown


@pytest.mark.parametrize("name", ["abc", "a-b", "a.b", "a" * 63, "123", "1.2.3", "1.2.3.4.5", "my-rep.203", "a--b"])
def test_s3_bucket_names_are_ours(name: str) -> None:
    """Three to 63 characters, so that one-letter paths stay the gateway's."""
    assert None is bucket_name_fault(name)
    assert is_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("s", "ab", "a" * 64, "Abc", "a_b", "-ab", "ab-", ".ab", "ab."),
        *("a..b", "a.-b", "a-.b", "1.2.3.4", "a/b", "äbc", "abc\n", ""),
    ],
)
def test_other_names_cannot_be_buckets(name: str) -> None:
    """No client could address them, or another parser would read them differently."""
    assert bucket_name_fault(name)
    assert None is is_bucket_name(name)


@given(st.text("ab1.-A\n", max_size=12))
def test_the_sentence_and_the_pattern_agree(name: str) -> None:
    """There is a fault to tell exactly where the pattern does not match."""
    assert (is_bucket_name(name) is None) is (bucket_name_fault(name) is not None)


@pytest.mark.parametrize("name", ["us-east-1", "auto", "EU", "gra", "zone.one_2", "7", "r" * 64])
def test_regions_of_ones_own_are_regions(name: str) -> None:
    """Stores of one's own are not named by the clouds."""
    assert re.fullmatch(REGION, name, re.ASCII)


@pytest.mark.parametrize("name", ["", ".", "..", "-a", "a.", "eu west", "a/b", "{0.__class__}", "r" * 65, "a\n", "ö"])
def test_what_would_be_a_step_or_a_scope_is_no_region(name: str) -> None:
    """A region stands between slashes in what is signed, and in host names."""
    assert None is re.fullmatch(REGION, name, re.ASCII)


def test_a_store_may_call_its_bucket_as_in_the_old_days() -> None:
    """Capitals, underlines and 255 characters were allowed once; a step of a path never was."""
    for name in ("Old_Style.Bucket", "a" * 255, "..."):
        assert re.fullmatch(STORED_BUCKET, name, re.ASCII)
    for name in ("", ".", "..", "a/b", "a" * 256, "a\n"):
        assert None is re.fullmatch(STORED_BUCKET, name, re.ASCII)


def test_a_backends_name_is_plain() -> None:
    """It becomes a metric label and part of log lines."""
    for name in ("near", "a", "eu-west_1", "9"):
        assert None is backend_name_fault(name)
    for name in ("", "Near", "a b", "-a", "a" * 64, "a.b", "a\n"):
        assert backend_name_fault(name)


@pytest.mark.parametrize("character", ["a", "ü", " ", "\u00a0", "\u202f", "\u200c", "\u200d", "\U0001f468", "\ufe0f"])
def test_what_spelling_needs_is_shown(character: str) -> None:
    """Blanks that do not break, joiners, and what chooses how an emoji looks."""
    assert is_shown(character)


@pytest.mark.parametrize("character", ["\n", "\0", "\x1b", "\u2028", "\u202e", "\u2066", "\ufeff", "\ud800"])
def test_what_ends_a_line_or_turns_it_is_not(character: str) -> None:
    """`fdp.exe` must not look like `exe.pdf`."""
    assert not is_shown(character)
