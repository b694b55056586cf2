"""Somebody who signs in with the command line at a central gateway, and shares what sidecars serve."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.replicas.fleet import Fleet, fleet
from tests.servers import over_tls
from tests.servers.oidc import PERSON, Provider, running_provider
from tests.servers.store import RunningStore

pytestmark = [
    pytest.mark.e2e,
    # The provider's library calls parts of its own that are going.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

_ENVIRON = {"SIDECAR_TOKEN": "a-sidecars-token-of-many-letters"}
_RULE = """
  - {name: finance shares, who: "group:finance", may: [read, share], on: lab/**, links: {max_expires: 1d}}
"""


@dataclass
class Scene:
    """A central gateway with a sidecar, and somebody's terminal before the central one."""

    pair: Fleet
    provider: Provider
    config: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environ = {
            "GATEWAY_URL": self.pair.gateways[0].control,
            "GATEWAY_CONFIG_DIR": str(self.config),
            "PATH": "/usr/bin:/bin",
            **over_tls.program_variables(),
        }
        command = [sys.executable, "-m", "gateway", *arguments]
        return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments: str, expect: int = 0) -> str:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        assert expect == process.returncode, err
        return out

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def login(self) -> None:
        process = self.start("login", "--no-browser")
        assert process.stderr is not None
        address = next(line.strip() for line in process.stderr if line.strip().startswith("http"))
        self.provider.sign_in(address)
        out, err = process.communicate(timeout=60)
        assert (0, f"user:{PERSON}\n") == (process.returncode, out), err

    def status(self, url: str, gateway: int = 1) -> int:
        """What a gateway answers to the link; the sidecar unless said otherwise."""
        connection = over_tls.dial(self.pair.gateways[gateway].data, timeout=10)
        connection.request("GET", urlsplit(url).path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def await_status(self, url: str, expected: set[int]) -> None:
        """Ask until it is answered so; a request that runs when its link ends may be broken off."""
        deadline = time.monotonic() + 10
        found = None
        while found not in expected:
            assert time.monotonic() < deadline, found
            with suppress(ConnectionError):
                found = self.status(url)


@pytest.fixture
def scene(rclone: RunningStore, tmp_path: Path) -> Iterator[Scene]:
    with running_provider() as provider:
        control = (
            'sidecars: [{name: first, secret: "env:SIDECAR_TOKEN"}], '
            f'identity: {{issuer: "{provider.issuer}", audience: cli, cli: {{client_id: cli}}, '
            'users: {groups: groups, admit: "*@acme.example"}}'
        )
        states = ['"sqlite:///central.db"']
        with fleet(tmp_path, rclone, states, control=control, environ=_ENVIRON, policy=_RULE) as central:
            central.put("small", b"small")
            state = f'{{grants: "central+{central.gateways[0].control}", token: "env:SIDECAR_TOKEN"}}'
            beside = tmp_path / "beside"
            with fleet(
                beside, rclone, [state], environ=_ENVIRON, policy=_RULE, bucket=central.real_bucket
            ) as followers:
                gateways = [*central.gateways, *followers.gateways]
                yield Scene(Fleet(gateways, rclone, central.real_bucket), provider, tmp_path / "kept")


def test_what_a_person_shares_by_a_group_is_served_beside_the_apps(scene: Scene) -> None:
    """Made, seen, changed and ended by its owner; and it stands on the rule about their group, at the sidecar too."""
    scene.run("link", "create", "lab/small", "--expires", "1h", expect=2)
    scene.login()
    made = scene.json("link", "create", "lab/small", "--expires", "1h", "--label", "mine")
    assert (f"user:{PERSON}", ["finance"]) == (made["owner"], made["groups"])
    assert [200, 200] == [scene.status(made["url"], gateway) for gateway in (0, 1)]
    deadline = time.monotonic() + 10
    while not scene.json("link", "log", made["id"])["records"]:
        assert time.monotonic() < deadline
    assert "new" == scene.json("link", "edit", made["id"], "--label", "new")["label"]
    assert [made["id"]] == [link["id"] for link in scene.json("link", "ls")["links"]]
    scene.run("link", "create", "lab/small", "--expires", "2d", expect=1)
    scene.run("key", "create", "web", expect=1)

    rules = scene.pair.gateways[1].directory.parent / "policies" / "fleet.yaml"
    text = rules.read_text()
    rules.write_text(text.replace("group:finance", "group:others"))
    scene.await_status(made["url"], {403, 404, 410})
    rules.write_text(text)
    scene.await_status(made["url"], {200})

    other = scene.json("link", "create", "lab/small", "--expires", "1h")
    assert 1 == scene.json("link", "revoke", other["id"])["revoked"]
    scene.await_status(other["url"], {404, 410})
    assert 200 == scene.status(made["url"])
    admin = scene.pair.gateways[0]
    assert 1 == admin.api("POST", "/v1/revocations", {"owner": f"user:{PERSON}"})["revoked"]
    scene.await_status(made["url"], {404, 410})
    scene.run("logout")
    scene.run("link", "ls", expect=2)
