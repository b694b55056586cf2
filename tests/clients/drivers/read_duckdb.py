"""`read` writes an object to standard output, `list` the names below a folder: DuckDB, by a secret from a file."""

import sys
from pathlib import Path

import duckdb
import duckdb_extension_httpfs

secret, act, place = sys.argv[1:]
[extension] = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
base = duckdb.connect(config={"autoinstall_known_extensions": False})
base.execute(f"LOAD '{extension}'")
base.execute(Path(secret).read_text())
if act == "read":
    [(content,)] = base.execute("SELECT content FROM read_blob(?)", [place]).fetchall()
    sys.stdout.buffer.write(content)
else:
    for (name,) in base.execute("SELECT file FROM glob(?)", [place + "**"]).fetchall():
        sys.stdout.write(name + "\n")
