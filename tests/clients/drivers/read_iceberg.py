"""PyIceberg, by what a catalog vends in a file: `begin` makes a table and says where its metadata are, `rows` counts a
table's rows, `read` writes a file to standard output by the engine's own FileIO."""

import json
import sys
from pathlib import Path

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io import load_file_io
from pyiceberg.table import StaticTable

vended, act, place = sys.argv[1:]
properties = json.loads(Path(vended).read_text())
if act == "begin":
    catalog = SqlCatalog("c", uri="sqlite:///:memory:", warehouse=place, **properties)
    catalog.create_namespace("n")
    data = pa.table({"number": [1, 2, 3], "text": ["a", "b", "c"]})
    table = catalog.create_table("n.t", data.schema, location=place)
    table.append(data)
    sys.stdout.write(catalog.load_table("n.t").metadata_location)
elif act == "rows":
    sys.stdout.write(str(StaticTable.from_metadata(place, properties).scan().to_arrow().num_rows))
else:
    with load_file_io(properties, place).new_input(place).open() as file:
        while chunk := file.read(64 * 1024 * 1024):
            sys.stdout.buffer.write(chunk)
