"""Uploads of one name at once, by links that may not overwrite, before a store that knows no conditional writes."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.contract.servers import postgres_server
from tests.replicas.fleet import Fleet, fleet
from tests.servers import over_tls
from tests.servers.store import RunningStore

pytestmark = pytest.mark.e2e

ROUNDS = 10
AT_ONCE = 4


def _upload(address: str, body: bytes) -> int:
    place = urlsplit(address)
    with closing(over_tls.dial(place.geturl(), timeout=30)) as connection:
        connection.request("PUT", place.path, body)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def _all_at_once(fleet: Fleet, token: str) -> dict[bytes, int]:
    """The answer to each of several uploads, by what it sent."""
    answers: dict[bytes, int] = {}
    barrier = threading.Barrier(AT_ONCE)

    def send(number: int) -> None:
        body = b"%d" % number * 100_000
        barrier.wait()
        answers[body] = _upload(fleet.url(number % len(fleet.gateways), f"{token}/same"), body)

    senders = [threading.Thread(target=send, args=(number,)) for number in range(AT_ONCE)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return answers


def test_of_many_at_once_one_is_stored(rclone: RunningStore, tmp_path: Path) -> None:
    """Two gateways of two workers: whoever is told that it is stored finds it there, and all others are told that the
    name is taken."""
    with postgres_server() as url, fleet(tmp_path, rclone, [f'"{url}"'] * 2, workers=2) as running:
        for number in range(ROUNDS):
            folder = f"round{number}/"
            link = running.gateways[number % 2].link("lab", prefix=folder, actions=["write"])
            answers = _all_at_once(running, link.token)
            assert [201, 409, 409, 409] == sorted(answers.values())
            [told] = [body for body, status in answers.items() if status == 201]
            key = f"inside/{folder}same"
            stored = rclone.client().get_object(Bucket=running.real_bucket, Key=key)["Body"].read()
            assert told == stored
