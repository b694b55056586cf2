"""Buckets that are mapped to one place are told, and those that only look alike are not."""

from __future__ import annotations

import pytest

from tests.settings.conftest import Folder

BACKENDS = """\
backends:
  one: {profile: own, endpoint: "https://s3.example.com", region: r, credentials: chain}
  two: {profile: own, endpoint: "http://S3.example.com:80/", region: q, credentials: chain}
  far: {profile: own, endpoint: "https://s3.example.com:8443", region: r, credentials: chain}
buckets:
"""


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("{backend: one, bucket: real}", "{backend: one, bucket: real}", "the same place as 'first'"),
        ("{backend: one, bucket: second}", "{backend: one}", "the same place as"),
        ("{backend: one, bucket: real}", "{backend: two, bucket: real}", "the same place as"),
        ("{backend: one, bucket: real}", "{backend: one, bucket: real, prefix: in/}", "overlaps"),
        ("{backend: one, bucket: real, prefix: in/side/}", "{backend: two, bucket: real, prefix: in/}", "overlaps"),
        ("{backend: one, bucket: real, prefix: in/}", "{backend: one, bucket: real, prefix: inside/}", ""),
        ("{backend: one, bucket: real}", "{backend: one, bucket: other}", ""),
        ("{backend: one, bucket: real}", "{backend: far, bucket: real}", ""),
    ],
)
def test_a_place_with_two_names_is_told(folder: Folder, first: str, second: str, told: str) -> None:
    """With file, line and the other's place; it is no fault, and names beside each other are silent."""
    found = folder.policy(f"{BACKENDS}  first: {first}\n  second: {second}\n").warnings
    assert bool(told) == bool(found)
    if told:
        (text,) = found
        assert told in text
        assert "a.yaml:7:" in text.replace(f"{folder.policies}/", "")
        assert "a.yaml:6:" in text
