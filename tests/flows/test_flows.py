"""The flows of five vendors' pages on presigned URLs, by the tools they name, with the gateway as the endpoint.

Each is followed by F16: the key is revoked, and the very same URL is refused within a second. Forms are in
`test_forms`, pages in `test_pages`, what no vendor has in `test_beyond`.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from playwright.sync_api import Browser

from tests.e2e.place import noise
from tests.flows.actor import AWS, S3CMD, Actor, until
from tests.servers import over_tls

_TEXT = b"the very same text\n"
_TOLERANCE = 30


def _lifetime(url: str) -> float:
    """Seconds for which a presigned URL says that it is valid, of either signature version."""
    query = {name.lower(): values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    if "x-amz-expires" in query:
        return float(query["x-amz-expires"])
    return float(query["expires"]) - time.time()


@pytest.mark.parametrize("arguments", [(), ("--expires-in", "600"), ("--profile", "wasabi")], ids=str)
def test_f1_aws_presign_then_curl_and_a_browser(
    actor: Actor, browser: Browser, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """`aws s3 presign` makes a URL that curl and a browser fetch; it ends with the key."""
    config = tmp_path / ".aws"
    config.mkdir()
    (config / "credentials").write_text(
        f"[wasabi]\naws_access_key_id = {actor.access_key_id}\naws_secret_access_key = {actor.secret_access_key}\n"
    )
    actor.place.put("folder/file 1.txt", _TEXT, ContentType="text/plain")
    url = actor.aws("s3", "presign", f"s3://{actor.place.bucket}/folder/file 1.txt", *arguments).strip()
    page = browser.new_page()
    answer = page.goto(url)
    assert answer is not None
    assert (200, _TEXT) == (answer.status, answer.body())
    assert _TEXT == actor.curl(url).body
    actor.loses(lambda: actor.curl(url))
    answer = page.goto(url)
    assert answer is not None
    assert 403 == answer.status
    page.close()


def test_f2_boto3_presigns_a_get_as_it_comes(actor: Actor) -> None:
    """`generate_presigned_url('get_object')` with default signature settings."""
    actor.place.put("f2.bin", noise(100_000))
    parameters = {"Bucket": actor.place.bucket, "Key": "f2.bin"}
    url = actor.client().generate_presigned_url("get_object", Params=parameters, ExpiresIn=3600)
    assert noise(100_000) == actor.curl(url).body
    actor.loses(lambda: actor.curl(url))


@pytest.mark.parametrize(
    ("script", "signature"), [("presign_v2.cjs", ""), ("presign_v2.cjs", "v4"), ("presign_v3.cjs", "")]
)
def test_f4_a_node_sdk_presigns_an_upload(actor: Actor, tmp_path: Path, script: str, signature: str) -> None:
    """`getSignedUrl('putObject')` with type, ACL and expiry as text, of both generations of the SDK."""
    (tmp_path / "invoice.pdf").write_bytes(noise(50_000))
    url = actor.node(script, KEY="f4/invoice ä.pdf", SIGNATURE=signature)
    assert abs(_lifetime(url) - 100) <= _TOLERANCE
    send = ("-H", "Content-Type: application/pdf", "-T", "invoice.pdf")
    assert 200 == actor.curl(url, *send).status
    assert noise(50_000) == actor.place.stored("f4/invoice ä.pdf")
    actor.loses(lambda: actor.curl(url, *send))


def test_f5_a_get_with_an_acl_among_the_signed_parameters(actor: Actor) -> None:
    """The shape of the PHP SDK's `createPresignedRequest('+20 minutes')`, signed by a signer that is not ours."""
    actor.place.put("f5.txt", _TEXT)
    parameters = {"x-amz-acl": "public-read", "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"}
    request = AWSRequest("GET", f"{actor.place.gateway.data}/{actor.place.bucket}/f5.txt", params=parameters)
    credentials = Credentials(actor.access_key_id, actor.secret_access_key)
    S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=1200).add_auth(request)
    url = request.prepare().url
    assert _TEXT == actor.curl(url).body
    assert 403 == actor.curl(url.replace("public-read", "private")).status
    actor.loses(lambda: actor.curl(url))


@pytest.mark.parametrize(
    ("config", "seconds"), [({}, 3600), ({"s3": {"addressing_style": "path"}}, 300)], ids=["F6", "F7"]
)
def test_f6_f7_boto3_presigns_a_put(actor: Actor, tmp_path: Path, config: dict[str, object], seconds: int) -> None:
    """`generate_presigned_url('put_object', HttpMethod='PUT')`, then `curl --request PUT --upload-file`."""
    (tmp_path / "up.bin").write_bytes(noise(200_000))
    parameters = {"Bucket": actor.place.bucket, "Key": "f6/up.bin"}
    client = actor.client(**config)
    url = client.generate_presigned_url("put_object", Params=parameters, ExpiresIn=seconds, HttpMethod="PUT")
    send = ("--request", "PUT", "--upload-file", "up.bin")
    assert 200 == actor.curl(url, *send).status
    assert noise(200_000) == actor.place.stored("f6/up.bin")
    assert noise(200_000) == client.get_object(**parameters)["Body"].read()
    (tmp_path / "up.bin").write_bytes(b"the second version")
    actor.loses(lambda: actor.curl(url, *send))
    assert b"the second version" == actor.place.stored("f6/up.bin")


def test_f8_an_expired_url_is_refused_in_s3s_words(actor: Actor) -> None:
    """`--expires-in` holds, 3600 is the default, and after the end comes S3 error XML."""
    actor.place.put("f8.txt", _TEXT)
    target = f"s3://{actor.place.bucket}/f8.txt"
    assert abs(_lifetime(actor.aws("s3", "presign", target).strip()) - 3600) <= _TOLERANCE
    url = actor.aws("s3", "presign", target, "--expires-in", "600").strip()
    assert abs(_lifetime(url) - 600) <= _TOLERANCE
    assert _TEXT == actor.curl(url).body
    actor.loses(lambda: actor.curl(url))


