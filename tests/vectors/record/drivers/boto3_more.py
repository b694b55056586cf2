"""boto3's other ways: both signature versions in header and query, signed and unsigned bodies, odd names."""

import io
import os
import urllib.request

import old_python  # noqa: F401
import boto3
from botocore.client import Config
from steps import BIG, BUCKET, PREFIX, SMALL, UNICODE, report

TLS = os.environ["OVER"] == "https"
CA = os.environ["CA_FILE"]
# Before its repair botocore signed blanks as they came, which S3 refused.
BLANKS = "one blank" if boto3.__version__.startswith("1.4.") else " two  blanks "


def client(**settings):
    settings.setdefault("s3", {"addressing_style": "path"})
    return boto3.client(
        "s3", endpoint_url=os.environ["ENDPOINT"], config=Config(**settings), verify=CA if TLS else None
    )


def fetch(url, method="GET", body=None, headers=None):
    import ssl

    asked = urllib.request.Request(url, body, headers or {}, method=method)
    context = ssl.create_default_context(cafile=CA) if TLS else None
    with urllib.request.urlopen(asked, context=context) as answer:
        return answer.read()


def everything(s3):
    key = PREFIX + "a b+c&d=e.txt"
    s3.put_object(
        Bucket=BUCKET,
        Key=key,
        Body=SMALL.read_bytes(),
        ContentType="text/plain; charset=utf-8",
        CacheControl="max-age=60",
        ContentDisposition='attachment; filename="a b.txt"',
        Metadata={"under_score": "1", "dash-ed": "2", "dot.ted": BLANKS, "mixedCase": "x"},
    )
    s3.put_object(Bucket=BUCKET, Key=PREFIX + UNICODE, Body=b"x")
    s3.put_object(Bucket=BUCKET, Key=PREFIX + "empty", Body=b"")
    s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=0-9")
    s3.get_object(Bucket=BUCKET, Key=key, IfNoneMatch='"x"')
    s3.head_object(Bucket=BUCKET, Key=PREFIX + UNICODE)
    s3.get_object(Bucket=BUCKET, Key=key, ResponseContentType="text/x; a=b")
    s3.list_objects(Bucket=BUCKET, Prefix=PREFIX, Delimiter="/")
    s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX + "a b+c", MaxKeys=5, FetchOwner=True)
    s3.head_bucket(Bucket=BUCKET)
    s3.get_bucket_location(Bucket=BUCKET)
    s3.list_buckets()
    s3.copy_object(Bucket=BUCKET, Key=PREFIX + "copy of it", CopySource={"Bucket": BUCKET, "Key": key})
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": PREFIX + "empty"}, {"Key": PREFIX + "a&<b>"}]})
    s3.delete_object(Bucket=BUCKET, Key=PREFIX + "gone")


def parts(s3):
    key = PREFIX + "parts.bin"
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key, Metadata={"a_b": "c"})["UploadId"]
    etag = s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    s3.list_parts(Bucket=BUCKET, Key=key, UploadId=upload)
    done = {"Parts": [{"ETag": etag, "PartNumber": 1}]}
    s3.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload=done)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    s3.upload_part_copy(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, CopySource=f"{BUCKET}/{PREFIX}parts.bin")
    s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload)
    s3.list_multipart_uploads(Bucket=BUCKET)
    with BIG.open("rb") as file:
        s3.upload_fileobj(file, BUCKET, PREFIX + "big.bin")


def presigned(s3):
    for key in (PREFIX + "parts.bin", PREFIX + "a b+c&d=e.txt"):
        fetch(s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key}))
    typed = {"Bucket": BUCKET, "Key": PREFIX + "typed", "ContentType": "text/css"}
    fetch(s3.generate_presigned_url("put_object", typed), "PUT", b"x", {"Content-Type": "text/css"})
    bare = {"Bucket": BUCKET, "Key": PREFIX + "bare"}
    # SigV2 covers a type whether its maker thought of one or not; urllib adds one of its own to a body.
    sent = (
        {"Content-Type": "application/json"}
        if "X-Amz-Algorithm" in s3.generate_presigned_url("put_object", bare)
        else {}
    )
    fetch(s3.generate_presigned_url("put_object", bare), "PUT", b"x" if sent else None, sent)
    fetch(s3.generate_presigned_url("head_object", bare), "HEAD")
    fetch(s3.generate_presigned_url("list_objects", {"Bucket": BUCKET, "Prefix": "in/ä"}))
    shown = {"ResponseContentDisposition": 'attachment; filename="ä.txt"', **bare}
    fetch(s3.generate_presigned_url("get_object", shown))


def form(s3):
    made = s3.generate_presigned_post(
        BUCKET,
        PREFIX + "${filename}",
        Fields={"Content-Type": "text/plain"},
        Conditions=[["starts-with", "$key", PREFIX], {"Content-Type": "text/plain"}],
    )
    edge = "----edge"
    fields = "".join(
        f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in made["fields"].items()
    )
    about = 'Content-Disposition: form-data; name="file"; filename="f.txt"'
    file = f"--{edge}\r\n{about}\r\nContent-Type: text/plain\r\n\r\nhi\r\n"
    body = f"{fields}{file}--{edge}--\r\n".encode()
    fetch(made["url"], "POST", body, {"Content-Type": f"multipart/form-data; boundary={edge}"})


def checksums():
    s3 = client(signature_version="s3v4")
    for name in ("CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"):
        s3.put_object(Bucket=BUCKET, Key=PREFIX + name, Body=b"checked", ChecksumAlgorithm=name)


def unsigned():
    s3 = client(signature_version="s3v4", s3={"addressing_style": "path", "payload_signing_enabled": False})
    s3.put_object(Bucket=BUCKET, Key=PREFIX + "unsigned", Body=io.BytesIO(b"x"))
    s3 = client(signature_version="s3v4", s3={"addressing_style": "path", "payload_signing_enabled": True})
    s3.put_object(Bucket=BUCKET, Key=PREFIX + "signed", Body=io.BytesIO(b"x"))


def each(*steps, **settings):
    def run():
        failures = []
        for step in steps:
            try:
                step(client(**settings))
            except Exception as failure:  # noqa: BLE001 (its requests are kept)
                failures.append(f"{step.__name__}: {failure!r}")
        assert not failures, failures

    return run


report(
    boto3.__version__,
    {
        "v4": each(everything, parts, presigned, form, signature_version="s3v4"),
        "v2": each(everything, parts, presigned, form, signature_version="s3"),
        "query": each(presigned, signature_version="s3v4-query"),
        "checksums": checksums,
        "unsigned": unsigned,
    },
)
