"""What `control.sts_roles` may say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.core.attempt import Principal
from gateway.settings.model import ControlSettings

LAKE: dict[str, Any] = {"app": "app:etl", "who": "app:catalog"}


def test_a_role_is_compiled() -> None:
    """App, holders and the longest life, an hour unless more is said."""
    found = ControlSettings.model_validate(
        {"sts_roles": {"lake": LAKE, "long": {**LAKE, "max_duration": "12h"}}}
    ).assumable
    assert ("etl", 3600.0, 43200.0) == (found["lake"].app, found["lake"].longest, found["long"].longest)
    assert found["lake"].admits(Principal("app", "catalog"))
    assert {} == ControlSettings.model_validate({}).assumable


@pytest.mark.parametrize(
    "role",
    [{"app": "app:etl"}, {**LAKE, "who": []}, {**LAKE, "app": "admin:ops"}, {**LAKE, "max_duration": "13h"},
     {**LAKE, "max_duration": "30m"}, {**LAKE, "subjects": ["x"]}],
)  # fmt: skip
def test_a_role_that_would_be_for_anybody_or_for_ever_is_a_fault(role: dict[str, Any]) -> None:
    """Holders are named, durations are those of roles, and no key is unknown."""
    with pytest.raises(ValidationError):
        ControlSettings.model_validate({"sts_roles": {"lake": role}})


@pytest.mark.parametrize("name", ["a/b", "läge", "a" * 65, ""])
def test_a_roles_name_can_stand_in_an_arn(name: str) -> None:
    """Nothing else is a name; all letters of AWS's own rule are."""
    with pytest.raises(ValidationError):
        ControlSettings.model_validate({"sts_roles": {name: LAKE}})
    assert "Lake_1+=,.@-" in ControlSettings.model_validate({"sts_roles": {"Lake_1+=,.@-": LAKE}}).assumable
