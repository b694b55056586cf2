"""No secret that passes through the gateway is found again in what it writes: logs, metrics, records, answers, files.

Two hundred secrets and more are used well and badly, then every place is searched, in several spellings.
"""

from __future__ import annotations

import random
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from secrets import token_hex, token_urlsafe
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from gateway.core.token import ENTROPY_BYTES, LinkToken
from tests.fuzz.sent import Sent
from tests.fuzz.signers import Pair, Signer, form_body
from tests.servers import over_tls
from tests.servers.gateway import RunningGateway, gateway_before
from tests.servers.store import RunningStore

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

_ROBOT = '[{"app": "app:robot", "token": "env:ROBOT_TOKEN"}]'
_READS = ("/v1/links?limit=200", "/v1/keys?limit=200", "/v1/revocations", "/v1/backends", "/v1/policy", "/metrics")


@dataclass
class Secrets:
    """What must not be found again, by what it is."""

    known: dict[str, str] = field(default_factory=dict)

    def keep(self, kind: str, text: str) -> str:
        """Remember it; returns it."""
        self.known[text] = kind
        return text

    def found_in(self, data: bytes) -> list[str]:
        """Which of them stand there: plain, percent-encoded, in hex or in base64."""
        return [
            f"{kind} {text[:12]}…" for text, kind in self.known.items() if any(form in data for form in _forms(text))
        ]


def _forms(text: str) -> Iterator[bytes]:
    octets = text.encode()
    yield octets
    yield quote(text, safe="").encode()
    yield octets.hex().encode()
    yield b64encode(octets).rstrip(b"=")[:-1]


