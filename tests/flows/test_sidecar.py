"""Apps that hold no secret of a store: keys that the SDK fetches by itself, and listeners that stand for an app."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from playwright.sync_api import Browser

from tests.clients.install import program
from tests.e2e.place import Place, noise
from tests.flows.actor import AWS, curl
from tests.flows.pages import Pages
from tests.servers import over_tls
from tests.servers.gateway import RunningGateway, gateway_before
from tests.servers.process import free_ports
from tests.servers.store import RunningStore

_APP_TOKEN = "an-app-token-of-many-letters"
_ISSUER = "https://issuer.example"
_SUBJECT = "system:serviceaccount:web:default"
_READ = """
import boto3, os
body = boto3.client("s3").get_object(Bucket=os.environ["BUCKET"], Key="config.txt")["Body"].read()
print(body.decode(), end="")
"""


@dataclass(frozen=True, slots=True, repr=False)
class Sidecar:
    """A gateway beside an app, and what the app's platform knows."""

    place: Place
    trusted: str
    socket: Path
    issuer_key: RSAKey
    home: Path

    @property
    def gateway(self) -> RunningGateway:
        return self.place.gateway

    def identity(self, subject: str = _SUBJECT) -> Path:
        """The file that a platform projects into the app's pod."""
        now = int(time.time())
        claims = {"iss": _ISSUER, "aud": "gateway", "sub": subject, "iat": now, "exp": now + 600}
        path = self.home / f"{subject.rpartition(':')[2]}.jwt"
        path.write_text(jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.issuer_key))
        return path

    def run(self, *command: str | Path, **environ: str | Path) -> subprocess.CompletedProcess[str]:
        """A program with the endpoint in its environment, `environ`, and nothing else."""
        base = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "AWS_ENDPOINT_URL_S3": self.gateway.data,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "BUCKET": self.place.bucket,
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_CONFIG_GW_TYPE": "s3",
            "RCLONE_CONFIG_GW_PROVIDER": "Other",
            "RCLONE_CONFIG_GW_ENV_AUTH": "true",
        } | over_tls.program_variables()
        return subprocess.run(
            [str(part) for part in command],
            check=False,
            capture_output=True,
            text=True,
            timeout=100,
            cwd=self.home,
            env=base | {name: str(value) for name, value in environ.items()},
        )


@pytest.fixture(scope="module")
def sidecar(clients: None, seaweedfs: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    home = tmp_path_factory.mktemp("sidecar")
    key = RSAKey.generate_key(2048, {"kid": "one"})
    (home / "jwks.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    [port] = free_ports(1)
    listeners = [
        {"listen": f"127.0.0.1:{port}", "app": "app:web"},
        {"listen": f"unix:{home}/s3.sock", "app": "app:web"},
    ]
    roles = {"web": {"app": "app:web", "subjects": [_SUBJECT]}}
    identity = {"issuer": _ISSUER, "audience": "gateway", "jwks": str(home / "jwks.json"), "roles": roles}
    environ = {
        "APP_TOKEN": _APP_TOKEN,
        "GATEWAY_CONTROL__CREDENTIALS": json.dumps([{"app": "app:web", "token": "env:APP_TOKEN"}]),
        "GATEWAY_CONTROL__IDENTITY": json.dumps(identity),
        "GATEWAY_DATA__TRUSTED": json.dumps(listeners),
    }
    with gateway_before([seaweedfs], home / "gateway", environ=environ) as gateway:
        place = Place.before(gateway, seaweedfs)
        place.put("config.txt", b"the app's configuration")
        yield Sidecar(place, f"http://127.0.0.1:{port}", home / "s3.sock", key, home)


def _container(sidecar: Sidecar, token: str = _APP_TOKEN) -> dict[str, str]:
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{sidecar.gateway.control}/v1/credentials/web",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
    }


def _web_identity(sidecar: Sidecar, subject: str = _SUBJECT, role: str = "web") -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_STS": f"{sidecar.gateway.control}/sts",
        "AWS_ROLE_ARN": f"arn:aws:iam::000000000000:role/{role}",
        "AWS_ROLE_SESSION_NAME": "a-pod",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(sidecar.identity(subject)),
    }


_fetches_keys = pytest.mark.skipif(
    "config.getoption('--over-tls')", reason="where botocore fetches keys, it trusts its own authorities only"
)
_WAYS = pytest.mark.parametrize(
    "way",
    [
        pytest.param(_container, id="container credentials", marks=_fetches_keys),
        pytest.param(_web_identity, id="web identity"),
    ],
)


@_WAYS
def test_boto3_needs_environment_variables_only(sidecar: Sidecar, way: object) -> None:
    """The SDK fetches a key and a session token by itself and reads the object."""
    done = sidecar.run(program("core", "python"), "-c", _READ, **way(sidecar))
    assert "the app's configuration" == done.stdout, done.stderr


@_WAYS
def test_the_aws_cli_needs_environment_variables_only(sidecar: Sidecar, way: object) -> None:
    """So does the command line."""
    done = sidecar.run(AWS, "s3", "cp", f"s3://{sidecar.place.bucket}/config.txt", "-", **way(sidecar))
    assert "the app's configuration" == done.stdout, done.stderr


