"""Table formats, each on an S3 client of its own: a table is begun, added to and read."""

import importlib
import os
import sys
from importlib.metadata import version

import pyarrow as pa
from steps import BUCKET, PREFIX, report

ENDPOINT, PLACE = os.environ["AWS_ENDPOINT_URL_S3"], f"s3://{BUCKET}/{PREFIX}"
KEY, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
TABLE = pa.table({"number": [1, 2, 3], "text": ["a", "b", "c"]})
OPTIONS = {
    "AWS_ENDPOINT_URL": ENDPOINT, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true", "AWS_STORAGE_ALLOW_HTTP": "true", "AWS_S3_ALLOW_UNSAFE_RENAME": "true",
    "allow_http": "true", "aws_conditional_put": "etag", "conditional_put": "etag",
}  # fmt: skip


def delta():
    import deltalake

    at = PLACE + "delta"
    write = getattr(deltalake, "write_deltalake", None) or importlib.import_module("deltalake.writer").write_deltalake
    write(at, TABLE, storage_options=OPTIONS)
    write(at, TABLE, mode="append", storage_options=OPTIONS)
    assert deltalake.DeltaTable(at, storage_options=OPTIONS).to_pyarrow_table().num_rows == 6


def old_delta():
    import deltalake

    at = PLACE + "delta"
    deltalake.writer.write_deltalake(at, TABLE, storage_options=OPTIONS)
    deltalake.DeltaTable(at, storage_options=OPTIONS).version()


def lance():
    import lance as engine

    at = PLACE + "lance"
    engine.write_dataset(TABLE, at, storage_options=OPTIONS)
    engine.write_dataset(TABLE, at, mode="append", storage_options=OPTIONS)
    assert engine.dataset(at, storage_options=OPTIONS).to_table().num_rows == 6


def daft():
    import daft as engine
    from daft.io import IOConfig, S3Config

    place = S3Config(endpoint_url=ENDPOINT, key_id=KEY, access_key=SECRET, region_name="us-east-1")
    settings = IOConfig(s3=place)
    at = PLACE + "daft"
    engine.from_arrow(TABLE).write_parquet(at, io_config=settings)
    assert engine.read_parquet(at + "/*.parquet", io_config=settings).count_rows() == 3


def icechunk():
    import icechunk as engine

    storage = engine.s3_storage(
        bucket=BUCKET, prefix=PREFIX + "icechunk", region="us-east-1", endpoint_url=ENDPOINT, access_key_id=KEY,
        secret_access_key=SECRET, allow_http=True, force_path_style=True,
    )  # fmt: skip
    repository = engine.Repository.create(storage)
    session = repository.writable_session("main")
    import zarr

    group = zarr.group(store=session.store)
    group.create_array("a", shape=(4,), dtype="i4")[:] = 7
    session.commit("one")
    assert engine.Repository.open(storage).readonly_session("main")


def iceberg():
    from pyiceberg.catalog.sql import SqlCatalog

    settings = {
        "s3.endpoint": ENDPOINT,
        "s3.access-key-id": KEY,
        "s3.secret-access-key": SECRET,
        "s3.region": "us-east-1",
    }
    catalog = SqlCatalog("c", uri="sqlite:///catalog.db", warehouse=PLACE + "ice", **settings)
    catalog.create_namespace("n")
    table = catalog.create_table("n.t", TABLE.schema)
    table.append(TABLE)
    table.append(TABLE)
    assert table.scan().to_arrow().num_rows == 6


wanted = os.environ["TABLE"]
report(version(os.environ.get("PACKAGE", "pyarrow")), {wanted: globals()[wanted]})
sys.stdout.flush()
os._exit(0)
