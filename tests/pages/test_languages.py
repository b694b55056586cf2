"""Laws of `gateway.pages.languages`, and of the files of texts."""

from __future__ import annotations

import ast
import re
import string
from functools import cache
from pathlib import Path

import pytest

from gateway.control.body import SENTENCES
from gateway.core.grant import GrantKind
from gateway.core.reasons import TABLE, Reason, public_reason
from gateway.core.request import Action
from gateway.core.revocation_target import REVOKING
from gateway.core.said import phrase
from gateway.pages import languages as module
from gateway.pages.languages import SOURCE, Language, choose_language, languages
from gateway.pages.refusals import NEXT_STEPS

_ROOM = Path(module.__file__).parent
_OTHERS = sorted(set(languages()) - {SOURCE})
_PUBLIC = {f"reasons.{public_reason(reason).value}" for reason in Reason}
_WORDS = {f"said.word.{word}" for word in (*GrantKind, *REVOKING, *Action)}
"""What fills a sentence and is a word of ours."""

_OF_TYPES = {f"said.type_{kind}": english for kind, english in SENTENCES.items()}
"""What is wrong with the types of what was sent."""


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@cache
def _said() -> dict[str, str]:
    """Every sentence that has a key, in English, as it stands where it is said; and those of pydantic's types."""
    found = dict(_OF_TYPES)
    for path in _ROOM.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "phrase":
                key, english = (ast.literal_eval(argument) for argument in node.args[:2])
                assert found.setdefault(f"said.{key}", english) == english, f"{key} says two things"
    return found


def _faults(language: Language) -> list[str]:
    """What a language's file lacks, has too much, or fills otherwise than the source."""
    source = languages()[SOURCE].texts | _said()
    wanted = {key for key in source if not key.startswith("reasons.")} | _PUBLIC
    faults = [f"lacks {key}" for key in sorted(wanted - language.texts.keys())]
    faults += [f"has {key}" for key in sorted(language.texts.keys() - wanted - _WORDS)]
    faults += [f"lacks {key}" for key in sorted(_WORDS - language.texts.keys())]
    both = sorted(wanted & language.texts.keys())
    faults += [f"fills {key}" for key in both if _places(source[key]) != _places(language.texts[key])]
    return faults + [f"leaves {key} empty" for key in both if not language.texts[key].strip()]


@pytest.mark.parametrize("code", _OTHERS)
def test_no_language_lacks_a_text_or_has_one_too_many(code: str) -> None:
    """Each file says all that the source says, with the same places to fill, and nothing that nobody asks for."""
    assert [] == _faults(languages()[code])


def test_a_language_with_faults_is_found() -> None:
    """The control: a text taken out, one added, one with another place."""
    texts = dict(languages()["de"].texts)
    del texts["front.title"]
    texts |= {"front.other": "x", "refusal.request": "Anfrage {nummer}", "card.title": " "}
    found = _faults(Language("xx", "ltr", texts))
    assert ["lacks front.title", "has front.other", "fills refusal.request", "leaves card.title empty"] == found


def test_a_sentence_is_told_by_its_key() -> None:
    """With what fills it: sentences within it, several in one row, our own words; what has no key stays as it is."""
    texts = {"said.a": "Der {kind}: {inner}; {many}; {text!r}", "said.b": "innen {number}", "said.word.link": "Link"}
    told = Language("xx", "ltr", texts).tell
    inner = phrase("b", "inside {number}", number=5)
    kind, many = GrantKind.LINK, (inner, "plain")
    whole = phrase("a", "the {kind}: {inner}; {many}; {text!r}", kind=kind, inner=inner, many=many, text="x{y}")
    assert "the link: inside 5; inside 5; plain; 'x{y}'" == whole
    assert "Der Link: innen 5; innen 5; plain; 'x{y}'" == told(whole)
    assert ["inside 5", "unknown {x}"] == [told(str(inner)), told(phrase("c", "unknown {{x}}"))]


def test_german_is_there() -> None:
    """English and German are complete; others are added by a file."""
    assert {"de", "en"} <= languages().keys()
    assert {"ltr"} == {languages()[code].direction for code in ("de", "en")}


def test_every_text_that_is_asked_for_exists_and_none_is_left_over() -> None:
    """Templates and modules name keys as constants; those made of a reason, a status or a step are listed here."""
    named: set[str] = set()
    for path in [*_ROOM.rglob("*.html"), *_ROOM.rglob("*.py"), *_ROOM.parent.glob("control/**/*.py")]:
        named |= set(re.findall(r"""(?:\bt|\btext)\(\s*"([a-z_.0-9]+)\"""", path.read_text()))
    source = languages()[SOURCE].texts
    for path in _ROOM.parent.glob("control/**/*.py"):
        named |= source.keys() & set(re.findall(r'"([a-z_]+\.[a-z_]+)"', path.read_text()))
    units = {"units.byte", "units.bytes", "units.decimal"}
    # Those of the console's lists: tests/control/console/test_looks.py says which there are.
    of_lists = (
        "actions.",
        "acts.",
        "fields.",
        "groups.",
        "hints.",
        "states.",
        "on_conflict.",
        "shows.",
        "sees.",
        "holders_by.",
        "operations.",
        "outcomes.",
        "effects.",
        "checks.",
        "duties.",
        "kinds.",
        "signed_in_by.",
        "trail.",
        "trail_detail.",
    )
    made = units | {key for key in source if key.startswith(("reasons.", "status.", "next.", *of_lists))}
    asked = {key for key in source for name in named if key == name}
    assert named <= source.keys()
    assert set() == source.keys() - asked - made
    assert {key for key in source if key.startswith("next.")} == {f"next.{step}" for step in NEXT_STEPS.values()}
    statuses = {f"status.{answer.link_status}" for answer in TABLE.values()} | {"status.otherwise"}
    assert {key for key in source if key.startswith("status.")} <= statuses


