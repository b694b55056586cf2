"""Owns the passage from a backend's entry in a policy file to its `BackendSpec`.

Refuses to own what a spec is (`gateway.core.backend`) and the table of profiles (an argument).
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.backend import BackendSpec, ChainSource, Credentials
from gateway.core.profile import Profile
from gateway.settings.collect import Entry
from gateway.settings.grammar import BackendEntry, CredentialsEntry


def compile_backend(
    entry: Entry[BackendEntry], profiles: Mapping[str, Profile], faults: list[str]
) -> BackendSpec | None:
    """The spec of one backend; None with a fault added when it cannot be dialled."""
    value = entry.value
    try:
        return BackendSpec.resolve(
            entry.name,
            profiles[value.profile],
            _compile_credentials(value.credentials),
            endpoint=value.endpoint,
            region=value.region,
            addressing=value.addressing,
            signature=value.signature,
            single_put_limit=value.single_put_limit,
            add=value.capabilities.add,
            remove=value.capabilities.remove,
            ca_file=None if value.ca_file is None else str(value.ca_file),
            max_connections=value.max_connections,
            allow_link_local=value.allow_link_local,
            drained=value.drained,
        )
    except ValueError as error:
        faults.append(entry.fault(str(error)))
        return None


def _compile_credentials(entry: CredentialsEntry) -> Credentials | ChainSource:
    if entry.access_key is not None and entry.secret_key is not None:
        token = None if entry.session_token is None else entry.session_token.resolve()
        return Credentials(entry.access_key.resolve(), entry.secret_key.resolve(), token)
    return ChainSource(entry.profile)
