"""Step 2: one credential a request."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from gateway.core.password import SALT_BYTES, hash_password
from gateway.core.request import Action
from gateway.core.token import ENTROPY_BYTES, LinkToken
from tests.data.harness import APP, Rig, policy, rule, running

PASSWORD = hash_password("open sesame", b"s" * SALT_BYTES)


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(text.encode()).decode()}


class NoLookUps:
    """A grant store that must not be asked."""

    async def find(self, secret_hash):
        raise AssertionError("a look-up was spent")


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t[:-1] + ("1" if t[-1] != "1" else "2"), lambda t: "x"])
async def test_text_that_is_no_token_costs_no_look_up(rig: Rig, change) -> None:
    """A cut or mistyped token is refused by its checksum, with the answer of an unknown one."""
    rig.plane.grants._store = NoLookUps()
    got = await rig.fetch(change(LinkToken.mint(b"e" * ENTROPY_BYTES).text))
    assert (404, "unknown_token") == (got.status, json.loads(got.body)["reason"])


async def test_a_well_formed_token_does_cost_one(rig: Rig) -> None:
    """Control: the store in the test above would have been noticed."""
    rig.plane.grants._store = NoLookUps()
    assert 500 == (await rig.fetch(LinkToken.mint(b"e" * ENTROPY_BYTES).text)).status


@pytest.mark.parametrize("authorization", ["Bearer x", "AWS a:b", "AWS4-HMAC-SHA256 Credential=x", "Digest x"])
async def test_a_token_beside_another_credential_is_refused(rig: Rig, authorization: str) -> None:
    """Two kinds at once are neither."""
    rig.store.hold("inside/a.txt", b"hello")
    got = await rig.ask("GET", f"/s/{await rig.link()}", {"Authorization": authorization})
    assert (400, "credentials_ambiguous") == (got.status, (await rig.last()).reason)


async def test_a_signature_in_header_and_query_is_refused(rig: Rig) -> None:
    """The S3 face knows one place for a signature, too."""
    credentials, _ = await rig.key()
    target, headers = rig.signed(credentials, "GET", "reports/a")
    got = await rig.ask("GET", f"{target}?X-Amz-Signature=abc&X-Amz-Algorithm=AWS4-HMAC-SHA256", headers)
    assert (400, "credentials_ambiguous") == (got.status, (await rig.last()).reason)


PASSWORDS = {
    "right": (basic("any:open sesame"), 200),
    "any user name": (basic(":open sesame"), 200),
    "wrong": (basic("any:guess"), 401),
    "none": ({}, 401),
    "malformed": ({"Authorization": "Basic ###"}, 400),
    "not utf-8": ({"Authorization": "Basic /////w=="}, 400),
}


@pytest.mark.parametrize("name", PASSWORDS)
async def test_a_password_comes_as_basic_credentials(rig: Rig, name: str) -> None:
    """RFC 7617; the user name is nobody's."""
    headers, status = PASSWORDS[name]
    rig.store.hold("inside/a.txt", b"hello")
    got = await rig.ask("GET", f"/s/{await rig.link(password=PASSWORD)}", headers)
    assert status == got.status
    if status == 401:
        assert (got.header("www-authenticate") or "").startswith("Basic ")


async def test_a_password_from_the_page_is_remembered_by_cookie(rig: Rig) -> None:
    """The form's answer is a redirect with a proof, never the password; the proof then opens the link."""
    rig.store.hold("inside/a.txt", b"hello")
    token = await rig.link(password=PASSWORD)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    got = await rig.ask("POST", f"/s/{token}", form, b"password=open+sesame")
    assert (303, f"/s/{token}") == (got.status, got.header("location"))
    [cookie] = got.headers_named("set-cookie")
    assert "open" not in cookie
    assert f"Path=/s/{token}; HttpOnly; SameSite=Lax" in cookie
    assert b"hello" == (await rig.ask("GET", f"/s/{token}", {"Cookie": cookie.partition(";")[0]})).body
    assert 401 == (await rig.ask("GET", f"/s/{token}", {"Cookie": "gateway_password=00"})).status


