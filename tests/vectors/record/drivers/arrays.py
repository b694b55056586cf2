"""Stores of arrays and rasters with S3 clients of their own: TensorStore, TileDB, GDAL, htslib, S3 for PyTorch."""

import os

from steps import BIG, BUCKET, SMALL, WORK, report

ENDPOINT, HOST = os.environ["ENDPOINT"], "127.0.0.1:" + os.environ["PORT"]
TLS = os.environ["OVER"] == "https"


def tensorstore():
    import numpy
    import tensorstore as engine

    place = {
        "driver": "s3",
        "bucket": BUCKET,
        "path": "in/tensor a+b/",
        "endpoint": ENDPOINT,
        "aws_region": "us-east-1",
    }
    spec = {"driver": "zarr", "kvstore": place, "metadata": {"shape": [4, 4], "chunks": [2, 2], "dtype": "<i4"}}
    made = engine.open(spec, create=True).result()
    made.write(numpy.ones((4, 4), "i4")).result()
    assert made.read().result().sum() == 16
    engine.KvStore.open(place).result().list().result()
    engine.KvStore.open(place).result().delete_range(engine.KvStore.KeyRange()).result()


def tiledb():
    import numpy
    import tiledb as engine

    settings = {
        "vfs.s3.endpoint_override": HOST, "vfs.s3.scheme": "https" if TLS else "http", "vfs.s3.region": "us-east-1",
        "vfs.s3.use_virtual_addressing": "false", "vfs.s3.ca_file": os.environ["CA_FILE"], "vfs.s3.verify_ssl": "false",
        "vfs.s3.aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "vfs.s3.aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"], "ssl.verify": "false",
    }  # fmt: skip
    context = engine.Ctx(settings)
    files = engine.VFS(ctx=context)
    with files.open(f"s3://{BUCKET}/in/a b.txt", "wb") as file:
        file.write(SMALL.read_bytes())
    with files.open(f"s3://{BUCKET}/in/big", "wb") as file:
        file.write(BIG.read_bytes())
    with files.open(f"s3://{BUCKET}/in/a b.txt", "rb") as file:
        file.seek(3)
        file.read(9)
    files.ls(f"s3://{BUCKET}/in/")
    files.copy_file(f"s3://{BUCKET}/in/a b.txt", f"s3://{BUCKET}/in/copy") if hasattr(files, "copy_file") else None
    engine.from_numpy(f"s3://{BUCKET}/in/array", numpy.ones(8), ctx=context)
    files.remove_file(f"s3://{BUCKET}/in/a b.txt")


def gdal():
    import numpy
    import rasterio

    options = {"AWS_S3_ENDPOINT": HOST, "AWS_HTTPS": "YES" if TLS else "NO", "AWS_VIRTUAL_HOSTING": "FALSE"}
    options |= {"CPL_TMPDIR": str(WORK), "GDAL_HTTP_UNSAFESSL": "YES", "CPL_VSIL_USE_TEMP_FILE_FOR_RANDOM_WRITE": "YES"}
    os.environ.update(options)
    with rasterio.Env(**options):
        for name in ("a.tif", "a b+c é.tif"):
            at = f"/vsis3/{BUCKET}/in/{name}"
            with rasterio.open(at, "w", driver="GTiff", width=8, height=8, count=1, dtype="uint8") as image:
                image.write(numpy.ones((1, 8, 8), "uint8"))
            with rasterio.open(at) as image:
                image.read()


def htslib():
    import pysam

    os.environ |= {"HTS_S3_HOST": HOST, "HTS_S3_ADDRESS_STYLE": "path"}
    scheme = "s3+https" if TLS else "s3+http"
    with pysam.HFile(f"{scheme}://{BUCKET}/in/a%20b.txt", "w") as file:
        file.write(SMALL.read_bytes())
    with pysam.HFile(f"{scheme}://{BUCKET}/in/a%20b.txt") as file:
        file.read()


def torch():
    from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client

    client = MountpointS3Client("us-east-1", endpoint=ENDPOINT, force_path_style=True)
    for name in ("in/a.txt", "in/a b+c é"):
        writer = client.put_object(BUCKET, name)
        writer.write(SMALL.read_bytes())
        writer.close()
        b"".join(client.get_object(BUCKET, name))
    client.head_object(BUCKET, "in/a.txt")
    list(client.list_objects(BUCKET, "in/"))
    client.copy_object(BUCKET, "in/a.txt", BUCKET, "in/copy")
    client.delete_object(BUCKET, "in/copy")


wanted = os.environ["ARRAY"]
report("?", {wanted: globals()[wanted]})
