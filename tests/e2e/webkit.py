"""Owns a real WebKit, Safari's engine, on a screen that nobody sees, driven by WebDriver: JSON over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.servers import over_tls
from tests.servers.process import free_ports

__all__ = ["Webkit", "webkit"]

_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
"""What WebDriver calls an element's reference."""


class Webkit:
    """One window."""

    def __init__(self, address: str) -> None:
        self._at = f"{address}/session"
        wanted = {"acceptInsecureCerts": over_tls.trust() is not None}
        self._at += "/" + self.call("", capabilities={"alwaysMatch": wanted})["sessionId"]
        self.call("/timeouts", pageLoad=60000, script=60000)

    def open(self, url: str) -> None:
        self.call("/url", url=url)

    def evaluate(self, expression: str) -> Any:
        """An expression's value, in the page or in the frame that was entered."""
        return self.call("/execute/sync", script=f"return {expression}", args=[])

    def enter(self, selector: str) -> None:
        """Go on in this frame, whosever it is."""
        found = self.call("/element", using="css selector", value=selector)
        self.call("/frame", id={_ELEMENT: found[_ELEMENT]})

    def call(self, command: str, **arguments: Any) -> Any:
        asked = urllib.request.Request(
            self._at + command, json.dumps(arguments).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(asked, timeout=90) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as refused:
            raise AssertionError(refused.read().decode()) from None


@contextmanager
def webkit(program: str, home: Path) -> Iterator[Webkit]:
    """A browser with a profile of its own in `home`."""
    [port] = free_ports(1)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    read, written = os.pipe()
    screen = ["Xvfb", "-displayfd", str(written), "-nolisten", "tcp", "-screen", "0", "1280x1024x24"]
    with subprocess.Popen(screen, pass_fds=[written], **quiet) as shown, os.fdopen(read) as told:
        os.close(written)
        settings = {"DISPLAY": f":{told.readline().strip()}", "HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
        try:
            with subprocess.Popen([program, f"--port={port}"], env=os.environ | settings, **quiet) as child:
                try:
                    yield Webkit(_answering(f"http://127.0.0.1:{port}"))
                finally:
                    child.terminate()  # it ends its browser
        finally:
            shown.kill()


def _answering(address: str, within: float = 60.0) -> str:
    deadline = time.monotonic() + within
    while True:
        try:
            urllib.request.urlopen(f"{address}/status", timeout=30).close()
        except OSError:
            assert time.monotonic() < deadline, "WebKitWebDriver does not answer"
            time.sleep(0.1)
        else:
            return address