async def test_another_password_needs_another_proof(rig: Rig) -> None:
    """Changing the password throws out who came in by the old one."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(password=PASSWORD)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    got = await rig.ask("POST", f"/s/{token}", form, b"password=open+sesame")
    cookie = (got.header("set-cookie") or "").partition(";")[0]
    await rig.edit(grant, password=hash_password("another", b"t" * SALT_BYTES))
    assert 401 == (await rig.ask("GET", f"/s/{token}", {"Cookie": cookie})).status


async def test_a_page_form_is_small(rig: Rig) -> None:
    """No more than 64 KiB of it is read."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    got = await rig.ask("POST", f"/s/{await rig.link()}", form, b"password=" + b"x" * 70_000)
    assert 415 == got.status


async def test_a_form_with_a_signature_beside_it_is_refused(rig: Rig) -> None:
    """A form carries its own signature or none."""
    credentials, _ = await rig.key()
    target, headers = rig.signed(
        credentials, "POST", "reports", headers={"content-type": "multipart/form-data; boundary=b"}
    )
    got = await rig.ask("POST", target, headers, b"--b--")
    assert (400, "credentials_ambiguous") == (got.status, (await rig.last()).reason)


async def test_an_upload_is_no_page_form(rig: Rig) -> None:
    """Only the type that our pages send is read as theirs."""
    token = await rig.link(actions=[Action.WRITE])
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\ndata\r\n--b--\r\n'
    got = await rig.ask("POST", f"/s/{token}", {"Content-Type": "multipart/form-data; boundary=b"}, body)
    assert 201 == got.status
    assert b"data" == rig.store.stored("inside/a.txt")


async def test_a_stranger_chooses_no_header_of_an_answer() -> None:
    """`response-*` parameters without a signature are refused; of a trusted listener's app they are taken."""
    everybody = policy(rule("all", who="*"))
    for trusted, expected in ((None, 400), (APP, 200)):
        async with running(everybody, trusted=trusted) as rig:
            rig.store.hold("inside/a.txt", b"x")
            assert 200 == (await rig.ask("GET", "/reports/a.txt")).status
            assert expected == (await rig.ask("GET", "/reports/a.txt?response-content-type=text%2Fhtml")).status


PAGES = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://gw"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Host": "rebound.evil.example"},
    {"Host": "127.0.0.1.evil.example:8082"},
]


@pytest.mark.parametrize("headers", PAGES, ids=str)
@pytest.mark.parametrize(
    ("method", "target"), [("GET", "/reports/a.txt"), ("POST", "/reports?delete"), ("PUT", "/reports/b.txt")]
)
async def test_a_page_never_acts_as_a_trusted_listeners_app(
    app: Rig, headers: dict[str, str], method: str, target: str
) -> None:
    """A browser sends some requests for any page to any port, loopback included: such a request stands for nobody."""
    app.store.hold("inside/a.txt", b"x")
    body = b"<Delete><Object><Key>a.txt</Key></Object></Delete>" if method == "POST" else b""
    got = await app.ask(method, target, headers | {"Content-Type": "text/plain"}, body)
    assert 403 == got.status
    assert [] == app.store.seen


@pytest.mark.parametrize("host", ["127.0.0.1:8082", "[::1]:8082", "localhost", "reports.localhost:80", "gw", "GW.:1"])
async def test_a_program_of_this_machine_does(app: Rig, host: str) -> None:
    """Under every local name, and when a person types the address."""
    app.store.hold("inside/a.txt", b"x")
    assert 200 == (await app.ask("GET", "/reports/a.txt", {"Host": host})).status
    assert 200 == (await app.ask("GET", "/reports/a.txt", {"Host": host, "Sec-Fetch-Site": "none"})).status