@dataclass
class Work:
    """A mixed workload. `answers` are what the data listener said, where no secret belongs."""

    gateway: RunningGateway
    bucket: str
    secrets: Secrets
    answers: list[bytes] = field(default_factory=list)

    def ask(self, sent: Sent) -> bytes:
        place = urlsplit(self.gateway.data)
        sent = replace(sent, headers=(("Host", place.netloc), *sent.headers, ("Connection", "close")))
        if sent.body or sent.method in {"PUT", "POST"}:
            sent = sent.setting("Content-Length", str(len(sent.body)))
        with over_tls.connect(self.gateway.data, timeout=20) as connection:
            connection.sendall(sent.encode())
            got = b"".join(iter(lambda: connection.recv(65536), b""))
        # These two bring a sender back to the address that was asked for, which is the link's.
        kept = (line for line in got.split(b"\r\n") if not line.startswith((b"Location: ", b"Set-Cookie: ")))
        self.answers.append(b"\r\n".join(kept))
        return got

    def links(self, count: int) -> None:
        """Links used in every way, with and without a password, rotated, edited and revoked."""
        keep = self.secrets.keep
        for number in range(count):
            password = keep("password", token_urlsafe(18)) if number % 2 else None
            more: dict[str, Any] = {"password": password} if password else {}
            if number % 3:
                more["uses"] = 30
            if number % 5 == 0:
                link = self.gateway.link(self.bucket, prefix="open/", actions=["read", "list", "write"], **more)
            else:
                link = self.gateway.link(self.bucket, f"open/{number % 4}.txt", **more)
            token = keep("link token", link.token)
            self._use(token, password)
            if number % 4 == 0:
                rotated = self.gateway.api("POST", f"/v1/links/{link.id}/rotate")
                self._use(keep("link token", rotated["token"]), password)
                self._use(token, password)
            if number % 4 == 1:
                changed = keep("password", token_urlsafe(18))
                self.gateway.api("PATCH", f"/v1/links/{link.id}", {"password": changed, "label": "changed"})
                self._use(token, changed)
            if number % 4 == 2:
                self.gateway.revoke(link)
                self._use(token, password)

    def _use(self, token: str, password: str | None) -> None:
        wrong = self.secrets.keep("wrong password", token_urlsafe(18))
        target, html = f"/s/{token}", ("Accept", "text/html")
        for sent in (
            Sent("GET", target),
            Sent("GET", target, (html, ("Referer", f"http://x{target}"), ("User-Agent", f"agent {token}"))),
            Sent("HEAD", f"{target}/x", (("Cookie", f"gateway_password={wrong}"),)),
            Sent("GET", f"{target}?password={wrong}", (("Range", "bytes=0-0"),)),
            Sent("GET", target, (("Authorization", f"Bearer {wrong}"),)),
            Sent("GET", target, (("Authorization", "Basic " + b64encode(f"u:{wrong}".encode()).decode()),)),
            Sent("PUT", f"{target}/new.txt", (), token.encode()),
            Sent("DELETE", target),
            Sent("GET", f"{target[:-1]}"),
            Sent("GET", f"{target}/../{token}"),
            Sent("GET", f"/{token}"),
            Sent("GET", f"/{self.bucket}/{token}/"),
        ):
            got = self.ask(sent)
            if b"<Resource>" in got:
                self.answers.pop()  # S3's errors repeat the path that was asked for
        if password is not None:
            form = (("Content-Type", "application/x-www-form-urlencoded"), html)
            self.ask(Sent("POST", target, form, urlencode({"password": wrong}).encode()))
            opened = self.ask(Sent("POST", target, form, urlencode({"password": password}).encode()))
            for line in opened.split(b"\r\n"):
                if line.startswith(b"Set-Cookie"):
                    self.secrets.keep("cookie", line.partition(b"=")[2].partition(b";")[0].decode())

    def keys(self, count: int, rng: random.Random) -> None:
        """Keys that sign in every way, well and badly."""
        for number in range(count):
            made = self.gateway.api("POST", "/v1/keys", {"app": "tests", "label": f"key {number}"})
            pair = Pair(
                self.secrets.keep("access key id", made["access_key_id"]),
                self.secrets.keep("secret key", made["secret_access_key"]),
            )
            self.sign(pair, rng)
            if number % 3 == 0:
                self.gateway.api("DELETE", f"/v1/keys/{made['id']}")
                self.sign(pair, rng)

    def sign(self, pair: Pair, rng: random.Random) -> None:
        place = urlsplit(self.gateway.data)
        signer, key = Signer(pair, time.time()), f"/{self.bucket}/open/{rng.randint(0, 9)}.txt"
        plain = Sent("GET", key, (("Host", place.netloc),))
        for sent in (
            signer.v4(plain, "UNSIGNED-PAYLOAD"),
            signer.v4_query(plain),
            signer.v2(plain),
            signer.v2_query(plain),
            signer.v4(replace(plain, target=f"/{self.bucket}"), "UNSIGNED-PAYLOAD").asking(query="list-type=2"),
            signer.v4_query(replace(plain, method="PUT")),
            Signer(pair, time.time() - 9000).v4_query(plain),
            Signer(Pair(pair.key, pair.secret + "x"), time.time()).v4(plain, "UNSIGNED-PAYLOAD"),
        ):
            for name in ("Signature=", "Signature%3D"):
                text = f"{sent.header('Authorization')}&{sent.query}"
                if name in text:
                    self.secrets.keep("signature", text.partition(name)[2].partition("&")[0])
            self.ask(replace(sent, headers=tuple(pair for pair in sent.headers if pair[0] != "Host")))
        fields = signer.form({"key": "open/f.txt", "bucket": self.bucket}, [])
        self.secrets.keep("form signature", fields["X-Amz-Signature"])
        boundary = f"b{rng.getrandbits(50):x}"
        sent = Sent("POST", f"/{self.bucket}", (("Content-Type", f"multipart/form-data; boundary={boundary}"),))
        self.ask(replace(sent, body=form_body(fields, "f.txt", b"x", boundary)))
        self.ask(replace(sent, body=form_body({**fields, "key": "other"}, "f.txt", b"x", boundary)))

    def sessions(self, token: str) -> None:
        """Short-lived keys of an app, fetched with its own token."""
        for _ in range(3):
            got = self.gateway_get("/v1/credentials/robot", token)
            pair = Pair(got["AccessKeyId"], got["SecretAccessKey"], got["Token"])
            for kind, text in (("session key id", pair.key), ("session secret", pair.secret)):
                self.secrets.keep(kind, text)
            self.secrets.keep("session token", got["Token"])
            self.sign(pair, random.Random(1))

    def gateway_get(self, path: str, token: str) -> Any:
        changed = replace(self.gateway, admin_token=token)
        return changed.api("GET", path)

    def strangers(self, count: int) -> None:
        """Guesses, as tokens, as keys and as administrators."""
        at = urlsplit(self.gateway.control)
        for number in range(count):
            token = self.secrets.keep(
                "unknown token", LinkToken.mint(random.Random(number).randbytes(ENTROPY_BYTES)).text
            )
            self.ask(Sent("GET", f"/s/{token}"))
            guess = self.secrets.keep("admin guess", token_hex(20))
            with_guess = {"Authorization": f"Bearer {guess}"}
            connection = over_tls.dial(at.geturl(), timeout=10)
            connection.request("GET", f"/v1/links?token={guess}", headers=with_guess)
            answer = connection.getresponse().read()
            self.answers.append(answer)
            connection.close()


