"""The grammar of what a request presents, mechanism by mechanism and in every pair of them."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.backend import Credentials
from gateway.core.reasons import Reason, Refused
from gateway.core.request import AuthFields, RawRequest
from gateway.wire.http.date import read_http_date
from gateway.wire.http.target import raw_request
from gateway.wire.parse import parse
from gateway.wire.sig import credentials
from gateway.wire.sig.credentials import (
    Scope,
    SignedAlike,
    SigV2Header,
    SigV2Query,
    SigV4Header,
    SigV4Query,
    auth_fields,
    read_credentials,
    timestamp,
)

SIGNATURE = "a" * 64
SCOPE = "AKIDEXAMPLE/20150830/us-east-1/s3/aws4_request"
V4 = f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host;x-amz-date, Signature={SIGNATURE}"
V4_QUERY = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fs3%2Faws4_request"
    f"&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature={SIGNATURE}"
)
V2 = "AWS AKIDEXAMPLE:c2lnbmF0dXJl"
V2_QUERY = "AWSAccessKeyId=AKIDEXAMPLE&Expires=1440938160&Signature=c2lnbmF0dXJl%2B%3D"
DATE = ("x-amz-date", "20150830T123600Z")


def request(query: str = "", *headers: tuple[str, str]) -> AuthFields:
    return auth_fields((("host", "h"), *headers), parse_qsl(query, keep_blank_values=True))


def refusal(raw: AuthFields) -> Reason:
    with pytest.raises(Refused) as caught:
        read_credentials(raw)
    return caught.value.reason


def test_nothing_presented_is_none():
    """A request without any mark of S3 authentication presents nothing."""
    assert read_credentials(request("list-type=2&prefix=a")) is None


def test_a_v4_header_is_read():
    """Every part of a SigV4 header is carried forward."""
    presented = read_credentials(request("", ("authorization", V4), DATE, ("x-amz-security-token", "tok")))
    assert presented == SigV4Header(
        Scope("AKIDEXAMPLE", "20150830", "us-east-1", "s3"),
        ("host", "x-amz-date"),
        SIGNATURE,
        "20150830T123600Z",
        1440938160,
        "tok",
    )
    assert presented.access_key_id == "AKIDEXAMPLE"


def test_a_v4_header_may_be_dated_by_date():
    """Without x-amz-date the Date header is the signing time."""
    raw = request("", ("authorization", V4), ("date", "Sun, 30 Aug 2015 12:36:00 GMT"))
    assert read_credentials(raw).timestamp == "20150830T123600Z"


def test_a_v4_query_is_read():
    """Every part of a presigned query is carried forward, decoded once."""
    presented = read_credentials(request(f"prefix=x&{V4_QUERY}&X-Amz-Security-Token=a%252Fb"))
    assert isinstance(presented, SigV4Query)
    assert (presented.expires, presented.session_token, presented.access_key_id) == (60, "a%2Fb", "AKIDEXAMPLE")


def test_a_v2_header_is_read():
    """SigV2 presents a key, a signature and the request's own date."""
    presented = read_credentials(request("", ("authorization", V2), ("date", "Sun, 30 Aug 2015 12:36:00 +0000")))
    assert presented == SigV2Header("AKIDEXAMPLE", "c2lnbmF0dXJl", 1440938160)


def test_a_v2_query_is_read():
    """A plus in a SigV2 signature arrives escaped and is decoded once."""
    presented = read_credentials(request(f"{V2_QUERY}&x-amz-security-token=t"))
    assert presented == SigV2Query("AKIDEXAMPLE", "c2lnbmF0dXJl+=", "1440938160", "t")


HEADERS = {"v4": V4, "v2": V2, "bearer": "Bearer abc", "basic": "Basic YTpi", "broken": "AWS4-HMAC-SHA256 rubbish"}


