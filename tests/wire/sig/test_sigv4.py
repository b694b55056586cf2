"""SigV4 against botocore, against published figures, against tampering, and against what peers got wrong."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.backend import Credentials
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.wire.likeness import differing_fields
from gateway.wire.sig import sigv4
from gateway.wire.sig.credentials import timestamp
from tests.wire import peer
from tests.wire.peer import HOST, NOW, PAIR, REGION

KEYS = sigv4.SigningKeys(64)
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
V4 = peer.vectors("sigv4.json")

METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE"])
LETTERS = st.characters(codec="utf-8", exclude_characters="\x00")
OBJECT_KEYS = st.text(LETTERS, min_size=1, max_size=40)
PATHS = OBJECT_KEYS.map(lambda key: "/bucket/" + sigv4.encode_key(key))
QUERIES = st.lists(
    st.tuples(st.text(LETTERS, min_size=1, max_size=8), st.text(LETTERS, max_size=12)),
    max_size=4,
    # botocore's presigner folds repeated names; repetition has a test of its own.
    unique_by=lambda pair: pair[0],
).filter(lambda pairs: not any(name.lower().startswith("x-amz-") for name, _ in pairs))
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20).map(str.strip)
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "content-md5", "range", "x-amz-acl", "x-amz-meta-a", "x-amz-meta-b-c"]), PRINTABLE
)
PAIRS = st.builds(
    Credentials,
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=1, max_size=30),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=50),
    st.none() | st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60),
)


def check(raw: RawRequest, *, pair: Credentials = PAIR, now: float = NOW, **options) -> sigv4.Verified:
    return sigv4.verify(peer.presented(raw), raw, pair.secret_key, now=now, keys=KEYS, **options)


def refusal(raw: RawRequest, **options) -> Reason:
    with pytest.raises(Refused) as caught:
        check(raw, **options)
    return caught.value.reason


def with_header(raw: RawRequest, name: str, value: str) -> RawRequest:
    return replace(raw, headers=(*raw.headers, (name, value)))


# equality with botocore and with published figures


@given(METHODS, PATHS, QUERIES, HEADERS, PAIRS, st.integers(1, 604800))
def test_presigning_equals_botocore(method, path, query, headers, pair, expires):
    """Every presigned query has the parameters and the signature that botocore gives the same request."""
    ours = sigv4.presign(
        pair,
        KEYS,
        method=method,
        host=HOST,
        path=path,
        query=query,
        headers=list(headers.items()),
        region=REGION,
        now=NOW + 0.7,
        expires=expires,
    )
    request = AWSRequest(method=method, url=peer.url(path, sigv4.encode_query(query)), headers=headers)
    with peer.frozen(NOW + 0.7):
        S3SigV4QueryAuth(peer.botocore_pair(pair), "s3", REGION, expires=expires).add_auth(request)
    assert sorted(ours.split("&")) == sorted(urlsplit(request.url).query.split("&"))


@given(METHODS, PATHS, QUERIES, HEADERS, PAIRS)
def test_signing_headers_equals_botocore(method, path, query, headers, pair):
    """Header signing gives botocore's Authorization header for the same request, letter by letter."""
    request = AWSRequest(method=method, url=peer.url(path, sigv4.encode_query(query)), headers=headers)
    with peer.frozen(NOW):
        S3SigV4Auth(peer.botocore_pair(pair), "s3", REGION).add_auth(request)
    ours = dict(
        sigv4.sign_headers(
            pair,
            KEYS,
            method=method,
            host=HOST,
            path=path,
            query=query,
            headers=list(headers.items()),
            region=REGION,
            now=NOW,
            payload_hash=EMPTY,
        )
    )
    assert ours == {name: request.headers[name] for name in ours}


@given(METHODS, PATHS, QUERIES, HEADERS, PAIRS, st.binary(max_size=8))
def test_botocore_header_signatures_verify(method, path, query, headers, pair, body):
    """What botocore signs in headers is accepted, and says whether the body is pinned."""
    raw = peer.v4_header(method, path, sigv4.encode_query(query), headers, body, pair=pair)
    assert check(raw, pair=pair).payload_hash == raw.header("x-amz-content-sha256")


@given(METHODS, PATHS, QUERIES, HEADERS, PAIRS)
def test_botocore_presigned_queries_verify(method, path, query, headers, pair):
    """What botocore presigns is accepted to its last second."""
    raw = peer.v4_query(method, path, sigv4.encode_query(query), headers, pair=pair)
    assert check(raw, pair=pair, now=NOW + 3599.9).payload_hash == sigv4.UNSIGNED_PAYLOAD


