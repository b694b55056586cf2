"""Names of principals, buckets, regions, folders and objects, as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.attempt import Principal
from gateway.core.pattern import RESERVED
from gateway.schema import names
from tests.schema.conftest import no_surprise, parsed, sentence

NOBODY = "'bob' names nobody: write app:NAME, app:*, user:NAME, admin:NAME, link:ID, anonymous or *"
FOLDER = "must end with a slash (did you mean 'prod/'?): without it, it would reach its siblings"
BUCKET = "a bucket name has 3 to 63 lower-case letters, digits, dots and hyphens, a letter or digit at both ends"
PRINCIPAL = "is not a principal: write app:NAME, user:NAME, link:ID, admin:NAME or anonymous"


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (names.Who, "app:billing", Principal("app", "billing")),
        (names.Who, "anonymous", Principal("anonymous")),
        (names.Owner, "admin:ops", Principal("admin", "ops")),
        (names.App, "app:b@c", Principal("app", "b@c")),
        (names.ActorName, "a.b_c@d+e-f", "a.b_c@d+e-f"),
        (names.BucketName, "my-reports.2030", "my-reports.2030"),
        (names.StoredBucket, "Old_Style.Bucket", "Old_Style.Bucket"),
        (names.Region, "default", "default"),
        (names.Region, "zone.one", "zone.one"),
        (names.Key, "a b/\u202fc.png", "a b/\u202fc.png"),
        (names.LinkPrefix, "docs", "docs/"),
        (names.LinkPrefix, "", ""),
        (names.AnyPrefix, "docs/.", "docs/."),
        (names.Folder, "", ""),
        (names.Folder, "prod/2030/", "prod/2030/"),
    ],
)
def test_names_are_read_into_what_they_mean(kind: Any, value: object, result: object) -> None:
    """A principal is one; a link's prefix is a folder."""
    assert result == parsed(kind, value)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (names.Who, "bob", f"'bob' {PRINCIPAL}"),
        (names.Who, 7, "must be a principal: app:NAME, user:NAME, link:ID, admin:NAME or anonymous"),
        (names.Who, "app:" + "x" * 300, "must be a principal: app:NAME, user:NAME, link:ID, admin:NAME or anonymous"),
        (names.Owner, "link:l_1", "a link is owned by an app, a user or an admin"),
        (names.App, "admin:ops", "must name an app: write app:NAME"),
        (names.App, "app:", f"'app:' {PRINCIPAL}"),
        (names.ActorName, "a b", "a name is letters, digits and . _ @ + -, at most 128 of them"),
        (
            names.PrincipalPattern,
            "bob",
            NOBODY,
        ),
        (names.PrincipalPattern, 7, "must name somebody: app:NAME, app:*, user:NAME, admin:NAME, anonymous or *"),
        (names.BucketName, "Reports", BUCKET),
        (names.BucketName, "a..b", "a bucket name has no two dots in a row and no hyphen beside a dot"),
        (names.BucketName, "10.0.0.1", "a bucket name is not shaped like an address"),
        (names.StoredBucket, "a/b", "must be the name of a bucket"),
        (names.StoredBucket, "..", "must be the name of a bucket"),
        (names.Region, "eu west", "must be a region like us-east-1"),
        (names.Region, "..", "must be a region like us-east-1"),
        (names.Key, "a/../b", "the name has a dot segment"),
        (names.LinkPrefix, "a/../b", "the name has a dot segment"),
        (names.AnyPrefix, "a/../b", "the prefix has a dot segment"),
        (
            names.Folder,
            "prod",
            "must end with a slash (did you mean 'prod/'?): without it, it would reach its siblings",
        ),
        (names.Folder, "/prod/", "must not begin with a slash or have an empty segment"),
        (names.Folder, "a//b/", "must not begin with a slash or have an empty segment"),
        (names.Folder, "a/../b/", "has a dot segment, which no key may have"),
        (names.Folder, "./", "has a dot segment, which no key may have"),
        (names.Folder, "x" * 1024 + "/", "is longer than 1024 bytes, which no key may have"),
        (names.Folder, f"{RESERVED}/", "lies in the folder of unfinished uploads, which no key may have"),
    ],
)
def test_what_is_no_such_name_is_told(kind: Any, value: object, why: str) -> None:
    """With what to write instead."""
    assert why == sentence(kind, value)


@given(st.text() | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(st.text()))
def test_no_value_gives_anything_but_a_value_or_a_sentence(value: object) -> None:
    """Whatever is written, each type ends in a value or in a validation error."""
    no_surprise(names, value)