@pytest.mark.parametrize(("header", "query"), list(itertools.product(HEADERS, [V4_QUERY, V2_QUERY])))
def test_header_and_query_together_are_refused(header, query):
    """No header, not even a foreign or a broken one, stands beside query authentication."""
    raw = request(query, ("authorization", HEADERS[header]), DATE)
    assert refusal(raw) is Reason.CREDENTIALS_AMBIGUOUS


def test_two_kinds_of_query_are_refused():
    """SigV4 and SigV2 parameters in one query are ambiguous."""
    assert refusal(request(f"{V4_QUERY}&{V2_QUERY}")) is Reason.CREDENTIALS_AMBIGUOUS


def test_two_authorization_headers_are_refused():
    """Two Authorization headers are ambiguous even if they are equal."""
    assert refusal(request("", ("authorization", V4), ("authorization", V4), DATE)) is Reason.CREDENTIALS_AMBIGUOUS


@pytest.mark.parametrize("name", ["x-amz-date", "x-amz-security-token", "x-amz-content-sha256"])
def test_a_doubled_authentication_header_is_refused(name):
    """Headers that authentication reads may come once."""
    raw = request("", ("authorization", V4), (name, "20150830T123600Z"), (name, "20150830T123600Z"))
    assert refusal(raw) is Reason.CREDENTIALS_MALFORMED


@pytest.mark.parametrize("part", [*V4_QUERY.split("&"), *V2_QUERY.split("&")])
def test_a_doubled_parameter_is_refused(part):
    """An authentication parameter that comes twice is malformed, whatever its values and its spelling."""
    query = V4_QUERY if part.startswith("X-Amz") else V2_QUERY
    assert refusal(request(f"{query}&{part}")) is Reason.CREDENTIALS_QUERY_MALFORMED
    assert refusal(request(f"{part.lower()}&{query}")) is Reason.CREDENTIALS_QUERY_MALFORMED
    assert refusal(request(f"{query}&%{ord(part[0]):02x}{part[1:]}")) is Reason.CREDENTIALS_QUERY_MALFORMED


@pytest.mark.parametrize("index", range(6))
def test_a_missing_query_parameter_is_refused(index):
    """A presigned query with any of its six parameters missing, empty or misspelled never counts as anonymous."""
    parts = V4_QUERY.split("&")
    name = parts[index].partition("=")[0]
    for change in ([], [f"{name}="], [parts[index].lower()], [parts[index].upper()]):
        raw = request("&".join([*parts[:index], *change, *parts[index + 1 :]]))
        assert refusal(raw) is Reason.CREDENTIALS_QUERY_MALFORMED


@pytest.mark.parametrize("index", range(3))
def test_a_missing_v2_parameter_is_refused(index):
    """A SigV2 query with a part missing, empty or misspelled never counts as anonymous."""
    parts = V2_QUERY.split("&")
    for change in ([], [parts[index].partition("=")[0] + "="], [parts[index].lower()]):
        raw = request("&".join([*parts[:index], *change, *parts[index + 1 :]]))
        assert refusal(raw) is Reason.CREDENTIALS_QUERY_MALFORMED


@pytest.mark.parametrize("value", ["0", "-5", "abc", "604801", "9999999", "60.0", "%2060", "060", "٦٠", "", "1e3"])
def test_a_lifetime_is_a_whole_number_up_to_seven_days(value):
    """X-Amz-Expires outside 1 to 604800, or written otherwise, is refused and never a server error."""
    raw = request(V4_QUERY.replace("X-Amz-Expires=60", f"X-Amz-Expires={value}"))
    assert refusal(raw) is Reason.CREDENTIALS_QUERY_MALFORMED


@pytest.mark.parametrize("value", ["1", "604800"])
def test_both_ends_of_a_lifetime_count(value):
    """The shortest and the longest lifetime are accepted."""
    assert read_credentials(request(V4_QUERY.replace("Expires=60", f"Expires={value}"))).expires == int(value)


