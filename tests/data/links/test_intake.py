"""What pages say of what is left of a link."""

from __future__ import annotations

import pytest

from gateway.core.intake import Intake
from gateway.core.reasons import Reason, Refused
from gateway.core.request import Action
from gateway.data.links.intake import tell_intake, uses_left
from tests.data.harness import Rig

WRITE = [Action.WRITE]


async def test_the_smaller_of_two_numbers_is_told(rig: Rig) -> None:
    """Of uses and of files: what ends first is what a sender has."""
    for uses, files, left in ((5, 3, 3), (2, 3, 2), (None, 3, 3), (5, None, 5), (None, None, None)):
        _, grant = await rig.granted(prefix="in/", actions=WRITE, uses=uses, intake=Intake(max_files=files))
        assert left == (await tell_intake(rig.plane, grant)).files_left


async def test_what_came_is_taken_off(rig: Rig) -> None:
    """Files and their bytes; nothing is told of a link that has them all."""
    intake = Intake(max_files=2, total_bytes=100)
    token, grant = await rig.granted(prefix="in/", actions=WRITE, intake=intake)
    await rig.ask("PUT", f"/s/{token}/a.txt", body=b"x" * 40)
    told = await tell_intake(rig.plane, grant)
    assert (1, 60) == (told.files_left, told.bytes_left)
    await rig.ask("PUT", f"/s/{token}/b.txt", body=b"x" * 10)
    with pytest.raises(Refused) as refused:
        await tell_intake(rig.plane, grant)
    assert Reason.USED_UP is refused.value.reason


async def test_uses_are_left_until_they_are_taken(rig: Rig) -> None:
    """And asking takes none."""
    rig.store.hold("inside/a.txt", b"x")
    token, grant = await rig.granted(uses=1)
    assert [1, 1] == [await uses_left(rig.plane, grant) for _ in range(2)]
    await rig.fetch(token)
    with pytest.raises(Refused):
        await uses_left(rig.plane, grant)
