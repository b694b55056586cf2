"""The image's steps, where there is no engine to build it: `python -m tests.ops.image` (as root, some minutes).

It reads the Dockerfile, carries out each instruction in a clean Debian root in place of the base image (the same
Debian, the same minor version of Python), takes every shell away, and starts the result as the Dockerfile says: as its
user, on a read-only root, with one writable directory, in a network of its own, so that nobody else answers at its
ports. The health check must pass, and a write elsewhere must fail.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["Stage", "stages"]

_ROOT: Final = Path(__file__).resolve().parents[2]
_BASE: Final = re.compile(r"python:3\.11-slim-bookworm(@sha256:[0-9a-f]{64})?")
_SHELLS: Final = ("bin/sh", "bin/bash", "bin/dash", "bin/rbash", "usr/bin/sh", "usr/bin/bash", "usr/bin/dash")
_PIP_SETTINGS: Final = (
    Path("/etc/pip.conf"),
    Path("~/.config/pip/pip.conf").expanduser(),
    Path("~/.pip/pip.conf").expanduser(),
)
"""Where this machine says which index its pip asks; the build asks the same one."""


@dataclass(slots=True)
class Stage:
    """One FROM and what follows it: pairs of instruction and text, continuation lines joined."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def last(self, instruction: str) -> str:
        """The text of the last such instruction. Raises IndexError if there is none."""
        return [text for found, text in self.steps if found == instruction][-1]

    def environment(self) -> dict[str, str]:
        """What its ENV instructions set, build arguments at their defaults."""
        pairs = [shlex.split(text) for found, text in self.steps if found == "ENV"]
        return dict(pair.split("=", 1) for texts in pairs for pair in texts)


def stages(text: str) -> list[Stage]:
    """A Dockerfile's stages, comments left out; one that only names the base is told by those that begin with it."""
    found: list[Stage] = []
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            named = {stage.name: stage.base for stage in found if not stage.steps}
            found.append(Stage(named.get(base, base), name))
        elif instruction:
            found[-1].steps.append((instruction, rest.strip()))
    return [stage for stage in found if stage.steps]


def _clean_root(root: Path) -> None:
    """What stands for the base image: Debian, Python, nothing else; `python` is its name there."""
    packages = "python3,python3-venv,ca-certificates"
    subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", root], check=True, stdout=2
    )
    root.joinpath("usr/local/bin/python").symlink_to("/usr/bin/python3")


