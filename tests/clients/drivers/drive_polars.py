"""polars, which reads and writes tables and is configured by environment variables alone."""

import polars as pl
from steps import BIG, BUCKET, COUNT, MANY, PREFIX, report

PLACE = f"s3://{BUCKET}/{PREFIX}"
FRAME = pl.DataFrame({"number": range(1000), "text": [f"row {number}" for number in range(1000)]})


def put():
    FRAME.write_parquet(PLACE + "put.parquet")


def get():
    assert pl.read_parquet(PLACE + "put.parquet").equals(FRAME)


def ranged():
    found = pl.scan_parquet(PLACE + "put.parquet").select("number").collect()
    assert found["number"].sum() == sum(range(1000))
    return "one column"


def listed():
    found = pl.scan_csv(f"s3://{BUCKET}/{MANY}*.csv").collect()
    assert found["n"].n_unique() == COUNT


def multipart():
    count = BIG.stat().st_size // 8
    frame = pl.DataFrame({"noise": pl.Series(range(count), dtype=pl.Int64).hash()})
    frame.write_parquet(PLACE + "big.parquet", compression="uncompressed", statistics=False)
    assert pl.read_parquet(PLACE + "big.parquet").equals(frame)


def unicode():
    FRAME.write_parquet(PLACE + "ünïcode/日本 語.parquet")
    assert pl.read_parquet(PLACE + "ünïcode/日本 語.parquet").equals(FRAME)


report(
    pl.__version__,
    {
        "put": put,
        "get": get,
        "range": ranged,
        "list": listed,
        "multipart": multipart,
        "copy": "not offered",
        "batch delete": "not offered",
        "unicode": unicode,
    },
)
