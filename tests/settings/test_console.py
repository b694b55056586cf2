"""`control.console` and `control.public_url`."""

from __future__ import annotations

import pytest

from tests.settings.conftest import Folder


def test_there_is_a_console_unless_it_is_switched_off(folder: Folder) -> None:
    """Half an hour and half a day, unless others are written."""
    found = folder.settings("state: memory://\n").control
    assert (True, 1800.0, 43200.0, None) == (
        found.console.enabled,
        found.console.idle,
        found.console.longest,
        found.public_url,
    )
    text = "state: memory://\ncontrol: {public_url: 'https://a.example/gw/', console: {enabled: false, idle: 5m}}"
    found = folder.settings(text).control
    assert (False, 300.0, "https://a.example/gw") == (found.console.enabled, found.console.idle, found.public_url)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("console: {idle: 2h, longest: 1h}", "idle end"),
        ("console: {longest: never}", "duration"),
        ("public_url: 'https://a.example/gw?x=1'", "not a URL"),
        ("public_url: 'a.example/gw'", "not a URL"),
    ],
)
def test_what_makes_no_sense_is_told(folder: Folder, written: str, said: str) -> None:
    """Before anything is opened."""
    [fault] = folder.settings_faults(f"state: memory://\ncontrol: {{{written}}}")
    assert said in fault
