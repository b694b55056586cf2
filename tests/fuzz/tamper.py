"""Genuine requests must pass and altered ones must not: counted, with seeds, against the whole data plane.

`python -m tests.fuzz.tamper` runs 200,000 altered and 200,000 genuine requests and prints the figures;
`--altered`, `--genuine` and `--seed` change them, `--write` keeps them in RESULTS.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import uvloop

from tests.data.scripted_store import Seen
from tests.fuzz.alterations import ALTERATIONS, Alteration
from tests.fuzz.attacked import Attacked, Said, attacked
from tests.fuzz.meaning import meaning
from tests.fuzz.sent import Sent
from tests.fuzz.signers import Pair, Signer
from tests.fuzz.stacks import CLIENTS, FREE, STACKS, Stack, link

__all__ = ["Tally", "alter", "genuine", "main", "misbuild"]

_KEPT: Final = 20
_CHUNK: Final = 5_000
_PATIENCE: Final = 60.0
"""Seconds; a busy machine stands still for five."""
_PREFIX: Final = "inside/"


@dataclass
class Tally:
    """What came of a run. `alike` were left out by the rule of `meaning`; `silent` got no answer at all."""

    asked: int = 0
    accepted: int = 0
    refused: int = 0
    broken: int = 0
    alike: int = 0
    silent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    by_name: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    seconds: float = 0

    def add(self, name: str, sent: Sent, said: Said) -> None:
        self.asked += 1
        self.by_name[name] += 1
        self.statuses[said.status] += 1
        self.accepted += said.accepted
        self.refused += not said.accepted
        self.silent += said.status == 0
        self.broken += said.status >= 500 and said.status != 501

    def join(self, other: Tally) -> None:
        """Add another run's figures."""
        for name in ("asked", "accepted", "refused", "broken", "alike", "silent", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.statuses += other.statuses
        self.by_name += other.by_name
        self.examples += other.examples

    def keep(self, name: str, sent: Sent, said: Said) -> None:
        """Remember an example of what should not be."""
        if len(self.examples) < _KEPT:
            shown = f"{name}: {sent.stack} {sent.method} {sent.target} {sent.headers} {sent.body[:100]!r}"
            self.examples.append(f"{shown} -> {said.status} {said.data[:40]!r}")


def _made(rng: random.Random, stack: Stack, place: Attacked) -> Sent:
    pair = Pair("", "", place.link) if stack is link else place.session if rng.random() < 0.2 else place.own
    return replace(stack(rng, Signer(pair, place.now)), stack=stack.__name__)


async def genuine(place: Attacked, count: int, seed: int, until: int | None = None) -> Tally:
    """Requests of every client, each of which must have its full effect: the right bytes in the right place. Ends early
    after `until` refusals."""
    rng, tally = random.Random(seed), Tally()
    for number in range(count):
        if until is not None and tally.refused >= until:
            break
        turn, free = divmod(number, 4)
        stack = FREE[free - 1] if free else CLIENTS[turn % len(CLIENTS)]
        sent = _made(rng, stack, place)
        said = await place.ask(sent, _PATIENCE)
        tally.add(stack.__name__, sent, said)
        if not _had_its_effect(sent, said):
            tally.accepted -= said.accepted
            tally.refused += said.accepted
            tally.keep(stack.__name__, sent, said)
    return tally


def _had_its_effect(sent: Sent, said: Said) -> bool:
    if not 200 <= said.status < 300 or len(said.effects) != 1:
        return False
    effect = said.effects[0]
    if sent.job in {"put", "meta", "part"} and effect.body != sent.plain:
        return False
    if sent.wanted is not None and not _is_what_was_wanted(sent, effect):
        return False
    return effect.call.method == sent.method and (not effect.call.key or effect.call.key.startswith(_PREFIX))


def _is_what_was_wanted(sent: Sent, effect: Seen) -> bool:
    key, metadata = sent.wanted or ("", ())
    found = {name: value for name, value in effect.call.headers if name.startswith("x-amz-meta-")}
    asked = {name.lower(): value.strip(" \t").replace("\t", " ") for name, value in metadata}  # a tab reaches no store
    return effect.call.key in {_PREFIX + key, ""} and (not metadata or found == asked)


async def alter(
    place: Attacked,
    count: int,
    seed: int,
    *,
    stacks: Sequence[Stack] = (*STACKS, *FREE, link),
    alterations: Sequence[Alteration] = ALTERATIONS,
    until: int | None = None,
) -> Tally:
    """Genuine requests, altered; none may pass. Ends early after `until` acceptances."""
    rng, tally = random.Random(seed), Tally()
    while tally.asked < count and (until is None or tally.accepted < until):
        stack, alteration = rng.choice(stacks), rng.choice(alterations)
        sent = _made(rng, stack, place)
        altered = alteration(rng, sent)
        wanted = meaning(sent, sent)
        if wanted is None:
            raise AssertionError(f"a genuine request of {stack.__name__} means nothing")
        if meaning(altered, sent) == wanted:
            tally.alike += 1
            continue
        said = await place.ask(altered)
        tally.add(alteration.__name__, altered, said)
        if said.accepted or (said.status >= 500 and said.status != 501):
            tally.keep(alteration.__name__, altered, said)
    return tally


Misbuilt = Callable[[random.Random, Stack, Attacked], Sent]


def _signed_by(change: Callable[[Attacked], Signer]) -> Misbuilt:
    return lambda rng, stack, place: stack(rng, change(place))


def _pair(pair: Pair, place: Attacked) -> Signer:
    return Signer(pair, place.now)


MISBUILT: Mapping[str, Misbuilt] = {
    "another key's secret": _signed_by(lambda at: _pair(Pair(at.own.key, at.other.secret), at)),
    "a secret that is nearly right": _signed_by(lambda at: _pair(Pair(at.own.key, at.own.secret[:-1] + "_"), at)),
    "an unknown key": _signed_by(lambda at: _pair(Pair("GWK" + "A" * 34, at.own.secret), at)),
    "a revoked key": _signed_by(lambda at: _pair(at.revoked, at)),
    "an expired key": _signed_by(lambda at: _pair(at.expired, at)),
    "no session token": _signed_by(lambda at: _pair(Pair(at.session.key, at.session.secret), at)),
    "another session token": _signed_by(lambda at: _pair(Pair(at.session.key, at.session.secret, "0" * 60), at)),
    "a session token too many": _signed_by(lambda at: _pair(replace(at.own, token=at.session.token), at)),
    "a clock 16 minutes behind": _signed_by(lambda at: Signer(at.own, at.now - 960)),
    "a clock 16 minutes ahead": _signed_by(lambda at: Signer(at.own, at.now + 960)),
    "eight days ago": _signed_by(lambda at: Signer(at.own, at.now - 8 * 86400)),
    "another service": _signed_by(lambda at: Signer(at.own, at.now, service="iam")),
}
"""Requests that their maker got wrong, signed to the last byte."""
_WITHOUT_DATE = frozenset({"php_presign", "v2_presign", "browser_form"})
_WITHOUT_SCOPE = frozenset({"s3cmd", "v2_presign", "boto3_http", "boto3_tls", "aws_cli"})


def _applies(name: str, stack: Stack) -> bool:
    """Whether the fault can exist there: presigned things outlive a clock's skew, SigV2 names no service."""
    if stack.__name__ in _WITHOUT_DATE and ("minutes" in name or name == "eight days ago"):
        return name == "eight days ago"
    return stack.__name__ not in _WITHOUT_SCOPE or name != "another service"


def _not_at_all_late(name: str, sent: Sent) -> bool:
    """A form of SigV2 has no date but its policy's, a week's URL is as good as new for a week and a minute."""
    return name == "another service" and sent.kind == "form" and b"x-amz-algorithm" not in sent.body.lower()


async def misbuild(place: Attacked, count: int, seed: int, faults: Mapping[str, Misbuilt] = MISBUILT) -> Tally:
    """Requests that are wrong from the start; none may pass."""
    rng, tally = random.Random(seed), Tally()
    names = list(faults)
    while tally.asked < count:
        name, stack = rng.choice(names), rng.choice(STACKS)
        if not _applies(name, stack):
            continue
        sent = replace(faults[name](rng, stack, place), stack=stack.__name__)
        if _not_at_all_late(name, sent):
            continue
        said = await place.ask(sent)
        tally.add(name, sent, said)
        if said.accepted or (said.status >= 500 and said.status != 501):
            tally.keep(name, sent, said)
    return tally


def _report(title: str, tally: Tally) -> str:
    lines = [f"{title}: {tally.asked:,} asked, {tally.accepted:,} accepted, {tally.refused:,} refused"]
    lines.append(f"  5xx: {tally.broken}, without an answer: {tally.silent}, alike and left out: {tally.alike:,}")
    lines.append(f"  answers: {', '.join(f'{status}: {n:,}' for status, n in sorted(tally.statuses.items()))}")
    lines.append(f"  kinds: {', '.join(f'{name} {n:,}' for name, n in sorted(tally.by_name.items()))}")
    return "\n".join([*lines, f"  {tally.seconds:.0f} s"])


async def _run(altered: int, true: int, seed: int) -> dict[str, Tally]:
    async with attacked() as place:
        return {
            "altered": await _timed(alter(place, altered - altered // 10, seed)),
            "misbuilt": await _timed(misbuild(place, altered // 10, seed + 1)),
            "genuine": await _timed(genuine(place, true, seed + 2)),
        }


async def _timed(run: Awaitable[Tally]) -> Tally:
    started = time.monotonic()
    tally = await run
    tally.seconds = time.monotonic() - started
    return tally


def _chunk(work: tuple[int, int, int]) -> dict[str, Tally]:
    return uvloop.run(_run(*work))


def _chunks(altered: int, true: int, seed: int) -> Iterator[tuple[int, int, int]]:
    """The run in pieces that one process does one after another, each with a seed of its own."""
    pieces = max(1, -(-max(altered, true) // _CHUNK))
    for number in range(pieces):
        shares = [whole * (number + 1) // pieces - whole * number // pieces for whole in (altered, true)]
        yield shares[0], shares[1], seed + 3 * number


def _figures(altered: int, true: int, seed: int, processes: int) -> Iterator[dict[str, Tally]]:
    """The sums so far, after each piece."""
    sums = {title: Tally() for title in ("altered", "misbuilt", "genuine")}
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for found in as_completed([pool.submit(_chunk, work) for work in _chunks(altered, true, seed)]):
            for title, tally in found.result().items():
                sums[title].join(tally)
            yield sums


def _told(sums: Mapping[str, Tally], seed: int) -> str:
    examples = [f"  ! {example}" for tally in sums.values() for example in tally.examples]
    return "\n".join([f"seed {seed}", *(_report(title, tally) for title, tally in sums.items()), *examples])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--altered", type=int, default=200_000)
    parser.add_argument("--genuine", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="keep the figures in RESULTS.md, after each piece")
    options = parser.parse_args()
    sums: Mapping[str, Tally] = {}
    for sums in _figures(options.altered, options.genuine, options.seed, options.processes):
        text = _told(sums, options.seed)
        if options.write:
            results = Path(__file__).parent / "RESULTS.md"
            head, _, _ = results.read_text().partition("```") if results.exists() else ("", "", "")
            results.write_text(f"{head}```\n{text}\n```\n")
    sys.stdout.write(text + "\n")
    wrong = sum(sums[title].accepted for title in ("altered", "misbuilt")) + sums["genuine"].refused
    return 1 if wrong or any(tally.broken for tally in sums.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
