"""Owns the ways in which whole runs may be done otherwise, here and in every process that is started:
`python -m tests.servers.otherwise --over-tls --without-uvloop -m tests.ops --only rolling`.

Refuses to own what is run: what follows the options is for Python. The options of pytest do the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.servers import over_tls

__all__ = ["OPTIONS", "begin"]

OPTIONS: Final = {
    "--without-uvloop": "serve on asyncio's event loop, in every process",
    "--over-tls": "encrypt what goes to listeners, and from there to stores",
}
_WITHOUT_UVLOOP: Final = Path(__file__).parent / "without_uvloop"


def begin(options: Iterable[str], directory: Path) -> None:
    """Do so from here on; a certificate is made in the directory."""
    if "--without-uvloop" in options:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_WITHOUT_UVLOOP), os.environ.get("PYTHONPATH"))))
    if "--over-tls" in options:
        over_tls.begin(directory)
        over_tls.pass_on()


def _main(arguments: list[str]) -> int:
    count = next((at for at, one in enumerate(arguments) if one not in OPTIONS), len(arguments))
    with TemporaryDirectory() as directory:
        begin(arguments[:count], Path(directory))
        return subprocess.run([sys.executable, *arguments[count:]], check=False).returncode


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