@pytest.fixture(scope="module")
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture(scope="module")
def work(seaweedfs: RunningStore, secrets: Secrets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    """The workload, done."""
    robot = secrets.keep("app token", token_urlsafe(30))
    environ = {"ROBOT_TOKEN": robot, "GATEWAY_CONTROL__CREDENTIALS": _ROBOT, "GATEWAY_LOG__LEVEL": "debug"}
    directory = tmp_path_factory.mktemp("canaries")
    with gateway_before([seaweedfs], directory, environ=environ) as gateway:
        secrets.keep("store's key", seaweedfs.access_key)
        secrets.keep("store's secret", seaweedfs.secret_key)
        secrets.keep("admin token", gateway.admin_token)
        bucket = seaweedfs.profile
        for number in range(4):
            key = f"inside/open/{number}.txt"
            seaweedfs.client().put_object(Bucket=gateway.real_buckets[bucket], Key=key, Body=b"x" * 100)
        done = Work(gateway, bucket, secrets)
        done.links(30)
        done.keys(12, random.Random(5))
        done.sessions(robot)
        done.strangers(40)
        yield done


def test_there_were_enough(work: Work) -> None:
    """At least two hundred secrets of every kind were used, and the gateway did answer."""
    assert len(work.secrets.known) >= 200
    assert {"link token", "password", "secret key", "session token", "signature", "cookie", "store's secret"} <= set(
        work.secrets.known.values()
    )
    statuses = {answer[9:12] for answer in work.answers}
    assert {b"200", b"206", b"400", b"401", b"403", b"404", b"410"} <= statuses


def test_no_answer_tells_a_secret(work: Work) -> None:
    """Neither an object's answer, nor a page, nor a refusal repeats a secret that came with the request."""
    for answer in work.answers:
        assert [] == work.secrets.found_in(answer), answer[:600]


def test_nothing_an_operator_reads_has_a_secret(work: Work) -> None:
    """Lists, records, the audit trail, metrics and the loaded policy."""
    listed = [work.gateway.api("GET", path) for path in _READS]
    ids = [each["id"] for each in listed[0]["links"]]
    assert len(ids) >= 30
    listed += [work.gateway.api("GET", f"/v1/links/{each}{more}") for each in ids for more in ("", "/records")]
    for each in listed:
        assert [] == work.secrets.found_in(repr(each).encode())


def test_no_file_holds_a_secret(work: Work) -> None:
    """The log at its most talkative, the database and its journals, and whatever else lies in the directory."""
    files = [path for path in work.gateway.directory.rglob("*") if path.is_file()]
    assert {"gateway.log", "gateway.db"} <= {path.name for path in files}
    for path in files:
        assert [] == work.secrets.found_in(path.read_bytes()), path.name


def test_the_search_finds_what_is_there(work: Work) -> None:
    """Control: a label and an object's name, which may be kept, are found in all these places."""
    label, name = token_hex(20), f"open/{token_hex(20)}.txt"
    link = work.gateway.link(work.bucket, name, label=label)
    missing = work.ask(Sent("GET", f"/{work.bucket}/{name}"))
    work.ask(Sent("GET", f"/s/{link.token}"))
    probe = Secrets()
    probe.keep("label", label)
    probe.keep("name", name)
    assert 1 == len(probe.found_in(missing))
    assert 2 == len(probe.found_in(repr(work.gateway.api("GET", f"/v1/links/{link.id}")).encode()))
    written = b"".join(path.read_bytes() for path in work.gateway.directory.rglob("gateway.*") if path.is_file())
    assert 2 == len(probe.found_in(written))
