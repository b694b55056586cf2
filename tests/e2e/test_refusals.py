"""What a link answers when it does not serve."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Run
from tests.e2e.place import Place

_UNKNOWN = "gl_" + "1" * 34


@dataclass(frozen=True)
class Said:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def problem(self) -> dict[str, Any]:
        assert "application/problem+json" == self.headers["content-type"]
        return {name: value for name, value in json.loads(self.body).items() if name != "request_id"}


@pytest.fixture
def ask(run: Run) -> Any:
    def ask(url: str, *options: str) -> Said:
        head, _, body = run("curl", "-sS", "-i", *options, url).stdout.partition("\n\n")
        lines = head.splitlines()
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        return Said(int(lines[0].split()[1]), headers, body)

    return ask


def test_strangers_get_one_answer(weed: Place, ask: Any) -> None:
    """A made-up token, a cut one, a wrong one and a path outside a link's scope answer the same 404."""
    weed.put("a.txt", b"a")
    url = weed.link("a.txt").url
    flipped = url[:-1] + ("2" if url[-1] != "2" else "3")
    answers = [
        ask(u) for u in (f"{weed.gateway.data}/s/{_UNKNOWN}", url[:-3], flipped, f"{url}/b", f"{weed.gateway.data}/s/x")
    ]
    assert {404} == {answer.status for answer in answers}
    assert all(answers[0].problem == answer.problem for answer in answers)
    named = [{name for name in answer.headers if name != "date"} for answer in answers]
    assert all(named[0] == names for names in named)


def test_a_revoked_link_says_so_to_its_holder(place: Place, ask: Any) -> None:
    """The very next request after the revoke call returned gets 410 with the reason."""
    place.put("a.txt", b"a")
    link = place.link("a.txt")
    assert 200 == ask(link.url).status
    place.gateway.revoke(link)
    answer = ask(link.url)
    assert (410, "revoked") == (answer.status, answer.problem["reason"])
    assert "private, no-store" == answer.headers["cache-control"]


def test_an_expired_link_says_so_and_can_be_revived(weed: Place, ask: Any) -> None:
    """410 with the reason once its time is over; extending it makes the same URL work again."""
    weed.put("a.txt", b"a")
    link = weed.link("a.txt", expires_in=1)
    deadline = time.monotonic() + 5
    while (answer := ask(link.url)).status == 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (410, "expired") == (answer.status, answer.problem["reason"])
    weed.gateway.api("PATCH", f"/v1/links/{link.id}", {"expires_in": "1h"})
    assert 200 == ask(link.url).status


def test_a_link_is_used_up_after_its_uses(weed: Place, ask: Any) -> None:
    """HEAD takes none; each client's first byte takes one; then 410 with the reason."""
    weed.put("a.txt", b"a")
    link = weed.link("a.txt", uses=2)
    assert 200 == ask(link.url, "-I").status
    assert [200, 200, 410] == [ask(link.url, "-A", f"client {number}").status for number in range(3)]
    assert "used_up" == ask(link.url, "-A", "client 3").problem["reason"]


def test_a_rotated_link_leaves_the_old_secret_dead(weed: Place, ask: Any) -> None:
    """After a rotation the new URL works and the old one does not."""
    weed.put("a.txt", b"a")
    link = weed.link("a.txt")
    fresh = weed.gateway.api("POST", f"/v1/links/{link.id}/rotate")
    assert 200 == ask(fresh["url"]).status
    assert ask(link.url).status in {404, 410}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"cidrs": ["203.0.113.0/24"]}, 403),
        ({"cidrs": ["127.0.0.0/8"]}, 200),
        ({"not_before": "2099-01-01T00:00:00Z", "expires_at": "2099-02-01T00:00:00Z", "expires_in": None}, 403),
        ({"password": "open sesame"}, 401),
    ],
)
def test_conditions_of_a_link_hold(weed: Place, ask: Any, change: dict[str, Any], status: int) -> None:
    """Network, start and password are asked for before any byte."""
    weed.put("a.txt", b"a")
    assert status == ask(weed.link("a.txt", **change).url).status


def test_the_password_opens_the_link_for_curl(weed: Place, ask: Any) -> None:
    """Basic authentication with the link's password works, another password does not."""
    weed.put("a.txt", b"a")
    url = weed.link("a.txt", password="open sesame").url
    assert 401 == ask(url, "-u", ":wrong").status
    opened = ask(url, "-u", ":open sesame")
    assert (200, "a") == (opened.status, opened.body)


def test_a_file_that_curl_posts_as_a_form_is_not_lost_in_silence(weed: Place, ask: Any, tmp_path: Path) -> None:
    """`curl -d @FILE` is told how to send it; the same file is taken by `-T` and by `-F`."""
    (tmp_path / "file").write_bytes(b"content")
    link = weed.link(prefix="posted/", actions=["write"])
    refused = ask(link.url, "-d", f"@{tmp_path / 'file'}")
    assert (415, True) == (refused.status, "curl -T FILE" in refused.body)
    assert None is weed.stored("posted/file")
    assert 201 == ask(f"{link.url}/a", "-H", "Expect:", "-T", tmp_path / "file").status
    assert 201 == ask(link.url, "-H", "Expect:", "-F", f"file=@{tmp_path / 'file'}").status
    assert [b"content", b"content"] == [weed.stored("posted/a"), weed.stored("posted/file")]


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_a_read_link_changes_nothing(weed: Place, ask: Any, method: str) -> None:
    """No method writes: each is refused, and the object stays as it was."""
    weed.put("a.txt", b"a")
    answer = ask(weed.link("a.txt").url, "-X", method, "-d", "other")
    assert answer.status in {400, 403, 405, 415, 501}
    assert b"a" == weed.stored("a.txt")


def test_a_missing_object_is_a_404(place: Place, ask: Any) -> None:
    """A link to a name that has no object yet answers 404 without a word of the store's."""
    answer = ask(place.link("not-there.txt").url)
    assert (404, "object_gone") == (answer.status, answer.problem["reason"])
    assert place.real_bucket not in answer.body


def test_a_browser_gets_a_page(weed: Place, ask: Any) -> None:
    """The same refusal is a page for who asks for HTML, with no script and nothing from elsewhere."""
    answer = ask(f"{weed.gateway.data}/s/{_UNKNOWN}", "-H", "Accept: text/html")
    assert 404 == answer.status
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script" not in answer.body
    assert "http://" not in answer.body
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_no_secret_is_in_any_log_or_metric(weed: Place, ask: Any) -> None:
    """After all this, neither token nor store secret is in the gateway's log, metrics or database."""
    weed.put("a.txt", b"a")
    link = weed.link("a.txt")
    ask(link.url)
    ask(link.url + "/x")
    weed.gateway.revoke(link)
    secret = link.token.removeprefix("gl_")
    database = b"".join(path.read_bytes() for path in weed.gateway.directory.glob("gateway.db*"))
    texts = (weed.gateway.log(), weed.gateway.api("GET", "/metrics"), database.decode("latin-1"))
    for text in texts:
        assert secret not in text
        assert weed.store.secret_key not in text
        assert weed.gateway.admin_token not in text
