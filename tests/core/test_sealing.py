"""A wrapped secret tells its key's number, and nothing else passes for one."""

from __future__ import annotations

import pytest

from gateway.core.sealing import UNSEALED, WRAPPED_HEAD, number_of, wrapped_head


@pytest.mark.parametrize("number", [1, 2, 255, 256, 65535])
def test_the_number_is_read_back(number: int) -> None:
    """Whatever follows the head."""
    assert WRAPPED_HEAD == len(wrapped_head(number))
    assert number == number_of(wrapped_head(number) + b"anything")


@pytest.mark.parametrize("number", [0, -1, 65536])
def test_no_key_has_a_number_outside_the_bounds(number: int) -> None:
    """0 stands for no key at all."""
    with pytest.raises(ValueError, match="65535"):
        wrapped_head(number)


@pytest.mark.parametrize("stored", [b"", b"\x01" + bytes(40), b"scrypt$"])
def test_what_is_not_wrapped_is_under_no_key(stored: bytes) -> None:
    """The form of before is told apart by its first byte."""
    assert UNSEALED == number_of(stored)
