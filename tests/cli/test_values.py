"""What the words on a command line mean, before anything is sent."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.values import (
    EXPIRY,
    PLACE,
    SIZE,
    USES,
    Place,
    check_key_name,
    check_link_id,
    find_secrets,
    find_token,
    parse_expiry,
    parse_start,
)
from gateway.core.token import LinkToken, access_key_id, grant_id

TOKEN = LinkToken.mint(b"\x05" * 21).text
ENTROPY = st.binary(min_size=21, max_size=21)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("reports/a.pdf", {"bucket": "reports", "key": "a.pdf"}),
        ("reports/a/b.pdf", {"bucket": "reports", "key": "a/b.pdf"}),
        ("reports/a/", {"bucket": "reports", "prefix": "a/"}),
        ("reports/", {"bucket": "reports", "prefix": ""}),
    ],
)
def test_a_trailing_slash_is_what_makes_a_prefix(text, body):
    """A key and a folder cannot be confused."""
    assert PLACE.convert(text, None, None).body() == body


@pytest.mark.parametrize("text", ["reports", "", "/a"])
def test_a_bucket_alone_is_no_place(text):
    """Sharing a whole bucket has to be meant: it takes the slash."""
    with pytest.raises(click.BadParameter, match="BUCKET/KEY"):
        PLACE.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "member"),
    [
        ("30d", {"expires_in": 2592000.0}),
        ("90", {"expires_in": 90.0}),
        ("1h30m", {"expires_in": 5400.0}),
        ("2027-01-31", {"expires_at": "2027-01-31T23:59:59Z"}),
        ("2027-01-31T12:00:00+01:00", {"expires_at": "2027-01-31T11:00:00Z"}),
        ("none", {"expires_at": None}),
    ],
)
def test_an_end_is_a_duration_a_date_or_none(text, member):
    """Each becomes the member of the API that says it."""
    assert parse_expiry(EXPIRY.convert(text, None, None)) == member


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (EXPIRY, "soon"),
        (EXPIRY, "0d"),
        (EXPIRY, "-1d"),
        (EXPIRY, "2027-13-01"),
        (SIZE, "big"),
        (USES, "0"),
        (USES, "١"),
    ],
)
def test_a_value_that_means_nothing_is_refused_here(kind, text):
    """Before anything is sent, with an example."""
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)


def test_a_start_can_be_relative(monkeypatch):
    """`12h` is twelve hours from now."""
    monkeypatch.setattr("gateway.cli.values.time.time", lambda: 1_800_000_000.0)
    assert parse_start("12h") == "2027-01-15T20:00:00Z"
    assert parse_start("2027-02-01") == "2027-02-01T00:00:00Z"


@pytest.mark.parametrize(
    "text", [TOKEN, f"https://h/s/{TOKEN}", f"http://h:1/s/{TOKEN}/a/b?download=1", f"/s/{TOKEN}/"]
)
def test_a_token_is_found_in_every_form_of_its_url(text):
    """However it was pasted."""
    assert find_token(text) == TOKEN


@pytest.mark.parametrize(
    "text", ["", "l_11111111111111111", f"https://h/{TOKEN}", TOKEN[:-1] + "!", f"https://h/s/{TOKEN}x"]
)
def test_what_is_no_token_is_none(text):
    """A cut or altered token is not sent around."""
    assert find_token(text) is None


@given(st.binary(min_size=12, max_size=12))
def test_every_id_that_the_core_makes_is_one_here(entropy):
    """The shapes here follow `gateway.core.token`."""
    assert check_link_id(grant_id("l", entropy)) == grant_id("l", entropy)
    assert check_key_name(grant_id("k", entropy)) == grant_id("k", entropy)


@pytest.mark.parametrize("text", ["", "x", "k_11111111111111111", TOKEN])
def test_what_is_no_link_id_is_wrong_usage(text):
    """A key's id neither: it would be an unknown link."""
    with pytest.raises(click.UsageError):
        check_link_id(text)


@given(ENTROPY, ENTROPY, st.binary(min_size=12, max_size=12), st.sampled_from([" ", "\n", '"', "<", ",", "/s/", "\t"]))
def test_everything_given_out_is_found_in_a_text(first, second, third, around):
    """Tokens, access key ids and ids, whatever stands between them, each once and in order."""
    secrets = [LinkToken.mint(first).text, access_key_id(second), grant_id("l", third), grant_id("k", third)]
    text = f"see{around}" + around.join([*secrets, secrets[0]]) + f"{around}!"
    assert find_secrets(text) == secrets


@given(st.text())
def test_no_text_makes_the_search_fail(text):
    """Leaked texts come in every shape."""
    assert all(found in text for found in find_secrets(text))


def test_a_word_that_only_contains_a_token_is_left_alone():
    """Half of a longer word is somebody else's."""
    assert find_secrets(f"x{TOKEN} {TOKEN}x") == []
    assert Place("b", "").is_prefix