def _build(stage: Stage, root: Path, others: dict[str, Path]) -> None:
    directory = Path("/")
    for instruction, text in stage.steps:
        if instruction == "WORKDIR":
            directory = Path(text)
            root.joinpath(str(directory).lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif instruction == "COPY":
            _copy(text, root, directory, others)
        elif instruction == "RUN":
            _enter(root, ["/bin/sh", "-c", f"cd {directory} && {text}"], stage.environment())


def _copy(text: str, root: Path, directory: Path, others: dict[str, Path]) -> None:
    *sources, target = [word for word in shlex.split(text) if not word.startswith("--from=")]
    origin = re.search(r"--from=(\S+)", text)
    above = others[origin[1]] if origin else _ROOT
    place = root / str(directory / target).lstrip("/")
    for source in sources:
        thing = above / source.strip("/")
        into = place / thing.name if target.endswith(("/", ".")) and not thing.is_dir() else place
        into.parent.mkdir(parents=True, exist_ok=True)
        if thing.is_dir():
            shutil.copytree(thing, into, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(thing, into)


def _enter(root: Path, command: list[str], environ: dict[str, str]) -> None:
    """Run in the root, with this machine's names, certificates and package index."""
    for path in (Path("/etc/resolv.conf"), Path("/etc/ssl/certs/ca-certificates.crt"), *_PIP_SETTINGS):
        if path.is_file():
            shutil.copy(path, root / "etc" / "pip.conf" if path in _PIP_SETTINGS else root / str(path).lstrip("/"))
    ours = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}
    given = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root", **ours, **environ}
    subprocess.run(["/usr/sbin/chroot", root, *command], env=given, check=True, stdout=2)


def _try(final: Stage, root: Path) -> list[str]:
    """Start it, ask it, try to write; returns what was not as it should be."""
    for name in _SHELLS:
        root.joinpath(name).unlink(missing_ok=True)
    user, _, group = final.last("USER").partition(":")
    writable = root / final.last("VOLUME").strip("/")
    mounts = f"mount --bind {root} {root} && mount -o remount,ro,bind {root} && mount -t tmpfs none {writable}"
    mounts += f" && chown {user}:{group} {writable} && mount -t proc none {root}/proc"
    inside = f"/usr/sbin/chroot --userspec={user}:{group} {root} env -C {final.last('WORKDIR')}"
    main = shlex.join(json.loads(final.last("ENTRYPOINT")) + json.loads(final.last("CMD")))
    environ = {"GATEWAY_ADMIN_TOKEN": "x" * 40, **final.environment()}
    start = f"ip link set lo up && cd / && {mounts} && exec {inside} {main}"
    log = root.with_suffix(".log")
    with log.open("wb") as output:
        outer = {**environ, "PATH": f"{environ['PATH']}:/usr/sbin:/sbin"}
        child = subprocess.Popen(["unshare", "-m", "-n", "sh", "-c", start], env=outer, stdout=output, stderr=output)
    try:
        return _ask(final, child, inside, environ, log)
    finally:
        child.terminate()
        child.wait(20)


def _ask(final: Stage, child: subprocess.Popen[bytes], inside: str, environ: dict[str, str], log: Path) -> list[str]:
    check = json.loads(final.last("HEALTHCHECK").partition("CMD ")[2])
    enter = ["nsenter", "-m", "-n", "-t", str(child.pid), *shlex.split(inside)]
    outer = {**environ, "PATH": f"{environ['PATH']}:/usr/sbin:/sbin"}
    deadline = time.monotonic() + 60
    while (healthy := subprocess.run([*enter, *check], env=outer, capture_output=True, check=False)).returncode:
        if child.poll() is not None or time.monotonic() > deadline:
            return [f"not healthy: {healthy.stderr.decode()[-500:]} {log.read_text()[-1500:]}"]
        time.sleep(0.2)
    faults = []
    facts = Path(f"/proc/{child.pid}/status").read_text()
    if f"Uid:\t{final.last('USER').partition(':')[0]}\t" not in facts:
        faults.append("it does not run as the user of the Dockerfile")
    write = [*enter, "python", "-c", "open('/etc/gateway/written', 'w')"]
    refused = subprocess.run(write, env=outer, capture_output=True, check=False)
    if b"Read-only file system" not in refused.stderr:
        faults.append("its root can be written")
    child.terminate()
    if (code := child.wait(60)) != 0:
        faults.append(f"SIGTERM ended it with {code}")
    return faults


def _main() -> int:
    build, final = stages((_ROOT / "Dockerfile").read_text())
    if not all(_BASE.fullmatch(stage.base) for stage in (build, final)):
        raise SystemExit("the base image is another one: this script stands in for python:3.11-slim-bookworm")
    with tempfile.TemporaryDirectory() as place:
        base, first, second = (Path(place) / name for name in ("base", "build", "final"))
        _clean_root(base)
        for root in (first, second):
            subprocess.run(["cp", "-a", base, root], check=True)
        _build(build, first, {})
        _build(final, second, {build.name: first})
        size = subprocess.run(["du", "-sm", second / "opt"], capture_output=True, text=True, check=True).stdout.split()[
            0
        ]
        faults = _try(final, second)
    print(
        f"built: {size} MB beside the base; "
        + ("; ".join(faults) or "healthy, unprivileged, read-only, without a shell")
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(_main())
