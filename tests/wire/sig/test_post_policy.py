"""POST policies: signed by botocore, held against the form, and every way round them."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace

import pytest
from botocore.auth import HmacV1PostAuth, S3SigV4PostAuth
from botocore.awsrequest import AWSRequest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.backend import Credentials
from gateway.core.reasons import Reason, Refused
from gateway.wire.http.form_data import Form
from gateway.wire.sig.post_policy import FormPolicy, SigV2Form, SigV4Form, SizeRange, read_form, verify_form
from gateway.wire.sig.sigv4 import SigningKeys
from tests.wire import peer
from tests.wire.peer import NOW, PAIR, REGION

KEYS = SigningKeys(8)
EXPIRATION = "2026-09-21T15:00:00Z"
SIGNERS = {
    "v4": lambda pair: S3SigV4PostAuth(peer.botocore_pair(pair), "s3", REGION),
    "v2": lambda pair: HmacV1PostAuth(peer.botocore_pair(pair)),
}
PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)


def posted(
    kind: str, fields: dict, conditions: list, *, pair: Credentials = PAIR, expiration: str = EXPIRATION
) -> Form:
    """A form as botocore makes it, filled in by its user."""
    request = AWSRequest("POST", peer.url("/bucket"))
    request.context["s3-presign-post-fields"] = dict(fields)
    request.context["s3-presign-post-policy"] = {"expiration": expiration, "conditions": list(conditions)}
    with peer.frozen(NOW):
        SIGNERS[kind](pair).add_auth(request)
    return Form(tuple(request.context["s3-presign-post-fields"].items()), "a.txt", None)


BUCKET = {"bucket": "bucket"}
FIELDS = {"key": "up/${filename}", "Content-Type": "text/plain", "x-amz-meta-tag": "7"}
CONDITIONS = [
    BUCKET,
    ["starts-with", "$key", "up/"],
    {"Content-Type": "text/plain"},
    ["eq", "$x-amz-meta-tag", "7"],
    ["content-length-range", 1, 1048579],
]


def accept(form: Form, *, bucket: str = "bucket", now: float = NOW, pair: Credentials = PAIR) -> SizeRange:
    """The whole of what a form goes through."""
    presented = read_form(form)
    verify_form(presented, pair.secret_key, now=now, keys=KEYS)
    return FormPolicy.parse(presented.policy).check(form, bucket=bucket, now=now)


def refusal(form: Form, **options) -> Reason:
    with pytest.raises(Refused) as caught:
        accept(form, **options)
    return caught.value.reason


def changed(form: Form, **fields: str | None) -> Form:
    """The form with fields replaced, added (an underscore is a dash) or, for None, taken out."""
    new = {name.replace("_", "-"): value for name, value in fields.items()}
    kept = [(name, value) for name, value in form.fields if name.lower() not in {n.lower() for n in new}]
    return replace(form, fields=(*kept, *((name, value) for name, value in new.items() if value is not None)))


both = pytest.mark.parametrize("kind", ["v4", "v2"])


@both
@given(pair=st.builds(Credentials, st.text("ABC234", min_size=1, max_size=9), PRINTABLE, st.none() | PRINTABLE))
def test_botocore_forms_are_accepted(kind, pair):
    """What botocore signs is accepted, and its size range is handed on."""
    form = posted(kind, FIELDS, CONDITIONS, pair=pair)
    assert accept(form, pair=pair) == SizeRange(1, 1048579)
    presented = read_form(form)
    assert (presented.access_key_id, presented.session_token) == (pair.access_key, pair.session_token)


@both
@given(data=st.data())
def test_an_edited_policy_is_refused(kind, data):
    """A policy or a signature with one character changed is refused."""
    form = posted(kind, FIELDS, CONDITIONS)
    name = data.draw(st.sampled_from(["policy", "x-amz-signature" if kind == "v4" else "signature"]))
    text = form.value(name)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=text[place]))
    other = replace(
        form,
        fields=tuple((n, text[:place] + letter + text[place + 1 :] if n == name else v) for n, v in form.fields),
    )
    assert refusal(other) is Reason.BAD_SIGNATURE


@both
@given(text=st.text(min_size=1, max_size=70))
def test_a_signature_of_any_text_is_refused(kind, text):
    """A wrong signature of any shape is a refusal and never an error."""
    presented = replace(read_form(posted(kind, FIELDS, CONDITIONS)), signature=text)
    with pytest.raises(Refused) as caught:
        verify_form(presented, PAIR.secret_key, now=NOW, keys=KEYS)
    assert caught.value.reason is Reason.BAD_SIGNATURE


@both
def test_another_key_is_refused(kind):
    """A form for one key does not write another one."""
    form = posted(kind, FIELDS, CONDITIONS)
    for key in ("down/a", "up", "", "/up/a"):
        assert refusal(changed(form, key=key)) is Reason.FORM_POLICY_VIOLATED


@both
def test_the_bucket_is_the_one_addressed(kind):
    """The policy's bucket is compared with the bucket in the address, and a bucket field with both."""
    form = posted(kind, FIELDS, CONDITIONS)
    assert refusal(form, bucket="other") is Reason.FORM_POLICY_VIOLATED
    assert refusal(changed(form, bucket="bucket"), bucket="other") is Reason.FORM_POLICY_VIOLATED
    assert refusal(changed(form, bucket="other")) is Reason.FORM_POLICY_VIOLATED
    assert accept(changed(form, bucket="bucket"))


