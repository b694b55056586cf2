"""Owns the names that files get in an archive: what every system that unpacks it can make a file of, no two alike.

Refuses to own the archive's bytes (`gateway.wire.links.archive`), and who may read which file.

Laws: an object's name was chosen by its uploader, so a name is changed where it would lead out of the folder, mean a
device, hide what it is, or be the same as another on a system that folds letters; and nowhere else. A name that was
changed is listed (`note`): no file is left out because of a name that could be changed.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from gateway.core.reasons import Reason, Refused

MOST_FOLDERS: Final = 100_000
_MOST_TOLD: Final = 10_000
_LONGEST: Final = 240
"""Bytes of one step of a path; file systems end at 255, and a number may follow."""

_LONGEST_ENDING: Final = 16
_FORBIDDEN: Final = re.compile(r'[<>:"|?*\\/]')
# Windows: these with any ending, in any letters, wherever they stand.
_DEVICE: Final = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\xb9\xb2\xb3]) *(?:\..*)?", re.IGNORECASE
)
# Direction marks let `exe.gpj` read as `jpg.exe`; the others have no shape at all.
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufff9-\ufffb\ufffe\uffff]"
)


class MemberNames:
    """Gives names, one by one, in the order of the objects. `changed` has what was changed: before and after."""

    def __init__(self) -> None:
        self.changed: list[tuple[str, str]] = []
        self.folders = 0
        self._root = _Folder("")

    def file(self, path: str) -> str:
        """The name of a file."""
        *above, last = path.split("/")
        folder = self._folder(above)
        name = folder.path + folder.free(_step(last) or "_")
        return self._told(path, name)

    def folder(self, path: str) -> str:
        """The name of a folder, whose path ends with a slash."""
        return self._told(path, self._folder(path.split("/")[:-1]).path)

    def _folder(self, steps: Iterable[str]) -> _Folder:
        here = self._root
        for step in steps:
            if not step:
                continue  # a slash too many, which no file system has
            below = here.inner.get(step)
            if below is None:
                self.folders += 1
                if self.folders > MOST_FOLDERS:
                    raise Refused(Reason.TOO_LARGE, f"the folder has more than {MOST_FOLDERS} folders")
                below = here.inner[step] = _Folder(f"{here.path}{here.free(_step(step))}/")
            here = below
        return here

    def _told(self, path: str, name: str) -> str:
        if name != path:
            self.changed.append((path, name))
        return name


class _Folder:
    """One folder of the archive, by what its steps are called in the store. Its `path` ends with a slash."""

    __slots__ = ("_numbers", "_taken", "inner", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.inner: dict[str, _Folder] = {}
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}

    def free(self, step: str) -> str:
        """The step, or with a number before its ending the first that is like no other, and now taken."""
        stem, ending = _parted(step)
        name, first = step, _folded(step)
        folded = first
        while folded in self._taken:
            # One count for all that are alike: none begins anew to look for a number that is free.
            number = self._numbers[first] = self._numbers.get(first, 1) + 1
            name = f"{stem} ({number}){ending}"
            folded = _folded(name)
        self._taken.add(folded)
        return name


def _folded(name: str) -> str:
    """What two names have in common that are one to macOS or Windows."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _step(text: str) -> str:
    """One step of a path, as every system can have it; "" stays ""."""
    step = _UNSEEN.sub("_", _FORBIDDEN.sub("_", text))
    if step[:1] == "-":
        step = "_" + step[1:]  # a shell would take it for an option
    if step[-1:] in {".", " "}:
        step = step.rstrip(". ") + "_"  # Windows leaves them out
    if _DEVICE.fullmatch(step):
        step = "_" + step
    if len(step.encode()) <= _LONGEST:
        return step
    stem, ending = _parted(step)
    return stem.encode()[: _LONGEST - len(ending.encode())].decode(errors="ignore") + ending


def _parted(step: str) -> tuple[str, str]:
    """What stands before a step's ending, and the ending with its dot."""
    stem, dot, ending = step.rpartition(".")
    return (stem, dot + ending) if stem and len(ending) <= _LONGEST_ENDING else (step, "")


def note(changed: list[tuple[str, str]], left_out: list[str]) -> bytes:
    """What is said of names in the archive itself, "" if there is nothing to say."""
    lines = []
    if changed:
        lines.append("These names are other ones in the folder. They were changed so that every system can have them:")
        lines += [f"{name} was {_quoted(path)}" for path, name in changed[:_MOST_TOLD]]
        lines += [f"and {len(changed) - _MOST_TOLD} more"] if len(changed) > _MOST_TOLD else []
    if left_out:
        lines.append("These could not be read by their names, and are not here:")
        lines += [_quoted(path) for path in left_out[:_MOST_TOLD]]
        lines += [f"and {len(left_out) - _MOST_TOLD} more"] if len(left_out) > _MOST_TOLD else []
    return "".join([f"{line}\r\n" for line in lines]).encode("utf-8", "replace")


def _quoted(path: str) -> str:
    return json.dumps(path, ensure_ascii=not path.isprintable())
