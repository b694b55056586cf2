"""Heads of requests, as they come from a connection."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network

from gateway.core.reasons import Reason
from gateway.server.client_address import client_address
from gateway.server.connection import Connection
from gateway.server.head import HeadReader, KnownHeads
from gateway.server.request import IncomingRequest
from gateway.wire.http import target
from tests.linear.case import Case, Thunk, collect

CASES: list[Case] = []
case = collect(CASES)


@case("wire.http.target:raw_request", 100)
def a_head_of_many_fields(n: int) -> Thunk:
    fields = [(b"host", b"gw"), *((b"x-%d" % number, b"a b\t" * 8) for number in range(n))]
    return lambda: target.raw_request("GET", "/", fields)


@case("wire.http.target:raw_request wire.http.target:host_name", 3000)
def a_long_target(n: int) -> Thunk:
    text = "http://gw/" + "%41" * n + "?" + "%42" * n

    def run() -> None:
        target.host_name(target.raw_request("GET", text, [(b"host", b"gw")]))

    return run


@case("wire.http.target:is_local_name", 3000)
def a_host_of_many_parts(n: int) -> Thunk:
    dotted, colons = "1." * n + "1", "[" + "1." + ":1" * n + "]"
    return lambda: target.is_local_name(dotted) or target.is_local_name(colons)


@case("wire.http.target:raw_request", 5000)
def a_field_of_blanks(n: int) -> Thunk:
    fields = [(b"host", b"gw"), (b"a", b" \t" * n + b"x" + b" " * n), (b"content-length", b"1" * n)]
    return lambda: target.raw_request("GET", "/", fields)


@case("wire.http.target:query_pairs wire.http.target:decode", 300)
def many_parameters(n: int) -> Thunk:
    query = "&".join(f"a{number}=%41%42" for number in range(n))
    return lambda: target.query_pairs(query)


@case("wire.http.target:decode wire.http.target:decode_plus", 1000)
def a_long_escaped_name(n: int) -> Thunk:
    def run() -> None:
        target.decode_plus("a+%C3" * n)
        target.decode("%C3%A9" * n, Reason.BAD_KEY)

    return run


@case("server.head:HeadReader server.request:IncomingRequest", 600)
def a_request_byte_by_byte(n: int) -> Thunk:
    reader, wire = HeadReader(KnownHeads()), b"GET /" + b"a" * n + b" HTTP/1.1\r\nHost: gw\r\n\r\n"

    def run() -> None:
        for at in range(len(wire)):
            reader.read_head(wire[at : at + 1])

    return run


@case("server.head:HeadReader", 30)
def a_request_of_many_fields(n: int) -> Thunk:
    reader = HeadReader(KnownHeads())
    wire = b"GET / HTTP/1.1\r\nHost: gw\r\n" + b"".join(b"x%d: y\r\n" % at for at in range(n)) + b"\r\n"
    return lambda: reader.read_head(wire)


@case("server.head:KnownHeads", 300)
def heads_that_come_again(n: int) -> Thunk:
    wires = [b"GET /%d HTTP/1.1\r\nHost: gw\r\n\r\n" % at for at in range(n)]
    arrival, _ = HeadReader(KnownHeads()).read_head(wires[0])
    assert arrival is not None
    known = KnownHeads()

    def run() -> None:
        for wire in wires:
            known.keep(wire, arrival)
            known.find(wire)

    return run


class _Line:
    """A socket that takes everything."""

    def write(self, data: bytes) -> None: ...

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> None: ...

    def set_write_buffer_limits(self, high: int) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class _Host:
    head_seconds = 10.0
    known_heads = KnownHeads()
    draining = False
    read_buffer = first_read_buffer = memoryview(bytearray(65536))

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.left_to_answer = 0
        self.done = asyncio.Event()

    async def handle(self, connection: Connection, arrival: IncomingRequest) -> None:
        self.left_to_answer -= 1
        if not self.left_to_answer:
            self.done.set()

    def add_connection(self, connection: Connection) -> None: ...

    def remove_connection(self, connection: Connection) -> None: ...

    def date(self) -> str:
        return ""


@case("server.connection:Connection", 40)
def requests_that_come_at_once(n: int) -> Thunk:
    loop = asyncio.new_event_loop()
    host = _Host(loop)
    connection = Connection(host)
    connection.connection_made(_Line())  # type: ignore[arg-type]
    wire = b"PUT / HTTP/1.1\r\nHost: gw\r\nContent-Length: 1\r\n\r\nx" * n
    wire += b"PUT / HTTP/1.1\r\nHost: gw\r\nContent-Length: 10000000\r\n\r\n" + bytes(1024 * n)

    host.left_to_answer = n + 1

    async def answer() -> None:
        connection.receive(wire)
        await host.done.wait()

    return lambda: loop.run_until_complete(answer())


@case("server.client_address:client_address", 100)
def many_hops(n: int) -> Thunk:
    hops = ["10.0.0.1, " * n + "10.0.0.1"] * 2
    return lambda: client_address(ip_address("10.0.0.2"), hops, (ip_network("10.0.0.0/8"),))
