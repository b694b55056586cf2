"""The AWS SDK for .NET, versions 3 and 4, on a .NET runtime: Python calls its classes, what they send is their own."""

import os
import sys
from pathlib import Path

from steps import BIG, BUCKET, SMALL, report

PLACE = Path(sys.prefix)
RUNTIME = next(PLACE.rglob("libhostfxr.so")).parents[3]
SETTINGS = Path("net.runtimeconfig.json")
SETTINGS.write_text('{"runtimeOptions": {"framework": {"name": "Microsoft.NETCore.App", "version": "8.0.0"}}}')

from pythonnet import load  # noqa: E402

load("coreclr", runtime_config=str(SETTINGS.resolve()), dotnet_root=str(RUNTIME))
import clr  # noqa: E402

sys.path.append(str(next(PLACE.rglob("AWSSDK.S3.dll")).parent))
clr.AddReference("AWSSDK.Core")
clr.AddReference("AWSSDK.S3")
import Amazon.S3 as service  # noqa: E402, N811
import Amazon.S3.Model as model  # noqa: E402, N813
from Amazon.Runtime import BasicAWSCredentials  # noqa: E402
from Amazon.S3.Transfer import TransferUtility, TransferUtilityUploadRequest  # noqa: E402
from System import Array, Byte, DateTime  # noqa: E402
from System.Collections.Generic import List  # noqa: E402
from System.IO import MemoryStream  # noqa: E402
from System.Net.Http import ByteArrayContent, HttpClient, HttpMethod, HttpRequestMessage  # noqa: E402
from System.Net.Http.Headers import MediaTypeHeaderValue  # noqa: E402

TLS = os.environ["OVER"] == "https"


def client(host="127.0.0.1", path=True):
    settings = service.AmazonS3Config()
    settings.ServiceURL = f"{os.environ['OVER']}://{host}:{os.environ['PORT']}"
    settings.ForcePathStyle, settings.AuthenticationRegion, settings.MaxErrorRetry = path, "us-east-1", 0
    pair = BasicAWSCredentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    return service.AmazonS3Client(pair, settings)


def filled(kind, **values):
    asked = kind()
    for name, value in {"BucketName": BUCKET, **values}.items():
        setattr(asked, name, value)
    return asked


def put(s3, key, *, metadata=None, **values):
    asked = filled(model.PutObjectRequest, Key=key, **values)
    for name, value in (metadata or {}).items():
        asked.Metadata.Add(name, value)
    return s3.PutObjectAsync(asked).Result


def stream(text):
    return MemoryStream(Array[Byte](text))


def tags(key, upload, tag):
    parts = List[model.PartETag]()
    parts.Add(model.PartETag(1, tag))
    return filled(model.CompleteMultipartUploadRequest, Key=key, UploadId=upload, PartETags=parts)


def objects(s3, at):
    odd = at + "a b+c&d=e"
    yield "put", lambda: put(s3, at + "a.txt", ContentBody="hello")
    yield (
        "typed",
        lambda: put(
            s3,
            odd,
            ContentBody="hé",
            ContentType="text/css; charset=utf-8",
            metadata={"under_score": "1", "dot.ted": "a  b"},
        ),
    )
    yield "file", lambda: put(s3, at + "file.json", FilePath=str(SMALL))
    yield "stream", lambda: put(s3, at + "stream", InputStream=stream(b"streamed"))
    yield "plain", lambda: put(s3, at + "plain", InputStream=stream(b"plain"), UseChunkEncoding=False)
    if TLS:
        yield "unsigned", lambda: put(s3, at + "unsigned", InputStream=stream(b"unsigned"), DisablePayloadSigning=True)
    yield "unicode", lambda: put(s3, at + "ünï's (1)*~.txt", ContentBody="x")
    yield "empty", lambda: put(s3, at + "folder/", ContentBody="")
    yield "checked", lambda: put(s3, at + "sha", ContentBody="x", ChecksumAlgorithm=service.ChecksumAlgorithm.SHA256)
    yield "get", lambda: s3.GetObjectAsync(filled(model.GetObjectRequest, Key=at + "a.txt")).Result.Dispose()
    yield (
        "range",
        lambda: s3.GetObjectAsync(
            filled(model.GetObjectRequest, Key=odd, ByteRange=model.ByteRange(0, 1))
        ).Result.Dispose(),
    )
    yield "head", lambda: s3.GetObjectMetadataAsync(BUCKET, odd).Result
    yield (
        "list",
        lambda: s3.ListObjectsAsync(filled(model.ListObjectsRequest, Prefix=at + "a b+", Delimiter="/")).Result,
    )
    yield "list2", lambda: s3.ListObjectsV2Async(filled(model.ListObjectsV2Request, Prefix=at, MaxKeys=5)).Result
    yield "copy", lambda: s3.CopyObjectAsync(BUCKET, odd, BUCKET, at + "copy").Result
    yield "parts", lambda: parts(s3, at + "parts", odd)
    yield "delete many", lambda: many(s3, at)
    yield "delete", lambda: s3.DeleteObjectAsync(BUCKET, at + "a.txt").Result
    yield "buckets", lambda: s3.ListBucketsAsync().Result