@pytest.mark.parametrize(
    "names",
    [
        "",
        ";host",
        "host;",
        "a;;host",
        "x-amz-date",
        "Host;x-amz-date",
        "x-amz-date;host",
        "host;host",
        "ho st",
        "host;x\tb",
        ";".join(["host", *(f"x{number:03}" for number in range(512))]),
    ],
)
def test_signed_headers_are_grammar_strict(names):
    """Empty, unsorted, repeated, upper-case, too many names, or a list without host are malformed."""
    assert refusal(request("", ("authorization", V4.replace("host;x-amz-date", names)), DATE)) is (
        Reason.CREDENTIALS_MALFORMED
    )


@pytest.mark.parametrize("before", ["", "a", "a, ", "a Signature=", "Signature="])
@pytest.mark.parametrize("after", [SIGNATURE, SIGNATURE[1:], SIGNATURE.upper(), SIGNATURE + "a", SIGNATURE + " "])
def test_what_is_remembered_of_a_header_is_what_it_says(before, after):
    """A header that ends with a signature is read as any other, whatever stands around it, once and again."""
    text = V4.replace(SIGNATURE, before + after)
    try:
        expected = credentials._read_authorization(text)
    except ValueError:
        expected = None
    for _ in range(2):
        try:
            read = read_credentials(request("", ("authorization", text), DATE))
        except Refused:
            read = None
        assert expected == (read and (read.scope, read.signed_headers, read.signature))


SIGNED_BY = V4.removesuffix(SIGNATURE)
TIMES = ["20150830T123600Z", "20150830T123601Z", "20150831T000000Z", "20150830T126000Z", "20150830 12:36:00"]
DATES = ["Sun, 30 Aug 2015 12:36:00 GMT", "Sun, 30 Aug 2015 12:36:01 GMT", "Sun, 30 Aug 2015 12:36:61 GMT"]


def told(read):
    """What it says, or why it refuses."""
    try:
        return read()
    except Refused as refused:
        return refused.reason


@given(
    st.sampled_from([("x-amz-date", TIMES), ("date", DATES)]),
    st.sampled_from("05af"),
    st.integers(0, 4),
    st.sampled_from(["a", "b"]),
)
def test_what_is_alike_is_read_again_as_it_is_read(dated, digit, number, token):
    """Of a request that is alike, signature, time and session are read as the one reader reads them, or refused as it
    refuses them; if what is presented stands where they may differ, and nowhere else."""
    name, times = dated

    def alike(digit, time, token):
        headers = (("authorization", SIGNED_BY + digit * 64), (name, time), ("x-amz-security-token", token))
        return RawRequest("GET", "/", "", headers)

    first, time = alike("0", times[0], "a"), times[number % len(times)]
    before = read_credentials(auth_fields(first.headers, ()))
    raw, names = alike(digit, time, token), ["x-request-id", "x-amz-security-token", name, "authorization"]
    known = SignedAlike.of(before, first, names)
    differing = [text.encode() for text in ("other", token, time, digit * 64)]
    assert told(lambda: read_credentials(auth_fields(raw.headers, ()))) == told(lambda: known.read(differing))
    assert [None] * 3 == [SignedAlike.of(before, first, [n for n in names if n != left]) for left in names[1:]]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "AWS",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 ",
        "Bearer gl_secret",
        "Basic YTpi",
        "AWS AKIDEXAMPLE",
        "AWS AKIDEXAMPLE:",
        "AWS :sig",
        "AWS a:b:c d",
        "AWS  a:b",
        V4.lower(),
        V4.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        V4.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256X"),
        V4.replace("Signature=", "signature="),
        V4.replace(SIGNATURE, ""),
        V4 + ", Signature=" + SIGNATURE,
        V4 + ", Extra=1",
        V4 + ",",
        V4.replace(", SignedHeaders=host;x-amz-date", ""),
    ],
)
def test_a_broken_header_is_refused(header):
    """A header of another scheme or with a broken grammar is malformed and never anonymous."""
    assert refusal(request("", ("authorization", header), DATE)) is Reason.CREDENTIALS_MALFORMED


