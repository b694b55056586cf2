"""Owns the alterations: every way in which a genuine request is damaged on its way. None knows whether it matters."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import quote, unquote

from tests.fuzz.jobs import BUCKET, HOST
from tests.fuzz.sent import Sent

__all__ = ["ALTERATIONS", "Alteration"]

Alteration = Callable[[random.Random, Sent], Sent]
_VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "#")
_METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "get", "COPY", "TRACE"]
_ADDED_PARAMS = (
    "versionId=null", "versionId=x", "acl", "acl=", "tagging", "uploads", "uploadId=up.1", "partNumber=1", "torrent",
    "restore", "legal-hold", "cors", "response-content-type=text%2Fhtml", "response-content-disposition=x",
    "prefix=", "list-type=2", "delete", "versions", "location", "X-Amz-Date=20300101T000000Z",
    "X-Amz-Expires=604800", "X-Amz-Signature=00", "X-Amz-SignedHeaders=host",
    "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD", "x-amz-acl=private", "x-amz-copy-source=%2Freports%2Fb",
    "x-amz-meta-x=1", "Signature=a", "AWSAccessKeyId=a", "Expires=2000000000", "X-Amz-Security-Token=t",
    "x-amz-security-token=t", "x-id=GetObject", "x-amz-tagging=a%3Db", "x-amz-storage-class=STANDARD", "unknown=1",
    "max-keys=1", "attributes", "policy", "website",
)  # fmt: skip
_ADDED_HEADERS = (
    ("x-amz-copy-source", f"/{BUCKET}/secret"),
    ("x-amz-acl", "public-read"),
    ("x-amz-meta-extra", "1"),
    ("x-amz-tagging", "a=b"),
    ("x-amz-storage-class", "STANDARD"),
    ("x-amz-metadata-directive", "REPLACE"),
    ("x-amz-website-redirect-location", "/x"),
    ("x-amz-server-side-encryption", "AES256"),
    ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    ("x-amz-date", "20300101T000000Z"),
    ("x-amz-security-token", "token"),
    ("x-amz-checksum-crc32", "AAAAAA=="),
    ("x-amz-decoded-content-length", "0"),
    ("x-amz-trailer", "x-amz-checksum-crc32"),
    ("x-amz-user-agent", "me"),
    ("x-amz-bypass-governance-retention", "true"),
    ("content-type", "text/html"),
    ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
    ("authorization", "Bearer abc"),
    ("authorization", "AWS AKID:c2ln"),
    ("authorization", "Basic YTpi"),
    ("host", f"other.{HOST}"),
    ("transfer-encoding", "chunked"),
    ("content-length", "0"),
    ("x_amz_copy_source", f"/{BUCKET}/secret"),
    ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
)
_SIGNED_ELSEWHERE = ("20200101", "eu-central-1", "s4", "aws4_reques", "iam")


def _damage(rng: random.Random, text: str) -> str:
    """One character changed, taken out, doubled, added, or turned to its other case."""
    if not text:
        return rng.choice(_VISIBLE)
    at, other = rng.randrange(len(text)), rng.choice(_VISIBLE)
    match rng.randrange(6):
        case 0:
            return text[:at] + text[at + 1 :]
        case 1:
            return text[:at] + text[at] + text[at:]
        case 2:
            return text[:at] + text[at].swapcase() + text[at + 1 :]
        case 3:
            return text[:at] + other + text[at:]
        case _:
            return text[:at] + other + text[at + 1 :]


def path_byte(rng: random.Random, sent: Sent) -> Sent:
    return sent.asking(path="/" + _damage(rng, sent.path[1:]).replace("?", "%3F"))


def path_form(rng: random.Random, sent: Sent) -> Sent:
    """The same path, or nearly, in another spelling."""
    path = sent.path
    at = rng.randrange(1, len(path)) if len(path) > 1 else 1
    match rng.randrange(10):
        case 0:
            path = path[:at] + "/" + path[at:]
        case 1:
            path = path + rng.choice(["/", "/.", "/..", "%00", "%2f", "?", "%20", "\\", ";x", "/../x", "%252e"])
        case 2:
            path = path.replace("%", "%25", 1)
        case 3:
            path = re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), path)
        case 4:
            path = unquote(path) if unquote(path).isascii() and " " not in unquote(path) else path
        case 5:
            path = path[:at] + quote(path[at : at + 1]) + path[at + 1 :]
        case 6:
            path = path[:at] + "".join(f"%{byte:02X}" for byte in path[at : at + 1].encode()) + path[at + 1 :]
        case 7:
            path = rng.choice(["/.", "/x/..", "//", "/%2e"]) + path
        case 8:
            path = path.replace("/", "%2F", 2).replace("%2F", "/", 1)
        case _:
            path = path.replace("+", " ", 1).replace(" ", "%20").replace("%20", "+", 1)
    return sent.asking(path=path)


def bucket_name(rng: random.Random, sent: Sent) -> Sent:
    """Another bucket, by path or by host."""
    if sent.path.startswith(f"/{BUCKET}"):
        return sent.asking(path=sent.path.replace(BUCKET, rng.choice(["other", "far", "report", "Reports"]), 1))
    return sent.setting("Host", rng.choice([f"other.{HOST}", f"far.{HOST}", f"x.{BUCKET}.{HOST}", HOST]))


def host_name(rng: random.Random, sent: Sent) -> Sent:
    host = sent.header("Host") or ""
    return sent.setting("Host", rng.choice([f"{host}:80", f"{host}.", host.upper(), "evil", f"{BUCKET}.{HOST}", HOST]))


def method(rng: random.Random, sent: Sent) -> Sent:
    return replace(sent, method=rng.choice([name for name in _METHODS if name != sent.method]))


def query_byte(rng: random.Random, sent: Sent) -> Sent:
    return sent.asking(query=_damage(rng, sent.query))


def query_part(rng: random.Random, sent: Sent) -> Sent:
    """A parameter taken out, doubled, doubled with another value, moved, renamed or stripped of its value."""
    parts = sent.query.split("&")
    at = rng.randrange(len(parts))
    name, _, value = parts[at].partition("=")
    match rng.randrange(8):
        case 0:
            del parts[at]
        case 1:
            parts.append(parts[at])
        case 2:
            parts.insert(rng.randrange(len(parts)), f"{name}={_damage(rng, value)}")
        case 3:
            rng.shuffle(parts)
        case 4:
            parts[at] = f"{name.swapcase()}={value}"
        case 5:
            parts[at] = name
        case 6:
            parts[at] = f"{''.join(f'%{byte:02x}' for byte in name.encode())}={value}"
        case _:
            parts.insert(at, "")
    return sent.asking(query="&".join(parts))


def added_param(rng: random.Random, sent: Sent) -> Sent:
    parts = [part for part in sent.query.split("&") if part]
    parts.insert(rng.randint(0, len(parts)), rng.choice(_ADDED_PARAMS))
    return sent.asking(query="&".join(parts))


def header_byte(rng: random.Random, sent: Sent) -> Sent:
    """One character of a header's value, or of its name."""
    at = rng.randrange(len(sent.headers))
    name, value = sent.headers[at]
    if rng.random() < 0.2:
        name = _damage(rng, name) or "x"
    else:
        value = _damage(rng, value)
    return replace(sent, headers=(*sent.headers[:at], (name, value), *sent.headers[at + 1 :]))


