"""Flows F3 and F15: HTML forms with a signed policy, also onto a store that knows no forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.place import noise
from tests.flows.actor import Actor, Answered

_LARGEST = 1_048_579
_VERSIONS = pytest.mark.parametrize("version", ["s3v4", "s3", None])


def _send(actor: Actor, form: dict[str, Any], file: Path, **more: str) -> Answered:
    """The form as a browser would send it: its fields, then its file."""
    fields = [part for name, value in (form["fields"] | more).items() for part in ("--form-string", f"{name}={value}")]
    return actor.curl(form["url"], *fields, "-F", f"file=@{file}")


def _form(actor: Actor, version: str | None, **more: Any) -> dict[str, Any]:
    client = actor.client(**({"signature_version": version} if version else {}))
    conditions = [["content-length-range", 1, _LARGEST], *more.pop("conditions", [])]
    return client.generate_presigned_post(actor.place.bucket, "forms/${filename}", Conditions=conditions, **more)


@_VERSIONS
def test_f3_f15_a_signed_form_uploads(actor: Actor, tmp_path: Path, version: str | None) -> None:
    """`generate_presigned_post` and a real form: the file is stored under its own name on every store."""
    file = tmp_path / "photo.jpg"
    file.write_bytes(noise(_LARGEST))
    form = _form(actor, version)
    answered = _send(actor, form, file)
    assert 204 == answered.status
    assert answered.headers["etag"]
    assert noise(_LARGEST) == actor.place.stored("forms/photo.jpg")
    actor.loses(lambda: _send(actor, form, file), granted=204)


@_VERSIONS
@pytest.mark.parametrize(("size", "code"), [(_LARGEST + 1, "EntityTooLarge"), (0, "EntityTooSmall")])
def test_f3_a_file_outside_the_signed_range_is_refused(
    actor: Actor, tmp_path: Path, version: str | None, size: int, code: str
) -> None:
    """One byte too large and one too small are refused, and no object is there."""
    file = tmp_path / f"wrong-{size}-{version}.bin"
    file.write_bytes(noise(size))
    refused = _send(actor, _form(actor, version), file)
    assert (400, code) == (refused.status, refused.code)
    assert actor.place.stored(f"forms/{file.name}") is None


@_VERSIONS
def test_f3_a_field_outside_the_policy_is_refused(actor: Actor, tmp_path: Path, version: str | None) -> None:
    """A field that the policy does not name is refused, and so is a named one with another value."""
    file = tmp_path / f"fields-{version}.bin"
    file.write_bytes(b"x")
    refused = _send(actor, _form(actor, version), file, **{"Content-Type": "text/html"})
    assert (403, "AccessDenied") == (refused.status, refused.code)
    typed = _form(actor, version, Fields={"Content-Type": "image/png"}, conditions=[{"Content-Type": "image/png"}])
    assert 403 == _send(actor, typed, file, **{"Content-Type": "text/html"}).status
    assert actor.place.stored(f"forms/{file.name}") is None
    assert 204 == _send(actor, typed, file).status


def test_f15_a_form_is_answered_as_it_asks(actor: Actor, tmp_path: Path) -> None:
    """`success_action_status` 201 brings the document with our names, a redirect brings the browser back."""
    file = tmp_path / "asked.bin"
    file.write_bytes(b"asked")
    created = _form(actor, None, Fields={"success_action_status": "201"}, conditions=[{"success_action_status": "201"}])
    answered = _send(actor, created, file)
    assert 201 == answered.status
    assert f"<Bucket>{actor.place.bucket}</Bucket><Key>forms/asked.bin</Key>" in answered.body.decode()
    back = "https://app.example.com/done?step=2"
    returning = _form(
        actor, None, Fields={"success_action_redirect": back}, conditions=[{"success_action_redirect": back}]
    )
    answered = _send(actor, returning, file)
    assert 303 == answered.status
    assert answered.headers["location"].startswith(back + f"&bucket={actor.place.bucket}&key=forms%2Fasked.bin&etag=")