@pytest.mark.parametrize(
    "scope",
    [
        "AKIDEXAMPLE/20150830/us-east-1/s3/aws4_request/x",
        "/20150830/us-east-1/s3/aws4_request",
        "AKIDEXAMPLE/20150830//s3/aws4_request",
        "AKIDEXAMPLE/20150830/us-east-1/s3/aws5_request",
        "AKIDEXAMPLE/20150830/us-east-1/s3",
        "AKIDEXAMPLE/2015083/us-east-1/s3/aws4_request",
        "AKIDEXAMPLE/20150829/us-east-1/s3/aws4_request",
        "AKIDEXAMPLE/20150831/us-east-1/s3/aws4_request",
        "AKIDEXAMPLE/20150830/us-east-1/sts/aws4_request",
        "AKIDEXAMPLE/20150830/us-east-1/ec2/aws4_request",
    ],
)
def test_a_scope_is_for_s3_and_for_the_day_of_the_request(scope):
    """A scope of another day than the request's, of another service or of another shape is malformed."""
    assert refusal(request("", ("authorization", V4.replace(SCOPE, scope)), DATE)) is Reason.CREDENTIALS_MALFORMED


def test_another_service_can_be_allowed():
    """A scope for another service is read where the caller offers that service."""
    raw = request("", ("authorization", V4.replace("/s3/", "/sts/")), DATE)
    assert read_credentials(raw, services=frozenset({"sts"})).scope.service == "sts"


@pytest.mark.parametrize(
    "date",
    ["2015-08-30T12:36:00Z", "20150830T123600", "20150830T243600Z", "20150830T126000Z", "20151340T123600Z", "", "x"],
)
def test_a_timestamp_has_one_form(date):
    """Anything but YYYYMMDDTHHMMSSZ of a real instant is malformed."""
    header = V4.replace("20150830", date[:8] if re.fullmatch(r"\d{8}T.*", date) else "20150830")
    assert refusal(request("", ("authorization", header), ("x-amz-date", date))) is Reason.CREDENTIALS_MALFORMED


def test_a_request_without_a_date_is_refused():
    """Header authentication without any date, with two Date headers, or with an odd one is S3's AccessDenied."""
    for header in (V4, V2):
        assert refusal(request("", ("authorization", header))) is Reason.CREDENTIALS_UNDATED
        twice = [("date", "Sun, 30 Aug 2015 12:36:00 GMT")] * 2
        assert refusal(request("", ("authorization", header), *twice)) is Reason.CREDENTIALS_UNDATED
        for odd in ("", "Bad Date", "Sun, 31 Feb 2015 12:36:00 GMT"):
            assert refusal(request("", ("authorization", header), ("date", odd))) is Reason.CREDENTIALS_UNDATED


def test_a_session_token_comes_from_one_place():
    """A session token in the query and in a header at once, an empty or a misspelled one, is malformed."""
    header = ("x-amz-security-token", "t")
    assert refusal(request(f"{V4_QUERY}&X-Amz-Security-Token=t", header)) is Reason.CREDENTIALS_QUERY_MALFORMED
    assert refusal(request(f"{V4_QUERY}&x-amz-security-token=t")) is Reason.CREDENTIALS_QUERY_MALFORMED
    assert refusal(request(f"{V2_QUERY}&X-Amz-Security-Token=t")) is Reason.CREDENTIALS_QUERY_MALFORMED
    assert refusal(request(f"{V4_QUERY}&X-Amz-Security-Token=")) is Reason.CREDENTIALS_QUERY_MALFORMED
    assert refusal(request(f"{V2_QUERY}&x-amz-security-token=t", header)) is Reason.CREDENTIALS_QUERY_MALFORMED
    assert refusal(request("", ("authorization", V4), DATE, ("x-amz-security-token", ""))) is (
        Reason.CREDENTIALS_MALFORMED
    )