def parts(s3, key, source):
    upload = s3.InitiateMultipartUploadAsync(filled(model.InitiateMultipartUploadRequest, Key=key)).Result.UploadId
    place = {"Key": key, "UploadId": upload, "PartNumber": 1}
    tag = s3.UploadPartAsync(filled(model.UploadPartRequest, **place, InputStream=stream(b"part"))).Result.ETag
    copied = model.CopyPartRequest()
    copied.SourceBucket = copied.DestinationBucket = BUCKET
    copied.SourceKey, copied.DestinationKey, copied.UploadId, copied.PartNumber = source, key, upload, 2
    s3.CopyPartAsync(copied).Result  # noqa: B018
    s3.ListPartsAsync(BUCKET, key, upload).Result  # noqa: B018
    s3.CompleteMultipartUploadAsync(tags(key, upload, tag)).Result  # noqa: B018


def many(s3, at):
    asked = filled(model.DeleteObjectsRequest)
    asked.AddKey(at + "copy")
    asked.AddKey(at + "ä & b")
    s3.DeleteObjectsAsync(asked).Result  # noqa: B018


def presigned(s3, verb, key, **values):
    asked = filled(model.GetPreSignedUrlRequest, Key=key, Verb=verb, Expires=DateTime.UtcNow.AddMinutes(10), **values)
    if not TLS:
        asked.Protocol = service.Protocol.HTTP
    url = s3.GetPreSignedURL(asked)
    message = HttpRequestMessage(HttpMethod("PUT" if verb == service.HttpVerb.PUT else "GET"), url)
    if verb == service.HttpVerb.PUT:
        message.Content = ByteArrayContent(Array[Byte](b"put"))
        if "ContentType" in values:
            message.Content.Headers.ContentType = MediaTypeHeaderValue(values["ContentType"])
    HttpClient().SendAsync(message).Result.EnsureSuccessStatusCode()


def big(s3):
    asked = filled(TransferUtilityUploadRequest, Key="in/big", FilePath=str(BIG), PartSize=5 << 20)
    TransferUtility(s3).UploadAsync(asked).Wait()


def urls(s3):
    yield "url get", lambda: presigned(s3, service.HttpVerb.GET, "in/path/a b+c&d=e")
    yield "url put", lambda: presigned(s3, service.HttpVerb.PUT, "in/u", ContentType="a/b")


def silent(step):
    return lambda: step() and None


near, named = client(), client("localhost", path=False)
steps = {f"path {name}": silent(step) for name, step in (*objects(near, "in/path/"), *urls(near))}
steps |= {f"host {name}": silent(step) for name, step in (*objects(named, "in/host/"), *urls(named))}
report(
    clr.GetClrType(service.AmazonS3Client).Assembly.GetName().Version.ToString(), {**steps, "big": lambda: big(near)}
)