@both
def test_a_policy_without_a_bucket_is_refused(kind):
    """A policy that names no bucket would be good for every bucket of its key."""
    assert refusal(posted(kind, FIELDS, CONDITIONS[1:])) is Reason.FORM_POLICY_VIOLATED


@both
@pytest.mark.parametrize(
    "name", ["acl", "x-amz-acl", "Cache-Control", "success_action_redirect", "x-amz-meta-b", "tagging"]
)
def test_a_field_outside_the_policy_is_refused(kind, name):
    """A field that no condition covers could have an effect nobody signed."""
    form = posted(kind, FIELDS, CONDITIONS)
    assert refusal(replace(form, fields=((name, "x"), *form.fields))) is Reason.FORM_POLICY_VIOLATED


@both
def test_fields_that_need_no_cover(kind):
    """Fields that are declared to be ignored need no condition."""
    form = posted(kind, FIELDS, CONDITIONS)
    assert accept(replace(form, fields=(*form.fields, ("x-ignore-me", "x"), ("X-Ignore-You", "x"))))


@both
@pytest.mark.parametrize("name", ["x-amz-meta-tag", "Content-Type"])
def test_a_condition_on_a_missing_field_fails(kind, name):
    """A field the policy speaks of has to be in the form, even if any value would do."""
    form = posted(kind, FIELDS, [*CONDITIONS, ["starts-with", f"${name}", ""]])
    assert accept(form)
    lenient = [BUCKET, {"key": "k"}, ["starts-with", f"${name}", ""]]
    assert refusal(posted(kind, {"key": "k"}, lenient)) is Reason.FORM_POLICY_VIOLATED
    assert refusal(replace(form, fields=tuple(f for f in form.fields if f[0] != name))) is Reason.FORM_POLICY_VIOLATED


@both
def test_a_policy_expires(kind):
    """A form is good until its expiration and no second longer."""
    form = posted(kind, FIELDS, CONDITIONS, expiration="2026-09-21T14:14:20.000Z")
    assert accept(form, now=NOW + 59.9)
    assert refusal(form, now=NOW + 60) is Reason.FORM_POLICY_VIOLATED


def test_a_v4_form_is_dated():
    """A SigV4 form from the future, or older than a signing key lives, is refused."""
    form = posted("v4", FIELDS, CONDITIONS, expiration="2030-01-01T00:00:00Z")
    assert refusal(form, now=NOW - 901) is Reason.CLOCK_SKEWED
    assert accept(form, now=NOW + 604799)
    assert refusal(form, now=NOW + 604800) is Reason.SIGNATURE_EXPIRED


def test_the_filled_in_key_is_judged():
    """Conditions see the key with the file's name in it, the very text that is written."""
    exact = [BUCKET, {"key": "up/a.txt"}]
    form = posted("v4", {"key": "up/${filename}"}, exact)
    assert accept(form)
    assert refusal(replace(form, filename="b.txt")) is Reason.FORM_POLICY_VIOLATED


