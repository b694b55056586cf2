"""A shared cache in front keeps nothing that is for one caller, or for now: nginx's, told to keep whatever it may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.core.revocation_target import FeedKind
from gateway.wire.sig.sigv4 import SigningKeys, presign
from tests.data.harness import request, running
from tests.data.raw_client import Got, RawClient
from tests.e2e.conftest import require
from tests.servers import over_tls
from tests.servers.process import await_port, free_ports
from tests.servers.process import running as process

_BODY = b"for one caller alone"
_NGINX = """
user root; daemon off; pid nginx.pid; error_log error.log; worker_processes 1;
events {{}}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  proxy_cache_path kept keys_zone=kept:1m;
  server {{
    listen 127.0.0.1:{front};
    location / {{
      proxy_pass {scheme}://127.0.0.1:{behind}; proxy_http_version 1.1; proxy_set_header Host $http_host;
      proxy_cache kept; proxy_cache_valid 200 206 404 10m; add_header X-Kept $upstream_cache_status always;
    }}
  }}
}}
"""


@contextmanager
def _cache_before(port: int, directory: Path) -> Iterator[int]:
    program = require("nginx")
    [front] = free_ports(1)
    settings = directory / "nginx.conf"
    settings.write_text(_NGINX.format(front=front, behind=port, scheme=over_tls.scheme()))
    log = directory / "nginx.log"
    with process([program, "-p", directory, "-c", settings], log, cwd=directory) as child:
        await_port(front, child, log)
        yield front


async def test_what_was_for_one_caller_is_kept_for_nobody(tmp_path: Path) -> None:
    """A link, a presigned URL and a listing end there with what they came from, and what a signature got is for no
    other request. Control: what an object says may be kept is kept."""
    async with running() as rig:
        rig.store.hold("inside/a", _BODY)
        rig.store.hold("inside/kept", _BODY, cache_control="max-age=600")
        token, link = await rig.granted("a")
        key, key_grant = await rig.key()

        def presigned(name: str, **query: str) -> str:
            path = f"/reports/{name}"
            given = {"method": "GET", "host": "gw", "path": path, "region": "us-east-1", "query": tuple(query.items())}
            return f"{path}?{presign(key, SigningKeys(), **given, now=rig.clock.now, expires=60)}"

        with _cache_before(rig.port, tmp_path) as port:

            async def ask(target: str, headers: dict[str, str] | None = None) -> Got:
                async with RawClient(port, plain=True) as client:
                    await client.send(request("GET", target, headers))
                    return await client.answer("GET")

            for name in ("a", "kept"):
                target, signed = rig.signed(key, "GET", f"reports/{name}")
                assert [200, 403] == [(await ask(target, signed)).status, (await ask(target)).status]
            addresses = [f"/s/{token}", presigned("a"), presigned("", prefix="none"), presigned("kept")]
            assert [200] * 8 == [(await ask(address)).status for address in addresses * 2]
            await rig.revoke(FeedKind.LINK, link.id)
            await rig.revoke(FeedKind.KEY, key_grant.id)
            after = [await ask(address) for address in addresses]
        assert [410, 403, 403, 200] == [got.status for got in after]
        assert "HIT" == after[3].header("x-kept")
