"""Ports on which servers can listen when they come to it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gateway.cli import free_ports as room
from gateway.cli.free_ports import free_ports


def test_they_are_different_and_given_to_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They lie below the kernel's range, and above those of services that are known by them."""
    told = tmp_path / "range"
    told.write_text("20100\t60999\n")
    monkeypatch.setattr(room, "_GIVEN_BY_KERNEL", told)
    ports = free_ports(200)
    assert 200 == len(set(ports))
    assert all(10_000 <= port < 20_100 for port in ports)


def test_one_that_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only two are left to choose from, the other one is found."""
    [first] = free_ports(1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        offered = iter([first, first, first + 1])
        monkeypatch.setattr(room._CHANCE, "randrange", lambda *_: next(offered))
        assert [first + 1] == free_ports(1)


def test_a_system_that_does_not_tell_its_range_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any port may be it then."""
    monkeypatch.setattr(room, "_GIVEN_BY_KERNEL", tmp_path / "none")
    assert 10_000 <= free_ports(1)[0] < 65_536
