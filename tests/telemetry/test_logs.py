"""The log: one scrubbed line an event, whoever wrote it, whatever the form."""

from __future__ import annotations

import asyncio
import io
import json
import logging

import pytest
import structlog

from gateway.core.names import is_shown
from gateway.core.reasons import Reason
from gateway.core.record import AuditEvent, Outcome, Record
from gateway.core.token import LinkToken, access_key_id, secret_access_key
from gateway.telemetry.logs import Logs, new_request_id
from tests.waiting import until

TOKEN = LinkToken.mint(b"\x07" * 21).text
KEY_ID = access_key_id(b"\x08" * 21)
SECRET = secret_access_key(b"\x09" * 31)
CANARIES = (TOKEN, KEY_ID, SECRET)


@pytest.fixture
def stream():
    """The bytes that would go to standard output; the loggers of the process are put back afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield io.BytesIO()
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    logging.getLogger("aiohttp.access").propagate = True
    structlog.reset_defaults()


def lines(stream: io.BytesIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def record(**changes) -> Record:
    fields = {
        "request_id": "R1",
        "at": 1795312000.125,
        "duration": 0.25,
        "principal": "link:l_1",
        "grant_id": "l_1",
        "operation": "GetObject",
        "bucket": "reports",
        "key": "a/b.pdf",
        "backend": "archive",
        "peer": "203.0.113.9",
        "status": 200,
        "outcome": Outcome.OK,
        "bytes_out": 4096,
    }
    return Record(**{**fields, **changes})


def test_an_access_line_says_what_the_record_says(stream):
    """Every field of the record, with the instant in RFC 3339."""
    Logs(stream=stream).access_log(record())
    (line,) = lines(stream)
    assert line == {
        "timestamp": "2026-11-22T01:46:40.125Z",
        "level": "info",
        "event": "request",
        "request_id": "R1",
        "principal": "link:l_1",
        "grant": "l_1",
        "operation": "GetObject",
        "bucket": "reports",
        "key": "a/b.pdf",
        "backend": "archive",
        "peer": "203.0.113.9",
        "status": 200,
        "outcome": "ok",
        "reason": "",
        "bytes_in": 0,
        "bytes_out": 4096,
        "duration": 0.25,
        "fresh_use": False,
        "detail": "",
    }


@pytest.mark.parametrize("form", ["json", "ecs", "console"])
def test_no_canary_leaves_by_any_door_in_any_form(stream, form):
    """Fields, nested fields, messages, arguments, exception texts, library loggers, records and audit events."""
    logs = Logs("debug", form, stream)
    logs.install()
    log = structlog.get_logger()
    for canary in CANARIES:
        message = f"message {canary}"
        log.info(message, field=canary, nested={"deep": [canary]}, token=canary)
        log.debug("url", url=f"http://h/s/{canary}?X-Amz-Signature={canary}")
        logging.getLogger("lib").warning("argument %s", canary)
        logs.access_log(record(key=f"x/{canary}", bucket=canary), f"sent {canary}")
        logs.audit_log(AuditEvent(at=0, actor="admin:ops", act="link.create", target="l_1", detail={"note": canary}))
        try:
            raise RuntimeError(f"Authorization: Bearer {canary}")
        except RuntimeError:
            log.exception("failed")
            logging.getLogger("lib").exception("failed")
    written = stream.getvalue().decode()
    assert written.count("failed") >= 2 * len(CANARIES)
    assert [canary for canary in CANARIES if canary in written] == []


def test_the_level_changes_while_running(stream):
    """A logger made before the change obeys it, and so do library loggers."""
    logs = Logs("warning", stream=stream)
    act = AuditEvent(at=0, actor="admin:ops", act="link.create", target="l_1")
    logs.install()
    log = structlog.get_logger()
    log.info("one")
    logs.access_log(record())
    logs.audit_log(act)
    logging.getLogger("lib").info("two")
    assert stream.getvalue() == b""
    logs.configure("info")
    log.info("three")
    logs.access_log(record())
    logs.audit_log(act)
    logging.getLogger("lib").info("four")
    assert [line["event"] for line in lines(stream)] == ["three", "request", "audit", "four"]
    assert logs.level == "info"
    for change in (logs.configure, logs.override):
        with pytest.raises(ValueError, match="not a log level"):
            change("loud")
        assert logs.level == "info"


async def test_another_level_gives_way_after_its_time_or_when_the_level_is_set(stream):
    """A later wish is in place of an earlier one, whose time then ends nothing."""
    logs = Logs("warning", stream=stream)
    logs.override("debug", 0.01)
    assert logs.level == "debug"
    await until(lambda: logs.level == "warning")
    logs.override("debug", 0.01)
    logs.override("error")
    await asyncio.sleep(0.03)
    assert logs.level == "error"
    logs.override("debug", 0.01)
    logs.configure("info")
    await asyncio.sleep(0.03)
    assert logs.level == "info"


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, "info"),
        ({"outcome": Outcome.REFUSED, "reason": Reason.EXPIRED}, "info"),
        ({"outcome": Outcome.REFUSED, "reason": Reason.OVERLOADED}, "warning"),
        ({"outcome": Outcome.UPSTREAM_FAILED, "reason": Reason.UPSTREAM_BROKE}, "error"),
        ({"outcome": Outcome.ERROR}, "error"),
    ],
)
def test_an_access_line_has_the_level_of_its_reason(stream, changes, level):
    """The one table of reasons decides; a failure without a reason is an error."""
    Logs(stream=stream).access_log(record(**changes))
    assert lines(stream)[0]["level"] == level


def test_ecs_uses_the_names_of_the_schema(stream):
    """The envelope and the shared HTTP names; what is ours alone is under `gateway.`."""
    Logs(form="ecs", stream=stream).access_log(record())
    (line,) = lines(stream)
    assert line["@timestamp"] == "2026-11-22T01:46:40.125Z"
    assert line["log.level"] == "info"
    assert line["http.response.status_code"] == 200
    assert line["client.address"] == "203.0.113.9"
    assert line["gateway.grant"] == "l_1"


def test_a_broken_stream_costs_the_line_and_nothing_else():
    """Whoever reads standard output may go away."""

    class Broken(io.BytesIO):
        def write(self, data):
            raise BrokenPipeError

    Logs(stream=Broken()).access_log(record())


def test_a_line_is_one_line_whatever_is_in_it(stream):
    """Line breaks in a key cannot forge a second event."""
    Logs(stream=stream).access_log(record(key='a\n{"event":"forged"}\r\u2028b'))
    assert len(stream.getvalue().splitlines()) == 1
    assert lines(stream)[0]["key"] == 'a\n{"event":"forged"}\r\u2028b'


_ODD = "a\x1b[2Jb\x9b2J\u202egpj.exe\x07 \u00fc\u00a0\u4e2d"


@pytest.mark.parametrize("form", ["json", "ecs", "console"])
def test_no_line_gives_a_terminal_a_command(stream, form):
    """Names and addresses that strangers chose, in each field, and what programs say in each."""
    logs = Logs("debug", form, stream)
    logs.install()
    logs.access_log(record(key=_ODD, bucket=_ODD, peer=_ODD, principal=_ODD), _ODD)
    logs.audit_log(AuditEvent(at=0, actor=_ODD, act="link.create", target=_ODD, detail={"note": _ODD}))
    structlog.get_logger().info(_ODD, field=_ODD)
    logging.getLogger("lib").warning("argument %s", _ODD)
    try:
        raise RuntimeError(_ODD)
    except RuntimeError:
        structlog.get_logger().exception("failed")
    written = stream.getvalue().decode()
    assert [] == [letter for letter in written if letter not in "\n" and not is_shown(letter)]
    assert written.count("\u00fc") >= 9, "what people write stays as it is"
    if form == "json":
        assert [_ODD, _ODD] == [lines(stream)[0]["key"], lines(stream)[2]["event"]]


def test_context_of_a_request_joins_its_lines(stream):
    """What is bound in structlog's context variables appears in each line of that context."""
    Logs(stream=stream).install()
    with structlog.contextvars.bound_contextvars(request_id="R7"):
        structlog.get_logger().info("hello")
    structlog.get_logger().info("bye")
    assert [line.get("request_id") for line in lines(stream)] == ["R7", None]


