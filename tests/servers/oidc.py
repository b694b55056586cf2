"""An OpenID Connect provider for a test: Authlib's own grants, with PKCE required, device codes, renewal and RFC 9207.

What a real one's operator or an attacker could do to its answers is a member of `Provider`, to be set by tests.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import flask
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    ClientMixin,
    TokenMixin,
    grants,
)
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialDict
from authlib.oidc.core import OpenIDCode
from authlib.oidc.core.grants.code import OpenIDToken
from joserfc.jwk import ECKey
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.servers import over_tls

PERSON = "ann@acme.example"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def come_back(address: str, sub: str = PERSON, *, follow: bool = True) -> str:
    """What a browser does in which somebody signs in: post the form, come back. Answers where it came back to, or what
    it was shown instead."""
    try:
        with build_opener(_Stay).open(Request(address, urlencode({"sub": sub}).encode())) as answer:
            return str(answer.read().decode())
    except HTTPError as answer:
        with answer:
            back = str(answer.headers["Location"])
    if follow:
        with build_opener().open(back) as page:
            page.read()
    return back


@dataclass
class Provider:
    """What it is and has been asked; and what it answers otherwise than it should."""

    issuer: str = ""
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "k1"}))
    groups: list[str] = field(default_factory=lambda: ["finance"])
    lifetime: int = 3600
    renews: bool = True
    renews_with_id_token: bool = True
    claims: dict[str, Any] = field(default_factory=dict)
    """Over those of its tokens."""
    answer: dict[str, str | None] = field(default_factory=dict)
    """Over the parameters with which a browser comes back; None leaves one out."""
    document: dict[str, Any] = field(default_factory=dict)
    """Over what discovery says; None leaves a member out."""
    slow_downs: int = 0
    device_seconds: int = 60
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    codes: dict[str, Any] = field(default_factory=dict)
    refresh: dict[str, str] = field(default_factory=dict)
    devices: dict[str, DeviceCredentialDict] = field(default_factory=dict)
    decisions: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def sign_in(self, address: str, sub: str = PERSON, *, follow: bool = True) -> str:
        """See `come_back`."""
        return come_back(address, sub, follow=follow)

    def decide(self, user_code: str, sub: str = PERSON, *, approved: bool = True) -> None:
        """What somebody says who has typed the code."""
        self.decisions[user_code] = (sub, approved)

    def forms(self, path: str) -> list[dict[str, str]]:
        return [form for asked, form in self.asked if asked == path]


class _Client(ClientMixin):
    def __init__(self, name: str) -> None:
        self.client_id, self.id_token_signed_response_alg = name, "ES256"

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        parts = urlsplit(redirect_uri)
        ways = {"/callback", "/s/-/signed-in"}  # RFC 8252, 7.3; and that of links
        return parts.scheme in {"http", over_tls.scheme()} and parts.hostname == "127.0.0.1" and parts.path in ways

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "none"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return True


@dataclass
class _Code(AuthorizationCodeMixin):
    code: str
    client_id: str
    redirect_uri: str
    scope: str
    sub: str
    nonce: str | None
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> None:
        return None

    get_acr = get_amr = get_auth_time


@dataclass
class _Refresh(TokenMixin):
    text: str
    sub: str

    def check_client(self, client: _Client) -> bool:
        return True

    def get_scope(self) -> str:
        return "openid email profile"

    def get_expires_in(self) -> int:
        return 3600

    def is_expired(self) -> bool:
        return False

    is_revoked = is_expired


def _grants(provider: Provider) -> tuple[type, type, type]:
    class Codes(grants.AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["none"]

        def save_authorization_code(self, code: str, request: Any) -> None:
            said = request.payload.data
            provider.codes[code] = _Code(
                code, request.client.client_id, said["redirect_uri"], said["scope"], request.user,
                said.get("nonce"), said["code_challenge"], said["code_challenge_method"],
            )  # fmt: skip

        def query_authorization_code(self, code: str, client: _Client) -> _Code | None:
            found = provider.codes.get(code)
            return found if found is not None and found.client_id == client.client_id else None

        def delete_authorization_code(self, authorization_code: _Code) -> None:
            del provider.codes[authorization_code.code]

        def authenticate_user(self, authorization_code: _Code) -> str:
            return authorization_code.sub

    class Renewals(grants.RefreshTokenGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["none"]
        INCLUDE_NEW_REFRESH_TOKEN = True

        def authenticate_refresh_token(self, refresh_token: str) -> _Refresh | None:
            sub = provider.refresh.get(refresh_token)
            return None if sub is None else _Refresh(refresh_token, sub)

        def authenticate_user(self, refresh_token: _Refresh) -> str:
            return refresh_token.sub

        def revoke_old_credential(self, refresh_token: _Refresh) -> None:
            provider.refresh.pop(refresh_token.text, None)

    class Devices(DeviceCodeGrant):
        def query_device_credential(self, device_code: str) -> DeviceCredentialDict | None:
            return provider.devices.get(device_code)

        def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
            return provider.decisions.get(user_code)

        def should_slow_down(self, credential: DeviceCredentialDict) -> bool:
            provider.slow_downs -= 1
            return provider.slow_downs >= 0

    return Codes, Renewals, Devices


def _tokens(provider: Provider, kind: type) -> Any:
    class Tokens(kind):  # type: ignore[misc]
        def exists_nonce(self, nonce: str, request: Any) -> bool:
            return False

        def resolve_client_private_key(self, client: _Client) -> dict[str, Any]:
            return dict(provider.key.as_dict(private=True))

        def get_client_claims(self, client: _Client) -> dict[str, Any]:
            return {"iss": provider.issuer, "aud": [client.client_id]}

        def generate_user_info(self, user: str, scope: str) -> dict[str, Any]:
            now = int(time.time())
            said = {
                "sub": user, "email": user, "email_verified": True, "groups": provider.groups,
                "iss": provider.issuer, "iat": now, "exp": now + provider.lifetime,
            }  # fmt: skip
            return said | provider.claims

        def process_token(self, grant: Any, response: Any) -> Any:
            token = super().process_token(grant, response)
            if isinstance(grant, grants.RefreshTokenGrant) and not provider.renews_with_id_token:
                del token["id_token"]
            return token

    return Tokens()


def _app(provider: Provider) -> flask.Flask:
    app = flask.Flask(__name__)
    app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True

    def save(token: dict[str, Any], request: Any) -> None:
        if "refresh_token" in token and not provider.renews:
            del token["refresh_token"]
        if "refresh_token" in token:
            provider.refresh[token["refresh_token"]] = request.user

    server = AuthorizationServer(app, query_client=_Client, save_token=save)
    codes, renewals, devices = _grants(provider)
    server.register_grant(codes, [CodeChallenge(required=True), _tokens(provider, OpenIDCode)])
    server.register_grant(renewals, [_tokens(provider, OpenIDToken)])
    server.register_grant(devices, [_tokens(provider, OpenIDToken)])

    class DeviceDoor(DeviceAuthorizationEndpoint):
        INTERVAL, EXPIRES_IN = 1, provider.device_seconds

        def get_verification_uri(self) -> str:
            return f"{provider.issuer}/device"

        def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
            held = {"client_id": client_id, "scope": scope, "expires_at": time.time() + data["expires_in"]}
            provider.devices[data["device_code"]] = DeviceCredentialDict(data | held)

    class WithdrawalDoor(RevocationEndpoint):
        CLIENT_AUTH_METHODS = ["none"]

        def query_token(self, token_string: str, token_type_hint: str) -> _Refresh | None:
            sub = provider.refresh.get(token_string)
            return None if sub is None else _Refresh(token_string, sub)

        def revoke_token(self, token: _Refresh, request: Any) -> None:
            del provider.refresh[token.text]

    server.register_endpoint(DeviceDoor)
    server.register_endpoint(WithdrawalDoor)
    _add_doors(app, provider, server)
    return app


def _add_doors(app: flask.Flask, provider: Provider, server: AuthorizationServer) -> None:
    @app.before_request
    def note() -> None:
        provider.asked.append((flask.request.path, {**flask.request.args, **flask.request.form}))

    @app.get("/.well-known/openid-configuration")
    def discovery() -> dict[str, Any]:
        said: Mapping[str, Any] = {
            "issuer": provider.issuer,
            "jwks_uri": f"{provider.issuer}/jwks",
            "authorization_endpoint": f"{provider.issuer}/authorize",
            "token_endpoint": f"{provider.issuer}/token",
            "device_authorization_endpoint": f"{provider.issuer}/device_code",
            "revocation_endpoint": f"{provider.issuer}/revoke",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return {name: value for name, value in {**said, **provider.document}.items() if value is not None}

    @app.get("/jwks")
    def jwks() -> dict[str, Any]:
        return {"keys": [provider.key.as_dict(private=False)]}

    @app.route("/authorize", methods=["GET", "POST"])
    def authorize() -> Any:
        grant = server.get_consent_grant(end_user=None)
        if flask.request.method == "GET":
            return "Sign in."
        sub = flask.request.form["sub"] or None
        answer = server.create_authorization_response(grant_user=sub, grant=grant)
        parts = urlsplit(answer.location)
        said = {**dict(parse_qsl(parts.query)), "iss": provider.issuer, **provider.answer}
        query = urlencode({name: value for name, value in said.items() if value is not None})
        answer.location = parts._replace(query=query).geturl()
        return answer

    @app.post("/token")
    def token() -> Any:
        return server.create_token_response()

    @app.post("/moved")
    def moved() -> Any:
        return flask.redirect("/landed", 302)

    @app.post("/device_code")
    def device_code() -> Any:
        return server.create_endpoint_response(DeviceAuthorizationEndpoint.ENDPOINT_NAME)

    @app.post("/revoke")
    def revoke() -> Any:
        return server.create_endpoint_response(RevocationEndpoint.ENDPOINT_NAME)


class _Silent(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Tests are silent."""


@contextmanager
def running_provider(**changes: Any) -> Iterator[Provider]:
    """A provider at a free port of this machine."""
    provider = Provider(**changes)
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # on this machine alone
    server = make_server("127.0.0.1", 0, _app(provider), threaded=True, request_handler=_Silent)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        os.environ.pop("AUTHLIB_INSECURE_TRANSPORT", None)
