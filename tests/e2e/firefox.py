"""Owns a real Firefox without a window, driven by the Marionette protocol that it speaks itself: lengths and JSON."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import over_tls
from tests.servers.process import free_ports

__all__ = ["Firefox", "firefox"]

_PREFERENCES = {
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.normandy.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}


class Firefox:
    """One tab."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sent = 0
        self._read()
        wanted = {"unhandledPromptBehavior": "ignore", "acceptInsecureCerts": over_tls.trust() is not None}
        self.call("WebDriver:NewSession", capabilities={"alwaysMatch": wanted})
        self.call("WebDriver:SetTimeouts", pageLoad=15000, script=5000)

    def open(self, url: str) -> None:
        self.call("WebDriver:Navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """An expression's value, in the page."""
        return self.call("WebDriver:ExecuteScript", script=f"return {expression}", args=[])["value"]

    def call(self, name: str, **arguments: Any) -> Any:
        self._sent += 1
        message = json.dumps([0, self._sent, name, arguments]).encode()
        self._connection.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._read()
        assert error is None, (name, error)
        return result

    def _read(self) -> Any:
        size = b""
        while not size.endswith(b":"):
            size += self._more(1)
        body = b""
        while len(body) < int(size[:-1]):
            body += self._more(int(size[:-1]) - len(body))
        return json.loads(body)

    def _more(self, most: int) -> bytes:
        data = self._connection.recv(most)
        assert data, "Firefox has gone"
        return data


@contextmanager
def firefox(program: str, home: Path) -> Iterator[Firefox]:
    """A browser with a profile of its own in `home`."""
    [port] = free_ports(1)
    preferences = {"marionette.port": port, **_PREFERENCES}
    lines = [f"user_pref({json.dumps(name)},{json.dumps(value)});" for name, value in preferences.items()]
    (home / "user.js").write_text("\n".join(lines))
    command = [program, "--headless", "--marionette", "--no-remote", "--profile", str(home), "about:blank"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env={**os.environ, "HOME": str(home)}, **quiet) as child:
        try:
            with _connected(port) as connection:
                yield Firefox(connection)
        finally:
            child.kill()


def _connected(port: int, within: float = 60.0) -> socket.socket:
    deadline = time.monotonic() + within
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        except OSError:
            assert time.monotonic() < deadline, "Firefox does not listen"
            time.sleep(0.1)
