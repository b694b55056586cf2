"""What a folder's store says of it, with our names and nobody else's."""

from __future__ import annotations

import json

from gateway.core.reasons import Reason, UpstreamFailed
from tests.data.harness import Rig
from tests.data.scripted_store import Scripted, xml

JSON = {"Accept": "application/json"}


async def test_what_the_store_adds_is_left_out(rig: Rig) -> None:
    """A store that lists more than it was asked for shows nobody's names."""
    entry = "<Contents><Key>{}</Key><Size>1</Size></Contents>"
    keys = ("inside/deep/in/mine", "inside/deep/other.txt", "elsewhere")
    rig.store.script(xml(f"<ListBucketResult>{''.join(entry.format(key) for key in keys)}</ListBucketResult>"))
    got = await rig.ask("GET", f"/s/{await rig.link(prefix='deep/in/')}/", JSON)
    assert ["mine"] == [row["name"] for row in json.loads(got.body)["entries"]]


async def test_a_store_that_answers_rubbish_is_a_502(rig: Rig) -> None:
    """Another document than a listing, an error, or none."""
    token = await rig.link(prefix="deep/in/")
    for answer in (xml("<html>"), xml("<Other/>"), Scripted(raises=UpstreamFailed(Reason.UPSTREAM_BROKE))):
        rig.store.script(answer)
        assert 502 == (await rig.ask("GET", f"/s/{token}/", JSON)).status
    rig.store.script(Scripted(403))
    assert 502 == (await rig.ask("GET", f"/s/{token}/", JSON)).status
