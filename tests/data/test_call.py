"""The value that the later steps are given."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from gateway.core.attempt import ANONYMOUS, Attempt
from gateway.core.request import BucketPlace, ObjectRequest, Operation
from gateway.data.call import Call
from gateway.data.presented import AnonymousPresented
from gateway.wire.parse import raw_request


def test_no_step_changes_what_was_understood() -> None:
    """A later step that knows more makes a value of its own."""
    raw = raw_request("GET", "/reports/a", [(b"Host", b"gw")])
    request = ObjectRequest(raw=raw, operation=Operation.GET_OBJECT, place=BucketPlace("reports", "a"))
    attempt = Attempt(
        principal=ANONYMOUS, operation=Operation.GET_OBJECT, action=None, bucket="reports", key="a", peer=None, now=0.0
    )
    call = Call(request, AnonymousPresented(), None, attempt)
    for field in fields(call):
        with pytest.raises(FrozenInstanceError):
            setattr(call, field.name, None)
