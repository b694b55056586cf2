"""What a link wants of files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.intake import ANY_FILES, Intake, allows_type, canonical_type


@pytest.mark.parametrize(
    ("types", "found", "allowed"),
    [
        (("image/*",), "image/png", True),
        (("image/*",), "image/svg+xml", True),
        (("image/png",), "image/jpeg", False),
        (("image/jpg",), "image/jpeg", True),
        (("application/pdf", "audio/wav"), "audio/x-wav", True),
        (("audio/*",), "video/mp4", False),
        (("*/*",), "video/mp4", True),
        (("text/plain",), "Text/Plain; charset=utf-8", True),
        ((), "text/plain", False),
        (("image/*",), "imagery/png", False),
    ],
)
def test_types_are_compared_by_one_name(types: tuple[str, ...], found: str, allowed: bool) -> None:
    """Without parameters, whatever a program calls a type, and all of a kind with a star."""
    assert allowed is allows_type(types, found)


def test_a_kind_stays_a_kind() -> None:
    """So that what a rule lets links take can be compared with what a link takes."""
    assert "image/*" == canonical_type("image/*")
    assert allows_type(("image/*",), "image/*")
    assert not allows_type(("image/png",), "image/*")


@pytest.mark.parametrize(
    "fields", [{"max_files": 1}, {"total_bytes": 1}, {"types": ("a/b",)}, {"names": "{name}"}, {"blind": True}]
)
def test_what_holds_files_back_narrows(fields: dict) -> None:
    """Each of them alone, and a message, another name or a way back do not."""
    assert Intake(**fields).narrows
    assert not Intake(rename=True, undo=60.0, message="hello").narrows
    assert not ANY_FILES.narrows


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (Intake(max_files=2), Intake(max_files=3)),
        (Intake(max_files=3), Intake()),
        (Intake(total_bytes=10), Intake(total_bytes=11)),
        (Intake(types=("image/png",)), Intake(types=("image/*",))),
        (Intake(types=("image/png",)), Intake()),
        (Intake(names="{date}"), Intake()),
        (Intake(), Intake(rename=True)),
        (Intake(blind=True), Intake()),
        (Intake(undo=5.0), Intake(undo=6.0)),
        (Intake(), Intake(undo=1.0)),
    ],
)
def test_what_lets_less_in_is_within_what_lets_more_in(less: Intake, more: Intake) -> None:
    """And within itself, and never the other way round, in each field; what is said to uploaders is no matter."""
    assert less.within(more)
    assert not more.within(less)
    for one in (less, more):
        assert one.within(one)
        assert replace(one, message="welcome").within(one)


def test_another_template_of_names_is_neither_less_nor_more() -> None:
    """Nobody can tell which of two gives more."""
    one, other = Intake(names="{date}"), Intake(names="{uploader}")
    assert (False, False) == (one.within(other), other.within(one))
