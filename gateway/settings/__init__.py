"""gateway.yaml and the policy files: parse, report every fault, then hand over immutable snapshots. Opens nothing."""

from gateway.settings.load import load_settings, settings_schema
from gateway.settings.model import Settings

__all__ = ["Settings", "load_settings", "settings_schema"]
