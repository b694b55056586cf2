"""A certificate that is not believed is refused, and the reason is told wherever the gateway is somebody's client."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.backends.connection import Timeouts
from gateway.backends.pool import Authority, Pool, PoolLimits
from gateway.certificate_fault import certificate_fault
from gateway.core.identity import IdentityRules
from gateway.core.mail import MailHook
from gateway.core.reasons import DependencyDown, SettingsError, UpstreamFailed
from gateway.mail.webhook import WebhookMailer
from gateway.oidc.issuers import Identity
from gateway.stores.central import open_central
from gateway.stores.postgres.engine import open_postgres
from gateway.stores.redis.engine import open_redis
from tests.mail.test_webhook import MAIL
from tests.oidc.test_issuers import token
from tests.servers.certificate import certificate

_DAY = timedelta(days=1)


@asynccontextmanager
async def server(files: tuple[Path, Path], *, asked_first: bool) -> AsyncIterator[int]:
    """The port of one that shakes hands and hangs up; PostgreSQL is asked for TLS before it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            if asked_first:
                await reader.readexactly(8)
                writer.write(b"S")
                await writer.start_tls(context)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=None if asked_first else context) as listening:
        yield listening.sockets[0].getsockname()[1]


async def told_by_postgres(port: int, authority: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        await open_postgres(f"postgresql://u@127.0.0.1:{port}/p?sslmode=verify-full&sslrootcert={authority}")
    return str(caught.value)


async def told_by_redis(port: int, authority: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        await open_redis(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority}")
    return str(caught.value)


async def told_by_store(port: int, authority: Path) -> str:
    trust = ssl.create_default_context(cafile=authority)
    pool = Pool(Authority("127.0.0.1", port, tls=True), PoolLimits(), Timeouts(), trust)
    with pytest.raises(UpstreamFailed) as caught:
        await pool.acquire()
    pool.close()
    return caught.value.detail


async def told_by_issuer(port: int, authority: Path) -> str:
    rules = IdentityRules("https://issuer.example", "gateway", f"https://127.0.0.1:{port}/keys", {}, str(authority))
    with capture_logs() as lines, pytest.raises(DependencyDown):
        await Identity(lambda: [rules], lambda: 2e9).prove(token(), "billing")
    return str(lines[0]["fault"])


async def told_by_webhook(port: int, authority: Path) -> str:
    mailer = WebhookMailer(MailHook(url=f"https://127.0.0.1:{port}/mails", secret="s", ca_file=str(authority)))
    with pytest.raises(UpstreamFailed) as caught:
        await mailer.send(MAIL)
    return caught.value.detail


async def told_by_central(port: int, authority: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        await open_central(f"central+https://127.0.0.1:{port}", "token", ca_file=str(authority))
    return str(caught.value)


@pytest.mark.parametrize(
    "told_by",
    [told_by_postgres, told_by_redis, told_by_store, told_by_issuer, told_by_webhook, told_by_central],
)
@pytest.mark.parametrize(
    ("begins", "ends", "reason"),
    [(-2 * _DAY, -_DAY, "certificate has expired"), (_DAY, 2 * _DAY, "certificate is not yet valid")],
    ids=["ended", "not begun"],
)
async def test_a_certificate_out_of_its_time_is_named_as_such(
    tmp_path: Path,
    told_by: Callable[[int, Path], Awaitable[str]],
    begins: timedelta,
    ends: timedelta,
    reason: str,
) -> None:
    """And not as a server that is away, which somebody would look for in the network."""
    files = certificate(tmp_path, begins=begins, ends=ends)
    async with server(files, asked_first=told_by is told_by_postgres) as port:
        assert f"its certificate is not believed: {reason}" in await told_by(port, files[0])


async def test_a_central_gateway_that_nobody_vouches_for_is_named_as_such(tmp_path: Path) -> None:
    """A sidecar believes the system's authorities."""
    async with server(certificate(tmp_path), asked_first=False) as port:
        with pytest.raises(SettingsError, match="its certificate is not believed: self-signed certificate"):
            await open_central(f"central+https://127.0.0.1:{port}", "token")


async def test_no_name_and_no_address_is_told(tmp_path: Path) -> None:
    """The reason alone; and other failures are no certificate's."""
    files = certificate(tmp_path)
    async with server(files, asked_first=False) as port:
        trust = ssl.create_default_context(cafile=files[0])
        with pytest.raises(ssl.SSLError) as caught:
            await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="secret.example")
    assert "its certificate is not believed: Hostname mismatch" == certificate_fault(caught.value)
    assert None is certificate_fault(ConnectionRefusedError("refused"))
    assert None is certificate_fault(ssl.SSLError("another one"))


@pytest.mark.parametrize("told_by", [told_by_postgres, told_by_redis])
async def test_a_file_that_holds_no_authority_is_no_server_that_is_away(
    tmp_path: Path, told_by: Callable[[int, Path], Awaitable[str]]
) -> None:
    """Nor is one that is not there; neither is the URL told."""
    files, wrong = certificate(tmp_path), tmp_path / "wrong.crt"
    async with server(files, asked_first=told_by is told_by_postgres) as port:
        assert "a file or socket that its URL names or means: No such file" in await told_by(port, wrong)
        wrong.write_text("nothing")
        said = await told_by(port, wrong)
    assert "TLS failed: no certificate or crl found" in said
    assert "wrong.crt" not in said


async def test_an_option_of_postgresql_that_is_wrong_is_told_as_such() -> None:
    """Before anybody is asked."""
    with pytest.raises(SettingsError, match="its URL is wrong: an option is unknown, or has no such value"):
        await open_postgres("postgresql://u@127.0.0.1:1/p?sslmode=verify")


def test_who_does_not_believe_our_certificate_is_told_in_their_words() -> None:
    """The kind of the alert, however the driver wraps it."""
    alert = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] secret")
    alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    wrapped = ConnectionError("secret")
    wrapped.__cause__ = alert
    assert "TLS failed: tlsv13 alert certificate required" == certificate_fault(wrapped)
