"""Names that are being written."""

from __future__ import annotations

import pytest

from gateway.core.reasons import Reason, Refused
from gateway.core.route import UpstreamCall
from gateway.data.state.names import Names


def _fail_inside(names: Names, call: UpstreamCall) -> None:
    with names.reserve(call):
        raise ZeroDivisionError


def test_a_reserved_name_is_free_again_after_a_failure() -> None:
    """While it is held nobody else has it; other names are never in the way."""
    names = Names()
    call = UpstreamCall(backend="lab", method="PUT", bucket="b", key="k")
    other = UpstreamCall(backend="lab", method="PUT", bucket="b", key="other")
    with names.reserve(call), names.reserve(other), pytest.raises(Refused) as no:
        _fail_inside(names, call)
    assert Reason.OBJECT_EXISTS == no.value.reason
    with pytest.raises(ZeroDivisionError):
        _fail_inside(names, call)
    with names.reserve(call):
        pass