@_WAYS
def test_rclone_needs_environment_variables_only(sidecar: Sidecar, way: object) -> None:
    """And rclone, which has an SDK of another language in it."""
    done = sidecar.run(program("core", "rclone"), "cat", f"gw:{sidecar.place.bucket}/config.txt", **way(sidecar))
    assert "the app's configuration" == done.stdout, done.stderr


@_fetches_keys
def test_a_wrong_token_gets_no_keys(sidecar: Sidecar) -> None:
    """Neither a wrong app token, nor another subject, nor a role that names others."""
    read = (program("core", "python"), "-c", _READ)
    assert "401" in sidecar.run(*read, **_container(sidecar, "a-wrong-token-of-many-letters")).stderr
    other = _web_identity(sidecar, "system:serviceaccount:other:stranger")
    assert "InvalidIdentityToken" in sidecar.run(*read, **other).stderr
    assert "InvalidIdentityToken" in sidecar.run(*read, **_web_identity(sidecar, role="admin")).stderr


@_fetches_keys
def test_a_session_ends_with_its_owner(sidecar: Sidecar) -> None:
    """Keys that an SDK fetched stop working when the app is revoked; asked again, it gets new ones."""
    keep = (
        "import boto3, os, sys\n"
        "client = boto3.client('s3')\n"
        "ask = lambda: client.head_object(Bucket=os.environ['BUCKET'], Key='config.txt')\n"
        "ask(); print('first', flush=True); sys.stdin.readline()\n"
        "try: ask(); print('second')\n"
        "except Exception as error: print(error)\n"
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(sidecar.home), "AWS_ENDPOINT_URL_S3": sidecar.gateway.data}
    environ |= {"AWS_REGION": "us-east-1", "BUCKET": sidecar.place.bucket, **_container(sidecar)}
    environ |= over_tls.program_variables()
    with subprocess.Popen(
        [program("core", "python"), "-c", keep], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    ) as app:
        assert app.stdout is not None
        assert "first\n" == app.stdout.readline()
        sidecar.gateway.api("POST", "/v1/revocations", {"owner": "app:web", "reason": "a flow"})
        said, _ = app.communicate("\n", timeout=60)
    assert "403" in said
    assert (
        "the app's configuration" == sidecar.run(program("core", "python"), "-c", _READ, **_container(sidecar)).stdout
    )


def test_a_trusted_port_needs_no_keys(sidecar: Sidecar, tmp_path: Path) -> None:
    """Unsigned requests on the loopback listener act as its app; on the main listener they are nobody's."""
    target = f"/{sidecar.place.bucket}/config.txt"
    assert b"the app's configuration" == curl(tmp_path, sidecar.trusted + target).body
    assert (403, "AccessDenied") == ((refused := curl(tmp_path, sidecar.gateway.data + target)).status, refused.code)
    (tmp_path / "up.bin").write_bytes(noise(1000))
    assert 200 == curl(tmp_path, f"{sidecar.trusted}/{sidecar.place.bucket}/up.bin", "-T", "up.bin").status
    assert noise(1000) == sidecar.place.stored("up.bin")
    done = sidecar.run(AWS, "s3", "cp", "--no-sign-request", f"s3:/{target}", "-", AWS_ENDPOINT_URL_S3=sidecar.trusted)
    assert "the app's configuration" == done.stdout, done.stderr


def test_a_trusted_socket_needs_no_keys(sidecar: Sidecar, tmp_path: Path) -> None:
    """The same over a Unix socket, which file permissions guard."""
    target = f"http://localhost/{sidecar.place.bucket}/config.txt"
    answered = curl(tmp_path, target, "--unix-socket", sidecar.socket)
    assert (200, b"the app's configuration") == (answered.status, answered.body)


def test_a_signature_is_judged_on_a_trusted_listener_too(sidecar: Sidecar) -> None:
    """Who presents a key is judged by it: trust replaces no signature that is there and wrong."""
    wrong = {"AWS_ACCESS_KEY_ID": "GWKUNKNOWN", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL_S3": sidecar.trusted}
    done = sidecar.run(program("core", "python"), "-c", _READ, **wrong)
    assert "InvalidAccessKeyId" in done.stderr


def test_a_web_page_does_not_act_as_the_app(sidecar: Sidecar, browser: Browser, pages: Pages) -> None:
    """A page that a person of the same machine opens can send to the trusted port, and nothing happens there."""
    sidecar.place.put("precious.txt", b"still here")
    send = """([url, body]) => fetch(url, {method: 'POST', mode: 'no-cors', body}).then(() => 'sent')"""
    document = "<Delete><Object><Key>precious.txt</Key></Object></Delete>"
    page = browser.new_context().new_page()
    page.goto(pages.foreign)
    assert "sent" == page.evaluate(send, [f"{sidecar.trusted}/{sidecar.place.bucket}?delete", document])
    page.close()
    assert b"still here" == sidecar.place.stored("precious.txt")
    subprocess.run(
        ["curl", "-sf", "-d", document, f"{sidecar.trusted}/{sidecar.place.bucket}?delete"], check=True, timeout=60
    )
    assert sidecar.place.stored("precious.txt") is None
