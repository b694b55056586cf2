"""What is kept of an unfinished upload: read back as it was written, or not at all."""

from __future__ import annotations

import pytest

from gateway.core.reasons import UpstreamFailed
from gateway.wire.links.tus_state import HEAD_BYTES, UploadState

STATE = UploadState(grant="l_x", key="inside/a", at=1.5, expires_at=2.5, planned=10, length=10, tail_at=3, tail=4)


def test_a_state_comes_back() -> None:
    """Head and size are enough."""
    assert HEAD_BYTES == len(STATE.head())
    assert STATE == UploadState.parse(STATE.head(), HEAD_BYTES + 4)


@pytest.mark.parametrize("key", ["é" * 512, '"' * 1024, "\U0001f600" * 256])
def test_the_longest_names_fit(key: str) -> None:
    """The longest key, metadata and upload id together."""
    state = UploadState(grant="g" * 64, key=key, at=1e9, expires_at=1e9, metadata='"' * 2048, parts_id="i" * 1024)
    assert state == UploadState.parse(state.head(), HEAD_BYTES)


@pytest.mark.parametrize(
    "head", [b"", b"{}", b"[]", b"null", b'{"grant": 1, "odd": 2}', STATE.head()[:100], b"[" * 8192]
)
def test_what_is_damaged_is_not_read(head: bytes) -> None:
    """Half a state, or somebody else's object, is a fault of the store."""
    with pytest.raises(UpstreamFailed):
        UploadState.parse(head, HEAD_BYTES + 4)


def test_a_tail_of_another_length_is_damage() -> None:
    """Control: the size belongs to the state."""
    with pytest.raises(UpstreamFailed):
        UploadState.parse(STATE.head(), HEAD_BYTES + 5)
