"""Owns what `gateway.yaml` may say: every key, its type, its default and its meaning.

Refuses to own the policy files (`gateway.settings.grammar`), opening anything, and what a listener does.
Law: a `Settings` that exists is complete and valid, holds no file handle and never changes; a reload makes a new one.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, StrictBool, model_validator

from gateway.core.attempt import Principal, SignatureVersion
from gateway.core.duty import AdminTerms, Duty
from gateway.core.pattern import NamePattern
from gateway.core.posture import FailPosture
from gateway.core.session_role import SessionRole
from gateway.schema.addresses import BaseUrl, HostName, ListenAddress, PathUrl
from gateway.schema.names import ActorName, App
from gateway.schema.quantities import ByteRate, Count, Duration, DurationOrNone, End, Instant
from gateway.settings.console import ConsoleSettings
from gateway.settings.entry import Section, one_or_more, one_or_more_sections, written_as
from gateway.settings.files import Directory, FilePath
from gateway.settings.identity import IdentitySettings, ProxyUserSettings, RoleSettings
from gateway.settings.mail import MailSettings
from gateway.settings.proxies import Proxy
from gateway.settings.references import PrincipalPatterns
from gateway.settings.secret import SecretRef
from gateway.settings.session_role import AssumableRole, RoleName
from gateway.settings.sharing import SharingSettings
from gateway.settings.state import StateField

SHORTEST_TOKEN: Final = 16
"""Characters below which a token is told to be short; half of what `openssl rand -hex 16` writes."""


class TlsFiles(Section):
    """A listener's certificate chain and private key, PEM. Relative paths start at the settings file."""

    cert: FilePath
    key: FilePath


UnsignedType = Literal["accept", "refuse"]


class TrustedListener(Section):
    """A listener whose unsigned requests act as one app. Loopback or Unix socket only."""

    listen: ListenAddress
    app: App
    signatures: Annotated[tuple[SignatureVersion, ...], Field(min_length=1)] | None = None
    """As `data.signatures`, which counts if this is left out."""
    unsigned_content_type: UnsignedType | None = None
    """As `data.unsigned_content_type`, which counts if this is left out."""

    @model_validator(mode="after")
    def _require_local(self) -> TrustedListener:
        if not self.listen.is_local:
            raise ValueError("a trusted listener asks nobody who they are: it must be loopback or a Unix socket")
        return self


class DataSettings(Section):
    """The data plane: where links and S3 requests arrive."""

    listen: ListenAddress = ListenAddress("127.0.0.1", 8080)
    public_url: BaseUrl = ""
    """What links begin with, as people reach it. Made from `listen` when it is left out."""
    domains: tuple[HostName, ...] = ()
    """Hosts under which `BUCKET.DOMAIN` is understood (virtual-host addressing)."""
    trusted: Annotated[tuple[TrustedListener, ...], written_as(App | list[TrustedListener])] = ()
    """Listeners that act as an app without a signature; a text like `app:NAME` makes `listen` itself one."""
    max_transfers: Count = 1024
    """Requests in work at once in one process; more are answered with 503. One app, link or client address has at
    most three quarters of them (the app of a trusted listener has all)."""
    connections_per_address: Count = 4096
    """Open at once at one listener of one process by one client address or IPv6 /64, declared proxies excepted; at most
    three quarters of the files that the process may have open. What is more is closed."""
    signatures: Annotated[tuple[SignatureVersion, ...], Field(min_length=1)] = ("v2", "v4")
    """Which versions of signatures are believed. SigV2 is old and weak, and some programs know no other."""
    unsigned_content_type: UnsignedType = "accept"
    """What becomes of a signed request whose `Content-Type` is not among what it signs. S3 itself accepts it."""
    sts: StrictBool = False
    """Whether `POST /sts` is answered at these listeners too, for holders of keys who cannot reach the other one."""
    upload_drafts: StrictBool = False
    """Whether links take uploads by the IETF's draft of resumable uploads for HTTP, too, beside those by tus."""
    tls: TlsFiles | None = None

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        listen = value.get("listen", str(cls.model_fields["listen"].default))
        if isinstance(value.get("trusted"), str):
            value = value | {"trusted": [{"listen": listen, "app": value["trusted"]}]}
        if "public_url" not in value:
            value = value | {"public_url": _guess_public_url(listen, "https" if value.get("tls") else "http")}
        return value

    @property
    def app(self) -> Principal | None:
        """Whom the main listener's unsigned requests act as, if it is trusted."""
        return next((trusted.app for trusted in self.trusted if trusted.listen == self.listen), None)

    def believed(self, listen: ListenAddress) -> frozenset[SignatureVersion]:
        """The versions of signatures that this listener believes."""
        own = next((trusted.signatures for trusted in self.trusted if trusted.listen == listen), None)
        return frozenset(own or self.signatures)

    def takes_unsigned_type(self, listen: ListenAddress) -> bool:
        """Whether this listener lets a `Content-Type` pass that a signed request does not sign."""
        own = next((trusted.unsigned_content_type for trusted in self.trusted if trusted.listen == listen), None)
        return (own or self.unsigned_content_type) == "accept"

    @property
    def further(self) -> tuple[TrustedListener, ...]:
        """The trusted listeners beside the main one."""
        return tuple(trusted for trusted in self.trusted if trusted.listen != self.listen)