@pytest.mark.parametrize("vector", V4["header"], ids=lambda vector: vector["name"])
def test_published_header_figures(vector):
    """The signatures printed in the S3 reference are made and accepted."""
    pair = Credentials(V4["access_key"], V4["secret_key"])
    now = timestamp(V4["timestamp"])
    query, headers = [tuple(item) for item in vector["query"]], [tuple(item) for item in vector["headers"]]
    request = {name: vector[name] for name in ("method", "host", "path", "payload_hash")}
    added = sigv4.sign_headers(pair, KEYS, query=query, headers=headers, region=V4["region"], now=now, **request)
    assert dict(added)["authorization"].endswith(f"Signature={vector['signature']}")
    raw = RawRequest(
        vector["method"],
        vector["path"],
        sigv4.encode_query(query),
        (("host", vector["host"]), *headers, *added),
    )
    assert check(raw, pair=pair, now=now).signature == vector["signature"]


@pytest.mark.parametrize("vector", V4["query"], ids=lambda vector: vector["name"])
def test_published_query_figures(vector):
    """The presigned URL printed in the S3 reference is made and accepted."""
    pair = Credentials(V4["access_key"], V4["secret_key"])
    now = timestamp(V4["timestamp"])
    request = {name: vector[name] for name in ("method", "host", "path", "expires")}
    query = sigv4.presign(pair, KEYS, region=V4["region"], now=now, **request)
    assert query.endswith(f"X-Amz-Signature={vector['signature']}")
    raw = RawRequest(vector["method"], vector["path"], query, (("host", vector["host"]),))
    assert check(raw, pair=pair, now=now).signature == vector["signature"]


# tampering


def tampered(raw: RawRequest, data: st.DataObject) -> RawRequest:
    """The request with one character of one signed part replaced by another one."""
    signed = set(peer.presented(raw).signed_headers) | {"authorization"}
    headers = [index for index, (name, _) in enumerate(raw.headers) if name in signed]
    part = data.draw(st.sampled_from(["method", "path", "query", *headers]))
    text = raw.headers[part][1] if isinstance(part, int) else getattr(raw, part)
    assume(text)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=text[place]))
    changed = text[:place] + letter + text[place + 1 :]
    if isinstance(part, int):
        listed = list(raw.headers)
        listed[part] = (listed[part][0], changed)
        return replace(raw, headers=tuple(listed))
    return replace(raw, **{part: changed})


def meaning(raw: RawRequest) -> tuple:
    """What a request says once it is decoded; two spellings of one escape say the same."""
    return raw.method, unquote(raw.path), parse_qsl(raw.query.replace("+", "%2B"), keep_blank_values=True), raw.headers


@given(METHODS, PATHS, QUERIES, HEADERS, st.booleans(), st.data())
def test_any_changed_character_is_refused(method, path, query, headers, in_query, data):
    """A request with one character changed is refused, or presents another key, or means exactly the same."""
    sign = peer.v4_query if in_query else peer.v4_header
    raw = sign(method, path, sigv4.encode_query(query), headers)
    other = tampered(raw, data)
    try:
        verified = check(other)
    except Refused:
        return
    assert verified.access_key_id != PAIR.access_key or meaning(other) == meaning(raw)


@given(st.text(max_size=100), st.booleans())
def test_a_signature_of_any_length_and_any_text_is_refused(text, in_query):
    """A wrong signature of any shape is a refusal and never an error."""
    raw = peer.v4_query("GET", "/bucket/k") if in_query else peer.v4_header("GET", "/bucket/k")
    presented = replace(peer.presented(raw), signature=text)
    with pytest.raises(Refused) as caught:
        sigv4.verify(presented, raw, PAIR.secret_key, now=NOW, keys=KEYS)
    assert caught.value.reason is Reason.BAD_SIGNATURE


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_garbage_around_a_signature_is_refused(method, path, query, value):
    """Text that no client could have sent, lone surrogates included, is a refusal and never an error."""
    for raw in (peer.v4_query("GET", "/bucket/k"), peer.v4_header("GET", "/bucket/k", headers={"range": "x"})):
        headers = tuple((name, value if name in {"range", "host"} else kept) for name, kept in raw.headers)
        changed = RawRequest(method, path, f"{raw.query}&{query}", headers)
        with pytest.raises(Refused):
            check(changed)


