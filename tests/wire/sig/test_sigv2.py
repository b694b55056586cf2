"""SigV2 against botocore, against published figures, and against tampering."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.backend import Credentials
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.wire.sig import sigv2
from gateway.wire.sig.sigv4 import encode_key
from tests.wire import peer
from tests.wire.peer import HOST, NOW, PAIR

V2 = peer.vectors("sigv2.json")
METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE"])
PATHS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).map(lambda key: "/bucket/" + encode_key(key))
PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
QUERIES = st.dictionaries(
    st.sampled_from(["response-content-type", "response-content-disposition", "uploadId", "partNumber", "prefix", "x"]),
    PRINTABLE,
)
HEADERS = st.dictionaries(st.sampled_from(["content-type", "content-md5", "x-amz-acl", "x-amz-meta-a"]), PRINTABLE)
PAIRS = st.builds(Credentials, st.text("ABCDEF234567", min_size=1, max_size=20), PRINTABLE, st.none() | PRINTABLE)


def text_of(query: dict[str, str]) -> str:
    return "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in query.items())


def check(raw: RawRequest, *, pair: Credentials = PAIR, now: float = NOW, bucket: str | None = None) -> bool:
    sigv2.verify(peer.presented(raw), raw, pair.secret_key, now=now, bucket_from_host=bucket)
    return True


def refusal(raw: RawRequest, **options) -> Reason:
    with pytest.raises(Refused) as caught:
        check(raw, **options)
    return caught.value.reason


@given(METHODS, PATHS, QUERIES, HEADERS, PAIRS)
def test_botocore_header_signatures_verify(method, path, query, headers, pair):
    """What botocore signs with SigV2 in a header is accepted."""
    assert check(peer.v2_header(method, path, text_of(query), headers, pair=pair), pair=pair)


@given(METHODS, PATHS, QUERIES, HEADERS, PAIRS)
def test_botocore_presigned_queries_verify(method, path, query, headers, pair):
    """What botocore presigns with SigV2 is accepted, with the x-amz headers that it moves into the query."""
    assert check(peer.v2_query(method, path, text_of(query), headers, pair=pair), pair=pair)


@given(METHODS, PATHS, QUERIES, PAIRS, st.integers(1, 10**6))
def test_presigning_equals_botocore(method, path, query, pair, expires):
    """A presigned query has the parameters and the signature that botocore gives the same request."""
    ours = sigv2.presign(pair, method=method, path=path, query=list(query.items()), now=NOW, expires=expires)
    theirs = peer.v2_query(method, path, text_of(query), pair=pair, expires=expires).query
    assert sorted(map(unquote, ours.split("&"))) == sorted(map(unquote, theirs.split("&")))


@given(METHODS, PATHS, QUERIES, HEADERS, PAIRS, st.none() | st.just("some-bucket"))
def test_what_is_presigned_verifies(method, path, query, headers, pair, bucket):
    """A presigned query verifies with the headers it was made for, with the bucket in the path or in the host."""
    pairs = list(query.items())
    made = sigv2.presign(
        pair,
        method=method,
        path=path,
        query=pairs,
        headers=list(headers.items()),
        now=NOW,
        expires=60,
        bucket_from_host=bucket,
    )
    raw = RawRequest(method, path, made, (("host", HOST), *headers.items()))
    assert check(raw, pair=pair, bucket=bucket)
    assert refusal(raw, pair=pair, bucket="other-bucket") is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    "vector", V2["header"], ids=lambda vector: f"{vector['method']} {vector['path']}{vector['query']}"
)
def test_published_header_figures(vector):
    """The SigV2 signatures printed in the S3 guide are accepted, and no other bucket's."""
    authorization = ("authorization", f"AWS {V2['access_key']}:{vector['signature']}")
    headers = tuple(tuple(item) for item in vector["headers"])
    raw = RawRequest(vector["method"], vector["path"], vector["query"], (*headers, authorization))
    pair = Credentials(V2["access_key"], V2["secret_key"])
    now = peer.presented(raw).signed_at
    assert check(raw, pair=pair, now=now, bucket=vector["bucket"])
    assert refusal(raw, pair=pair, now=now, bucket="elsewhere") is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("vector", V2["query"], ids=lambda vector: vector["path"])
def test_published_query_figures(vector):
    """The SigV2 URL printed in the S3 guide is accepted and made."""
    pair = Credentials(V2["access_key"], V2["secret_key"])
    raw = RawRequest(vector["method"], vector["path"], vector["query"], ())
    assert check(raw, pair=pair, now=vector["expires_at"] - 1, bucket=vector["bucket"])
    made = sigv2.presign(
        pair,
        method="GET",
        path=vector["path"],
        now=vector["expires_at"] - 60,
        expires=60,
        bucket_from_host=vector["bucket"],
    )
    assert sorted(made.split("&")) == sorted(vector["query"].split("&"))


