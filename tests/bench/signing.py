"""Microseconds to sign and to verify one request, and how many times as long botocore's signers take for the same.

Run it: `python -m tests.bench.signing [--rounds N] [--calls N]`. Rounds of all operations take turns; each figure is
the median of the rounds. botocore verifies nothing, so verifying is compared with its signing of the same request.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import botocore.session
from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotocoreCredentials

from gateway.core.backend import Credentials
from gateway.core.request import BodyFraming, RawRequest
from gateway.wire.http.target import query_pairs
from gateway.wire.sig import sigv2, sigv4
from gateway.wire.sig.aws_chunked import ChunkedDecoder
from gateway.wire.sig.checksums import crc32c, crc64nvme
from gateway.wire.sig.credentials import Signed, auth_fields, read_credentials

HOST = "s3.eu-west-2.example.org"
PATH = "/reports/prod/2026/q3/summary.pdf"
REGION = "eu-west-2"
PAIR = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
THEIRS = BotocoreCredentials(PAIR.access_key, PAIR.secret_key)
KEYS = sigv4.SigningKeys()
URL = f"https://{HOST}{PATH}"
CLIENT_HEADERS = (
    ("host", HOST),
    ("user-agent", "aws-sdk"),
    ("accept-encoding", "identity"),
    ("content-type", "application/pdf"),
    ("content-length", "4096"),
)


def _presign() -> str:
    return sigv4.presign(PAIR, KEYS, method="GET", host=HOST, path=PATH, region=REGION, now=time.time(), expires=3600)


def _sign_headers() -> list[tuple[str, str]]:
    return sigv4.sign_headers(
        PAIR,
        KEYS,
        method="PUT",
        host=HOST,
        path=PATH,
        headers=[("content-type", "application/pdf")],
        region=REGION,
        now=time.time(),
    )


def _presign_v2() -> str:
    return sigv2.presign(PAIR, method="GET", path=PATH, now=time.time(), expires=3600)


def _presented(raw: RawRequest) -> Signed | None:
    return read_credentials(auth_fields(raw.headers, query_pairs(raw.query)))


def _verifier(raw: RawRequest) -> Callable[[], object]:
    def verify() -> object:
        return sigv4.verify(_presented(raw), raw, PAIR.secret_key, now=time.time(), keys=KEYS)

    return verify


def _verifier_v2(raw: RawRequest) -> Callable[[], object]:
    return lambda: sigv2.verify(_presented(raw), raw, PAIR.secret_key, now=time.time())


def _signer(kind: Callable[[], object], method: str) -> Callable[[], object]:
    return lambda: kind().add_auth(AWSRequest(method, URL, headers={"Content-Type": "application/pdf"}))


def _operations() -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Name to our operation and the one of botocore's that it is compared with."""
    session = botocore.session.get_session()
    client = session.create_client(
        "s3",
        region_name=REGION,
        endpoint_url=f"https://{HOST}",
        aws_access_key_id=PAIR.access_key,
        aws_secret_access_key=PAIR.secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    place = {"Bucket": "reports", "Key": "prod/2026/q3/summary.pdf"}
    presigned = RawRequest("GET", PATH, _presign(), CLIENT_HEADERS)
    signed = RawRequest("PUT", PATH, "", (*CLIENT_HEADERS, *_sign_headers()))
    presigned_v2 = RawRequest("GET", PATH, _presign_v2(), CLIENT_HEADERS[:3])
    query = _signer(lambda: S3SigV4QueryAuth(THEIRS, "s3", REGION), "GET")
    header = _signer(lambda: S3SigV4Auth(THEIRS, "s3", REGION), "PUT")
    query_v2 = _signer(lambda: HmacV1QueryAuth(THEIRS), "GET")
    return {
        "presign (against generate_presigned_url)": (
            _presign,
            lambda: client.generate_presigned_url("get_object", Params=place),
        ),
        "presign": (_presign, query),
        "sign headers": (_sign_headers, header),
        "read and verify a presigned query": (_verifier(presigned), query),
        "read and verify a signed header": (_verifier(signed), header),
        "presign, SigV2": (_presign_v2, query_v2),
        "read and verify a presigned query, SigV2": (_verifier_v2(presigned_v2), query_v2),
    }


def _microseconds(operation: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        operation()
    return (time.perf_counter() - start) / calls * 1e6


def verification_cost(calls: int = 5000) -> tuple[float, float]:
    """Microseconds of reading and verifying a signed header, and a presigned query; medians of five."""
    signed = RawRequest("PUT", PATH, "", (*CLIENT_HEADERS, *_sign_headers()))
    presigned = RawRequest("GET", PATH, _presign(), CLIENT_HEADERS)
    found = [[_microseconds(_verifier(raw), calls) for _ in range(5)] for raw in (signed, presigned)]
    return statistics.median(found[0]), statistics.median(found[1])


def _throughput() -> dict[str, float]:
    """MiB a second of the work done on bodies."""
    chunk = bytes(1024 * 1024)
    framed = b"100000\r\n" + chunk + b"\r\n"

    def decode() -> None:
        decoder = ChunkedDecoder(BodyFraming.UNSIGNED_CHUNKS_TRAILER, 64 * len(chunk), None)
        for _ in range(64):
            decoder.feed(framed)

    figures = {"aws-chunked, unsigned": 64 / (_microseconds(decode, 1) / 1e6)}
    for crc in (crc32c, crc64nvme):
        crc(b"12345678")
        figures[f"{crc.__name__}, the fallback in Python"] = 1 / (_microseconds(lambda crc=crc: crc(chunk, 0), 4) / 1e6)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=2000)
    arguments = parser.parse_args()
    operations = _operations()
    ours: dict[str, list[float]] = {name: [] for name in operations}
    theirs: dict[str, list[float]] = {name: [] for name in operations}
    for _ in range(arguments.rounds):
        for name, (our, their) in operations.items():
            ours[name].append(_microseconds(our, arguments.calls))
            theirs[name].append(_microseconds(their, max(1, arguments.calls // 10)))
    print(f"{'':45}{'ours us':>9}{'botocore us':>13}{'ratio':>7}")  # noqa: T201
    for name in operations:
        our, their = statistics.median(ours[name]), statistics.median(theirs[name])
        print(f"{name:45}{our:9.1f}{their:13.1f}{their / our:7.1f}")  # noqa: T201
    for name, figure in _throughput().items():
        print(f"{name:45}{figure:9.0f} MiB/s")  # noqa: T201


if __name__ == "__main__":
    main()