@given(st.text(min_size=1, max_size=60), st.booleans())
def test_another_secret_is_refused(secret, in_query):
    """Only the holder of the secret can sign."""
    assume(secret != PAIR.secret_key)
    raw = peer.v4_query("GET", "/bucket/k") if in_query else peer.v4_header("GET", "/bucket/k")
    assert refusal(raw, pair=replace(PAIR, secret_key=secret)) in {Reason.BAD_SIGNATURE, Reason.BAD_REQUEST}


# freshness


@pytest.mark.parametrize(("shift", "reason"), [(-901, Reason.CLOCK_SKEWED), (901, Reason.CLOCK_SKEWED)])
def test_header_authentication_is_fresh(shift, reason):
    """A signed header counts for fifteen minutes in either direction, so a capture cannot be replayed for ever."""
    raw = peer.v4_header("GET", "/bucket/k", now=NOW)
    assert refusal(raw, now=NOW + shift) is reason
    assert check(raw, now=NOW + shift * 900 / 901)


def test_a_presigned_url_ends_on_its_second():
    """A presigned URL is good before its end and refused from its end on."""
    raw = peer.v4_query("GET", "/bucket/k", expires=60)
    assert check(raw, now=NOW + 59.9)
    assert refusal(raw, now=NOW + 60) is Reason.SIGNATURE_EXPIRED


def test_a_presigned_url_from_the_future_is_refused():
    """A presigned URL dated more than fifteen minutes ahead is not valid yet."""
    raw = peer.v4_query("GET", "/bucket/k")
    assert check(raw, now=NOW - 900)
    assert refusal(raw, now=NOW - 901) is Reason.NOT_YET_VALID


def test_the_day_of_the_scope_is_bound_to_the_date():
    """A scope of another day with an x-amz-date of today never reaches the signature check."""
    raw = peer.v4_header("GET", "/bucket/k", now=NOW)
    other = replace(peer.presented(raw).scope, date="20200101")
    header = raw.header("authorization").replace(peer.presented(raw).scope.text, other.text)
    changed = replace(raw, headers=tuple((n, header if n == "authorization" else v) for n, v in raw.headers))
    assert refusal(changed) is Reason.CREDENTIALS_MALFORMED


# coverage: what is present must be signed


@pytest.mark.parametrize(
    "name", ["x-amz-copy-source", "x-amz-acl", "x-amz-meta-a", "x-amz-security-token", "x-amz-tagging"]
)
@pytest.mark.parametrize("sign", [peer.v4_header, peer.v4_query])
def test_an_unsigned_amz_header_is_refused(name, sign):
    """A header that changes what is done, added to a signed request, turns no PUT into a copy."""
    assert refusal(with_header(sign("PUT", "/bucket/k"), name, "/bucket/secret")) is Reason.UNSIGNED_HEADER


def test_an_unsigned_digest_is_refused_and_an_unsigned_type_is_not():
    """An unsigned Content-MD5 is refused in header authentication, and is left to the maker of a presigned URL; a
    Content-Type may be unsigned in both, as with S3."""
    assert refusal(with_header(peer.v4_header("PUT", "/bucket/k"), "content-md5", "x")) is Reason.UNSIGNED_HEADER
    assert check(with_header(peer.v4_header("PUT", "/bucket/k", headers={"content-md5": "x"}), "accept", "x"))
    assert check(with_header(peer.v4_query("PUT", "/bucket/k"), "content-md5", "x"))
    for sign in (peer.v4_header, peer.v4_query):
        assert check(with_header(sign("PUT", "/bucket/k"), "content-type", "x"))