def test_no_repr_shows_a_secret():
    """Neither a key pair nor anything presented shows a secret, a signature or a session token in its repr."""
    requests = (
        request("", ("authorization", V4.replace(SIGNATURE, "s3cr3t")), DATE, ("x-amz-security-token", "s3cr3t")),
        request(V4_QUERY.replace(SIGNATURE, "s3cr3t") + "&X-Amz-Security-Token=s3cr3t"),
        request("", ("authorization", "AWS AKIDEXAMPLE:s3cr3t"), DATE, ("x-amz-security-token", "s3cr3t")),
        request("AWSAccessKeyId=AKIDEXAMPLE&Expires=1&Signature=s3cr3t&x-amz-security-token=s3cr3t"),
    )
    assert "Credentials(…)" == repr(Credentials("AKIDEXAMPLE", "s3cr3t", "s3cr3t"))
    shown = list(map(repr, map(read_credentials, requests)))
    assert all("AKIDEXAMPLE" in text and "s3cr3t" not in text for text in shown)


@given(st.integers(0, 4102444799))
def test_both_date_forms_name_the_same_second(second):
    """A second written as a timestamp and as an HTTP date reads back as that second."""
    moment = datetime.fromtimestamp(second, UTC)
    assert timestamp(moment.strftime("%Y%m%dT%H%M%SZ")) == second
    assert read_http_date(moment.strftime("%a, %d %b %Y %H:%M:%S GMT")) == second


TEXT = st.one_of(
    st.text(max_size=30), st.sampled_from([V4, V2, V4_QUERY, V2_QUERY, SCOPE, "%", "=", "&", "%ff", "\udc80"])
)


@given(
    query=st.lists(st.tuples(st.sampled_from([*re.findall(r"([A-Za-z-]+)=", V4_QUERY + "&" + V2_QUERY), "a"]), TEXT)),
    headers=st.lists(
        st.tuples(st.sampled_from(["authorization", "x-amz-date", "date", "x-amz-security-token", "host"]), TEXT)
    ),
)
def test_garbage_is_refused_and_nothing_else(query, headers):
    """Whatever is sent, reading ends with a value, with None, or with a refusal."""
    raw = request("&".join(f"{name}={value}" for name, value in query))
    raw = replace(raw, headers=tuple(headers))
    try:
        presented = read_credentials(raw)
    except Refused:
        return
    assert presented is None or presented.access_key_id


def test_the_parser_hands_on_what_it_read():
    """Headers and parameters of authentication, with repetitions, and nothing else: nobody reads the request again."""
    target = f"/bucket/k?versionId=1&{V4_QUERY}&X-Amz-Date=20150830T123600Z"
    headers = [(b"Host", b"h"), (b"Authorization", b"a"), (b"Date", b"d"), (b"Accept", b"*/*"), (b"x-amz-date", b"x")]
    auth = parse(raw_request("GET", target, headers)).auth
    assert (("authorization", "a"), ("date", "d"), ("x-amz-date", "x")) == auth.headers
    assert (*parse_qsl(V4_QUERY), ("X-Amz-Date", "20150830T123600Z")) == auth.query


@pytest.mark.parametrize("query", [f"{V4_QUERY}&X-Amz-Signature={SIGNATURE}", "Signature", "X-Amz-Signature"])
def test_half_a_credential_is_never_nobodys(query):
    """The same parameter twice, and one without a value, are malformed: who sends them is not taken for a stranger."""
    auth = parse(raw_request("GET", f"/bucket/k?{query}", [(b"Host", b"h")])).auth
    with pytest.raises(Refused) as no:
        read_credentials(auth)
    assert Reason.CREDENTIALS_QUERY_MALFORMED is no.value.reason


def test_no_field_of_authentication_is_in_a_repr():
    """Nor in that of the request."""
    request = parse(raw_request("GET", f"/bucket/k?{V4_QUERY}", [(b"Host", b"h"), (b"Authorization", b"secret")]))
    assert not {"secret", SIGNATURE, "AKIDEXAMPLE"} & set(re.findall(r"\w+", repr(request)))
