"""Genuine requests must pass and altered ones must not: counted, with seeds, against the whole data plane.

`python -m tests.fuzz.tamper` runs 50,000 altered and 20,000 genuine requests and prints the figures;
`--altered`, `--genuine` and `--seed` change them, `--write` keeps them in RESULTS.md.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import uvloop

from tests.fuzz.alterations import ALTERATIONS, Alteration
from tests.fuzz.attacked import Attacked, Said, attacked
from tests.fuzz.meaning import meaning
from tests.fuzz.sent import Sent
from tests.fuzz.signers import Pair, Signer
from tests.fuzz.stacks import CLIENTS, STACKS, Stack, link

__all__ = ["Tally", "alter", "genuine", "main", "misbuild"]

_KEPT: Final = 20
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

    def add(self, name: str, sent: Sent, said: Said) -> None:
        self.asked += 1
        self.by_name[name] += 1
        self.statuses[said.status] += 1
        self.accepted += said.accepted
        self.refused += not said.accepted
        self.silent += said.status == 0
        self.broken += said.status >= 500 and said.status != 501

    def keep(self, name: str, sent: Sent, said: Said) -> None:
        """Remember an example of what should not be."""
        if len(self.examples) < _KEPT:
            shown = f"{name}: {sent.stack} {sent.method} {sent.target} {sent.headers} {sent.body[:100]!r}"
            self.examples.append(f"{shown} -> {said.status} {said.data[:40]!r}")


def _made(rng: random.Random, stack: Stack, place: Attacked) -> Sent:
    pair = Pair("", "", place.link) if stack is link else place.session if rng.random() < 0.2 else place.own
    return replace(stack(rng, Signer(pair, place.now)), stack=stack.__name__)


async def genuine(place: Attacked, count: int, seed: int) -> Tally:
    """Requests of every client, each of which must have its full effect: the right bytes in the right place."""
    rng, tally = random.Random(seed), Tally()
    for number in range(count):
        stack = CLIENTS[number % len(CLIENTS)]
        sent = _made(rng, stack, place)
        said = await place.ask(sent)
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
    return effect.call.method == sent.method and (not effect.call.key or effect.call.key.startswith(_PREFIX))


async def alter(
    place: Attacked,
    count: int,
    seed: int,
    *,
    stacks: Sequence[Stack] = (*STACKS, link),
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


def _report(title: str, tally: Tally, seconds: float) -> str:
    lines = [f"{title}: {tally.asked:,} asked, {tally.accepted:,} accepted, {tally.refused:,} refused"]
    lines.append(f"  5xx: {tally.broken}, without an answer: {tally.silent}, alike and left out: {tally.alike:,}")
    lines.append(f"  answers: {', '.join(f'{status}: {n:,}' for status, n in sorted(tally.statuses.items()))}")
    lines.append(f"  kinds: {', '.join(f'{name} {n:,}' for name, n in sorted(tally.by_name.items()))}")
    return "\n".join([*lines, f"  {seconds:.0f} s"])


async def _run(altered: int, true: int, seed: int) -> tuple[str, bool]:
    parts, sound = [f"seed {seed}"], True
    async with attacked() as place:
        for title, run, wanted in (
            ("altered", alter(place, altered - altered // 10, seed), 0),
            ("misbuilt", misbuild(place, altered // 10, seed + 1), 0),
            ("genuine", genuine(place, true, seed + 2), true),
        ):
            started = time.monotonic()
            tally = await run
            parts.append(_report(title, tally, time.monotonic() - started))
            parts += [f"  ! {example}" for example in tally.examples]
            sound = sound and tally.accepted == wanted and not tally.broken
            sys.stdout.write(
                parts[-1] + "\n" if not tally.examples else "\n".join(parts[-len(tally.examples) - 1 :]) + "\n"
            )
    return "\n".join(parts), sound


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--altered", type=int, default=50_000)
    parser.add_argument("--genuine", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    text, sound = uvloop.run(_run(options.altered, options.genuine, options.seed))
    if options.write:
        results = Path(__file__).parent / "RESULTS.md"
        head, _, _ = results.read_text().partition("```") if results.exists() else ("", "", "")
        results.write_text(f"{head}```\n{text}\n```\n")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
