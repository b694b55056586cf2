"""The small version of `tests.fuzz.tamper`, and the proof that it would notice."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from gateway.core.reasons import Reason, Refused
from gateway.data.plane import Terms
from gateway.data.steps import authenticate, verify
from gateway.wire import parse
from gateway.wire.http import target
from gateway.wire.sig import aws_chunked, post_policy, sigv2, sigv4
from gateway.wire.sig.checksums import BodyChecks
from gateway.wire.sig.post_policy import FormPolicy, SizeRange
from tests.fuzz import alterations as ways
from tests.fuzz.alterations import Alteration
from tests.fuzz.attacked import Attacked, attacked
from tests.fuzz.stacks import (
    CLIENTS,
    FREE,
    STACKS,
    Stack,
    boto3_tls,
    browser_form,
    java_chunks,
    minio_py,
    php_presign,
    pyarrow,
    s3cmd,
    v2_presign,
)
from tests.fuzz.tamper import MISBUILT, alter, genuine, misbuild

_SEED = int(os.environ.get("FUZZ_SEED", "1"))
_TIMES = int(os.environ.get("FUZZ_TIMES", "1"))


@pytest.fixture
async def place() -> AsyncIterator[Attacked]:
    async with attacked() as started:
        yield started


async def test_altered_requests_are_refused(place: Attacked) -> None:
    """Of requests altered anywhere between the method and the last trailer, none passes and none breaks us."""
    tally = await alter(place, 1600 * _TIMES, _SEED)
    assert (0, 0, []) == (tally.accepted, tally.broken, tally.examples), f"seed {_SEED}"


async def test_requests_that_were_made_wrong_are_refused(place: Attacked) -> None:
    """Another secret, a revoked or expired key, a wrong clock, service or session token: none passes."""
    tally = await misbuild(place, 400 * _TIMES, _SEED)
    assert (0, 0, []) == (tally.accepted, tally.broken, tally.examples), f"seed {_SEED}"
    assert set(MISBUILT) == set(tally.by_name)


async def test_genuine_requests_pass(place: Attacked) -> None:
    """What each client stack really sends has its whole effect: the right bytes at the right name."""
    tally = await genuine(place, 900 * _TIMES, _SEED)
    assert (0, 0, []) == (tally.refused, tally.broken, tally.examples), f"seed {_SEED}"
    assert {stack.__name__ for stack in (*CLIENTS, *FREE)} == set(tally.by_name)


def _yes(*_: object, **__: object) -> bool:
    return True


def _nothing(*_: object, **__: object) -> None:
    return None


def _all_headers_will_do(names: tuple[str, ...], raw: Any) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in raw.headers:
        if name in names:
            values[name] = f"{values[name]},{value}" if name in values else value
    return values


_CONTROLS: dict[str, tuple[object, str, Callable[..., object], Sequence[Stack], Sequence[Alteration]]] = {
    "SigV4 compares": (sigv4.hmac, "compare_digest", _yes, [minio_py, php_presign], [ways.path_byte]),
    "SigV2 compares": (sigv2.hmac, "compare_digest", _yes, [s3cmd, v2_presign], [ways.path_byte]),
    "unsigned headers": (sigv4, "_signed_values", _all_headers_will_do, [minio_py, boto3_tls], [ways.added_header]),
    "unsigned parameters": (sigv2, "_hoisted", lambda parts, raw: [], [s3cmd], [ways.added_param]),
    "chunk signatures": (aws_chunked.ChunkedDecoder, "_check", _nothing, [java_chunks], [ways.chunk_text]),
    "checksums": (BodyChecks, "finish", _nothing, [minio_py, pyarrow], [ways.body_byte]),
    "a form's signature": (verify, "verify_form", _nothing, [browser_form], [ways.chunk_text]),
    "a form's policy": (FormPolicy, "check", lambda *_, **__: SizeRange(), [browser_form], [ways.chunk_text]),
    "form compares": (post_policy.hmac, "compare_digest", _yes, [browser_form], [ways.chunk_text]),
}


@pytest.mark.parametrize("name", _CONTROLS)
async def test_without_a_guard_altered_requests_pass(
    place: Attacked, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Control: with any one guard taken out, the same alterations are accepted and counted."""
    owner, guard, instead, stacks, alterations = _CONTROLS[name]
    monkeypatch.setattr(owner, guard, instead)
    tally = await alter(place, 1500, _SEED, stacks=stacks, alterations=alterations, until=1)
    assert 1 == tally.accepted


_FAULTS = {
    "a clock 16 minutes behind": (sigv4, "require_fresh", _nothing),
    "no session token": (authenticate, "require_session", _nothing),
}


@pytest.mark.parametrize("name", _FAULTS)
async def test_without_a_guard_wrong_requests_pass(place: Attacked, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Control: with clocks or session tokens unchecked, the requests made wrong are accepted and counted."""
    owner, guard, instead = _FAULTS[name]
    monkeypatch.setattr(owner, guard, instead)
    tally = await misbuild(place, 40, _SEED, {name: MISBUILT[name]})
    assert tally.accepted


def _refuse_absent(values: dict[str, str], names: tuple[str, ...]) -> None:
    if len(values) < len(names):
        raise Refused(Reason.BAD_SIGNATURE)


_TOO_STRICT: dict[str, tuple[object, str, object]] = {
    "absent headers": (sigv4, "_fill_absent", _refuse_absent),
    "the scheme's own port": (sigv4, "_readings", lambda values: [values]),
    "unsigned types": (authenticate, "leaves_type_unsigned", _yes),
    "aliases": (target, "META_PREFIX", "x-amz-none-"),
    "pluses": (sigv4, "decode_plus", lambda text: text),
    "keys": (parse, "key_fault", lambda key: None if key.isprintable() else "is odd"),
}


@pytest.mark.parametrize("name", _TOO_STRICT)
async def test_with_a_rule_too_strict_genuine_requests_are_refused(
    place: Attacked, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Control: with any one rule tightened, the drawn requests of no client in particular find it."""
    owner, rule, instead = _TOO_STRICT[name]
    if name == "aliases":
        target._name.cache_clear()
    if name == "unsigned types":
        monkeypatch.setattr(Terms, "unsigned_content_type", property(lambda _: False))
    monkeypatch.setattr(owner, rule, instead)
    tally = await genuine(place, 400, _SEED, until=1)
    assert tally.refused


def test_every_alteration_is_in_the_draw() -> None:
    """What the module defines is what is drawn from."""
    functions = {name for name, value in vars(ways).items() if callable(value) and not name.startswith("_")}
    defined = {name for name in functions if getattr(vars(ways)[name], "__module__", "") == ways.__name__}
    assert defined == {each.__name__ for each in ways.ALTERATIONS}
    assert len(STACKS) == len({stack.__name__ for stack in STACKS})
