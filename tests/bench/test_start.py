"""What an idle process holds is told by what it is mapped from, and by what it is there for."""

from __future__ import annotations

from pathlib import Path

from tests.bench.start import by_mapping, held_by_purpose

_SMAPS = """\
00400000-0041f000 r--p 00000000 fe:00 1                          /usr/bin/python3.11
Size:                124 kB
Rss:                 120 kB
Pss_Dirty:             0 kB
VmFlags: rd mr mw me sd
00800000-00900000 rw-p 00400000 fe:00 1                          /usr/bin/python3.11
Size:               1024 kB
Rss:                   8 kB
VmFlags: rd wr
01000000-01100000 rw-p 00000000 00:00 0                          [heap]
Rss:                1000 kB
7f8645184000-7f8645585000 rw-p 00000000 00:00 0
Rss:                2000 kB
7f8645684000-7f8645685000 rw-p 00000000 00:00 0
Rss:                  16 kB
7f8645784000-7f8645785000 r-xp 00000000 fe:00 2                  /opt/a b/parser.cpython-311-x86_64-linux-gnu.so
Rss:                  32 kB
"""


def test_memory_is_told_by_what_it_is_mapped_from() -> None:
    """All mappings of one file together, those of no file together; the largest first, in bytes."""
    expected = [
        ("(objects of Python, large blocks, stacks of threads)", 2016 * 1024),
        ("[heap]", 1000 * 1024),
        ("python3", 128 * 1024),
        ("parser", 32 * 1024),
    ]
    assert expected == list(by_mapping(_SMAPS).items())


def test_no_mapping_is_left_out() -> None:
    """The sum of a process's mappings is what the kernel says that it holds."""
    smaps = Path("/proc/self/smaps").read_text()
    sizes = [int(line.split()[1]) * 1024 for line in smaps.splitlines() if line.startswith("Rss:")]
    assert sum(sizes) == sum(by_mapping(smaps).values())


def test_memory_is_told_by_what_it_is_there_for() -> None:
    """A part of the gateway that has a purpose of its own counts there, the others as the gateway; nothing twice."""
    found = held_by_purpose({"(interpreter)": 9, "pydantic": 5, "gateway.settings": 3, "gateway.data": 4, "csv": 1})
    expected = [
        ("(interpreter)", 9),
        ("settings and policies: their grammar, and what reads it", 8),
        ("the rest of the gateway", 4),
        ("the standard library's and others' modules", 1),
    ]
    assert expected == list(found.items())
