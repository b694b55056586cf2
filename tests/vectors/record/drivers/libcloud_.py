"""Apache Libcloud's S3 driver, in both signature versions."""

import os

import libcloud
import libcloud.security
from libcloud.storage.drivers.s3 import BaseS3StorageDriver, S3Connection, S3StorageDriver
from steps import BIG, BUCKET, PREFIX, SMALL, UNICODE, WORK, report

libcloud.security.CA_CERTS_PATH = os.environ["CA_FILE"]
settings = {
    "host": "127.0.0.1",
    "port": int(os.environ["PORT"]),
    "secure": os.environ["OVER"] == "https",
}


def run(kind, parts=True, **more):
    def steps():
        driver = kind(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], **settings, **more)
        container = driver.get_container(BUCKET)
        for name in (PREFIX + "a.txt", PREFIX + "a b+c", PREFIX + UNICODE):
            made = driver.upload_object(
                str(SMALL), container, name, extra={"meta_data": {"under-score": "1"}, "content_type": "text/plain"}
            )
            driver.download_object(made, str(WORK / "back"), overwrite_existing=True)
            driver.get_object(BUCKET, name)
        with (BIG if parts else SMALL).open("rb") as file:
            driver.upload_object_via_stream(file, container, PREFIX + "big", extra={"content_type": "a/b"})
        list(driver.iterate_container_objects(container, prefix=PREFIX))
        driver.list_containers()
        driver.delete_object(made)

    return steps


class OldDriver(BaseS3StorageDriver):
    name = "old"
    connectionCls = S3Connection  # noqa: N815 (its own name)
    supports_s3_multipart_upload = False  # its signature leaves out what parts need


report(libcloud.__version__, {"v4": run(S3StorageDriver, region="us-east-1"), "v2": run(OldDriver, parts=False)})
