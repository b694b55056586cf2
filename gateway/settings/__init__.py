"""gateway.yaml and the policy files: parse, report every fault, then hand over immutable snapshots. Opens nothing."""

from gateway.settings.examples import Example
from gateway.settings.load import load_settings
from gateway.settings.model import Settings
from gateway.settings.policies import PolicySet, check_examples, load_policies

__all__ = [
    "Example",
    "PolicySet",
    "Settings",
    "check_examples",
    "load_policies",
    "load_settings",
]
