"""Owns which names a pattern covers: `reports/billing/**`, `*/logs/*.gz`, `app:*`, and AWS's `reports/*/2026-??`.

Refuses to own percent-decoding (names arrive decoded once) and folding by stores (`gateway.core.policy`).

Laws: `*` stays inside one segment, `**` as the last segment covers everything below and nothing beside. A prefix
without its slash never reaches a sibling: `reports/billing/**` does not cover `reports/billing-old/x`. However many
stars a pattern has, a name is read once: no stranger's key makes a rule expensive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from gateway.core.said import phrase
from gateway.core.values import dataclass

_DOTS: Final = frozenset({".", ".."})

RESERVED: Final = ".gateway-uploads"
"""The folder, one a bucket, in which unfinished uploads are kept. No caller can name it, and no listing shows it."""


def key_fault(key: str) -> str | None:
    """Why an object key is refused before any policy looks at it, or None.

    Dot segments are legal S3 names but mean different things to different parsers on the way to a store; every prefix
    rule could be walked around with them. Other control characters than NUL are names like any: whoever writes a key
    into a header, a document or a log encodes it.
    """
    if len(key) > 1024 or len(key.encode("utf-8", "surrogatepass")) > 1024:
        return phrase("key_long", "is longer than 1024 bytes")
    if "." in key and not _DOTS.isdisjoint(key.split("/")):
        return phrase("key_dots", "has a dot segment")
    if RESERVED in key and RESERVED in key.split("/"):
        return phrase("key_reserved", "lies in the folder of unfinished uploads")
    if not key.isprintable():
        for character in key:
            if character == "\0" or "\ud800" <= character <= "\udfff":
                return phrase("key_text", "has a NUL or is not UTF-8")
    return None


def prefix_fault(prefix: str) -> str | None:
    """The same for the prefix of a listing, whose last step is only the beginning of one: `docs/.` may list `.env`."""
    above, slash, begun = prefix.rpartition("/")
    return key_fault(f"{above}{slash}") if begun in _DOTS else key_fault(prefix)


@dataclass(frozen=True, slots=True)
class _Segment:
    """The pattern of one segment: the texts around its stars. Between them stands anything, or nothing."""

    first: str
    inner: tuple[str, ...]
    last: str | None

    @classmethod
    def parse(cls, text: str) -> _Segment:
        first, *rest = text.split("*")
        return cls(first, tuple(part for part in rest[:-1] if part), rest[-1] if rest else None)

    def matches(self, segment: str) -> bool:
        """Whether the texts stand in the segment one after the other. The first place of each leaves the most room
        for those behind it, so none has to be looked for again."""
        if self.last is None:
            return segment == self.first
        at, end = len(self.first), len(segment) - len(self.last)
        if at > end or not segment.startswith(self.first) or not segment.endswith(self.last):
            return False
        for part in self.inner:
            at = segment.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return True


@dataclass(frozen=True, slots=True)
class _Steps:
    """The pattern of a text in which one place may be any character: all its beginnings are followed at once.

    Bit n of a set says that the first n places have been met. `any` are the places that every character meets, `of`
    those that one does, themselves among them, and `waits` the numbers of places behind which a star stands.
    """

    places: int
    any: int
    of: Mapping[str, int]
    waits: int

    @classmethod
    def parse(cls, parts: Sequence[Sequence[str | None]]) -> _Steps:
        """`parts` stand between stars; None is a place that may be any character."""
        count, every, waits, of = 0, 0, 0, dict[str, int]()
        for number, part in enumerate(parts):
            waits |= (1 << count) if number else 0
            for character in part:
                count += 1
                if character is None:
                    every |= 1 << count
                else:
                    of[character] = of.get(character, 0) | 1 << count
        return cls(count, every, MappingProxyType({character: bits | every for character, bits in of.items()}), waits)

    def matches(self, name: str) -> bool:
        """Whether the whole name is meant. It is read once."""
        reached, waits, of, every = 1, self.waits, self.of, self.any
        for character in name:
            reached = (reached << 1 & of.get(character, every)) | reached & waits
            if not reached:
                return False
        return bool(reached >> self.places & 1)


_MARKS: Final = re.compile(r"\*|\?|\$\{[*?$]\}|\$\{|[^*?$]+|\$")


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A pattern as AWS policies have it: `*` is any text, slashes included, `?` any one character.

    `${*}`, `${?}` and `${$}` are these characters themselves.
    """

    text: str
    pattern: _Segment | _Steps

    @classmethod
    def parse(cls, text: str, *, marks: bool = True) -> Wildcard:
        """Without `marks`, a star and a question mark are themselves.

        Raises:
            ValueError: another variable than the three, which would stand for something that is not known here.
        """
        parts: list[list[str | None]] = [[]]
        for found in _MARKS.findall(text):
            if found == "${":
                raise ValueError(f"{text!r} has a variable: only ${{*}}, ${{?}} and ${{$}} are known")
            if marks and found == "*":
                parts.append([])
            elif marks and found == "?":
                parts[-1].append(None)
            else:
                parts[-1].extend(found[2] if found.startswith("${") else found)
        if any(None in part for part in parts):
            return cls(text, _Steps.parse(parts))
        first, *rest = ("".join(character or "" for character in part) for part in parts)
        return cls(text, _Segment(first, tuple(part for part in rest[:-1] if part), rest[-1] if rest else None))

    def matches(self, name: str) -> bool:
        """Whether this very text is meant."""
        return self.pattern.matches(name)


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A compiled `bucket/path` pattern."""

    text: str
    bucket: _Segment | None
    head: tuple[_Segment, ...]
    deep: bool

    @classmethod
    def parse(cls, text: str) -> PathPattern:
        """Compile a pattern.

        Raises:
            ValueError: empty, `**` elsewhere than as the last segment, dot segments, or an empty segment.
        """
        if text == "**":
            return cls(text, None, (), True)
        bucket, slash, path = text.partition("/")
        if not bucket or "**" in bucket or not slash:
            raise ValueError(f"{text!r} is not a pattern: write BUCKET/**, BUCKET/folder/**, BUCKET/folder/*.pdf or **")
        segments = path.split("/")
        deep = segments[-1] == "**"
        head = segments[:-1] if deep else segments
        if any("**" in segment for segment in head):
            raise ValueError(f"{text!r}: ** may stand only as the whole last segment")
        if any(segment in _DOTS or not segment for segment in head):
            raise ValueError(f"{text!r}: empty segments, . and .. are not allowed in a pattern")
        return cls(text, _Segment.parse(bucket), tuple(map(_Segment.parse, head)), deep)

    def covers(self, bucket: str, key: str) -> bool:
        """Whether this very object is meant."""
        if self.bucket is not None and not self.bucket.matches(bucket):
            return False
        segments = key.split("/")
        if self.deep:
            return len(segments) > len(self.head) and self._head_matches(segments)
        return len(segments) == len(self.head) and self._head_matches(segments)

    def covers_all_below(self, bucket: str, prefix: str) -> bool:
        """Whether every object whose key starts with `prefix` is meant: what a listing of that prefix would show."""
        if self.bucket is not None and not self.bucket.matches(bucket):
            return False
        whole_segments = prefix.split("/")[:-1]
        return self.deep and len(whole_segments) >= len(self.head) and self._head_matches(whole_segments)

    def may_touch_below(self, bucket: str, prefix: str) -> bool:
        """Whether any object whose key starts with `prefix` could be meant; in doubt yes (used by deny rules)."""
        if self.bucket is not None and not self.bucket.matches(bucket):
            return False
        whole_segments = prefix.split("/")[:-1]
        if not self.deep and len(whole_segments) >= len(self.head):
            return False
        return self._head_matches(whole_segments)

    def includes(self, other: PathPattern) -> bool:
        """Whether it is seen by their texts that whatever the other one means, this one does; in doubt no."""
        if self.text in {"**", other.text}:
            return True
        return self.deep and other.text.startswith(self.text.removesuffix("**"))

    def names_bucket(self, bucket: str) -> bool:
        """Whether anything in the bucket could be meant."""
        return self.bucket is None or self.bucket.matches(bucket)

    def _head_matches(self, segments: list[str]) -> bool:
        return all(map(_Segment.matches, self.head, segments))


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A pattern over principals and users' groups: `app:billing`, `app:*`, `group:finance`, `anonymous`, `*`."""

    text: str
    segments: tuple[_Segment, ...]

    @classmethod
    def parse(cls, text: str) -> NamePattern:
        """Raises ValueError for anything that could match no principal."""
        kind, _, name = text.partition(":")
        if text not in {"*", "anonymous"} and (kind not in {"app", "user", "link", "admin"} or not name):
            raise ValueError(
                f"{text!r} names nobody: write app:NAME, app:*, user:NAME, admin:NAME, link:ID, anonymous or *"
            )
        return cls.of(text)

    @classmethod
    def parse_with_groups(cls, text: str) -> NamePattern:
        """The same, or `group:NAME`: whoever is a user of a group. Raises as `parse`."""
        if text.startswith("group:") and text != "group:":
            return cls.of(text)
        try:
            return cls.parse(text)
        except ValueError:
            raise ValueError(
                f"{text!r} names nobody: write app:NAME, app:*, user:NAME, group:NAME, admin:NAME, anonymous or *"
            ) from None

    @classmethod
    def of(cls, text: str) -> NamePattern:
        """A pattern over texts of whatever kind: of groups too, which are no principals."""
        return cls(text, tuple(map(_Segment.parse, text.split("/"))))

    def matches(self, principal: str) -> bool:
        parts = principal.split("/")
        return len(parts) == len(self.segments) and all(
            segment.matches(part) for segment, part in zip(self.segments, parts, strict=True)
        )


def names_any(patterns: Sequence[NamePattern], principal: str, groups: Sequence[str]) -> bool:
    """Whether one of the patterns names this principal, or a group that it is in."""
    if any(pattern.matches(principal) for pattern in patterns):
        return True
    return bool(groups) and any(pattern.matches(f"group:{group}") for pattern in patterns for group in groups)
