"""Owns the loaded policy: every file of the policies directory as one `PolicySet`, or every fault at once.

Refuses to own reloading (`gateway.settings.watch`) and the table of profiles (an argument).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.core.backend import BackendSpec
from gateway.core.policy import Policy
from gateway.core.profile import Profile
from gateway.core.reasons import SettingsError
from gateway.settings.collect import collect
from gateway.settings.compile import compile_draft
from gateway.settings.examples import Example, check
from gateway.settings.faults import sort_faults
from gateway.settings.overlap import find_overlaps
from gateway.settings.references import References


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet:
    """One immutable policy with what is needed to serve it. `warnings` say what is allowed and seldom meant."""

    policy: Policy
    backends: tuple[BackendSpec, ...]
    examples: tuple[Example, ...]
    warnings: tuple[str, ...] = ()


def load_policies(directory: Path, profiles: Mapping[str, Profile], environ: Mapping[str, str]) -> PolicySet:
    """Read a directory of policy files.

    Raises:
        SettingsError: with every fault in all of the files.
    """
    return read_policies(directory, References(environ, directory.absolute(), profiles=profiles))


def read_policies(directory: Path, references: References) -> PolicySet:
    """The same; every file that was named, readable or not, is noted in `references` even when this raises."""
    draft = collect(directory, references)
    policy, backends, examples = compile_draft(draft, references.profiles)
    if draft.faults:
        raise SettingsError(*sort_faults(draft.faults))
    return PolicySet(
        policy=policy,
        backends=backends,
        examples=examples,
        warnings=tuple(find_overlaps(draft.buckets, {backend.name: backend for backend in backends})),
    )


def check_examples(policy_set: PolicySet) -> list[str]:
    """A sentence for every worked example that gets another decision than it must."""
    return check(policy_set.policy, policy_set.examples)