@given(METHODS, PATHS, HEADERS, st.booleans(), st.data())
def test_any_changed_character_is_refused(method, path, headers, in_query, data):
    """A request with one signed character changed is refused, or presents another key, or decodes to the same."""
    query = text_of({"uploadId": "a/b c", "partNumber": "7"})
    sign = peer.v2_query if in_query else peer.v2_header
    raw = sign(method, path, query, headers)
    signed = [index for index, (name, _) in enumerate(raw.headers) if name not in {"host", "x-amz-user-agent"}]
    part = data.draw(st.sampled_from(["method", "path", "query", *signed]))
    text = raw.headers[part][1] if isinstance(part, int) else getattr(raw, part)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=text[place]))
    changed = text[:place] + letter + text[place + 1 :]
    listed = list(raw.headers)
    if isinstance(part, int):
        listed[part] = (listed[part][0], changed)
        other = replace(raw, headers=tuple(listed))
    else:
        other = replace(raw, **{part: changed})
    try:
        check(other)
    except Refused:
        return
    # Content-Type and Content-MD5 are repeated in botocore's query, where they mean nothing.
    spare = {"content-type", "content-md5"}
    said = [{pair for pair in r.query.split("&") if unquote(pair.partition("=")[0]) not in spare} for r in (raw, other)]
    same_query = {unquote(pair) for pair in said[0]} == {unquote(pair) for pair in said[1]}
    touched_spare = in_query and part == "query" and any(f"{name}=" in raw.query for name in spare)
    assert peer.presented(other).access_key_id != PAIR.access_key or same_query or touched_spare


@given(st.text(max_size=60), st.booleans())
def test_a_signature_of_any_length_and_any_text_is_refused(text, in_query):
    """A wrong signature of any shape is a refusal and never an error."""
    raw = peer.v2_query("GET", "/bucket/k") if in_query else peer.v2_header("GET", "/bucket/k")
    presented = replace(peer.presented(raw), signature=text)
    with pytest.raises(Refused) as caught:
        sigv2.verify(presented, raw, PAIR.secret_key, now=NOW)
    assert caught.value.reason is Reason.BAD_SIGNATURE


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_garbage_around_a_signature_is_refused(method, path, value):
    """Text that no client could have sent is a refusal and never an error."""
    raw = peer.v2_header("GET", "/bucket/k", headers={"x-amz-meta-a": "x"})
    headers = tuple((name, value if name == "x-amz-meta-a" else kept) for name, kept in raw.headers)
    assume((method, path, value.strip()) != ("GET", "/bucket/k", "x"))
    assert refusal(RawRequest(method, path, raw.query, headers)) in {Reason.BAD_SIGNATURE, Reason.BAD_REQUEST}


def test_header_authentication_is_fresh():
    """A SigV2 header counts for fifteen minutes in either direction, by Date or by x-amz-date."""
    raw = peer.v2_header("GET", "/bucket/k")
    for shift in (-901, 901):
        assert refusal(raw, now=NOW + shift) is Reason.CLOCK_SKEWED
    assert check(raw, now=NOW + 900)
    assert check(raw, now=NOW - 900)


def test_an_amz_date_takes_the_dates_place():
    """With x-amz-date the date's own line is empty, and the freshness is that of x-amz-date."""
    moment = "Mon, 21 Sep 2026 14:13:20 GMT"
    text = f"GET\n\n\n\nx-amz-date:{moment}\n/bucket/k"
    signature = peer.HmacV1Auth(peer.botocore_pair(PAIR)).sign_string(text)
    authorization = ("authorization", f"AWS {PAIR.access_key}:{signature}")
    raw = RawRequest("GET", "/bucket/k", "", (("x-amz-date", moment), authorization))
    now = peer.presented(raw).signed_at
    assert check(raw, now=now)
    assert check(replace(raw, headers=(*raw.headers, ("date", "Mon, 21 Sep 2026 10:00:00 GMT"))), now=now)
    assert refusal(raw, now=now + 901) is Reason.CLOCK_SKEWED


def test_a_presigned_url_ends_on_its_second():
    """A presigned URL is refused from its `Expires` on, and SigV2 knows no longest lifetime."""
    raw = peer.v2_query("GET", "/bucket/k", expires=60)
    assert check(raw, now=NOW + 59.9)
    assert refusal(raw, now=NOW + 60) is Reason.SIGNATURE_EXPIRED
    assert check(peer.v2_query("GET", "/bucket/k", expires=8 * 86400), now=NOW + 8 * 86400 - 1)


