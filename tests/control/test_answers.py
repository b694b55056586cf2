"""What nouns become on their way out."""

from __future__ import annotations

import pytest

from gateway.control.answers import FeedView, LinkView, MadeLinkView, format_rate
from gateway.control.usecases.grants import CountedGrant
from gateway.control.usecases.links import IssuedLink
from gateway.core.lease import Usage
from gateway.core.token import ENTROPY_BYTES, LinkToken
from gateway.core.units import Rate
from tests.control.test_bodies import GRANT

HELD = CountedGrant(GRANT, Usage(1, 20, 600.0))


def test_a_view_tells_no_secret() -> None:
    """The stored password and the hash stand in no view, under no name."""
    view = LinkView.of(HELD, 700.0).model_dump(by_alias=True)
    assert view["password"] is True
    assert "stored" not in repr(view)
    assert not {"hash", "sealed", "session_hash"} & view.keys()


@pytest.mark.parametrize("base", ["https://x.example", "https://x.example/"])
def test_urls_have_one_slash(base: str) -> None:
    """The public URL may end with a slash or not."""
    token = LinkToken.mint(bytes(ENTROPY_BYTES))
    view = MadeLinkView.made(IssuedLink(HELD, token), 700.0, base)
    assert view.url == f"https://x.example/s/{token.text}"
    assert view.note is None


@pytest.mark.parametrize("text", ["10/s", "100/60s", "5/900s", "3/500ms", "1/86400s"])
def test_rates_read_back(text: str) -> None:
    """The text of a rate is read back as the same rate."""
    assert Rate.parse(text) == Rate.parse(format_rate(Rate.parse(text)))


def test_an_empty_feed_keeps_the_callers_place() -> None:
    """Nothing new means the same serial again."""
    assert FeedView.of((), 41, None).serial == 41
