"""A role of holders of keys."""

from __future__ import annotations

from gateway.core.attempt import Principal
from gateway.core.pattern import NamePattern
from gateway.core.session_role import SessionRole, app_for

ROLES = {"lake": SessionRole("etl", (NamePattern.parse("app:cat*"),), 3600.0)}


def test_a_role_is_taken_by_those_it_names() -> None:
    """Its app for them, nobody for others, nothing for a role that is not there."""
    assert "etl" == app_for(ROLES, "lake", Principal("app", "catalog"))
    assert app_for(ROLES, "lake", Principal("app", "billing")) is None
    assert app_for(ROLES, "sea", Principal("app", "catalog")) is None
    assert app_for({}, "lake", Principal("app", "catalog")) is None
