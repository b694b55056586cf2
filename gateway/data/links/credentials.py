"""Owns the answer to who asks for a link's S3 credentials: `POST /s/TOKEN/credentials`.

Refuses to own what they are (`gateway.core.link_credentials`), how they are made (`DataPlane.link_issuer`), and the use
that they take (`gateway.data.steps.admit`).

Law: the secrets leave once, in this answer, which nobody may keep. Credentials are rows in a store that anybody with a
link could fill: so many a minute for one link and address.
"""

from __future__ import annotations

import json
from typing import Final

from gateway.core.attempt import address_class
from gateway.core.grant import Scope
from gateway.core.limits import Demand
from gateway.core.reasons import Reason, Refused
from gateway.core.units import Rate, format_instant
from gateway.data.call import LinkCall
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.state.transfers import Permit
from gateway.wire.replies import LINK_HEADERS, Reply

_RATE: Final = Rate(30, 60.0, 30)


async def give_credentials(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    """The credentials, and where they are good: by the gateway's names.

    Raises:
        Refused: TOO_MANY_REQUESTS; as `LinkIssuer.issue_for_link`.
        DependencyDown: no key can be stored.
    """
    link = permit.grant or call.grant
    await _take_turn(plane, snapshot, permit)
    key = await plane.link_issuer.issue_for_link(link, permit.lease_key or "", permit.attempt.holder)
    permit.consumed = True
    secrets = {
        "accessKeyId": key.access_key_id,
        "secretAccessKey": key.secret_access_key,
        "sessionToken": key.session_token,
        "expiration": format_instant(key.grant.expires_at or 0.0),
    }
    members = {
        "credentials": secrets,
        "region": snapshot.region,
        "endpoint": snapshot.public_url,
        **({} if link.scope is None else _place_of(link.scope)),
    }
    return Reply(200, (("Content-Type", "application/json"), *LINK_HEADERS), json.dumps(members).encode() + b"\n")


def _place_of(scope: Scope) -> dict[str, str | None]:
    whole = {"bucket": scope.bucket, "prefix": scope.prefix}
    return whole if scope.key is None else whole | {"key": scope.key}


async def _take_turn(plane: DataPlane, snapshot: Snapshot, permit: Permit) -> None:
    """Raises Refused(TOO_MANY_REQUESTS)."""
    link, who = permit.attempt.principal, address_class(permit.attempt.peer)
    demand = Demand(f"credentials:{link}:{who}", _RATE)
    verdict = await plane.take_limits(snapshot, [demand], permit.attempt.now)
    if verdict is not None and not verdict.allowed:
        detail = "credentials of one link are had too often"
        raise Refused(Reason.TOO_MANY_REQUESTS, detail, retry_after=verdict.retry_after, verdict=verdict)