def _guess_public_url(listen: object, scheme: str) -> str:
    """A URL under which a listener of this machine is reached from it."""
    try:
        address = ListenAddress.parse(listen)
    except ValueError:
        return f"{scheme}://localhost"
    if address.path:
        return f"{scheme}://localhost"
    if address.is_local or address.host in {"0.0.0.0", "::"}:  # noqa: S104 (compared, not bound)
        return f"{scheme}://localhost:{address.port}"
    return f"{scheme}://{address}"


class NamedToken(Section):
    """A bearer token of the control API, and who shows it."""

    name: ActorName
    secret: SecretRef


class AdminToken(NamedToken):
    """A token of an admin; `name` is who acts in the audit trail, as `admin:NAME`."""

    may: Annotated[tuple[Duty, ...], one_or_more(Duty), Field(min_length=1)] = tuple(Duty)
    """All that it may be used for; `[revoke]` can end everything and see nothing, `[read]` is an auditor's."""
    not_before: Instant | None = None
    expires: End | None = None
    """From then on it is no token; a date alone is that day's last second in UTC."""

    @model_validator(mode="after")
    def _lasts(self) -> AdminToken:
        if None not in (self.not_before, self.expires) and (self.not_before or 0) >= (self.expires or 0):
            raise ValueError(f"gives {self.name} a token whose not_before is not before its end")
        return self

    @property
    def principal(self) -> Principal:
        return Principal("admin", self.name)

    @property
    def terms(self) -> AdminTerms:
        return AdminTerms(self.name, frozenset(self.may), self.not_before, self.expires)


class SidecarToken(NamedToken):
    """The token of a sidecar without a store of its own: it follows revocations, resolves grants, counts uses.

    `apps` are those of which it may also have short-lived keys issued. Unless they are named it gets none. `serves` are
    the owners whose links and keys it is given when it shows the hash of their secret, and for whose links it counts.
    """

    apps: tuple[App, ...] = ()
    serves: PrincipalPatterns = (NamePattern.parse("*"),)


class AppCredential(Section):
    """Who asks the container-credentials endpoint with this token gets short-lived keys of the app."""

    app: App
    token: SecretRef


class ControlSettings(Section):
    """The control plane: the API, the pages, health and metrics."""

    listen: ListenAddress = ListenAddress("127.0.0.1", 8081)
    public_url: PathUrl | None = None
    """As browsers reach this listener, path included where a proxy adds one. Left out, it is what they ask for."""
    console: ConsoleSettings = ConsoleSettings()
    tokens: tuple[AdminToken, ...] = ()
    sidecars: tuple[SidecarToken, ...] = ()
    credentials: tuple[AppCredential, ...] = ()
    identity: Annotated[tuple[IdentitySettings, ...], one_or_more_sections(IdentitySettings)] = ()
    proxy_user: ProxyUserSettings | None = None
    roles: RoleSettings = RoleSettings()
    sts_roles: dict[RoleName, AssumableRole] = Field(default_factory=dict)
    """What holders of keys may take with AssumeRole, by the last part of the role's name."""
    tls: TlsFiles | None = None

    @model_validator(mode="after")
    def _require_distinct(self) -> ControlSettings:
        """Whoever asks is known by a name, so one that opens something must not be another's too."""
        issuers = [one.issuer for one in self.identity]
        if len(set(issuers)) < len(issuers):
            raise ValueError("names an issuer twice in identity: a token has to be judged by one set of rules")
        admins = {token.name for token in self.tokens}
        for sidecar in self.sidecars:
            if sidecar.apps and sidecar.name in admins:
                raise ValueError(f"names a sidecar with apps {sidecar.name}, which is also the name of a token")
            if set(sidecar.apps) != {Principal("app", name) for name in self.sidecar_apps[sidecar.name]}:
                raise ValueError(f"names two sidecars {sidecar.name}, with different apps")
            if sidecar.serves != self.sidecar_serves[sidecar.name]:
                raise ValueError(f"names two sidecars {sidecar.name}, which serve different owners")
        return self

    @property
    def assumable(self) -> dict[str, SessionRole]:
        """The roles that holders of keys may take, by name."""
        return {name: role.terms for name, role in self.sts_roles.items()}

    @property
    def sidecar_apps(self) -> dict[str, frozenset[str]]:
        """Of which apps each sidecar may have keys issued, by its name."""
        return {sidecar.name: frozenset(app.name for app in sidecar.apps) for sidecar in self.sidecars}

    @property
    def sidecar_serves(self) -> dict[str, tuple[NamePattern, ...]]:
        """Whose grants each sidecar is given, by its name."""
        return {sidecar.name: sidecar.serves for sidecar in self.sidecars}


