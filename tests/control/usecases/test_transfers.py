"""What somebody sees of running transfers, and ending one."""

from __future__ import annotations

import pytest

from gateway.control.caller import EVERYTHING, Admitted, Reach
from gateway.control.deps import Transfer
from gateway.core.attempt import Principal
from gateway.core.reasons import Reason, Refused
from tests.control.desk import serving

BILLING = Principal("app", "billing")


def transfer(name: str, owner: str, began: float) -> Transfer:
    return Transfer(name, owner, "link:l_1", "GetObject", "reports", "a", "", began, 1)


async def test_ones_own_are_seen_and_cut() -> None:
    """The longest running first; what is another's is like what is not running at all; each cut is noted."""
    cut: list[tuple[str, str]] = []

    async def all_of_them() -> list[Transfer]:
        return [transfer("a", "app:billing", 2.0), transfer("b", "app:other", 1.0), transfer("c", "app:billing", 1.0)]

    async def end(name: str, owner: str) -> bool:
        cut.append((name, owner))
        return name == "a"

    async with serving(transfers=all_of_them, cut=end) as desk:
        use = desk.api.transfers
        assert ["c", "a"] == [one.id for one in await use.all(Reach(BILLING))]
        assert 3 == len(await use.all(EVERYTHING))
        caller = Admitted(principal=BILLING, reach=Reach(BILLING))
        assert "a" == (await use.cut(caller, "a")).id
        for name in ("b", "d", "c"):
            with pytest.raises(Refused) as refused:
                await use.cut(caller, name)
            assert Reason.UNKNOWN_TOKEN is refused.value.reason
        assert [("a", "app:billing"), ("c", "app:billing")] == cut
        assert ["transfer.cut"] == desk.audited()
