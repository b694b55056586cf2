"""A key on its way to whoever asked for it."""

from __future__ import annotations

import traceback

from gateway.core.issued import IssuedKey
from tests.contract.sample import key


def test_no_text_of_it_shows_a_secret() -> None:
    """Neither its repr nor a traceback that holds it."""
    issued = IssuedKey(key(), "the-id", "the-secret", "the-token")
    try:
        raise ValueError(issued)
    except ValueError:
        told = traceback.format_exc()
    for text in (repr(issued), str(issued), f"{issued}", told):
        assert issued.grant.id in text
        assert not any(secret in text for secret in ("the-id", "the-secret", "the-token"))