class FailSettings(Section):
    """What happens to requests while a part is down: `closed` refuses with 503, `open` goes on and says so."""

    grants: Literal["closed"] = "closed"
    revocations: Literal["closed"] = "closed"
    limits: Literal["open", "closed"] = "open"
    audit: Literal["open", "closed"] = "open"

    def posture(self) -> FailPosture:
        return FailPosture(self.grants, self.revocations, self.limits, self.audit)


class LogSettings(Section):
    """Log lines go to standard output. `addresses` says how much of a caller's address they show."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console", "ecs"] = "json"
    addresses: Literal["full", "short", "none"] = "full"


class Deadlines(Section):
    """How long things may take, in seconds; `min_rate` is in bytes per second."""

    headers: Duration = 10.0
    """From a connection's first byte to the end of a request's headers."""
    min_rate: ByteRate = 1024
    """A body that moves more slowly than this is cut, in both directions."""
    connect: Duration = 5.0
    """To reach a store."""
    total: DurationOrNone = None
    """For a whole transfer, however fast; `none` is no limit."""
    notice: DurationOrNone = None
    """Between being told to stop, which makes `/readyz` fail, and accepting nothing more: load balancers look away."""
    drain: Duration = 30.0
    """For transfers in work after that."""


class RecordSettings(Section):
    """How long accounting records are kept. Audit events are kept for good."""

    keep: Duration = 30 * 86400.0


class Settings(Section):
    """One immutable snapshot of gateway.yaml and its overrides."""

    data: DataSettings
    control: ControlSettings = ControlSettings()
    state: StateField
    policies: Directory
    """The directory of policy files; relative paths start at the settings file."""
    trusted_proxies: tuple[Proxy, ...] = ()
    """Networks of proxies whose `X-Forwarded-For` is believed, or `loopback`, `private`, `unix`. Empty: the socket's
    address counts."""
    fail: FailSettings = FailSettings()
    log: LogSettings = LogSettings()
    deadlines: Deadlines = Deadlines()
    records: RecordSettings = RecordSettings()
    sharing: SharingSettings = SharingSettings()
    mail: MailSettings = MailSettings()

    @property
    def tls(self) -> dict[str, TlsFiles]:
        """The certificates of those of the two listeners that have one, by `data` and `control`."""
        found = {"data": self.data.tls, "control": self.control.tls}
        return {name: tls for name, tls in found.items() if tls is not None}

    @property
    def says_groups(self) -> bool:
        """Whether anybody tells of which groups users are: an issuer, a front proxy, or the central gateway."""
        control = self.control
        issuers = any(one.users is not None and one.users.groups is not None for one in control.identity)
        proxied = control.proxy_user is not None and control.proxy_user.groups_header is not None
        return issuers or proxied or self.state.grants.engine == "central"

    @property
    def guessable(self) -> list[str]:
        """Whose token can be guessed in time, since nothing but its length keeps it."""
        control = self.control
        named = [(f"control.tokens: {one.name}", one.secret) for one in control.tokens]
        named += [(f"control.sidecars: {one.name}", one.secret) for one in control.sidecars]
        named += [(f"control.credentials: {one.app}", one.token) for one in control.credentials]
        return [name for name, secret in named if len(secret.resolve()) < SHORTEST_TOKEN]

    @property
    def fixed_at_start(self) -> dict[str, object]:
        """What a reload cannot change, by its name."""
        return {
            "data.listen": self.data.listen,
            "data.trusted": self.data.trusted,
            "data.tls": self.data.tls is None,
            "data.unsigned_content_type": self.data.unsigned_content_type,
            "data.signatures": self.data.signatures,
            "data.sts": self.data.sts,
            "control.listen": self.control.listen,
            "control.tls": self.control.tls is None,
            "state": self.state,
            "log.format": self.log.format,
            "log.addresses": self.log.addresses,
            "deadlines.headers": self.deadlines.headers,
        }

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        """A section that is left out, or whose every line is commented out, has its defaults."""
        if not isinstance(value, dict):
            return value
        written = {key: below for key, below in value.items() if below is not None}
        return {"data": {}, "policies": "policies/"} | written