@pytest.mark.parametrize(
    "spelling", ["acl", "acl=", "%61cl", "uploads", "uploadId=1", "response-content-type=text%2Fhtml"]
)
@pytest.mark.parametrize("sign", [peer.v2_header, peer.v2_query])
def test_an_added_sub_resource_is_refused(spelling, sign):
    """A sub-resource added to a signed request is refused, an escaped spelling of its name included."""
    raw = sign("GET", "/bucket/k")
    joined = "&".join(filter(None, [raw.query, spelling]))
    assert refusal(replace(raw, query=joined)) is Reason.BAD_SIGNATURE


def test_an_added_amz_header_is_refused():
    """No x-amz header can be added to a SigV2 request, in its headers or in its query."""
    for raw in (peer.v2_header("PUT", "/bucket/k"), peer.v2_query("PUT", "/bucket/k")):
        added = replace(raw, headers=(*raw.headers, ("x-amz-copy-source", "/bucket/secret")))
        assert refusal(added) is Reason.BAD_SIGNATURE
    raw = peer.v2_query("PUT", "/bucket/k")
    assert refusal(replace(raw, query=f"{raw.query}&x-amz-acl=public-read")) is Reason.BAD_SIGNATURE


def test_an_amz_name_stands_in_one_place():
    """An x-amz name both in the query and in the headers is refused: two readers could take different ones."""
    raw = peer.v2_query("PUT", "/bucket/k", headers={"x-amz-acl": "private"})
    both = replace(raw, headers=(*raw.headers, ("x-amz-acl", "private")))
    assert refusal(both) is Reason.CREDENTIALS_QUERY_MALFORMED


@pytest.mark.parametrize("decoded", [True, False])
def test_overrides_may_be_signed_decoded_or_as_sent(decoded):
    """Clients sign a sub-resource's value in two ways, and both are understood."""
    value = 'attachment; filename="a b.pdf"'
    sent = quote(value, safe="")
    resource = f"/bucket/k?response-content-disposition={value if decoded else sent}"
    expires = NOW + 60
    signature = peer.HmacV1Auth(peer.botocore_pair(PAIR)).sign_string(f"GET\n\n\n{expires}\n{resource}")
    query = (
        f"response-content-disposition={sent}&AWSAccessKeyId={PAIR.access_key}&Expires={expires}"
        f"&Signature={quote(signature, safe='')}"
    )
    assert check(RawRequest("GET", "/bucket/k", query, ()))


@pytest.mark.parametrize("resource", ["/bucket/?location", "/bucket/?location="])
def test_an_empty_sub_resource_may_be_signed_by_its_bare_name(resource):
    """minio-go asks for `?location=` and signs `?location`; as sent it counts too, and another name does not."""
    expires = NOW + 60

    def asked(signed):
        signature = peer.HmacV1Auth(peer.botocore_pair(PAIR)).sign_string(f"GET\n\n\n{expires}\n{signed}")
        given = f"AWSAccessKeyId={PAIR.access_key}&Expires={expires}&Signature={quote(signature, safe='')}"
        return RawRequest("GET", "/bucket/", f"location=&{given}", ())

    assert check(asked(resource))
    assert refusal(asked("/bucket/?uploads")) is Reason.BAD_SIGNATURE


def test_a_signed_content_type_must_come():
    """A URL made for one Content-Type is refused with another one and without one."""
    raw = peer.v2_query("PUT", "/bucket/k", headers={"content-type": "text/plain"})
    assert check(raw)
    for value in (None, "text/html"):
        headers = tuple(pair for pair in raw.headers if pair[0] != "content-type")
        headers += () if value is None else (("content-type", value),)
        assert refusal(replace(raw, headers=headers)) is Reason.BAD_SIGNATURE


def test_a_bucket_alone_may_be_signed_with_a_slash_behind_it() -> None:
    """botocore signs `/bucket/` and asks for `/bucket`; a key keeps its own path, slash or none."""
    for signed, asked, fine in (("/bkt/", "/bkt", True), ("/bkt/k/", "/bkt/k", False), ("/bkt", "/bkt/", False)):
        query = sigv2.presign(PAIR, method="GET", path=signed, now=NOW, expires=60)
        raw = RawRequest("GET", asked, query, (("host", HOST),))
        assert check(raw) if fine else Reason.BAD_SIGNATURE == refusal(raw)


@pytest.mark.parametrize("name", ["x-amz-copy-source", "X-Amz-Tagging", "x%2Damz-meta-a", "x-amz-security-token"])
def test_a_signature_in_the_header_covers_no_parameter(name: str) -> None:
    """A parameter that would count as a header is refused beside SigV2 in the header, which does not sign it."""
    raw = peer.v2_header("PUT", "/bucket/k", headers={"date": "unused"})
    assert check(raw)
    assert Reason.UNSIGNED_HEADER == refusal(replace(raw, query=f"{name}=%2Fbucket%2Fother"))