def test_the_payload_hash_need_not_be_named_and_is_signed_all_the_same():
    """Early SDKs leave x-amz-content-sha256 out of SignedHeaders; it ends what is signed, so no other value passes."""
    hashed = sha256(b"body").hexdigest()
    stamp = datetime.fromtimestamp(NOW, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    canonical = f"PUT\n/bucket/k\n\nhost:{HOST}\nx-amz-date:{stamp}\n\nhost;x-amz-date\n{hashed}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = sigv4.SigningKeys().derive(PAIR.secret_key, stamp[:8], REGION, "s3")
    given = f"Credential={PAIR.access_key}/{scope}, SignedHeaders=host;x-amz-date, Signature="
    signed = f"AWS4-HMAC-SHA256 {given}{key.sign(text.encode())}"
    headers = (("host", HOST), ("x-amz-date", stamp), ("authorization", signed))
    raw = RawRequest("PUT", "/bucket/k", "", headers)
    assert hashed == check(with_header(raw, "x-amz-content-sha256", hashed)).payload_hash
    for other in (sha256(b"other").hexdigest(), "UNSIGNED-PAYLOAD"):
        assert refusal(with_header(raw, "x-amz-content-sha256", other)) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("name", ["x-amz-user-agent", "x-amz-cf-id"])
def test_what_nobody_reads_may_be_unsigned(name):
    """The header with which one SDK names itself, and that of a network in front, are never acted on here."""
    assert check(with_header(peer.v4_header("PUT", "/bucket/k"), name, "sdk"))
    assert check(with_header(peer.v4_query("PUT", "/bucket/k"), name, "sdk"))


@pytest.mark.parametrize("sign", [peer.v4_header, peer.v4_query])
@pytest.mark.parametrize("name", ["range", "content-type", "content-md5", "if-match"])
def test_a_signed_header_that_did_not_come_counts_as_empty(sign, name):
    """A signer may name a header that its client leaves out; one that it had a value for cannot be left out."""
    empty = sign("PUT", "/bucket/k", headers={name: ""})
    absent = replace(empty, headers=tuple(pair for pair in empty.headers if pair[0] != name))
    assert name in peer.presented(absent).signed_headers
    assert check(empty)
    assert check(absent)
    full = sign("PUT", "/bucket/k", headers={name: "x"})
    without = replace(full, headers=tuple(pair for pair in full.headers if pair[0] != name))
    assert refusal(without) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("sign", [peer.v4_header, peer.v4_query])
@pytest.mark.parametrize("name", ["host", "x-amz-meta-a", "x-amz-copy-source"])
def test_a_signed_header_that_says_what_is_done_has_to_come(sign, name):
    """The host and every `x-amz-*` header have to be there if they were signed, empty or not."""
    signed = sign("PUT", "/bucket/k", headers={} if name == "host" else {name: ""})
    without = replace(signed, headers=tuple(pair for pair in signed.headers if pair[0] != name))
    assert name in peer.presented(without).signed_headers
    assert check(signed)
    assert refusal(without) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("name", ["content-type", "x-amz-meta-a"])
def test_a_signed_header_must_come_as_signed(name):
    """A header that the URL's maker signed is refused when it is missing, different, or sent twice."""
    raw = peer.v4_query("PUT", "/bucket/k", headers={name: "text/plain"})
    without = replace(raw, headers=tuple(pair for pair in raw.headers if pair[0] != name))
    assert check(raw)
    assert refusal(without) is Reason.BAD_SIGNATURE
    assert refusal(with_header(without, name, "text/html")) is Reason.BAD_SIGNATURE
    assert refusal(with_header(raw, name, "text/plain")) is Reason.BAD_SIGNATURE


def test_a_signed_header_may_come_in_the_query_alone():
    """One SDK signs `x-amz-*` headers, moves them into the query too, and does not ask the client to send them."""
    headers = [("x-amz-acl", "bucket-owner-full-control"), ("x-amz-meta-a", "ä  b")]
    query = sigv4.presign(
        PAIR,
        KEYS,
        method="PUT",
        host=HOST,
        path="/bucket/k",
        query=headers,
        headers=headers,
        region=REGION,
        now=NOW,
        expires=60,
    )
    raw = RawRequest("PUT", "/bucket/k", query, (("host", HOST),))
    assert {"host", "x-amz-acl", "x-amz-meta-a"} == set(peer.presented(raw).signed_headers)
    assert check(raw)
    for changed in (
        query.replace("bucket-owner-full-control", "public-read"),
        query.replace("x-amz-acl=bucket-owner-full-control&", ""),
        query.replace("&x-amz-acl=", "&X-Amz-Acl="),
    ):
        assert refusal(replace(raw, query=changed)) is Reason.BAD_SIGNATURE
    assert refusal(replace(raw, query=f"{query}&x-amz-acl=public-read")) is Reason.BAD_REQUEST
    assert refusal(with_header(raw, "x-amz-acl", "public-read")) is Reason.BAD_SIGNATURE


def test_only_amz_headers_may_come_in_the_query():
    """A signed Content-Type has to be sent: a parameter of its name is no promise about the body."""
    query = sigv4.presign(
        PAIR,
        KEYS,
        method="PUT",
        host=HOST,
        path="/bucket/k",
        query=[("content-type", "text/plain")],
        headers=[("content-type", "text/plain")],
        region=REGION,
        now=NOW,
        expires=60,
    )
    raw = RawRequest("PUT", "/bucket/k", query, (("host", HOST),))
    assert refusal(raw) is Reason.BAD_SIGNATURE
    assert check(with_header(raw, "content-type", "text/plain"))


# the payload's hash


def test_header_authentication_names_its_payload():
    """Header authentication without x-amz-content-sha256 is refused: no default stands for a security field."""
    raw = peer.v4_header("GET", "/bucket/k")
    without = replace(raw, headers=tuple(pair for pair in raw.headers if pair[0] != "x-amz-content-sha256"))
    assert refusal(without) is Reason.BAD_REQUEST


@pytest.mark.parametrize(
    "value", ["", "x", EMPTY.upper(), EMPTY[:-1], "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "plain"]
)
def test_a_payload_hash_has_known_forms(value):
    """An x-amz-content-sha256 of an unknown form is refused before anything is computed."""
    raw = peer.v4_header("GET", "/bucket/k")
    headers = tuple((n, value if n == "x-amz-content-sha256" else v) for n, v in raw.headers)
    assert refusal(replace(raw, headers=headers)) is Reason.BAD_ARGUMENT


@pytest.mark.parametrize("value", [EMPTY, "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
def test_a_hash_pinned_in_a_presigned_url_is_kept(value):
    """A payload hash that the maker of a URL pinned, as header or as parameter, is handed on to be checked."""
    as_header = peer.v4_query("PUT", "/bucket/k", headers={"X-Amz-Content-SHA256": value})
    assert check(as_header).payload_hash == value

    # The canonical request of this form ends in the parameter's value, as SDKs that move the header into the query do.
    def both(*query: tuple[str, str]) -> RawRequest:
        signed = [("x-amz-content-sha256", value)]
        text = sigv4.presign(
            PAIR, KEYS, method="PUT", host=HOST, path="/bucket/k", query=query, headers=signed, region=REGION, now=NOW,
            expires=60,
        )  # fmt: skip
        return RawRequest("PUT", "/bucket/k", text, (("host", HOST), *signed))

    assert check(both()).payload_hash == value
    if value != "UNSIGNED-PAYLOAD":
        assert refusal(both(("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"))) is Reason.BAD_ARGUMENT


def test_a_hash_parameter_is_the_payload_hash():
    """A hash that stands among the signed parameters is the one the signature was made with."""
    scope = f"{PAIR.access_key}/20260921/{REGION}/s3/aws4_request"
    pairs = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Content-Sha256", EMPTY),
        ("X-Amz-Credential", scope),
        ("X-Amz-Date", "20260921T141320Z"),
        ("X-Amz-Expires", "60"),
        ("X-Amz-SignedHeaders", "host"),
    ]
    query = sigv4.encode_query(pairs)
    request = AWSRequest(method="PUT", url=peer.url("/bucket/k", query), headers={"X-Amz-Content-SHA256": EMPTY})
    signer = S3SigV4Auth(peer.botocore_pair(PAIR), "s3", REGION)
    request.context["timestamp"] = "20260921T141320Z"
    signer.headers_to_sign = lambda _: {"host": HOST}
    signer.canonical_headers = lambda _: f"host:{HOST}"
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    raw = RawRequest("PUT", "/bucket/k", f"{query}&X-Amz-Signature={signature}", (("host", HOST),))
    assert check(raw, now=timestamp("20260921T141320Z")).payload_hash == EMPTY


# canonical form: path, query, headers


@pytest.mark.parametrize("key", ["a/../b", "./a", "a//b", "//a", "a/./b", "..", "a/"])
def test_a_path_is_not_normalised(key):
    """Dot segments and doubled slashes are signed as they are: the normalised path does not verify."""
    raw = peer.v4_header("GET", f"/bucket/{key}")
    assert check(raw)
    for other in ("/bucket/b", "/bucket/a", "/bucket/a/b", "/bucket/", "/", "/b"):
        if other != raw.path:
            assert refusal(replace(raw, path=other)) is Reason.BAD_SIGNATURE


def test_a_path_is_decoded_exactly_once():
    """A signature for one key does not open the key that a second decoding would give."""
    raw = peer.v4_header("GET", "/bucket/" + sigv4.encode_key("a%2Fb c%20d"))
    assert raw.path == "/bucket/a%252Fb%20c%2520d"
    assert check(raw)
    for other in ("/bucket/a%2Fb%20c%20d", "/bucket/a/b%20c%20d"):
        assert refusal(replace(raw, path=other)) is Reason.BAD_SIGNATURE


@given(OBJECT_KEYS)
def test_a_path_signed_encoded_may_arrive_less_encoded(key):
    """A client that leaves harmless characters bare on the wire, or escapes too many, is understood."""
    signed = peer.v4_query("GET", "/bucket/" + sigv4.encode_key(key))
    for spelling in (quote(key, safe="/!$&'()*+,;=:@~"), "".join(f"%{octet:02x}" for octet in key.encode())):
        assert check(replace(signed, path=f"/bucket/{spelling}"))


@given(OBJECT_KEYS)
def test_a_key_is_encoded_once_and_reversibly(key):
    """An encoded key holds unreserved characters, slashes and escapes, and decodes to the key."""
    encoded = sigv4.encode_key(key)
    assert encoded == quote(key, safe="/~")
    assert unquote(encoded) == key


def test_a_plus_in_a_query_is_a_space():
    """A bare plus means the space that a form-encoding library made it of, in signature and value, as with S3; what was
    signed as a plus has to come escaped."""
    signed = peer.v4_query("GET", "/bucket", sigv4.encode_query([("prefix", "a b+c")]))
    assert "prefix=a%20b%2Bc" in signed.query
    assert check(replace(signed, query=signed.query.replace("%20", "+")))
    for other in (signed.query.replace("%2B", "+"), signed.query.replace("%2B", "%20")):
        assert refusal(replace(signed, query=other)) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("sign", [peer.v4_header, peer.v4_query])
def test_a_port_that_was_not_signed_says_nothing(sign):
    """A host that was signed with 80 or 443 may come without it, one that was signed without a port with any; a port
    that was signed is this one."""
    for signed, sent, alike in (
        ("s3.example.org", "s3.example.org:443", True),
        ("s3.example.org", "s3.example.org:80", True),
        ("s3.example.org:443", "s3.example.org", True),
        ("s3.example.org:80", "s3.example.org", True),
        ("s3.example.org:9000", "s3.example.org", False),
        ("s3.example.org", "s3.example.org:8080", True),
        ("[2001:db8::1]", "[2001:db8::1]:8080", True),
        ("s3.example.org:9000", "s3.example.org:8080", False),
        ("s3.example.org:80", "s3.example.org:8080", False),
        ("s3.example.org", "s3.example.org:8080:9090", False),
        ("[2001:db8::1]", "[2001:db8::1", False),
        ("s3.example.org", "s3.example.com:443", False),
    ):
        raw = sign("GET", "/bucket/k", headers={"host": signed})
        arrived = replace(raw, headers=tuple((n, sent if n == "host" else v) for n, v in raw.headers))
        assert check(raw)
        assert bool(check(arrived)) if alike else refusal(arrived) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("sign", [peer.v4_header, peer.v4_query])
def test_tabs_are_signed_as_they_are_or_as_blanks(sign):
    """Signers differ in what they collapse within a value; nothing but blanks is alike."""
    raw = sign("PUT", "/bucket/k", headers={"x-amz-meta-a": "a b c"})
    for value, alike in (("a\tb  c", True), ("a \t b c", True), ("a bc", False), ("ab\tc", False)):
        arrived = replace(raw, headers=tuple((n, value if n == "x-amz-meta-a" else v) for n, v in raw.headers))
        assert bool(check(arrived)) if alike else refusal(arrived) is Reason.BAD_SIGNATURE


def test_repeated_parameters_are_kept_and_sorted_by_value():
    """Repeated names are all signed, whatever their order on the wire; one more or one less is refused."""
    query = "a=2&a=10&a=1&a-b=0"
    raw = peer.v4_header("GET", "/bucket", query)
    for order in ("a=1&a=2&a-b=0&a=10", "a-b=0&a=10&a=2&a=1"):
        assert check(replace(raw, query=order))
    for other in ("a=1&a=2&a-b=0", "a=1&a=2&a=10&a=10&a-b=0", "a=1,2,10&a-b=0"):
        assert refusal(replace(raw, query=other)) is Reason.BAD_SIGNATURE


def test_empty_values_keep_their_sign():
    """A parameter without a value signs as one with an empty value."""
    signed = peer.v4_query("GET", "/bucket", "uploads=")
    assert check(replace(signed, query=signed.query.replace("uploads=", "uploads")))


def test_parameters_may_come_in_any_order():
    """The order of a presigned query does not matter, its content does."""
    raw = peer.v4_query("GET", "/bucket", "prefix=a")
    assert check(replace(raw, query="&".join(reversed(raw.query.split("&")))))
    assert refusal(replace(raw, query=f"{raw.query}&x-id=GetObject")) is Reason.BAD_SIGNATURE


def test_header_values_are_trimmed_and_collapsed():
    """Runs of spaces count as one, and lines of one name are joined by a comma in their order."""
    raw = peer.v4_header("GET", "/bucket/k", headers={"x-amz-meta-a": "one two,three"})
    headers = tuple(pair for pair in raw.headers if pair[0] != "x-amz-meta-a")
    for lines in (["one  two,three"], ["one two", "three"], [" one   two ", " three "]):
        assert check(replace(raw, headers=(*headers, *(("x-amz-meta-a", line) for line in lines))))
    for lines in (["three", "one two"], ["onetwo,three"], ["one two, three"]):
        other = replace(raw, headers=(*headers, *(("x-amz-meta-a", line) for line in lines)))
        assert refusal(other) is Reason.BAD_SIGNATURE


def test_the_host_is_taken_from_the_header():
    """The signed host is the Host header, and nothing is guessed from what a proxy says."""
    raw = peer.v4_header("GET", "/bucket/k")
    behind = replace(raw, headers=tuple((n, "10.0.0.1:8080" if n == "host" else v) for n, v in raw.headers))
    forwarded = with_header(behind, "x-forwarded-host", HOST)
    assert refusal(behind) is Reason.BAD_SIGNATURE
    assert refusal(forwarded) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("method", ["HEAD", "PUT", "POST", "DELETE", "get"])
def test_a_get_url_is_for_get_alone(method):
    """A signature covers its method, HEAD included."""
    assert refusal(replace(peer.v4_query("GET", "/bucket/k"), method=method)) is Reason.BAD_SIGNATURE


# the cache of keys


def test_the_cache_of_keys_is_bounded_and_right():
    """However many keys pass through, the cache keeps its bound and a key is always the right one."""
    keys = sigv4.SigningKeys(3)
    first = [keys.derive(str(number), "20150830", "us-east-1", "s3").sign(b"") for number in range(10)]
    assert len(keys) == 3
    assert first == [keys.derive(str(number), "20150830", "us-east-1", "s3").sign(b"") for number in range(10)]
    assert len(set(first)) == 10


@pytest.mark.parametrize(
    "change", [{"date": "20150831"}, {"region": "eu-west-1"}, {"service": "sts"}, {"secret_key": "t"}]
)
def test_a_cached_key_is_for_its_own_day_region_service_and_secret(change):
    """No part of a key's name is left out of the cache's own."""
    keys = sigv4.SigningKeys(8)
    name = {"secret_key": "s", "date": "20150830", "region": "us-east-1", "service": "s3"}
    key, other = keys.derive(**name), name | change
    changed = keys.derive(**other).sign(b"")
    assert sigv4.SigningKeys(8).derive(**other).sign(b"") == changed != key.sign(b"")


def test_the_derived_key_is_the_published_one():
    """The signing key of the documented example is derived."""
    key = sigv4.SigningKeys(1).derive("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215", "us-east-1", "iam")
    published = bytes.fromhex("f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d")
    assert hmac.new(published, b"text", sha256).hexdigest() == key.sign(b"text")


@given(st.binary(max_size=64), st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_a_key_signs_as_hmac_does_again_and_again(octets, texts):
    """What a key begins with is made once, and no text leaves anything in it for the next one."""
    key = sigv4.SigningKey(octets)
    assert [hmac.new(octets, text, sha256).hexdigest() for text in texts] == [key.sign(text) for text in texts]


def test_nothing_verified_shows_its_key():
    """The repr of a verified signature shows not the signature, and a key's says nothing."""
    verified = check(peer.v4_header("GET", "/bucket/k"))
    assert verified.signature not in repr(verified)
    assert repr(verified.signing_key) not in repr(verified)
    assert repr(verified.signing_key).startswith("<gateway.wire.sig.sigv4.SigningKey object at ")


# what is known of a request that is alike


def known_of(raw: RawRequest) -> sigv4.KnownCanonical:
    known = sigv4.KnownCanonical.of(peer.presented(raw), raw, differing_fields(raw), check(raw))
    assert known is not None
    return known


def check_alike(known: sigv4.KnownCanonical, raw: RawRequest) -> sigv4.Verified | None:
    """By what is known, and what `raw` says where it may differ."""
    fields = [raw.headers[place] for place in differing_fields(raw)]
    differing = [(value[-64:] if name == "authorization" else value).encode() for name, value in fields]
    return known.verify(known.signed.read(differing), differing, PAIR.secret_key, now=NOW, keys=KEYS)


MARKS = {"amz-sdk-request": "a; b", "traceparent": "c"}


@given(METHODS, PATHS, QUERIES, HEADERS, st.binary(max_size=8), st.binary(max_size=8))
def test_what_is_known_is_what_would_be_read(method, path, query, headers, body, other_body):
    """By what is known of a request that is alike the same is proved as without."""
    query = sigv4.encode_query(query)
    raw = peer.v4_header(method, path, query, headers | MARKS, body)
    other = peer.v4_header(
        method, path, query, headers | {"amz-sdk-request": "d", "traceparent": "e f g"}, other_body, now=NOW + 9
    )
    known = known_of(raw)
    assert check(raw) == check_alike(known, raw)
    assert check(other) == check_alike(known, other)


@given(METHODS, PATHS, QUERIES, HEADERS, st.data())
def test_what_is_known_lets_nothing_else_pass(method, path, query, headers, data):
    """One character of what differs among requests that are alike, changed: nothing is proved, or what is proved
    without."""
    query = sigv4.encode_query(query)
    known = known_of(peer.v4_header(method, path, query, headers | MARKS))
    raw = peer.v4_header(method, path, query, headers | MARKS, now=NOW + 9)
    presented = peer.presented(raw)
    place = data.draw(st.sampled_from([at for at in differing_fields(raw) if raw.headers[at][1]]))
    name, text = raw.headers[place]
    index = data.draw(st.integers(len(text) - 64 if name == "authorization" else 0, len(text) - 1))
    letter = data.draw(st.sampled_from("0123456789abcdef") if name in HASHED else st.characters(**VISIBLE))
    assume(letter != text[index])
    other = raw.with_values([(place, text[:index] + letter + text[index + 1 :])])
    try:
        verified = check_alike(known, other)
    except Refused:
        return
    assert verified is None or (name in MARKS and name not in presented.signed_headers)


HASHED = {"authorization", "x-amz-content-sha256"}
VISIBLE = {"min_codepoint": 0x21, "max_codepoint": 0x7E}


def with_value(raw: RawRequest, name: str, value: str) -> RawRequest:
    return replace(raw, headers=tuple((n, value if n == name else v) for n, v in raw.headers))


def test_what_is_known_is_in_the_reading_of_its_signer():
    """Who signs in a rarer reading is known by that: without the port that is sent, with tabs that are blanks."""
    for name, sent in (("host", HOST + ":8080"), ("x-amz-meta-a", "a\t b")):
        one, other = (
            with_value(peer.v4_header("GET", "/bucket/k", "", {"x-amz-meta-a": "a b"}, now=now), name, sent)
            for now in (NOW, NOW + 9)
        )
        assert check(other) == check_alike(known_of(one), other)


def test_a_first_reading_that_was_wrong_would_be_seen(monkeypatch):
    """Control: only a reading by which the one was proved is kept; where it is forgotten, nothing is known."""
    raw = with_value(peer.v4_header("GET", "/bucket/k"), "host", HOST + ":8080")
    proved, readings = check(raw), sigv4._readings
    monkeypatch.setattr(sigv4, "_readings", lambda values: iter([next(readings(values))]))
    assert sigv4.KnownCanonical.of(peer.presented(raw), raw, differing_fields(raw), proved) is None


def test_what_is_known_is_no_longer_valid_than_any():
    """A signature that is too old, or of a time to come, is refused by what is known of it, too."""
    known = known_of(peer.v4_header("GET", "/bucket/k"))
    for off in (-sigv4.SKEW - 1, sigv4.SKEW + 1):
        with pytest.raises(Refused) as caught:
            check_alike(known, peer.v4_header("GET", "/bucket/k", now=NOW + off))
        assert Reason.CLOCK_SKEWED is caught.value.reason
