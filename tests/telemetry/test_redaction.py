"""What looks like a secret does not survive a log line."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.token import ENTROPY_BYTES, LinkToken, access_key_id, grant_id, secret_access_key
from gateway.telemetry.redaction import SECRET_NAMES, redact_names, scrub, without_tokens

ENTROPY = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)
LONG_ENTROPY = st.binary(min_size=31, max_size=31)
AROUND = st.sampled_from(["", " ", "/s/", '"', "'", "=", "https://h:1/s/", "{'a': '", "\n", "\\n", "(", "ключ "])
ENDS = st.sampled_from(["", " ", '"', "'", "&x=1", "\n", "\\n", ")", ", "])


@given(ENTROPY, AROUND, AROUND)
def test_every_minted_token_and_key_id_is_taken_out(entropy, before, after):
    """Whatever the random bytes and whatever stands around them, in plain text and inside JSON."""
    for secret in (LinkToken.mint(entropy).text, access_key_id(entropy)):
        text = f"{before}{secret}{after}"
        assert secret not in scrub(text)
        assert secret not in scrub(orjson.dumps({"a": text}).decode())


@given(LONG_ENTROPY, AROUND, ENDS)
def test_every_minted_secret_access_key_is_taken_out(entropy, before, after):
    """It has no prefix, so its length and alphabet give it away."""
    secret = secret_access_key(entropy)
    assert secret not in scrub(f"{before}{secret}{after}")


@pytest.mark.parametrize(
    ("text", "canary"),
    [
        ("GET https://s3.example/b/k?X-Amz-Algorithm=A&X-Amz-Signature=0123abcd&a=b", "0123abcd"),
        ("url?x-amz-credential=CANARY%2F20260101&y=1", "CANARY"),
        ("url?X-Amz-Security-Token=CANARY", "CANARY"),
        ("url%3FX-Amz-Signature%3DCANARY", "CANARY"),
        ("url?AWSAccessKeyId=CANARY&Expires=1", "CANARY"),
        ("url?Expires=1&Signature=CANARY%3D", "CANARY"),
        ("Authorization: AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b, Signature=CANARY", "CANARY"),
        ("{'Authorization': 'Bearer CANARY-TEXT'}", "CANARY"),
        ('{"authorization":"Basic CANARY"}', "CANARY"),
        ("sent bearer CANARY.TEXT", "CANARY"),
        ("aws_secret_access_key=CANARY", "CANARY"),
        ('{"SecretAccessKey": "CANARY"}', "CANARY"),
        ("password=CANARY&user=x", "CANARY"),
        ("the key AKIAIOSFODNN7CANARY0 is wrong", "CANARY"),
        ("expected " + "0a" * 32, "0a" * 32),
    ],
)
def test_every_shape_of_a_secret_is_taken_out(text, canary):
    """URLs of three signature forms, headers, reprs, JSON and bare signatures."""
    assert canary not in scrub(text)
    assert canary not in scrub(orjson.dumps({"text": text}).decode())


@given(st.binary(min_size=12, max_size=12))
def test_what_is_no_secret_stays_readable(entropy):
    """Ids, keys of objects and ordinary sentences pass unchanged: a log that hides all is no log."""
    text = f"link {grant_id('l', entropy)} of app:billing read reports/2026/a.pdf from 203.0.113.9 in 12 ms"
    assert scrub(text) == text


@given(st.text(max_size=200))
def test_scrubbing_twice_changes_nothing_more(text):
    """The mark that replaces a secret is itself no secret."""
    once = scrub(text)
    assert scrub(once) == once


@pytest.mark.parametrize("name", sorted(SECRET_NAMES))
def test_a_field_with_a_secret_name_loses_its_value_at_any_depth(name):
    """Upper case and hyphens make no difference."""
    spelled = name.replace("_", "-").title()
    hidden = redact_names({name: "CANARY", "a": {spelled: ["CANARY"]}, "b": [{name: 7}], "c": "kept"})
    assert "CANARY" not in str(hidden)
    assert hidden["b"] == [{name: "[redacted]"}]
    assert hidden["c"] == "kept"


def test_a_link_pasted_as_a_name_is_not_kept() -> None:
    """A whole token within an object's name is hidden; names that only look alike, and hashes, stay."""
    token = LinkToken.mint(b"e" * ENTROPY_BYTES).text
    assert "a/[redacted]/b" == without_tokens(f"a/{token}/b")
    for name in ("a/gl_short", "sha256/" + "0" * 64, "plain.txt"):
        assert name == without_tokens(name)
