"""What a header may be made of."""

import re

import pytest

from gateway.wire.http.fields import CONTROL, FIELD_NAME, META_NAME, UNPRINTABLE


@pytest.mark.parametrize(("name", "fits"), [("x-a_b!", True), ("GET", True), ("", False), ("a b", False), ("ä", False)])
def test_a_name_is_a_token(name: str, fits: bool) -> None:
    """RFC 9110, 5.6.2: visible ASCII without delimiters, at least one character."""
    assert fits == (re.fullmatch(FIELD_NAME, name) is not None)


@pytest.mark.parametrize(
    ("name", "fits"), [("x-amz-meta-a.b~", True), ("x-amz-meta-", False), ("x-amz-meta-A", False), ("x-amz-acl", False)]
)
def test_metadata_has_any_name_that_is_a_token(name: str, fits: bool) -> None:
    """In lower case, as all names are by then."""
    assert fits == (META_NAME.fullmatch(name) is not None)


def test_a_tab_may_stand_in_a_value_and_not_in_what_is_shown() -> None:
    """HTTP admits a tab; no line's end passes either guard."""
    assert [None, None] == [CONTROL.search("a\tb"), UNPRINTABLE.search("a b")]
    assert all(guard.search("a\nb") and guard.search("a\x7fb") for guard in (CONTROL, UNPRINTABLE))
    assert UNPRINTABLE.search("a\tb")