def test_a_form_needs_a_key():
    """A form without a key is malformed even if its policy asks for none."""
    assert refusal(posted("v4", {}, [BUCKET])) is Reason.MALFORMED_FORM


def test_starts_with():
    """starts-with takes any value for an empty text, and each of several content types by itself."""
    conditions = [BUCKET, ["starts-with", "$key", ""], ["starts-with", "$Content-Type", "image/"]]
    fields = {"key": "k", "Content-Type": "image/png"}
    assert accept(posted("v4", fields, conditions))
    assert accept(posted("v4", fields | {"Content-Type": "image/png, image/gif"}, conditions))
    for value in ("text/html", "", "image", "image/png, text/html"):
        form = posted("v4", fields | {"Content-Type": value}, conditions)
        assert refusal(form) is Reason.FORM_POLICY_VIOLATED


def test_the_words_of_a_condition_are_read_in_any_case():
    """Operators and field names of a policy are not case-sensitive, as in S3; values are."""
    conditions = [{"bUcKeT": BUCKET["bucket"]}, ["StArTs-WiTh", "$KeY", "a"], ["CONTENT-length-range", 0, 9]]
    assert accept(posted("v4", {"key": "ab"}, conditions)) == SizeRange(0, 9)
    assert refusal(posted("v4", {"key": "Ab"}, conditions)) is Reason.FORM_POLICY_VIOLATED


def test_all_conditions_on_one_field_hold():
    """Two conditions on one field both count."""
    conditions = [BUCKET, ["starts-with", "$key", "a"], ["eq", "$key", "ab"]]
    assert accept(posted("v4", {"key": "ab"}, conditions))
    assert refusal(posted("v4", {"key": "ac"}, conditions)) is Reason.FORM_POLICY_VIOLATED


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)).map(sorted), max_size=3), st.integers(0, 110))
def test_size_ranges(ranges, size):
    """A file passes when it is inside every range of its policy, both ends included."""
    conditions = [BUCKET, {"key": "k"}, *(["content-length-range", *limits] for limits in ranges)]
    sizes = accept(posted("v4", {"key": "k"}, conditions))
    inside = all(low <= size <= high for low, high in ranges)
    assert (sizes.refuses(size, whole=True) is None) == inside
    above = any(size > high for _, high in ranges)
    assert sizes.refuses(size, whole=False) is (Reason.TOO_LARGE if above else None)


def document(value: object) -> str:
    return b64encode(json.dumps(value).encode()).decode()


def policy(*conditions: object, expiration: object = EXPIRATION) -> str:
    return document({"expiration": expiration, "conditions": list(conditions)})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%%%",
        policy()[:-1],
        policy() + "\n",
        b64encode(b"\xff\xfe").decode(),
        b64encode(b"[" * 15000).decode(),
        b64encode(b'{"expiration": "%s", "conditions": [], "conditions": []}' % EXPIRATION.encode()).decode(),
        b64encode(b'{"expiration": "%s", "conditions": [NaN]}' % EXPIRATION.encode()).decode(),
        "ä",
        document([]),
        document(None),
        document({}),
        document({"expiration": EXPIRATION}),
        document({"conditions": []}),
        document({"expiration": EXPIRATION, "conditions": {}}),
        document({"expiration": EXPIRATION, "conditions": [], "more": 1}),
        policy(expiration=1790000000),
        policy(expiration="2030-01-01"),
        policy(expiration="2030-13-01T00:00:00Z"),
        policy(expiration="2030-01-01T00:00:00"),
        policy(expiration="2030-01-01T00:00:00+01:00"),
        policy("text"),
        policy(None),
        policy({}),
        policy({"a": "1", "b": "2"}),
        policy({"a": ["1"]}),
        policy({"": "a"}),
        policy(["eq", "$key"]),
        policy(["eq", "$key", "a", "b"]),
        policy(["eq", "key", "a"]),
        policy(["eq", "$", "a"]),
        policy(["eq", 1, "a"]),
        policy(["ends-with", "$key", "a"]),
        policy([["eq"], "$key", "a"]),
        policy(["content-length-range", 1]),
        policy(["content-length-range", -1, 2]),
        policy(["content-length-range", 3, 2]),
        policy(["content-length-range", True, 2]),
        policy(["content-length-range", 1.0, 2]),
        policy(["content-length-range", 1, None]),
        policy(["content-length-range", "1", "x"]),
        policy(["content-length-range", "", "2"]),
        policy({"a": True}),
        policy({"a": 1.5}),
    ],
)
def test_a_policy_is_exactly_a_policy(text):
    """A document with a fault anywhere is refused as a whole: a condition that is not understood never passes."""
    with pytest.raises(Refused) as caught:
        FormPolicy.parse(text)
    assert caught.value.reason is Reason.MALFORMED_FORM


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("content-length-range"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)


