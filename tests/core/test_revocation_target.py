"""What a revocation can name."""

from __future__ import annotations

import pytest

from gateway.core.revocation_target import FeedKind, RevocationTarget


def test_targets_that_revoke_nothing_cannot_be_made() -> None:
    """Feed entries that only report are no targets, and only prefixes have a prefix."""
    for kind, prefix in ((FeedKind.ISSUED, ""), (FeedKind.CHANGED, ""), (FeedKind.OWNER, "a/")):
        with pytest.raises(ValueError):
            RevocationTarget(kind, "x", prefix)
