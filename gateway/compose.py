"""Owns the translation between rooms that must not know each other: settings into specs, gates and opened stores.

Refuses to own starting and ending (`gateway.app`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from gateway.backends import multipart
from gateway.backends.spec import BackendSpec, ChainSource
from gateway.backends.upstream import StoreUpstream
from gateway.core.route import Answer, Capability, UpstreamCall
from gateway.data.gate import Gate, PartsUpload
from gateway.settings import Settings
from gateway.settings.backend import BackendSettings, ResolvedStatic, SharedProfile
from gateway.settings.watch import Loaded
from gateway.stores.state import State, open_state
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.timed import timed
from gateway.wire.credentials import Credentials

__all__ = ["backend_specs", "gate_of", "open_stores", "upload_parts_with"]

_CONDITIONS: Final = frozenset({"if-match", "if-none-match"})


def backend_specs(loaded: Loaded) -> list[BackendSpec]:
    """What the upstream client is opened with."""
    return [_spec(backend, loaded.settings.deadlines.connect) for backend in loaded.policies.backends]


def _spec(backend: BackendSettings, connect_timeout: float) -> BackendSpec:
    match backend.credentials:
        case ResolvedStatic(access_key, secret_key, session_token):
            credentials: Credentials | ChainSource = Credentials(access_key, secret_key, session_token)
        case SharedProfile(name):
            credentials = ChainSource(name)
        case _:
            credentials = ChainSource()
    return BackendSpec(
        name=backend.name,
        profile=backend.profile,
        endpoint=backend.endpoint,
        region=backend.region,
        addressing=backend.profile.addressing,
        signature=backend.profile.signature,
        credentials=credentials,
        ca_file=str(backend.ca_file) if backend.ca_file is not None else None,
        max_connections=backend.max_connections,
        connect_timeout=connect_timeout,
        allow_link_local=backend.allow_link_local,
        drained=backend.drained,
    )


def gate_of(loaded: Loaded) -> Gate:
    """The snapshot that requests are judged by."""
    settings = loaded.settings
    return Gate(
        policy=loaded.policies.policy,
        posture=settings.fail.posture(),
        public_url=settings.data.public_url,
        domains=settings.data.domains,
        trusted_proxies=settings.trusted_proxies,
        max_transfers=settings.data.max_transfers,
    )


async def open_stores(settings: Settings, metrics: Metrics, *, processes: int = 1) -> State:
    """The state stores, with every call timed.

    Raises:
        SettingsError: an engine cannot be opened.
    """
    wanted = settings.state
    state = await open_state(
        wanted.grants.url,
        limits=wanted.limits.url if wanted.limits != wanted.grants else None,
        records=wanted.records.url if wanted.records != wanted.grants else None,
        processes=processes,
        accept_redis_durability=settings.state.accept_redis_durability,
    )
    return replace(
        state,
        grants=timed(state.grants, metrics),
        leases=timed(state.leases, metrics),
        limits=timed(state.limits, metrics),
        ledger=timed(state.ledger, metrics),
    )


def upload_parts_with(upstream: StoreUpstream) -> PartsUpload:
    """The multipart engine, bound to the upstream client."""

    async def upload_parts(
        call: UpstreamCall, chunks: AsyncIterator[bytes], length: int | None, capabilities: frozenset[Capability]
    ) -> Answer:
        conditions = tuple(pair for pair in call.headers if pair[0] in _CONDITIONS)
        uploaded = await multipart.upload(
            upstream,
            multipart.Destination(call.backend, call.bucket, call.key),
            chunks,
            length=length,
            headers=tuple(pair for pair in call.headers if pair[0] not in _CONDITIONS),
            conditions=conditions,
            equal_parts=Capability.EQUAL_PARTS in capabilities,
        )
        return Answer(200, {**uploaded.headers, "etag": uploaded.etag}, 0)

    return upload_parts
