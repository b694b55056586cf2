"""What tests of settings start from: a folder, two made-up profiles, and faults without the folder's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway.core.profile import Profile
from gateway.core.reasons import SettingsError
from gateway.core.route import Capability
from gateway.settings.load import load_settings
from gateway.settings.model import Settings
from gateway.settings.policies import PolicySet, load_policies

PROFILES: Mapping[str, Profile] = {
    "regional": Profile(
        name="regional",
        title="Regional",
        endpoint="https://s3.{region}.example.com",
        region="north",
        regions={"south": "https://south.example.com"},
        capabilities=frozenset({Capability.RANGES, Capability.LIST_V2}),
    ),
    "own": Profile(name="own", title="Own", endpoint=None),
}

MINIMAL = "state: memory://\n"
GOOD_POLICY = """\
backends:
  near: {profile: regional, credentials: chain}
buckets:
  reports: {backend: near, bucket: acme, prefix: prod/}
rules:
  - name: billing reads
    who: app:billing
    may: read
    on: reports/billing/**
"""


class Folder:
    """A directory with gateway.yaml and policies in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings_file = path / "gateway.yaml"
        self.policies = path / "policies"
        self.policies.mkdir()

    def settings(self, text: str = MINIMAL, **environ: str) -> Settings:
        self.settings_file.write_text(text)
        return load_settings(self.settings_file, environ)

    def settings_faults(self, text: str, **environ: str) -> list[str]:
        """Every fault of a settings text, with `gateway.yaml` for the file."""
        return self._faults(lambda: self.settings(text, **environ))

    def policy(self, text: str = GOOD_POLICY, /, name: str = "a.yaml", **environ: str) -> PolicySet:
        (self.policies / name).write_text(text)
        return load_policies(self.policies, PROFILES, environ)

    def policy_faults(self, text: str, /, **environ: str) -> list[str]:
        """Every fault of a policy text, with `a.yaml` for the file."""
        return self._faults(lambda: self.policy(text, **environ))

    def _faults(self, load: Callable[[], object]) -> list[str]:
        with pytest.raises(SettingsError) as raised:
            load()
        return [fault.replace(f"{self.policies}/", "").replace(f"{self.path}/", "") for fault in raised.value.faults]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)