_NO_WORDS = {"UTC", "group", "not", "same", "origin"}
"""A zone, the words of the command line for a group and for who is excluded, and a value of HTML."""


def _words(template: str) -> set[str]:
    """What a template says by itself, in tags and between them."""
    bare = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", template, flags=re.DOTALL)
    said = " ".join(re.findall(r'\b(?:title|alt|aria-label|placeholder)="([^"]*)"', bare))
    text = re.sub(r"<style.*?</style>|<[^>]*>", "", bare, flags=re.DOTALL)
    return set(re.findall(r"[^\W\d_]{2,}", f"{said} {text}"))


def test_no_template_has_words_of_its_own() -> None:
    """All that a page says is in the files of texts, or comes from who asks: no language is left half said."""
    found = {path.name: _words(path.read_text()) - _NO_WORDS for path in (_ROOM / "templates").rglob("*.html")}
    assert len(found) > 30
    assert {} == {name: words for name, words in found.items() if words}
    assert {"Suchen", "Name"} == _words('<p title="Name">{{ t("x") }} Suchen {# Hier #}</p>')


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-GB, de;q=0.9", "en"),
        ("de;q=0.5, en;q=0.7", "en"),
        ("fr, de;q=0.3", "de"),
        ("fr, it", "en"),
        ("de;q=0", "en"),
        ("de;q=0, en", "en"),
        ("*, de;q=0.5", "en"),
        ("*;q=0.1, de;q=0.5", "de"),
        ("de;q=x, en;q=0.1", "en"),
        ("de;q=nan", "en"),
        ("de ; q=0.4 , en;q=0.2", "de"),
        ("de;level=1", "en"),
        ("../../de", "en"),
        ("x," * 40 + "de", "en"),
        ("x" * 5000 + ",de", "en"),
    ],
)
def test_the_visitors_best_language_is_chosen(header: str | None, code: str) -> None:
    """By weight and then by order, with a region served by its language; what does not read counts for nothing."""
    assert code == choose_language(header).code


def test_who_asks_for_nothing_that_there_is_gets_the_operators_language() -> None:
    """And the source if that is none either; a visitor's own word comes first."""
    assert "de" == choose_language("fr", "de").code
    assert "en" == choose_language("en", "de").code
    assert "en" == choose_language("fr", "xx").code


def test_a_longer_tag_serves_who_asks_for_less() -> None:
    """`zh` is served by `zh-Hant` where there is no other."""
    offered = {"zh-Hant": Language("zh-Hant", "ltr", {})}
    found = module._match("zh", offered)
    assert found is not None
    assert module._match("z", offered) is None


def test_what_a_file_lacks_is_shown_in_english() -> None:
    """A visitor is never shown an error for it."""
    bare = Language("xx", "rtl", {})
    assert "Shared files" == bare.text("front.title")
    assert "Request r1" == bare.text("refusal.request", id="r1")
    with pytest.raises(KeyError):
        bare.text("front.nothing")


def test_a_value_is_put_in_as_it_is() -> None:
    """Braces in a value are no places."""
    assert "Request {0} {id}" == languages()["en"].text("refusal.request", id="{0} {id}")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (10 * 1024**2, "10 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (2**60, "1024 PiB"),
    ],
)
def test_shown_size(size: int, text: str) -> None:
    """Sizes are told in powers of 1024 with at most two digits that matter."""
    assert languages()["en"].size(size) == text


def test_sizes_are_written_as_the_language_writes_numbers() -> None:
    """German has a comma."""
    assert "1,5 KiB" == languages()["de"].size(1536)


def test_a_size_stays_in_its_order_from_right_to_left() -> None:
    """Isolated, or the unit would stand before its number."""
    mirrored = Language("ar", "rtl", languages()["en"].texts)
    assert ["\u20681.5 KiB\u2069", "\u20680 bytes\u2069"] == [mirrored.size(1536), mirrored.size(0)]


def _unsaid(source: str) -> list[str]:
    """Details of refusals, and names of checks of readiness, that have no key: each is written where it is said."""
    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="Refused"), args=[_, detail, *_]):
                found.append(detail)
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="health"), attr="check"), args=[name, _]):
                found.append(name)
    return [ast.unparse(one) for one in found if isinstance(one, ast.Constant | ast.JoinedStr)]


def test_what_the_console_is_refused_has_a_key() -> None:
    """Whatever its pages ask for says why not by a sentence that each language has; a bare text is English only."""
    rooms = [*_ROOM.parent.glob("control/usecases/*.py"), *_ROOM.parent.glob("control/console/*.py")]
    rooms.append(_ROOM.parent / "app.py")
    assert len(rooms) > 30
    assert {} == {path.name: texts for path in rooms if (texts := _unsaid(path.read_text()))}
    assert ["'late'", "f'{n} late'", "'audit'"] == _unsaid(
        "Refused(r, 'late')\nRefused(r, f'{n} late')\nRefused(r, phrase('a', 'b'))\n"
        "self.health.check('audit', f)\nself.health.check(phrase('a', 'b'), f)"
    )