def test_f9_the_cli_and_a_url_show_the_same_until_it_expires(actor: Actor) -> None:
    """`aws s3 cp s3://… -` and the presigned fetch print the same text; afterwards AccessDenied with both ids."""
    actor.place.put("file01.txt", _TEXT)
    target = f"s3://{actor.place.bucket}/file01.txt"
    assert _TEXT.decode() == actor.aws("s3", "cp", target, "-")
    url = actor.aws("s3", "presign", target, "--expires-in", "3").strip()
    assert _TEXT == actor.curl(url).body
    expired = until(lambda: actor.curl(url), 403, within=10)
    assert (403, "AccessDenied") == (expired.status, expired.code)
    assert b"<RequestId>" in expired.body
    assert b"<HostId>" in expired.body
    assert "application/xml" == expired.headers["content-type"]


@pytest.mark.parametrize("virtual", [True, False])
def test_f10_s3cmd_signs_a_url(actor: Actor, virtual: bool) -> None:
    """`s3cmd signurl`, which is SigV2, virtual-hosted as on the vendor's page and by path, then `curl -X GET`."""
    actor.place.put("videos/clip 1.mp4", noise(70_000))
    host = urlsplit(actor.place.gateway.data).netloc.replace("127.0.0.1", "localhost")
    keys = (f"--access_key={actor.access_key_id}", f"--secret_key={actor.secret_access_key}")
    hosts = (f"--host={host}", f"--host-bucket={f'%(bucket)s.{host}' if virtual else host}")
    target = f"s3://{actor.place.bucket}/videos/clip 1.mp4"
    (actor.home / "s3cfg").write_text(f"[default]\nsignurl_use_https = {over_tls.scheme() == 'https'}\n")
    url = actor.run(S3CMD, "-c", "s3cfg", *keys, *hosts, "signurl", target, "+600").stdout.strip()
    assert virtual == urlsplit(url).netloc.startswith(f"{actor.place.bucket}.")
    assert noise(70_000) == actor.curl(url, "-X", "GET").body
    actor.loses(lambda: actor.curl(url, "-X", "GET"))


@pytest.mark.parametrize("method", ["get_object", "put_object"])
def test_f11_a_function_that_presigns_what_it_is_told(actor: Actor, tmp_path: Path, method: str) -> None:
    """The vendor's `create_presigned_url(bucket, key, expiration, method)`, used with `curl` and `curl -X PUT -T`."""
    (tmp_path / "f11.bin").write_bytes(noise(30_000))
    actor.place.put("f11.bin", noise(30_000))
    parameters = {"Bucket": actor.place.bucket, "Key": "f11.bin"}
    url = actor.client().generate_presigned_url(method, Params=parameters, ExpiresIn=900)
    send = ("-X", "PUT", "-T", "f11.bin") if method == "put_object" else ()
    answered = actor.curl(url, *send)
    assert (200, b"" if send else noise(30_000)) == (answered.status, answered.body)
    actor.loses(lambda: actor.curl(url, *send))


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_f12_a_signed_content_type_must_be_sent(actor: Actor, tmp_path: Path, version: str) -> None:
    """The right type succeeds with ETag and both request ids; a missing or other type is refused and stores nothing."""
    (tmp_path / "note.txt").write_bytes(_TEXT)
    parameters = {"Bucket": actor.place.bucket, "Key": f"f12-{version}.txt", "ContentType": "text/plain"}
    url = actor.client(signature_version=version).generate_presigned_url("put_object", parameters, ExpiresIn=604800)
    send = ("-T", "note.txt", "-H")
    for wrong in ("Content-Type:", "Content-Type: text/html"):
        assert (403, "SignatureDoesNotMatch") == ((refused := actor.curl(url, *send, wrong)).status, refused.code)
    assert actor.place.stored(parameters["Key"]) is None
    answered = actor.curl(url, *send, "Content-Type: text/plain")
    assert 200 == answered.status
    assert f'"{hashlib.md5(_TEXT).hexdigest()}"' == answered.headers["etag"]
    assert answered.headers["x-amz-request-id"]
    assert answered.headers["x-amz-id-2"]
    head = actor.client().head_object(Bucket=actor.place.bucket, Key=parameters["Key"])
    assert ("text/plain", len(_TEXT)) == (head["ContentType"], head["ContentLength"])
    actor.loses(lambda: actor.curl(url, *send, "Content-Type: text/plain"))


def test_f14_the_cli_lists_what_was_uploaded(actor: Actor, tmp_path: Path) -> None:
    """`aws s3api list-objects-v2` shows the object under our names, and nothing once the key is revoked."""
    (tmp_path / "image.raw").write_bytes(noise(10_000))
    parameters = {"Bucket": actor.place.bucket, "Key": "images/image.raw"}
    url = actor.client().generate_presigned_url("put_object", parameters)
    assert 200 == actor.curl(url, "-T", "image.raw").status
    listing = ("s3api", "list-objects-v2", "--bucket", actor.place.bucket, "--prefix", "images/", "--output", "json")
    shown = json.loads(actor.aws(*listing))
    assert [("images/image.raw", 10_000)] == [(entry["Key"], entry["Size"]) for entry in shown["Contents"]]
    assert actor.place.real_bucket not in json.dumps(shown)
    actor.loses(lambda: actor.curl(url, "-T", "image.raw"))
    assert "InvalidAccessKeyId" in actor.run(AWS, *listing, check=False).stderr
