"""Forms of browsers, and what their policies say."""

from __future__ import annotations

import json
from base64 import b64encode

from gateway.wire.http.form_data import Form, FormParser
from gateway.wire.sig import sigv4
from gateway.wire.sig.post_policy import Condition, FormPolicy, SizeRange, read_form, verify_form
from tests.linear.case import Case, Thunk, byte_by_byte, collect, fed

CASES: list[Case] = []
case = collect(CASES)


BOUNDARY = "multipart/form-data; boundary=edge"


def field(name: str, value: str = "v") -> bytes:
    return f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


FILE = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'


@case("wire.http.form_data:FormParser", 60)
def many_fields_at_once(n: int) -> Thunk:
    fields = b"".join(field(str(number)) for number in range(n))
    return fed(FormParser(BOUNDARY), fields + FILE + bytes(4096 * n), 10**9)


@case("wire.http.form_data:FormParser", 100)
def a_field_byte_by_byte(n: int) -> Thunk:
    return byte_by_byte(FormParser(BOUNDARY), field("a", "\r\n--edg" * (n // 7)))


@case("wire.http.form_data:FormParser", 400)
def a_head_byte_by_byte(n: int) -> Thunk:
    return byte_by_byte(FormParser(BOUNDARY), b"--edge\r\nA: " + b"\r\n\r" * (n // 3))


@case("wire.http.form_data:FormParser", 3000)
def a_file_of_almost_boundaries(n: int) -> Thunk:
    parser = FormParser(BOUNDARY)
    parser.feed(FILE)
    return fed(parser, b"\r\n--edg" * n)


@case("wire.http.form_data:FormParser", 400)
def a_file_byte_by_byte(n: int) -> Thunk:
    parser = FormParser(BOUNDARY)
    parser.feed(FILE)
    return byte_by_byte(parser, b"\r\n--edg" * (n // 7))


@case("wire.http.form_data:FormParser", 150)
def a_disposition_of_many_parameters(n: int) -> Thunk:
    parameters = "".join(f'; p{number}="\\\\"' for number in range(n))
    return fed(FormParser(BOUNDARY), f"--edge\r\nContent-Disposition: form-data{parameters};\r\n\r\n".encode())


@case("wire.http.form_data:FormParser", 500)
def a_boundary_among_many_parameters(n: int) -> Thunk:
    return lambda: FormParser("multipart/form-data" + "; a=b" * n)


def policy_of(conditions: list[object]) -> str:
    document = {"expiration": "2030-01-01T00:00:00Z", "conditions": conditions}
    return b64encode(json.dumps(document).encode()).decode()


@case("wire.sig.post_policy:FormPolicy", 100)
def a_policy_of_many_conditions(n: int) -> Thunk:
    text = policy_of([["starts-with", f"$x{number}", ""] for number in range(n)])
    return lambda: FormPolicy.parse(text)


@case("wire.sig.post_policy:FormPolicy", 250)
def a_policy_of_many_levels(n: int) -> Thunk:
    text = b64encode(b"[" * n * 8).decode()
    return lambda: FormPolicy.parse(text)


@case(
    "wire.sig.post_policy:FormPolicy wire.sig.post_policy:Condition wire.sig.post_policy:SizeRange "
    "wire.http.form_data:Form",
    100,
)
def a_form_held_against_its_policy(n: int) -> Thunk:
    fields = (("key", "k"), *((f"x{number}", "v") for number in range(n)))
    conditions = tuple(Condition("starts-with", f"x{number}", "") for number in range(n))
    policy = FormPolicy(9e9, (Condition("eq", "key", "k"), Condition("eq", "bucket", "b"), *conditions), SizeRange())
    return lambda: policy.check(Form(fields, "f", None), bucket="b", now=0)


@case("wire.sig.post_policy:read_form wire.sig.post_policy:verify_form", 200)
def a_signed_form_of_many_fields(n: int) -> Thunk:
    signed = (("policy", "p" * n * 40), ("AWSAccessKeyId", "A"), ("signature", "s"))
    form = Form((*((f"x{number}", "v") for number in range(n)), *signed), "f", None)

    def run() -> None:
        presented = read_form(form)
        assert presented is not None
        verify_form(presented, "secret", now=0, keys=sigv4.SigningKeys())

    return run