def test_request_ids_do_not_repeat():
    """A thousand in a row are all different, of one length, and hexadecimal."""
    ids = {new_request_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(text) for text in ids} == {20}
    assert all(int(text, 16) >= 0 for text in ids)


@pytest.mark.parametrize(
    ("addresses", "peer", "shown"),
    [
        ("full", "203.0.113.9", "203.0.113.9"),
        ("short", "203.0.113.9", "203.0.113.0"),
        ("short", "::ffff:203.0.113.9", "203.0.113.0"),
        ("short", "2001:db8:1:2::3", "2001:db8:1::"),
        ("short", "unix", ""),
        ("none", "203.0.113.9", ""),
    ],
)
def test_an_address_is_shown_as_much_as_the_settings_say(stream, addresses, peer, shown):
    """All of it, its network, or nothing."""
    Logs(stream=stream, addresses=addresses).access_log(record(peer=peer))
    assert lines(stream)[0]["peer"] == shown


@pytest.mark.parametrize(
    ("addresses", "shown"), [("full", "ann@acme.example"), ("short", "…@acme.example"), ("none", "")]
)
def test_a_mailbox_is_shown_as_much_as_the_settings_say(stream, addresses, shown):
    """All of it, its domain, or nothing; so is who a request's link was for, where it was for somebody."""
    logs = Logs(stream=stream, addresses=addresses)
    assert shown == logs.mailbox("ann@acme.example")
    for holder in ("ann@acme.example", ""):
        logs.access_log(record(holder=holder))
    assert [shown, None] == [line.get("holder") for line in lines(stream)]


async def test_access_lines_wait_for_each_other_and_stay_in_order(stream):
    """On the loop many requests share one write; any other line takes the waiting ones along, before itself."""
    logs = Logs(stream=stream)
    logs.access_log(record(request_id="R1"))
    logs.access_log(record(request_id="R2"))
    assert stream.getvalue() == b""
    logs.event(logging.WARNING, {"event": "now"})
    assert [line.get("request_id", line["event"]) for line in lines(stream)] == ["R1", "R2", "now"]
    logs.access_log(record(request_id="R3"))
    logs.flush()
    assert [line.get("request_id") for line in lines(stream)][-1] == "R3"


async def test_a_waiting_line_is_written_by_itself(stream):
    """Within the time that lines are held, without anything else happening."""
    written = asyncio.Event()

    class Signalling(io.BytesIO):
        def flush(self):
            written.set()

    signalling = Signalling()
    Logs(stream=signalling).access_log(record())
    async with asyncio.timeout(5):
        await written.wait()
    assert len(signalling.getvalue().splitlines()) == 1
