"""`python -m tests.vectors.record [NAME...]`: run client stacks before a recording listener; writes `stacks/*.json`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers.certificate import certificate
from tests.vectors.framing import header
from tests.vectors.record.install import command, prepare, version_of
from tests.vectors.record.listener import Heard, listening
from tests.vectors.record.recipes import RECIPES, Recipe
from tests.vectors.record.store import BUCKET
from tests.vectors.stack import STACKS, Request, Stack, packed_size, write

ACCESS_KEY = "GWKRECORDEDAAAAAAAAAAAAAAAAAAAAAAAAAA"
SECRET_KEY = "made4UpForTheseTestsAndOpensNothingAnywhere"
_SMALL = b"".join(b"line %d of the small file\n" % number for number in range(60))
_BIG = 6 * 1024 * 1024
_LONGEST = 120
_LARGEST = 1 << 15
_TOLD = 3
"""Failed steps that are shown of one run."""
_DRIVERS = Path(__file__).with_name("drivers")
_CLIENTS = Path(__file__).parents[2] / "clients" / "drivers"


def main(names: list[str]) -> int:
    """0 if every stack sent something."""
    silent = 0
    for recipe in RECIPES:
        if names and recipe.name not in names and recipe.label not in names:
            continue
        try:
            prepare(recipe)
            found = _record(recipe)
        except (subprocess.SubprocessError, OSError) as failure:
            _say(f"{recipe.label}: {failure}")
            silent += 1
            continue
        _say(f"{recipe.label} {found.version}: {len(found.requests)} requests")
        silent += not found.requests
        if found.requests:
            STACKS.mkdir(exist_ok=True)
            (STACKS / f"{recipe.label}.json").write_text(write(found))
    return 1 if silent else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _record(recipe: Recipe) -> Stack:
    heard: list[Request] = []
    with tempfile.TemporaryDirectory(prefix="record-") as home:
        directory = Path(home)
        pair = certificate(directory, "localhost", f"{BUCKET}.localhost")
        for over in recipe.over:
            with listening(pair if over == "https" else None) as listener:
                for driver in recipe.drivers:
                    _drive(recipe, driver, listener, over, directory)
                heard += listener.requests
    return Stack(
        recipe.name,
        version_of(recipe),
        recipe.language,
        recipe.origin,
        recorded=True,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        requests=tuple(_kinds(heard)),
    )


def _drive(recipe: Recipe, driver: str, listener: Heard, over: str, directory: Path) -> None:
    """Run one program of the stack. What it says of failed steps is shown: its requests are kept all the same."""
    work = directory / f"{over}-{driver}"
    work.mkdir()
    (work / "small.bin").write_bytes(_SMALL)
    (work / "big.bin").write_bytes(bytes(_BIG))
    (work / "hosts").write_text(f"127.0.0.1 localhost {BUCKET}.localhost\n")
    place = _DRIVERS / driver if (_DRIVERS / driver).exists() else _CLIENTS / driver
    done = subprocess.run(
        command(recipe, place, work),
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_LONGEST,
        cwd=work,
        env=_environ(listener.port, over, directory, work) | recipe.environ,
    )
    told = re.findall(r'^{.*"ok": ?false.*}$', done.stdout, re.MULTILINE)
    for line in told[:_TOLD] or ([done.stderr[-400:]] if done.returncode else []):
        _say(f"  {recipe.label} {over} {driver}: {line[:400]}")


def _environ(port: int, over: str, directory: Path, work: Path) -> dict[str, str]:
    authority = str(directory / "tls.crt")
    trusting = ("AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "RCLONE_CA_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    trusting += ("CURL_CA_BUNDLE", "PERL_LWP_SSL_CA_FILE", "GDAL_CURL_CA_BUNDLE", "CA_FILE")
    return dict.fromkeys(trusting, authority) | {
        "PATH": os.environ["PATH"],
        "HOME": str(work),
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": f"{_CLIENTS}:{_DRIVERS}",
        "ENDPOINT": f"{over}://127.0.0.1:{port}",
        "PORT": str(port),
        "NSS_WRAPPER_HOSTS": str(work / "hosts"),
        "OVER": over,
        "AWS_ENDPOINT_URL_S3": f"{over}://127.0.0.1:{port}",
        "AWS_ENDPOINT_URL": f"{over}://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
        "BUCKET": BUCKET,
        "PREFIX": "in/",
        "WORK": str(work),
        "MANY": "in/",
        "COUNT": "0",
    }


def _kinds(heard: list[Request]) -> list[Request]:
    """One request of each kind, the one with the smallest body: a thousand alike prove no more than one.

    What only a large file would hold is left out.
    """
    kept: dict[object, Request] = {}
    for request in heard:
        kind = _kind(request)
        held = kept.get(kind)
        if held is None or len(request.body) < len(held.body):
            kept[kind] = request
    return [request for request in kept.values() if packed_size(request) <= _LARGEST]


def _kind(request: Request) -> object:
    """What the rules of verification can tell apart: method, sort of path and host, names, their order, framing."""
    method, target, _ = request.head[0].split(" ", 2)
    path, _, query = target.partition("?")
    parameters = tuple(part.partition("=")[0] for part in query.split("&"))
    names = tuple(line.partition(":")[0] for line in request.head[1:])
    hashed = re.sub(r"[0-9a-f]{64}", "HASH", header(request, "x-amz-content-sha256") or "")
    scheme = (header(request, "authorization") or "").partition(" ")[0]
    named = (header(request, "host") or "").startswith(f"{BUCKET}.")
    marks = "%" in path, frozenset(re.findall(r"[^A-Za-z0-9/._%-]", path))
    return method, path.count("/") > 1, marks, parameters, names, hashed, scheme, named


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
