"""S3 credentials of a link, had from the whole data plane, and requests with them."""

from __future__ import annotations

import json
from typing import Any

from gateway.core.backend import Credentials
from gateway.core.grant import Grant
from gateway.core.request import Action
from gateway.core.token import hash_secret
from tests.data.harness import Rig
from tests.data.raw_client import Got

BODY = b"0123456789"
WRITING = frozenset({Action.READ, Action.LIST, Action.WRITE})


class Held:
    """Credentials of a link, and requests with them."""

    def __init__(self, rig: Rig, document: dict[str, Any]) -> None:
        given = document["credentials"]
        self.rig, self.document = rig, document
        self.pair, self.token = Credentials(given["accessKeyId"], given["secretAccessKey"]), given["sessionToken"]

    def signed(self, method: str, place: str, query: Any = (), **headers: str) -> tuple[str, dict[str, str]]:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        fields["x-amz-security-token"] = self.token
        return self.rig.signed(self.pair, method, place, query=sorted(query), headers=fields)

    async def ask(self, method: str, place: str, query: Any = (), body: bytes = b"", **headers: str) -> Got:
        target, signed = self.signed(method, place, query, **headers)
        return await self.rig.ask(method, target, signed, body)

    async def status(self, method: str, place: str, query: Any = (), body: bytes = b"") -> int:
        return (await self.ask(method, place, query, body)).status

    async def key(self) -> Grant:
        found = await self.rig.state.grants.find(hash_secret(self.pair.access_key))
        assert found is not None
        return found


async def had(rig: Rig, token: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Got:
    return await rig.ask("POST", f"/s/{token}/credentials", headers, body)


async def hold(rig: Rig, token: str, **more: Any) -> Held:
    got = await had(rig, token, **more)
    assert 200 == got.status, got.body
    return Held(rig, json.loads(got.body))
