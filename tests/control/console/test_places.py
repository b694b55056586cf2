"""Looking into buckets, and sending a file that is shared."""

from __future__ import annotations

import re

from tests.control.console.seat import Seat
from tests.control.console.test_links import made_links
from tests.control.desk import APP


async def test_the_buckets_are_those_of_ones_rules(seat: Seat) -> None:
    """All for an admin, and for an app what its own name."""
    await seat.sign_in()
    page = await seat.get("buckets")
    assert ("<h2>reports</h2>" in page.text, "<h2>drafts</h2>" in page.text) == (True, True)
    await seat.sign_in(APP)
    page = await seat.get("buckets")
    assert ("<h2>reports</h2>" in page.text, "<h2>drafts</h2>" in page.text) == (True, False)


async def test_a_look_is_a_link_of_its_own(seat: Seat) -> None:
    """It lists and reads for a quarter of an hour, under the rules of who looks."""
    await seat.sign_in()
    page = await seat.post("buckets", {"bucket": "reports", "folder": "/2027"})
    assert (201, True) == (page.status, 'href="https://files.example/s/gl_' in page.text)
    [link] = await made_links(seat)
    assert ("2027/", ["list", "read"]) == (link["prefix"], link["actions"])
    refused = await seat.post("buckets", {"bucket": "reports", "folder": "payroll"})
    assert (403, True) == (refused.status, "nobody touches payroll" in refused.text)
    assert 404 == (await seat.post("buckets", {"bucket": "nowhere"})).status


async def test_a_look_goes_on_as_long_as_one_looks(seat: Seat) -> None:
    """The page says until when, lets the same link live on, and when that is over opens the folder anew."""
    await seat.sign_in()
    page = await seat.post("buckets", {"bucket": "reports", "folder": "2027"})
    [link] = await made_links(seat)
    assert 'datetime="2027-01-15T08:15:00Z"' in page.text
    seat.desk.clock.now += 600
    longer = await seat.post("buckets/longer", {"id": link["id"]})
    assert (200, True, False) == (longer.status, "2027-01-15T08:25:00Z" in longer.text, "/s/gl_" in longer.text)
    await seat.desk.ask("DELETE", f"/v1/links/{link['id']}")
    ended = await seat.post("buckets/longer", {"id": link["id"]})
    assert (409, True, False) == (ended.status, "Open it anew" in ended.text, "15 more minutes" in ended.text)
    again = await seat.post("buckets", [pair for pair in ended.filled() if pair[0] in {"bucket", "folder"}])
    assert (201, True) == (again.status, "/s/gl_" in again.text)
    assert "2027/" == (await made_links(seat))[-1]["prefix"]
    await seat.sign_in(APP)
    assert 404 == (await seat.post("buckets/longer", {"id": link["id"]})).status


async def test_a_file_is_sent_by_one_link_and_shared_by_another(seat: Seat) -> None:
    """Both to the very name; the form goes to the data listener, which its page alone allows."""
    await seat.sign_in()
    await seat.get("send?place=reports/")
    page = await seat.post("send", {"place": "reports/in/a b.pdf", "expires_in": "7d", "uses": "3", "label": "for Ann"})
    assert 201 == page.status, page.text
    assert "form-action 'self' https://files.example;" in page.headers["Content-Security-Policy"]
    sent, shared = await made_links(seat)
    assert (["write"], 1, "in/a b.pdf") == (sent["actions"], sent["uses"], sent["key"])
    assert (["read"], 3, "in/a b.pdf", "for Ann") == tuple(shared[name] for name in ("actions", "uses", "key", "label"))
    addresses = set(re.findall(r"https://files\.example/s/gl_\w+", page.text))
    assert 2 == len(addresses)
    assert "https://files.example" not in (await seat.get("links")).headers["Content-Security-Policy"]


async def test_what_may_not_be_sent_is_not_shared(seat: Seat) -> None:
    """A link that would lead nowhere is taken back; what is wrong is said."""
    await seat.sign_in()
    page = await seat.post("send", {"place": "drafts/a.pdf", "expires_in": "7d"})
    assert 403 == page.status
    assert ["revoked"] == [link["state"] for link in await made_links(seat)]
    page = await seat.post("send", {"place": "reports/a.pdf", "expires_in": "soon"})
    assert (422, "soon") == (page.status, page.value("expires_in"))
