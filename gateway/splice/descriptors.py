"""Owns which descriptors of a process carry objects, and which are kept for everything else.

Refuses to own who opens them and what is said to whoever gets none.

Law: the kernel gives the lowest number that is free. So whoever is given one of the last numbers came while all others
were in use. Of these nothing of the data plane holds any: they are for the control listener, the state, and the files
that are read anew, so that a flooded gateway can still be looked at, drained and told to revoke.
"""

from __future__ import annotations

import resource
from typing import Final

MOST: Final = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
"""What the process may have at once, all kinds together."""

FOR_PASSAGES: Final = MOST // 2
"""What pipes and passages take together at most, two each: the other half is for connections and files."""

FIRST_KEPT: Final = MOST - min(64, MOST // 8)
"""The first number that carries no object."""


def is_kept(descriptor: int) -> bool:
    """Whether what was opened under this number has to be closed again, if it is to carry objects."""
    return descriptor >= FIRST_KEPT
