"""The life of a key without HTTP."""

from __future__ import annotations

import pytest

from gateway.control.caller import EVERYTHING
from gateway.core.attempt import Principal
from gateway.core.grant import GrantFilter
from gateway.core.reasons import Reason, Refused
from tests.control.desk import Desk

OPS = Principal("admin", "ops")


async def test_an_issued_keys_repr_hides_its_secrets(desk: Desk) -> None:
    """A log line of the result shows no secret."""
    key = await desk.api.keys.issue(OPS, "billing", session=True)
    assert key.session_token is not None
    for secret in (key.access_key_id, key.secret_access_key, key.session_token):
        assert secret not in repr(key)


async def test_no_two_keys_share_anything(desk: Desk) -> None:
    """Ids, secrets, tokens and sealed texts are all new."""
    one, two = [await desk.api.keys.issue(OPS, "billing", session=True) for _ in range(2)]
    first = {one.grant.id, one.access_key_id, one.secret_access_key, one.session_token, one.grant.sealed}
    assert first.isdisjoint(
        {two.grant.id, two.access_key_id, two.secret_access_key, two.session_token, two.grant.sealed}
    )


async def test_foreign_cursors_are_faults(desk: Desk) -> None:
    """A cursor that no page gave is the caller's fault."""
    with pytest.raises(Refused) as refused:
        await desk.api.keys.page(EVERYTHING, GrantFilter(now=0.0), "nonsense", 10)
    assert refused.value.reason is Reason.BAD_ARGUMENT
