"""Signatures, tokens and the credentials that they are made with."""

from __future__ import annotations

from gateway.core.backend import Credentials
from gateway.core.request import AuthFields, RawRequest
from gateway.core.token import LinkToken, hash_secret, remembered_hash, without_marks
from gateway.wire.http import target
from gateway.wire.http.date import read_http_date
from gateway.wire.likeness import AlikeHeads, common_part, differing_fields, read_in_common
from gateway.wire.parse import parse
from gateway.wire.sig import sigv2, sigv4
from gateway.wire.sig.credentials import Scope, auth_fields, read_credentials, timestamp
from tests.linear.case import Case, Thunk, collect
from tests.linear.inputs import DAY, HOST, STAMP, authorization, raw

CASES: list[Case] = []
case = collect(CASES)


def auth_of(request: RawRequest) -> AuthFields:
    return auth_fields(request.headers, target.query_pairs(request.query))


@case("wire.sig.credentials:read_credentials wire.sig.credentials:Scope wire.sig.credentials:timestamp", 500)
def an_authorization_of_many_parts(n: int) -> Thunk:
    many = raw("", ("authorization", "AWS4-HMAC-SHA256 " + ",".join(f"a{number}=b" for number in range(n))))
    texts = ["A" * n + "/20260102/r/s3/aws4_request", "/" * n]

    def run() -> None:
        for text in texts:
            for read in (Scope.parse, timestamp, read_http_date):
                try:
                    read(text)
                except ValueError:
                    continue
        read_credentials(auth_of(many))

    return run


@case("wire.sig.credentials:read_credentials wire.sig.credentials:auth_fields wire.http.date:read_http_date", 300)
def a_query_of_many_parameters(n: int) -> Thunk:
    request = raw("&".join(f"%41{number}=%42" for number in range(n)))
    return lambda: read_credentials(auth_of(request))


@case("wire.sig.credentials:read_credentials", 300)
def many_signed_headers(n: int) -> Thunk:
    names = ";".join(["host", *sorted(f"x-{number:05}" for number in range(n))])
    request = raw("", ("authorization", authorization(names)), ("x-amz-date", STAMP))
    return lambda: read_credentials(auth_of(request))


KEYS = Credentials("A", "secret")


@case("wire.sig.sigv4:verify wire.sig.sigv4:octets", 30)
def a_signature_over_many_headers(n: int) -> Thunk:
    names = [f"x-amz-meta-{number:05}" for number in range(min(n, 60))]
    fields = [(names[number % len(names)], "a  b " * 4) for number in range(n)]
    signed = ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("x-amz-date", STAMP)
    listed = ";".join(sorted(["host", "x-amz-content-sha256", "x-amz-date", *names]))
    request = raw("", *signed, *fields, ("authorization", authorization(listed)))
    presented = read_credentials(auth_of(request))
    assert presented is not None
    return lambda: sigv4.verify(presented, request, "secret", now=DAY, keys=sigv4.SigningKeys())  # type: ignore[arg-type]


def presigned(n: int) -> RawRequest:
    query = sigv4.presign(
        KEYS, sigv4.SigningKeys(), method="GET", host="gw", path="/bkt/k", region="r", now=DAY, expires=60,
        query=[(f"é{number}", "é" * 4) for number in range(n)],
    )  # fmt: skip
    return raw(query)


@case("wire.sig.sigv4:verify", 100)
def a_signature_over_many_parameters(n: int) -> Thunk:
    request = presigned(n)
    presented = read_credentials(auth_of(request))
    assert presented is not None
    return lambda: sigv4.verify(presented, request, "secret", now=DAY, keys=sigv4.SigningKeys())  # type: ignore[arg-type]


@case("wire.sig.sigv4:presign wire.sig.sigv4:sign_headers wire.sig.sigv4:encode_query wire.sig.sigv4:encode_key", 100)
def signing_much(n: int) -> Thunk:
    headers = [(f"x-amz-meta-{number}", "v") for number in range(n)]

    def run() -> None:
        presigned(n)
        sigv4.encode_key("é/" * n)
        sigv4.sign_headers(
            KEYS, sigv4.SigningKeys(), method="PUT", host="gw", path="/", headers=headers, region="r", now=DAY
        )

    return run


@case("wire.sig.sigv2:verify wire.sig.sigv2:presign", 60)
def an_older_signature_over_much(n: int) -> Thunk:
    query = sigv2.presign(
        KEYS, method="GET", path="/bkt/k", now=DAY, expires=60, query=[(f"x-amz-meta-{at}", "é") for at in range(n)]
    )
    request = raw(query, *((f"x-amz-a{at}", "v") for at in range(n)), *[("x-amz-b", "v" * 20)] * n)
    presented = read_credentials(auth_of(request))
    assert presented is not None
    return lambda: sigv2.verify(presented, request, "other", now=DAY)  # type: ignore[arg-type]


@case(
    "wire.likeness:AlikeHeads wire.likeness:common_part wire.likeness:differing_fields wire.likeness:read_in_common"
    " wire.sig.sigv4:KnownCanonical wire.sig.credentials:SignedAlike",
    200,
)
def a_request_like_another_of_many_fields(n: int) -> Thunk:
    ours = [(f"y-{number}", "v") for number in range(n)]
    given = sigv4.sign_headers(
        KEYS, sigv4.SigningKeys(), method="GET", host=HOST[1], path="/bkt/k", region="r", now=DAY
    )
    one, other = (raw("", *ours, ("traceparent", mark * n), *given) for mark in "ab")
    heads = [
        "".join(["GET / HTTP/1.1", *(f"\r\n{name}: {value}" for name, value in each.headers)]).encode()
        for each in (one, other)
    ]
    request, keys = parse(one), sigv4.SigningKeys()
    presented = read_credentials(request.auth)
    proved = sigv4.verify(presented, one, KEYS.secret_key, now=DAY, keys=keys)  # type: ignore[arg-type]

    def run() -> None:
        alike = AlikeHeads.of(one, heads[0])
        assert alike is not None
        differing = alike.read(heads[1])
        assert differing is not None
        assert other == alike.raw(differing)
        assert common_part(other) == read_in_common(request).raw
        known = sigv4.KnownCanonical.of(presented, one, differing_fields(one), proved)  # type: ignore[arg-type]
        assert known is not None
        known.verify(known.signed.read(differing), differing, KEYS.secret_key, now=DAY, keys=keys)

    return run


@case(
    "core.token:LinkToken core.token:hash_secret core.token:remembered_hash core.token:without_marks",
    5000,
    "",
    (remembered_hash,),
)
def a_text_that_is_no_token(n: int) -> Thunk:
    text = "gl_" + "a" * n

    def run() -> None:
        hash_secret(text)
        remembered_hash(text)
        without_marks(text + "." * n)
        LinkToken(text)

    return run