def header_form(rng: random.Random, sent: Sent) -> Sent:
    """A header taken out, doubled, moved, split, or in another spelling."""
    headers = list(sent.headers)
    at = rng.randrange(len(headers))
    name, value = headers[at]
    match rng.randrange(8):
        case 0:
            del headers[at]
        case 1:
            headers.append((name, value))
        case 2:
            headers.insert(rng.randrange(len(headers)), (name, _damage(rng, value)))
        case 3:
            headers.append(headers.pop(at))
        case 4:
            headers[at] = (name.swapcase(), value)
        case 5:
            headers[at] = (name, f"  {value.replace(' ', '   ')} ")
        case 6:
            headers[at] = (name, value[: len(value) // 2])
            headers.append((name, value[len(value) // 2 :]))
        case _:
            headers[at] = (name.replace("-", "_"), value)
    return replace(sent, headers=tuple(headers))


def added_header(rng: random.Random, sent: Sent) -> Sent:
    pair = rng.choice(_ADDED_HEADERS)
    if rng.random() < 0.5 and pair[0] not in {"host", "authorization"}:
        return sent.setting(*pair)
    return sent.with_header(*pair)


def authorization(rng: random.Random, sent: Sent) -> Sent:
    """The parts of the credential, wherever they stand."""
    where = sent.header("Authorization") if sent.kind in {"v4", "v2"} else unquote(sent.query)
    text = where or ""
    match rng.randrange(9):
        case 0:
            changed = re.sub(r"(Signature=|:)(\S{6,}?)(?=&|$)", lambda m: m[1] + m[2][: rng.randrange(len(m[2]))], text)
        case 1:
            changed = re.sub(
                r"(Signature=)([0-9a-f]{64})",
                lambda m: m[1] + rng.choice([m[2].upper(), m[2] + "0", "0" * 64, ""]),
                text,
            )
        case 2:
            changed = re.sub(r"SignedHeaders=([^,&]*)", lambda m: f"SignedHeaders={_fewer(rng, m[1])}", text)
        case 3:
            changed = re.sub(
                r"SignedHeaders=([^,&]*)",
                lambda m: f"SignedHeaders={m[1]};{rng.choice(['range', 'x-amz-acl', 'zz', ''])}",
                text,
            )
        case 4:
            changed = re.sub(r"/\d{8}/", f"/{rng.randint(20200101, 20301231)}/", text)
        case 5:
            changed = re.sub(r"/(us-east-1|s3|aws4_request)", f"/{rng.choice(_SIGNED_ELSEWHERE)}", text, count=1)
        case 6:
            changed = re.sub(r"GWK[A-Z2-7]{34}", lambda m: _damage(rng, m[0]), text)
        case 7:
            changed = text.replace(
                "AWS4-HMAC-SHA256", rng.choice(["AWS4-HMAC-SHA1", "AWS4-ECDSA-P256-SHA256", "aws4-hmac-sha256", "AWS4"])
            )
        case _:
            changed = text.replace(";", rng.choice([",", "; ", ";;"]), 1)
    if sent.kind in {"v4", "v2"}:
        return sent.setting("Authorization", changed)
    return sent.asking(query=quote(changed, safe="=&~")) if where else path_byte(rng, sent)


def _fewer(rng: random.Random, names: str) -> str:
    kept = names.split(";")
    del kept[rng.randrange(len(kept))]
    return ";".join(kept)


def moved(rng: random.Random, sent: Sent) -> Sent:
    """The credential carried to the other place, or to both, or joined by another one."""
    header = sent.header("Authorization")
    if header is None:
        pairs = dict(part.partition("=")[::2] for part in sent.query.split("&") if part)
        names, signature = unquote(pairs.get("X-Amz-SignedHeaders", "host")), pairs.get("X-Amz-Signature", "0" * 64)
        value = f"AWS4-HMAC-SHA256 Credential={unquote(pairs.get('X-Amz-Credential', 'x'))}, SignedHeaders={names}, "
        changed = sent.setting("Authorization", f"{value}Signature={signature}")
        changed = changed.setting("x-amz-date", pairs.get("X-Amz-Date", "20300101T000000Z"))
        kept = "&".join(part for part in sent.query.split("&") if not part.startswith("X-Amz-"))
        return changed.asking(query=kept) if rng.random() < 0.5 else changed
    parts = dict(re.findall(r"(Credential|SignedHeaders|Signature)=([^, ]+)", header))
    pairs = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": parts.get("Credential", ""),
        "X-Amz-Date": sent.header("x-amz-date") or "",
        "X-Amz-Expires": "3600",
        "X-Amz-SignedHeaders": parts.get("SignedHeaders", ""),
        "X-Amz-Signature": parts.get("Signature", ""),
    }
    if sent.kind == "v2":
        key, _, signature = header.removeprefix("AWS ").partition(":")
        pairs = {"AWSAccessKeyId": key, "Signature": signature, "Expires": "2000000000"}
    query = "&".join(
        [*filter(None, [sent.query]), *(f"{name}={quote(value, safe='')}" for name, value in pairs.items())]
    )
    changed = sent.asking(query=query)
    return changed.setting("Authorization", None) if rng.random() < 0.7 else changed


def session_token(rng: random.Random, sent: Sent) -> Sent:
    """The session token taken out, changed, moved, or one added."""
    name, token = "x-amz-security-token", sent.header("x-amz-security-token")
    if token is None and "ecurity-" not in sent.query:
        return sent.with_header(name, "f" * 60)
    match rng.randrange(4):
        case 0:
            parts = [part for part in sent.query.split("&") if name not in part.lower()]
            return sent.setting(name, None).asking(query="&".join(parts))
        case 1 if token is not None:
            return sent.setting(name, _damage(rng, token))
        case 2 if token is not None:
            return sent.setting(name, None).asking(query=f"{sent.query}&X-Amz-Security-Token={token}".lstrip("&"))
        case _:
            return sent.with_header(name, (token or "x")[::-1])


def payload_hash(rng: random.Random, sent: Sent) -> Sent:
    """Another claim of what the body is."""
    values = (
        "UNSIGNED-PAYLOAD",
        "0" * 64,
        "",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    )
    return sent.setting("x-amz-content-sha256", rng.choice((*values, None)))


def body_byte(rng: random.Random, sent: Sent) -> Sent:
    """One byte of the body, framing included."""
    if not sent.body:
        return body_size(rng, sent)
    at, body = rng.randrange(len(sent.body)), bytearray(sent.body)
    body[at] ^= 1 << rng.randrange(8)
    return replace(sent, body=bytes(body))


def body_size(rng: random.Random, sent: Sent) -> Sent:
    """A body that is longer or shorter, and says so, or does not."""
    grown = sent.body + b"x" if rng.random() < 0.5 else sent.body[: rng.randrange(len(sent.body) + 1)]
    if sent.header("Content-Length") is None or rng.random() < 0.2:
        return replace(sent, body=grown)
    if rng.random() < 0.2:
        return sent.setting("Content-Length", str(len(grown)))
    return replace(sent.setting("Content-Length", str(len(grown))), body=grown)


def lines_of_body(rng: random.Random, sent: Sent) -> Sent:
    """Lines between chunks or in a form taken out, doubled or swapped: sizes, signatures, trailers, fields."""
    lines = sent.body.split(b"\r\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[at])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case _:
            lines[at] = lines[at][: len(lines[at]) // 2]
    body = b"\r\n".join(lines)
    changed = replace(sent, body=body)
    return changed.setting("Content-Length", str(len(body))) if sent.header("Content-Length") is not None else changed


def chunk_text(rng: random.Random, sent: Sent) -> Sent:
    """A signature, a trailer or a field's value within the body."""
    found = list(
        re.finditer(rb"chunk-signature=[0-9a-f]+|x-amz-[a-z0-9-]+:[^\r\n]+|\r\n\r\n[ -~]{1,400}\r\n", sent.body)
    )
    if not found:
        return body_byte(rng, sent)
    match = rng.choice(found)
    damaged = _damage(rng, match[0].decode("latin-1")).encode("latin-1", "replace")
    body = sent.body[: match.start()] + damaged + sent.body[match.end() :]
    changed = replace(sent, body=body)
    return changed.setting("Content-Length", str(len(body))) if sent.header("Content-Length") is not None else changed


def two_at_once(rng: random.Random, sent: Sent) -> Sent:
    """Two alterations, of which one may repair the other's trace."""
    first, second = rng.choice(_SINGLE), rng.choice(_SINGLE)
    return second(rng, first(rng, sent))


_SINGLE: Sequence[Alteration] = (
    path_byte, path_form, bucket_name, host_name, method, query_byte, query_part, added_param, header_byte,
    header_byte, header_form, added_header, added_header, authorization, authorization, moved, session_token,
    payload_hash, body_byte, body_byte, body_size, lines_of_body, chunk_text, chunk_text,
)  # fmt: skip
ALTERATIONS: Sequence[Alteration] = (*_SINGLE, two_at_once)
