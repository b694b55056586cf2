"""Owns the support bundle: what a gateway and its files report, in one archive.

Refuses to own what the parts mean (the control API, `gateway.cli.check`, `gateway.cli.doctor`).

Law: no secret is in it. Settings are written as their reprs, which show references and never values; objects' names
come in only as far as the audit trail has them; and every text passes the same fence as the log. A part that cannot be
had says why, and the others come all the same.
"""

from __future__ import annotations

import io
import json
import os
import platform
import sys
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from gateway import __version__
from gateway.cli.client import Control, control_without_token
from gateway.cli.output import json_option, print_json, say
from gateway.cli.values import config_option

_LAST: Final = 500
"""Entries of the audit trail."""

_TIMEOUT: Final = 10.0
"""Seconds for one answer: a bundle is asked for when things are slow."""


@click.command("support-bundle")
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="The file; named by the time unless given."
)
@config_option
@json_option
def support_bundle(out: Path | None, config: Path, *, as_json: bool) -> None:
    """Write what helps to find a fault into one archive, without a secret in it.

    It holds the version, what `gateway check` and `gateway doctor` say, the settings with references in place of
    secrets, the rules in force, readiness, metrics and the last entries of the audit trail. It changes nothing.
    """
    api = control_without_token(_TIMEOUT)
    parts: dict[str, Callable[[], str]] = {
        "version.json": _version,
        "check.json": lambda: _check(config),
        "settings.txt": lambda: _settings(config),
        "doctor.json": lambda: _doctor(config),
        "readyz.json": lambda: _answer(api, "/readyz", {200, 503}),
        "metrics.txt": lambda: _answer(api, "/metrics"),
        "backends.json": lambda: _answer(api, "/v1/backends"),
        "policy.json": lambda: _answer(api, "/v1/policy"),
        "audit.json": lambda: _audit(api),
    }
    texts: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name, part in parts.items():
        try:
            texts[name] = part()
        except Exception as error:  # noqa: BLE001 (whatever is broken, the other parts are wanted)
            missing[name] = f"{type(error).__name__}: {error}"
    texts["contents.json"] = _json({"parts": sorted(texts), "missing": missing})
    file = out or Path(time.strftime("gateway-support-%Y%m%dT%H%M%SZ.tar.gz", time.gmtime()))
    _write(file, texts)
    if as_json:
        print_json({"file": str(file), "parts": sorted(texts), "missing": sorted(missing)})
        return
    for name in missing:
        say(f"{name} could not be had: contents.json says why.")
    click.echo(str(file))


def _version() -> str:
    return _json({"gateway": __version__, "python": sys.version, "platform": platform.platform()})


def _check(config: Path) -> str:
    from gateway.cli.check import read_files

    faults, summary = read_files(config)
    return _json({"faults": faults, **summary})


def _settings(config: Path) -> str:
    from gateway.settings.load import load_settings

    settings = load_settings(config, os.environ)
    return "".join(f"{name}: {getattr(settings, name)!r}\n" for name in type(settings).model_fields)


def _doctor(config: Path) -> str:
    from gateway.cli.doctor import examine_all
    from gateway.cli.serve import run_loop
    from gateway.core.finding import Finding

    found: list[Finding] = []
    run_loop(lambda: examine_all(config, None, found, write=False, as_json=True))
    return _json({"findings": [asdict(finding) for finding in found]})


def _answer(api: Control, path: str, expected: set[int] | None = None, query: Mapping[str, Any] | None = None) -> str:
    """The body of an answer.

    Raises:
        ValueError: it has a status that was not expected.
    """
    status, body = api.ask("GET", path, query=query)
    if status not in (expected or {200}):
        raise ValueError(f"answered {status}")
    return body.decode("utf-8", "replace")


def _audit(api: Control) -> str:
    head = json.loads(_answer(api, "/v1/audit", query={"limit": 1}))["head"]["number"]
    return _answer(api, "/v1/audit", query={"after": max(0, head - _LAST), "limit": _LAST})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _write(file: Path, texts: Mapping[str, str]) -> None:
    """The archive, readable by its owner only.

    Raises:
        click.UsageError: the file is there already, or cannot be made.
    """
    from gateway.telemetry.redaction import scrub

    now = int(time.time())
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror or error}.") from None
    with os.fdopen(handle, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, text in texts.items():
            content = scrub(text).encode()
            entry = tarfile.TarInfo(f"{file.name.removesuffix('.tar.gz')}/{name}")
            entry.size, entry.mtime, entry.mode = len(content), now, 0o600
            archive.addfile(entry, io.BytesIO(content))
