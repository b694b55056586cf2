"""Owns requests that HTTP forbids, or that two readers could read as two different ones.

Each is a name and the bytes. `{own}` is a path that may be asked for, `{hidden}` one that only a request inside
another one's body asks for: whoever answers that one was fooled.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["vectors"]

_INNER = b"GET {hidden} HTTP/1.1\r\nHost: gw\r\nX: "


def _ask(*fields: bytes, line: bytes = b"GET {own} HTTP/1.1", host: bytes = b"Host: gw", body: bytes = b"") -> bytes:
    lines = [line, *([host] if host else []), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _post(*fields: bytes, body: bytes) -> bytes:
    return _ask(*fields, line=b"POST {own} HTTP/1.1", body=body)


def vectors() -> Iterator[tuple[str, bytes]]:
    """All of them."""
    yield from _lengths()
    yield from _codings()
    yield from _chunks()
    yield from _lines()
    yield from _hosts()
    yield from _fields()


def _lengths() -> Iterator[tuple[str, bytes]]:
    inner = _INNER + b"a\r\n\r\n"
    values = (b"+0", b"-0", b"0x0", b"00", b"0 0", b"0,0", b"0, 0", b"0,5", b"5,0", b"", b" ", b"\t0", b"0\x0b", b"0;")
    values += (b"18446744073709551616", b"99999999999999999999", b"-1", b"1e1", b"1_0", b"\xd9\xa0", b"0\x00", b"0.0")
    for value in values:
        yield f"content-length {value!r}", _post(b"Content-Length: " + value, body=inner)
    yield "two lengths", _post(b"Content-Length: 0", b"Content-Length: 5", body=inner)
    yield "two lengths turned", _post(b"Content-Length: 5", b"Content-Length: 0", body=inner)
    yield "the same length twice", _post(b"Content-Length: 0", b"content-length: 0", body=inner)
    yield "length with a space", _post(b"Content-Length : 0", body=inner)
    yield "length folded", _post(b"Content-Length:", b" 0", body=inner)
    yield "length aliased", _post(b"Content_Length: 5", b"Content-Length: 0", body=inner)
    yield "length named in connection", _post(b"Content-Length: 0", b"Connection: Content-Length", body=inner)
    yield "get with a body", _ask(b"Content-Length: %d" % len(inner), body=inner)


def _codings() -> Iterator[tuple[str, bytes]]:
    chunked = b"0\r\n\r\n" + _INNER + b"a\r\n\r\n"
    yield "CL.TE", _post(b"Content-Length: %d" % len(chunked), b"Transfer-Encoding: chunked", body=chunked)
    yield "TE.CL", _post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"5c\r\n" + chunked)
    values = (
        b"xchunked",
        b"chunked, identity",
        b"identity, chunked",
        b"identity",
        b"chunked, chunked",
        b"gzip, chunked",
    )
    values += (
        b"\x0bchunked",
        b"chunked\x0b",
        b"chunke",
        b"CHUNKED",
        b'"chunked"',
        b"chunked;q=1",
        b"chunked\x00",
        b"",
        b",",
    )
    values += (
        b"chunked,",
        b",chunked",
        b"cow",
        b"chunked\tx",
        b"ch\xc3\xbcnked",
        b"\xffchunked",
        b"chunked\x85",
        b"identity\tchunked",
    )
    for value in values:
        yield f"coding {value!r}", _post(b"Transfer-Encoding: " + value, body=chunked)
        yield (
            f"coding {value!r} and a length",
            _post(b"Transfer-Encoding: " + value, b"Content-Length: 5", body=chunked),
        )
    for name in (
        b"Transfer-Encoding ",
        b" Transfer-Encoding",
        b"Transfer-Encoding\t",
        b"Transfer_Encoding",
        b"Transfer-Encoding\x00",
    ):
        yield f"coding as {name!r}", _post(name + b": chunked", b"Content-Length: 5", body=chunked)
    yield "coding folded", _post(b"Transfer-Encoding:", b" chunked", body=chunked)
    yield "coding folded with a length", _post(b"Content-Length: 5", b"Transfer-Encoding:", b"\tchunked", body=chunked)
    yield "coding hidden in a fold", _post(b"X: y", b" Transfer-Encoding: chunked", b"Content-Length: 5", body=chunked)
    yield "two codings", _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=chunked)
    yield "two codings turned", _post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=chunked)
    yield "coding behind a bare CR", _post(b"X: y\rTransfer-Encoding: chunked", b"Content-Length: 5", body=chunked)
    yield "coding behind a bare LF", _post(b"X: y\nTransfer-Encoding: chunked", b"Content-Length: 5", body=chunked)
    yield "chunked on 1.0", _ask(b"Transfer-Encoding: chunked", line=b"POST {own} HTTP/1.0", body=chunked)
    yield "chunked get", _ask(b"Transfer-Encoding: chunked", body=chunked)


def _chunks() -> Iterator[tuple[str, bytes]]:
    inner = _INNER + b"a\r\n\r\n"
    sizes = (
        b"0x0",
        b"+0",
        b"-0",
        b" 0",
        b"0 ",
        b"0\t",
        b"00",
        b"0" * 40,
        b"0_0",
        b"",
        b"g",
        b"-1",
        b"ffffffffffffffff",
        b"\xd9\xa0",
    )
    sizes += (
        b"10000000000000000",
        b"0;a=b",
        b"0;",
        b'0;a="\r\n"',
        b"0;\ra",
        b"0;\x00",
        b"0;" + b"a" * 20000,
        b"0\x00",
        b"0\x0b",
        b"0,5",
    )
    for size in sizes:
        yield f"chunk size {size[:20]!r}", _post(b"Transfer-Encoding: chunked", body=size + b"\r\n\r\n" + inner)
    ends = (
        b"\n\n",
        b"\r\r",
        b"\r\n\n",
        b"\n\r\n",
        b"\r\n\r",
        b"\r\nX: y\n\n",
        b"\r\nContent-Length: 9\r\n\r\n",
        b"\r\nHost: x\r\n\r\n",
    )
    ends += (b"\r\n: y\r\n\r\n", b"\r\nX y\r\n\r\n", b"\r\nX: y\x00\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    for end in ends:
        yield f"last chunk {end!r}", _post(b"Transfer-Encoding: chunked", body=b"0" + end + inner)
    for glue in (b"", b"\n", b"\r", b"xx", b"\r\r\n", b" \r\n", b"\0\0"):
        yield f"chunk end {glue!r}", _post(b"Transfer-Encoding: chunked", body=b"1\r\na" + glue + b"0\r\n\r\n" + inner)
    yield "extension with a bare LF", _post(b"Transfer-Encoding: chunked", body=b"2;\nxx\r\n4c\r\n0\r\n\r\n" + inner)
    yield "extension with a bare CR", _post(b"Transfer-Encoding: chunked", body=b"2;\rxx\r\n4c\r\n0\r\n\r\n" + inner)


def _lines() -> Iterator[tuple[str, bytes]]:
    for version in (
        "0.9",
        "2.0",
        "1.2",
        "1.10",
        "11",
        "1",
        "1.",
        ".1",
        "3",
        "01.1",
        "1.1.1",
        "-1.1",
        " 1.1",
        "1 .1",
        "1.1x",
    ):
        yield f"version {version}", _ask(line=b"GET {own} HTTP/" + version.encode())
    for line in (
        b"GET {own}", b"GET {own} http/1.1", b"GET  {own} HTTP/1.1", b"GET {own}  HTTP/1.1", b"GET {own} HTTP/1.1 ",
        b"GET\t{own}\tHTTP/1.1", b" GET {own} HTTP/1.1", b"get {own} HTTP/1.1", b"G\xc3\x89T {own} HTTP/1.1",
        b"G(T {own} HTTP/1.1", b"GET{own} HTTP/1.1", b"{own} HTTP/1.1", b"GET HTTP/1.1", b"GET {own} FTP/1.1",
        b"GET {own}\x00 HTTP/1.1", b"GET {own}#x HTTP/1.1", b"GET {own}\\x HTTP/1.1", b"GET {own} x HTTP/1.1",
        b"GET http://gw{own} HTTP/1.1", b"GET http://other{own} HTTP/1.1", b"GET https://gw@other{own} HTTP/1.1",
        b"GET //gw{own} HTTP/1.1", b"GET gw{own} HTTP/1.1", b"GET * HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET ? HTTP/1.1",
        b"CONNECT gw:443 HTTP/1.1", b"CONNECT {own} HTTP/1.1", b"TRACE {own} HTTP/1.1", b"GET {own}\xff HTTP/1.1",
        b"GET {own}?%zz HTTP/1.1", b"GET {own}?a=\x7f HTTP/1.1", b"GET {own}" + b"a" * 40000 + b" HTTP/1.1",
        b"A" * 40000 + b" {own} HTTP/1.1", b"\x16\x03\x01\x02\x00\x01\x00\x01", b"\x00", b"GET {own} HTTP/1.1\rX: y",
    ):  # fmt: skip
        yield f"line {line[:40]!r}", _ask(line=line)
    yield "http 0.9 alone", b"GET {own}\r\n"
    yield "h2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
    yield "empty lines first", b"\r\n\r\n" + _ask()
    yield "bare LF everywhere", _ask().replace(b"\r\n", b"\n")
    yield "bare CR everywhere", _ask().replace(b"\r\n", b"\r")


def _hosts() -> Iterator[tuple[str, bytes]]:
    for value in (
        b"",
        b"a, b",
        b"a b",
        b"gw/x",
        b"gw?x",
        b"gw#x",
        b"u@gw",
        b"gw:",
        b"gw:x",
        b"gw:999999",
        b"[::1",
        b"gw\x00",
        b"gw\\x",
        b"\xff",
        b"0.0.0.0=5000",
    ):
        yield f"host {value!r}", _ask(host=b"Host: " + value)
    yield "no host", _ask(host=b"")
    yield "two hosts", _ask(b"Host: other")
    yield "the same host twice", _ask(b"host: gw")
    yield "host with a space", _ask(host=b"Host : gw")
    yield "host folded", _ask(host=b"Host:\r\n gw")
    yield "host first with a space", _ask(b"X: y", host=b" Host: gw")


def _fields() -> Iterator[tuple[str, bytes]]:
    for field in (
        b"X: a\rb", b"X: a\nb", b"X: a\x00b", b"X: a\x01b", b"X: a\x7fb", b"X: y\r\n folded", b"X: y\r\n\tfolded", b"X",
        b": y", b"X y: z", b"X\x00: y", b"X\xe9: y", b"X(: y", b" X: y", b"X : y", b"\tX: y", b"X: y\r", b"X:\r\n",
        b"X: " + b"a" * 100_000, b"x" * 100_000 + b": y", b"Connection: close, keep-alive", b"Connection: Host",
        b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk", b"Expect: 200-ok",
        b"Expect: 100-continue, 100-continue", b"Upgrade: websocket\r\nConnection: Upgrade", b"Trailer: Host",
        b"X-HTTP-Method-Override: DELETE", b"X-Original-URL: {hidden}", b"X-Rewrite-URL: {hidden}",
        b"X-Forwarded-Host: other", b"X-Forwarded-Prefix: {hidden}", b"Proxy-Connection: keep-alive",
    ):  # fmt: skip
        yield f"field {field[:30]!r}", _ask(field)
    yield "a thousand fields", _ask(*(b"X-%d: y" % number for number in range(1000)))
