"""What may be done at a gateway: written plainly from what is promised (docs/architecture.md, policies/README.md).

Keeps nothing of any question: each is answered from the facts, and an answer is the set of all true reasons against it,
by their names. Shares no line with the gateway, so that a misreading there is not repeated here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address, ip_network

__all__ = ["NEEDS", "Asked", "Grant", "Limit", "Model", "Part", "Place", "Rule", "Rules"]

SKEW = 900.0
WINDOW = 3600.0
OBJECT = 5
"""Bytes of every object."""

PER_USE = 3
"""How often one use has an object whole."""

_FREE = {"head"}
"""What a key may still do when its uses or bytes are spent."""
NEEDS = {"get": "read", "head": "read", "put": "write", "post": "write", "list": "list", "delete": "delete"}


@lru_cache(4096)
def _within(address: str, networks: tuple[str, ...]) -> bool:
    return any(ip_address(address) in ip_network(network) for network in networks)


@dataclass(frozen=True)
class Place:
    """What a rule covers: everything ("" as the bucket), or of one bucket all, a folder (`name/`) or one object."""

    bucket: str = ""
    name: str = ""

    def covers(self, bucket: str, key: str) -> bool:
        if self.bucket not in {"", bucket}:
            return False
        return key.startswith(self.name) if self.name.endswith("/") or not self.name else key == self.name

    def shows_all(self, bucket: str, prefix: str) -> bool:
        whole = not self.name or self.name.endswith("/")
        return whole and self.covers(bucket, prefix)

    def touches(self, bucket: str, prefix: str) -> bool:
        inside = self.name.endswith("/") and prefix.startswith(self.name)
        return self.bucket in {"", bucket} and (inside or self.name.startswith(prefix) or not self.name)


@dataclass(frozen=True)
class Rule:
    """`share_*` is what links made under it may be, `keys_*` what a key has to be for it to count."""

    name: str
    who: tuple[str, ...]
    may: frozenset[str]
    on: tuple[Place, ...] = (Place(),)
    deny: bool = False
    networks: tuple[str, ...] = ()
    max_size: int | None = None
    signatures: frozenset[str] = frozenset()
    until: float | None = None
    share_actions: frozenset[str] = frozenset({"read"})
    share_seconds: float | None = None
    share_uses: int | None = None
    share_password: bool = False
    share_credentials: bool = True
    keys_seconds: float | None = None
    keys_narrowed: bool = False

    def names(self, who: str) -> bool:
        return any(who == one or one == "*" or (one.endswith(":*") and who.startswith(one[:-1])) for one in self.who)

    def reaches(self, asked: Asked, action: str, bucket: str, key: str) -> bool:
        if action != "list":
            return any(place.covers(bucket, key) for place in self.on)
        seen = Place.touches if self.deny else Place.shows_all
        return any(seen(place, bucket, key) for place in self.on)

    def holds(self, asked: Asked, address: str | None, grant: Grant | None, now: float) -> bool:
        """Whether its conditions are met."""
        if self.networks and (address is None or not _within(address, self.networks)):
            return False
        if self.max_size is not None and asked.size > self.max_size:
            return False
        if self.until is not None and now >= self.until:
            return False
        if self.signatures and (asked.signature is not None or self.deny) and asked.signature not in self.signatures:
            return False
        if grant is not None and grant.kind == "key":
            if _outlives(grant, self.keys_seconds):
                return False
            if self.keys_narrowed and not (grant.parts and all(part.bucket for part in grant.parts)):
                return False
        return True

    def lets_be_shared(self, link: Grant, asked: Asked) -> bool:
        """Whether such a link may be had under it at all."""
        return (
            link.actions <= self.share_actions
            and not _outlives(link, self.share_seconds)
            and (self.share_uses is None or (link.uses is not None and link.uses <= self.share_uses))
            and not (self.share_password and link.password is None)
        )


def _outlives(grant: Grant, seconds: float | None) -> bool:
    return seconds is not None and (grant.ends is None or grant.ends - grant.issued_at > seconds + 1)


@dataclass(frozen=True)
class Limit:
    """So many requests for ever. `per` is `principal`, `address` or `link`."""

    who: str
    per: str
    count: int


@dataclass(frozen=True)
class Rules:
    """`homes` says on which backend each bucket is."""

    rules: tuple[Rule, ...]
    homes: dict[str, str]
    drained: frozenset[str] = frozenset()
    limits: tuple[Limit, ...] = ()
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """What a key is held to: a bucket or any, a folder or exact names, some actions or all."""

    bucket: str = ""
    prefix: str = ""
    keys: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()

    def covers(self, action: str, bucket: str, key: str) -> bool:
        if (self.bucket and bucket != self.bucket) or (self.actions and action not in self.actions):
            return False
        return (action != "list" and key in self.keys) if self.keys else key.startswith(self.prefix)


@dataclass
class Grant:
    """A link or a key. `version` counts its secrets, `issuers` are the keys by which it was issued; credentials of a
    link know it, by which of its secrets, and the password that was proved."""

    kind: str
    owner: str
    serial: int
    issued_at: float
    id: str = ""
    version: int = 0
    actions: frozenset[str] = frozenset()
    bucket: str = ""
    key: str | None = None
    prefix: str | None = None
    begins: float | None = None
    ends: float | None = None
    uses: int | None = None
    budget: int | None = None
    cidrs: tuple[str, ...] = ()
    password: str | None = None
    suspended: bool = False
    max_size: int | None = None
    rule: str | None = None
    parts: tuple[Part, ...] = ()
    session: str | None = None
    issuers: tuple[Grant, ...] = ()
    link: Grant | None = None
    link_version: int = 0
    taken: int = 0
    moved: int = 0

    @property
    def root(self) -> str:
        return self.prefix if self.key is None else self.key or ""

    def inside(self, bucket: str, key: str) -> bool:
        return bucket == self.bucket and (key == self.key if self.prefix is None else key.startswith(self.prefix))


@dataclass(frozen=True)
class Asked:
    """One request. `by` is link, key or nobody; `acts` whom an unsigned one stands for. `peer` is who connected, `said`
    whom it named as its client. `lives` are the seconds after `signed_at` for which a signature in an address is good;
    None for one in the headers."""

    by: str
    method: str
    bucket: str
    key: str
    grant: Grant | None = None
    acts: str = "anonymous"
    version: int = 0
    password: str | None = None
    session: str | None = None
    peer: str = "127.0.0.1"
    said: str | None = None
    signature: str | None = None
    signed_at: float = 0.0
    lives: float | None = None
    wrong: bool = False
    size: int = 0

    @property
    def moves(self) -> int:
        """How many bytes of an object it brings or takes."""
        return OBJECT if self.method == "get" else self.size


@dataclass
class Model:
    """The facts. `ended` are the revocations: position, kind, name, prefix."""

    rules: Rules
    now: float
    serial: int = 0
    ended: list[tuple[int, str, str, str]] = field(default_factory=list)
    spent: Counter[str] = field(default_factory=Counter)
    had: dict[tuple[str, ...], list[list[float]]] = field(default_factory=dict)
    wrong: Counter[str] = field(default_factory=Counter)
    """Wrong passwords of late, by link."""

    def revoke(self, kind: str, name: str, prefix: str = "") -> None:
        self.serial += 1
        self.ended.append((self.serial, kind, name, prefix))

    def address(self, asked: Asked) -> str:
        trusted = bool(self.rules.trusted) and _within(asked.peer, self.rules.trusted)
        return asked.said if trusted and asked.said is not None else asked.peer

    def objections(self, asked: Asked) -> set[str]:
        """All that is against it, but for what is counted."""
        grant, found = asked.grant, set[str]()
        if grant is not None:
            found = self._unproved(asked, grant)
            known = asked.version == grant.version
            if found and not (asked.by == "link" and known and self._lapsed(grant)):
                return found
        if grant is not None and grant.link is not None:
            found |= self._of_credentials(grant)
            key, grant = grant, grant.link
            found |= self._of_grant(key, asked, grant)
        if grant is not None:
            found |= self._of_grant(grant, asked, grant) | self._reach(grant, asked)
        found |= self._by_rules(asked, grant)
        if asked.bucket not in self.rules.homes:
            return found | {"unknown_bucket"}
        home = self.rules.homes[asked.bucket]
        if home in self.rules.drained:
            found.add("backend_drained")
        for one in {id(each): each for each in (asked.grant, grant) if each is not None}.values():
            if self._is_ended(one, asked, home):
                found.add("revoked")
        return found

    def _unproved(self, asked: Asked, grant: Grant) -> set[str]:
        """Why the secret, the signature or the password is not right."""
        if asked.by == "link":
            if asked.version != grant.version:
                return {"unknown_token", "too_many_guesses"}
            if not self._is_over(grant) and grant.password not in {None, asked.password}:
                return {"password_required"} if asked.password is None else {"password_wrong", "too_many_guesses"}
            return set()
        if asked.session != grant.session:
            return {"bad_session_token"}
        if asked.wrong:
            return {"bad_signature", "clock_skewed", "signature_expired"}
        age = self.now - asked.signed_at
        if asked.lives is None:
            return {"clock_skewed"} if abs(age) > SKEW else set()
        return {"signature_expired", "form_policy_violated"} if age >= asked.lives else set()

    def _of_credentials(self, key: Grant) -> set[str]:
        link = key.link
        assert link is not None
        if link.version != key.link_version:
            return {"revoked"}
        return {"password_required"} if link.password not in {None, key.password} else set()

    def _is_over(self, grant: Grant) -> bool:
        """Whether no password is asked for. Of what is revoked it may be: that is heard by who knows the password."""
        return bool(self._lapsed(grant) - {"revoked"})

    def _lapsed(self, grant: Grant) -> set[str]:
        found = {"revoked"} if any(at[1:3] == (grant.kind, grant.id) for at in self.ended) else set()
        found |= {"revoked"} if any(self._is_marked(grant, *at) for at in self.ended) else set()
        if grant.ends is not None and self.now >= grant.ends:
            found.add("expired")
        if grant.suspended:
            found.add("suspended")
        if grant.begins is not None and self.now < grant.begins:
            found.add("not_yet_valid")
        return found

    @staticmethod
    def _is_marked(grant: Grant, serial: int, kind: str, name: str, prefix: str) -> bool:
        """Whether such a revocation ends all of the grant."""
        if serial <= grant.serial:
            return False
        if kind == "prefix":
            return grant.kind == "link" and grant.bucket == name and grant.root.startswith(prefix)
        return (kind, name) in {("owner", grant.owner), ("policy", grant.rule)}

    def _of_grant(self, grant: Grant, asked: Asked, acting: Grant) -> set[str]:
        found = self._lapsed(grant)
        if grant.cidrs and not _within(self.address(asked), grant.cidrs):
            found.add("peer_not_allowed")
        if grant.max_size is not None and asked.size > grant.max_size:
            found.add("too_large")
        return found

    def _reach(self, grant: Grant, asked: Asked) -> set[str]:
        action = NEEDS[asked.method]
        if grant.kind == "key":
            covered = not grant.parts or any(part.covers(action, asked.bucket, asked.key) for part in grant.parts)
            return set() if covered else {"out_of_scope"}
        by_address = asked.by == "link"
        if not grant.inside(asked.bucket, asked.key):
            return {"out_of_scope"} | (set() if by_address else {"not_allowed"})
        if action not in grant.actions:
            return {"method_not_allowed"} if by_address else {"out_of_scope", "not_allowed"}
        if not by_address and (action == "list" and grant.key is not None):
            return {"out_of_scope"}
        return set()

    def _by_rules(self, asked: Asked, grant: Grant | None) -> set[str]:
        link = grant if grant is not None and grant.kind == "link" else None
        who = asked.acts if grant is None else grant.owner
        action, address = NEEDS[asked.method], self.address(asked)
        mine = [rule for rule in self.rules.rules if rule.names(who)]

        def said(rule: Rule, what: str) -> bool:
            reaches = rule.reaches(asked, action, asked.bucket, asked.key)
            return what in rule.may and reaches and rule.holds(asked, address, grant, self.now)

        found = set[str]()
        if any(rule.deny and said(rule, action) for rule in mine):
            found.add("denied_by_rule")
        large = set[str]()
        if not any(not rule.deny and said(rule, action) for rule in mine):
            found.add("not_allowed")
            large = {"too_large"} if asked.size else large  # what a form brings is known when it comes
        if link is None:
            return found | large
        found = {"owner_not_allowed"} | large if found else found
        sharing = [rule for rule in mine if said(rule, "share")]
        fitting = [rule for rule in sharing if not rule.deny and rule.lets_be_shared(link, asked)]
        if any(rule.deny for rule in sharing) or not fitting:
            found.add("owner_not_allowed")
        elif asked.by == "key" and not any(rule.share_credentials for rule in fitting):
            found.add("no_credentials")
        return found

    def _is_ended(self, grant: Grant, asked: Asked, home: str) -> bool:
        for serial, kind, name, prefix in self.ended:
            if serial > grant.serial and (
                (kind, name) in {(grant.kind, grant.id), ("owner", grant.owner), ("backend", home)}
                or (kind == "policy" and name == grant.rule)
                or (kind == "prefix" and name == asked.bucket and asked.key.startswith(prefix))
                or (
                    kind == "prefix" and grant.kind == "link" and name == asked.bucket and grant.root.startswith(prefix)
                )
            ):
                return True
            for issuer in grant.issuers:
                if (kind, name) == ("key", issuer.id):
                    return True
                if (kind, name) == ("owner", issuer.owner) and serial > issuer.serial:
                    return True
        return False

    # what is counted

    def _limits(self, asked: Asked) -> list[tuple[str, int]]:
        grant = asked.grant if asked.grant is None or asked.grant.link is None else asked.grant.link
        link = grant if grant is not None and grant.kind == "link" else None
        who = [asked.acts] if grant is None else [grant.owner]
        who = who if link is None else [f"link:{link.id}", *who]
        found = []
        for index, limit in enumerate(self.rules.limits):
            named = Rule("", (limit.who,), frozenset()).names
            subject = next((one for one in who if named(one)), None)
            if subject is None or (limit.per == "link" and link is None):
                continue
            if limit.per == "address":
                subject = self.address(asked)
            found.append((f"{index}:{subject if limit.per != 'link' or link is None else link.id}", limit.count))
        return found

    def counted_out(self, asked: Asked) -> set[str]:
        """What is against it of what is counted, if nothing else is."""
        if any(self.spent[key] >= most for key, most in self._limits(asked)):
            return {"too_many_requests"}
        grant = asked.grant
        if grant is None or grant.link is not None:
            return set()
        whole, free = asked.moves > 0, grant.kind == "key" and asked.method in _FREE
        moved = grant.moved + max(1, asked.moves)
        if grant.budget is not None and not free and moved > grant.budget:
            return {"used_up"}
        if grant.uses is None or free:
            return set()
        if asked.method == "get" and grant.kind == "link":
            return set() if self._open_use(grant, asked) is not None or grant.taken < grant.uses else {"used_up"}
        if grant.taken < grant.uses:
            return set()
        mine = self.had.get(self._client(grant, asked), [])
        joined = not whole and grant.kind == "link" and any(self.now < until for until, _ in mine)
        return set() if joined else {"used_up"}

    def _client(self, grant: Grant, asked: Asked) -> tuple[str, ...]:
        return grant.id, asked.bucket, asked.key, self.address(asked)

    def _open_use(self, grant: Grant, asked: Asked) -> list[float] | None:
        """The use of this client that has room for one more whole download."""
        for use in self.had.get(self._client(grant, asked), []):
            if self.now < use[0] and use[1] < PER_USE:
                return use
        return None

    def charge(self, asked: Asked, *, answered: bool, limits: bool = True) -> None:
        """Count it: what was let in by its rights takes of its limits, and what was answered of its uses."""
        for key, _ in self._limits(asked) if limits else ():
            self.spent[key] += 1
        grant = asked.grant
        if grant is None or grant.link is not None or not answered or not asked.moves:
            return
        grant.moved += asked.moves
        if grant.uses is None:
            return
        if asked.method != "get" or grant.kind == "key":
            grant.taken += 1
            return
        use = self._open_use(grant, asked)
        if use is None:
            use = [self.now + WINDOW, 0]
            grant.taken += 1
            self.had.setdefault(self._client(grant, asked), []).append(use)
        use[1] += 1
