"""What may happen in a run, drawn by chance from a seed: each step is plain data, so that a run is cut and repeated.

A step names what it is about by numbers that fit whatever is there, so a run goes on without some of its steps.
Instants are seconds from the beginning of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tests.model.oracle import Limit, Part, Place, Rule, Rules

__all__ = ["APP", "BUCKETS", "FIRST", "FOLDERS", "KEYS", "LAST", "Request", "Step", "draw"]

BUCKETS = ("reports", "other", "far")
KEYS = ("a.txt", "b.txt", "d/c.txt", "d/e/f.txt")
FOLDERS = ("", "d/", "d/e/")
APP = "app:billing"
LAST = -1
"""Instead of a number: what was asked by last."""

_OWNERS = (APP, "app:etl", "user:ann@acme.example")
_PEERS = ("127.0.0.1", "127.0.0.2", "127.0.0.9")
_SAID = ("10.1.2.3", "127.0.0.2", "192.0.2.1")
_HERE, _ONE, _THERE = ("127.0.0.0/8",), ("127.0.0.1/32",), ("10.0.0.0/8",)
_ALL = frozenset({"read", "list", "write", "delete", "share"})
_READING = frozenset({"read", "list"})
_WRITING = _READING | {"write"}
_CHANGES = {"edit", "undo", "revoke", "reload", "drain", "rotate", "tick"}
_STOPS = ("find", "take", "open_lease", "usage", "reserve_bytes")
_POINTS = (
    "store",
    "store",
    "after find",
    "after find",
    *(f"{when} {what}" for what in _STOPS for when in ("before", "after")),
)

_WORK = Rule("works", ("app:*", "user:*"), _ALL, share_actions=_WRITING)
_PUBLIC = Rule("open", ("*",), _READING, (Place("other"),))
FIRST = Rules((_WORK, _PUBLIC), {"reports": "lab", "other": "lab", "far": "away"})


@dataclass(frozen=True)
class Request:
    """Who asks for what, by which form. `marks`, `peers` and `faults` are taken in turn where it is asked several
    `times`; numbers choose the grant and the object, and `odd` whether it is one that the grant is not for."""

    by: str
    form: str
    method: str
    marks: tuple[str, ...]
    peers: tuple[str, ...]
    faults: tuple[str, ...]
    said: str | None
    times: int
    grant: int
    bucket: int
    key: int
    odd: bool
    kept: bool


@dataclass(frozen=True)
class Step:
    """One thing that happens: its kind, the worker that hears of it first, what it is about, and what is done while a
    request stands still."""

    kind: str
    worker: int
    about: Any = None
    inner: Step | None = None


def draw(seed: int, length: int) -> list[Step]:
    """The steps of a run, or a few more. What is asked is mostly asked for again, whatever happened in between: that is
    what memories are for."""
    random, now = Random(seed), 0
    steps = [_made(random, name, now) for name in ("link", "key")]
    habits = [_request(random) for _ in range(4)]
    while len(steps) < length:
        if random.random() < 0.05:
            habits[random.randrange(4)] = _request(random)
        step = _drawn(random, now, habits)
        steps.append(step)
        now += step.about if step.kind in {"tick", "lose"} else 0
        if step.kind == "revoke" and step.about[0] not in {"link", "key"}:
            steps += [_made(random, name, now) for name in ("link", "key", "key")]
        if step.kind in _CHANGES:
            for recent in (8, 24, 24):
                steps.append(Step("replay", _worker(random), (random.randrange(recent), 1)))
                steps.append(Step("request", _worker(random), random.choice(habits)))
        if step.kind == "lose":
            steps += [Step("request", _worker(random), random.choice(habits)), Step("tick", 0, 1)]
            now += 1
    return steps


def _worker(random: Random) -> int:
    """Mostly the same one, which knows what was asked of it before."""
    return int(random.random() < 0.25)


def _one(random: Random) -> int:
    """Which of those there are; mostly the one that was asked by last, of which something may be known."""
    return LAST if random.random() < 0.6 else random.randrange(60)


def _drawn(random: Random, now: int, habits: Sequence[Request]) -> Step:
    asked = random.choice(habits) if random.random() < 0.8 else _request(random)
    worker = _worker(random)
    kinds = {
        "request": 60,
        "replay": 8,
        "while": 12,
        "act": 16,
        "link": 3,
        "key": 4,
        "credentials": 5,
        "tick": 6,
        "lose": 0.5,
    }
    kind = random.choices([*kinds], [*kinds.values()])[0]
    match kind:
        case "request":
            return Step("request", worker, asked)
        case "replay":
            return Step("replay", worker, (random.randrange(random.choice([4, 20, 300])), random.choice([1, 1, 2, 3])))
        case "while":
            return Step("while", worker, (asked, random.choice(_POINTS)), _act(random, now))
        case "act":
            return _act(random, now)
        case "credentials":
            return Step("credentials", worker, _one(random))
        case "tick":
            return Step("tick", worker, random.choice([1, 1, 5, 20, 20, 61, 61, 301, 901, 3601]))
        case "lose":
            return Step("lose", worker, 6)
        case _:
            return _made(random, kind, now)


def _request(random: Random) -> Request:
    forms = ["header"] * 9 + ["hashed", "query", "query", "v2", "v2 query", "chunked"]
    return Request(
        by=random.choices(["link", "key", "credentials", "nobody", "trusted"], [10, 12, 8, 2, 2])[0],
        form=random.choice(forms),
        method=random.choices(["get", "head", "put", "post", "list"], [8, 2, 2, 1, 2])[0],
        marks=random.choice([("same",), ("alike",), ("same", "alike"), ("same", "other", "alike")]),
        peers=random.choice([_PEERS[:1], _PEERS[1:2], _PEERS[:2], _PEERS]),
        faults=random.choices([("",), ("", "wrong"), ("", "session"), ("", "password")], [16, 2, 2, 1])[0],
        said=random.choice([None, None, None, *_SAID]),
        times=random.choice([1, 2, 2, 3, 4]),
        grant=random.choice([0, 0, 1, random.randrange(60)]),
        bucket=random.choice([0, 0, random.randrange(60)]),
        key=random.choice([0, random.randrange(60)]),
        odd=random.random() < 0.12,
        kept=random.random() < 0.5,
    )


def _made(random: Random, kind: str, now: int) -> Step:
    ends = random.choice([None, None, None, now + 15.0, now + 50.0, now + 500.0, now + 5000.0])
    fields: dict[str, Any] = {"ends": ends, "cidrs": random.choice([(), (), (), _HERE, _ONE])}
    owner, worker = random.choice(_OWNERS), _worker(random)
    if kind == "link":
        actions = random.choice([_READING, _READING, _WRITING, _WRITING, frozenset({"write"})])
        uses, password = random.choice([None] * 5 + [1, 2, 5]), random.choice([None, None, None, None, "one"])
        fields |= {"actions": actions, "uses": uses, "password": password, "rule": "works"}
        return Step("link", worker, (owner, random.choice(BUCKETS), random.choice([*KEYS, *FOLDERS]), fields))
    if random.random() < 0.4:
        return Step("session", worker, (_one(random), fields))
    fields |= {"uses": random.choice([None] * 5 + [3, 10]), "budget": random.choice([None] * 5 + [15, 50])}
    return Step("key", worker, (owner, fields | {"parts": _parts(random)}))


def _act(random: Random, now: int) -> Step:
    """What changes what may be done, but for time."""
    kinds = {"edit": 9, "undo": 8, "revoke": 5, "reload": 6, "drain": 2, "rotate": 3}
    kind, worker, number = random.choices([*kinds], [*kinds.values()])[0], _worker(random), _one(random)
    of = random.choice(["link", "key"])
    match kind:
        case "edit":
            return Step("edit", worker, (of, number, _edits(random, of, now)))
        case "revoke":
            what = random.choices(["link", "key", "owner", "prefix", "backend", "policy"], [4, 5, 2, 2, 1, 1])[0]
            place = random.choice(BUCKETS), random.choice(["", "d/", "a", "d/e/f"])
            return Step("revoke", worker, (what, number, random.choice(_OWNERS), place, random.choice(["lab", "away"])))
        case "reload":
            return Step("reload", worker, FIRST if random.random() < 0.4 else _rules(random, now))
        case "drain":
            return Step("drain", worker, (random.choice(["lab", "away"]), random.random() < 0.4))
        case _:
            return Step(kind, worker, (of, number, {}))


def _edits(random: Random, kind: str, now: int) -> dict[str, Any]:
    """One field or two of a grant, changed; `number` is for whatever is counted of it."""
    choices: dict[str, Any] = {
        "ends": random.choice([None, None, now - 1.0, now + 40.0, now + 2000.0]),
        "begins": random.choice([None, None, now - 10.0, now + 50.0]),
        "cidrs": random.choice([(), _HERE, _THERE, _ONE, _ONE, ("127.0.0.2/32", "10.0.0.0/8")]),
        "suspended": random.random() < 0.5,
        "max_size": random.choice([None, None, 3, 100]),
        "number": random.choice([0, 1, 2, 3, 5, 20]),
    }
    if kind == "link":
        choices["actions"] = random.choice([frozenset({"read"}), _READING, frozenset({"write"}), _WRITING])
        choices["password"] = random.choice([None, None, "one", "two"])
    else:
        choices["parts"] = _parts(random)
    return dict(random.sample([*choices.items()], random.choice([1, 1, 2])))


def _parts(random: Random) -> tuple[Part, ...]:
    return random.choice(
        [
            *[()] * 6,
            (Part("reports"),),
            (Part("reports", "d/"),),
            (Part("other", keys=frozenset({"a.txt", "d/c.txt"})),),
            (Part("reports", actions=_READING), Part("other", "d/")),
            (Part(actions=frozenset({"read"})),),
        ]
    )


def _rules(random: Random, now: int) -> Rules:
    """The first ones with a little changed."""
    changes: list[dict[str, Any]] = [
        {},
        {},
        {"may": _READING | {"share"}},
        {"may": _ALL - {"share"}},
        *[{"on": (Place("reports", "d/"), Place("other"), Place("far", "d/"))}] * 3,
        {"networks": random.choice([_HERE, _THERE, _ONE, _ONE])},
        {"signatures": frozenset({"v4"})},
        {"max_size": 3},
        {"share_actions": frozenset({"read"})},
        {"share_seconds": 1000.0},
        {"share_uses": 3},
        {"share_password": True},
        {"share_credentials": False},
        {"keys_seconds": 1000.0},
        {"keys_narrowed": True},
        {"until": float(now + random.choice([30, 100, 1000]))},
        *[{"who": (APP,)}] * 3,
    ]
    rules = [replace(_WORK, **random.choice(changes))]
    rules += [_PUBLIC] if random.random() < 0.8 else []
    rules += [_denying(random, now)] if random.random() < 0.3 else []
    limits: tuple[Limit, ...] = ()
    if random.random() < 0.25:
        who = [
            ("app:*", "principal"),
            ("*", "address"),
            ("link:*", "link"),
            ("app:etl", "principal"),
            ("anonymous", "address"),
        ]
        limits = (Limit(*random.choice(who), 5),)
    homes = (
        FIRST.homes
        if random.random() < 0.85
        else FIRST.homes | {random.choice(BUCKETS): random.choice(["lab", "away"])}
    )
    if random.random() < 0.08:
        homes = {name: home for name, home in homes.items() if name != "far"}
    return Rules(tuple(rules), homes, frozenset(), limits, random.choice([(), (), ("127.0.0.9/32",)]))


def _denying(random: Random, now: int) -> Rule:
    places = Place("reports", "d/"), Place("other"), Place("reports", "a.txt"), Place("far", "d/e/")
    actions = [*map(frozenset, (["read"], ["list"], ["share"], ["write"])), _ALL]
    return Rule(
        "not this",
        (random.choice(["*", "app:*", "app:etl", "anonymous"]),),
        random.choice(actions),
        (random.choice(places),),
        deny=True,
        networks=random.choice([(), (), _ONE, _THERE]),
        signatures=random.choice([frozenset(), frozenset(), frozenset({"v2"})]),
        until=random.choice([None, None, float(now + 60)]),
    )
