"""DuckDB with its httpfs extension, which has a setting of its own for the endpoint."""

import os
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
from steps import BIG, BUCKET, COUNT, HOST, MANY, PREFIX, SECURE, report

PLACE = f"s3://{BUCKET}/{PREFIX}"
TABLE = "SELECT range AS number, 'row ' || range AS text FROM range(1000)"
[extension] = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
base = duckdb.connect()
base.execute(f"LOAD '{extension}'")
base.execute(
    f"CREATE SECRET (TYPE s3, KEY_ID '{os.environ['AWS_ACCESS_KEY_ID']}', REGION 'us-east-1', USE_SSL {SECURE},"
    f" SECRET '{os.environ['AWS_SECRET_ACCESS_KEY']}', ENDPOINT '{HOST}', URL_STYLE 'path')"
)


def ask(query):
    return base.execute(query).fetchall()


def put():
    ask(f"COPY ({TABLE}) TO '{PLACE}put.parquet'")


def get():
    assert ask(f"SELECT * FROM '{PLACE}put.parquet' ORDER BY number") == ask(TABLE)


def ranged():
    assert ask(f"SELECT sum(number) FROM '{PLACE}put.parquet'") == [(sum(range(1000)),)]
    return "one column"


def listed():
    assert ask(f"SELECT count(DISTINCT file) FROM glob('s3://{BUCKET}/{MANY}*.csv')") == [(COUNT,)]


def multipart():
    count = BIG.stat().st_size // 8
    noise = f"SELECT hash(range) AS noise FROM range({count})"
    ask(f"COPY ({noise}) TO '{PLACE}big.parquet' (COMPRESSION uncompressed)")
    [(found,)] = ask(f"SELECT bit_xor(noise) FROM '{PLACE}big.parquet'")
    assert [(found,)] == ask(f"SELECT bit_xor(noise) FROM ({noise})")


def unicode():
    ask(f"COPY ({TABLE}) TO '{PLACE}ünïcode/日本 語.parquet'")
    assert ask(f"SELECT * FROM '{PLACE}ünïcode/日本 語.parquet' ORDER BY number") == ask(TABLE)


report(
    duckdb.__version__,
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