@given(JSON)
def test_any_condition_is_understood_or_refused(value):
    """Whatever stands among the conditions, parsing ends with a policy or with a refusal."""
    text = b64encode(json.dumps({"expiration": EXPIRATION, "conditions": [value]}).encode()).decode()
    try:
        assert FormPolicy.parse(text).expires_at == 1790002800
    except Refused as refused:
        # A reason of another kind would be an error of ours.
        if refused.reason is not Reason.MALFORMED_FORM:
            raise


def test_a_form_without_credentials_presents_none():
    """A form with neither policy nor signature presents nothing."""
    assert read_form(Form((("key", "k"),), "a", None)) is None


@both
def test_a_form_lacks_nothing(kind):
    """A form with a part of its signature missing or empty is malformed and never anonymous."""
    form = posted(kind, {"key": "k"}, [BUCKET, {"key": "k"}])
    names = [name for name, _ in form.fields if name != "key"]
    assert len(names) == (5 if kind == "v4" else 3)
    for name in names:
        without = tuple(field for field in form.fields if field[0] != name)
        for fields in (without, (*without, (name, ""))):
            assert refusal(replace(form, fields=fields)) is Reason.CREDENTIALS_MALFORMED


def test_two_signatures_are_ambiguous():
    """A form signed in both ways is refused."""
    form = posted("v4", FIELDS, CONDITIONS)
    other = posted("v2", FIELDS, CONDITIONS)
    fields = (*form.fields, *(field for field in other.fields if field[0] in {"AWSAccessKeyId", "signature"}))
    assert refusal(replace(form, fields=fields)) is Reason.CREDENTIALS_AMBIGUOUS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-amz-algorithm", "AWS4-HMAC-SHA1"),
        ("x-amz-credential", "AKIDEXAMPLE/20260921/eu-west-2/s3"),
        ("x-amz-credential", "AKIDEXAMPLE/20260921/eu-west-2/sts/aws4_request"),
        ("x-amz-credential", "AKIDEXAMPLE/20260922/eu-west-2/s3/aws4_request"),
        ("x-amz-date", "2026-09-21"),
        ("x-amz-date", "20260921T996060Z"),
        ("x-amz-security-token", ""),
    ],
)
def test_a_forms_credentials_are_grammar_strict(name, value):
    """Another algorithm, service, day or form of the credentials is malformed."""
    form = posted("v4", FIELDS, CONDITIONS)
    fields = (*(field for field in form.fields if field[0] != name), (name, value))
    assert refusal(replace(form, fields=fields)) is Reason.CREDENTIALS_MALFORMED


def test_no_repr_shows_a_secret():
    """The repr of a form's credentials shows neither signature, policy nor session token."""
    pair = replace(PAIR, session_token="s3cr3t")
    for kind, shape in (("v4", SigV4Form), ("v2", SigV2Form)):
        presented = read_form(posted(kind, FIELDS, CONDITIONS, pair=pair))
        assert isinstance(presented, shape)
        assert not any(text in repr(presented) for text in ("s3cr3t", presented.signature, presented.policy))


def test_numbers_and_texts_of_numbers_are_alike_in_a_policy():
    """Some makers of policies write sizes as texts, others write a field's number as one: both mean the same."""
    told = FormPolicy.parse(policy(["content-length-range", "1", "20"], {"success_action_status": 201}))
    assert told == FormPolicy.parse(policy(["content-length-range", 1, 20], {"success_action_status": "201"}))
