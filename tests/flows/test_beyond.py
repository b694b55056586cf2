"""Flow F17: what no vendor's presigned URL can do, each ended by revoking the link."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import urlsplit

from gateway.core.units import instant
from tests.e2e.place import Place
from tests.flows.actor import Answered, curl, until
from tests.servers.gateway import Link

_YEAR_AND_MORE = 400 * 86400


def _revoked(place: Place, link: Link, directory: Path, url: str) -> None:
    """F16 for links: the very same URL answers 410 within a second, and says why."""
    began = time.monotonic()
    place.gateway.revoke(link)
    refused = curl(directory, url)
    assert (410, "revoked") == (refused.status, json.loads(refused.body)["reason"])
    assert time.monotonic() - began < 1.0


def _reason(answered: Answered) -> tuple[int, str]:
    return answered.status, json.loads(answered.body)["reason"]


def test_f17_a_link_of_400_days_whose_end_is_moved(place: Place, tmp_path: Path) -> None:
    """Made for 400 days, shortened to nothing, revived, all under the same URL, which shows no key id."""
    place.put("year.txt", b"for a year and more")
    link = place.link("year.txt", expires_in="400d")
    made = place.gateway.api("GET", f"/v1/links/{link.id}")
    assert abs(instant(made["expires_at"]) - instant(made["issued_at"]) - _YEAR_AND_MORE) <= 1
    assert "" == urlsplit(link.url).query
    for secret in (place.store.access_key, place.real_bucket, place.bucket, "year.txt"):
        assert secret not in link.url
    assert b"for a year and more" == curl(tmp_path, link.url).body
    place.gateway.api("PATCH", f"/v1/links/{link.id}", {"expires_in": 1})
    assert (410, "expired") == _reason(until(lambda: curl(tmp_path, link.url), 410, within=10))
    place.gateway.api("PATCH", f"/v1/links/{link.id}", {"expires_in": "1h", "label": "revived"})
    assert b"for a year and more" == curl(tmp_path, link.url).body
    _revoked(place, link, tmp_path, link.url)


def test_f17_one_use(place: Place, tmp_path: Path) -> None:
    """The first download is whole and resumable; another caller is told that the link is used up."""
    place.put("once.txt", b"once and no more")
    link = place.link("once.txt", uses=1)
    assert b"once and no more" == curl(tmp_path, link.url, "-A", "first").body
    assert b"no more" == curl(tmp_path, link.url, "-A", "first", "-r", "9-").body
    assert (410, "used_up") == _reason(curl(tmp_path, link.url, "-A", "second"))
    _revoked(place, link, tmp_path, link.url)


def test_f17_a_password(place: Place, tmp_path: Path) -> None:
    """Nothing without the password, nothing with a wrong one, the object with the right one."""
    place.put("secret.txt", b"behind a password")
    link = place.link("secret.txt", password="open sesame")
    assert 401 == curl(tmp_path, link.url).status
    assert 401 == curl(tmp_path, link.url, "-u", ":wrong").status
    assert b"behind a password" == curl(tmp_path, link.url, "-u", ":open sesame").body
    place.gateway.revoke(link)
    assert 410 == curl(tmp_path, link.url, "-u", ":open sesame").status


def test_f17_a_whole_prefix(place: Place, tmp_path: Path) -> None:
    """One URL lists and reads everything below a prefix, and nothing beside it."""
    place.put("tree/a.txt", b"a")
    place.put("tree/deep/b.txt", b"b")
    place.put("treehouse.txt", b"beside")
    link = place.link(prefix="tree/")
    listed = json.loads(curl(tmp_path, f"{link.url}/", "-H", "Accept: application/json").body)
    assert "a.txt" in json.dumps(listed)
    assert "treehouse" not in json.dumps(listed)
    assert b"b" == curl(tmp_path, f"{link.url}/deep/b.txt").body
    assert 400 == curl(tmp_path, f"{link.url}/../treehouse.txt", "--path-as-is").status
    _revoked(place, link, tmp_path, f"{link.url}/deep/b.txt")


def test_f17_no_overwrite(place: Place, tmp_path: Path) -> None:
    """An upload link creates and never replaces, also on a store without conditional writes."""
    (tmp_path / "report.txt").write_bytes(b"first")
    link = place.link(prefix="drop/", actions=["write"])
    assert 201 == curl(tmp_path, f"{link.url}/report.txt", "-T", "report.txt").status
    (tmp_path / "report.txt").write_bytes(b"second")
    assert 409 == curl(tmp_path, f"{link.url}/report.txt", "-T", "report.txt").status
    assert b"first" == place.stored("drop/report.txt")
    place.gateway.revoke(link)
    assert 410 == curl(tmp_path, f"{link.url}/other.txt", "-T", "report.txt").status
    assert place.stored("drop/other.txt") is None
