"""A wrong URL is told apart from a server that is away, and none of it is told."""

from __future__ import annotations

import pytest

from gateway.stores.url_fault import url_fault


def _wrapped(inner: BaseException) -> Exception:
    error = ConnectionError("secret")
    error.__context__ = inner
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (_wrapped(FileNotFoundError(2, "No such file or directory", "secret")), "names or means: No such file or dir"),
        (_wrapped(PermissionError(13, "Permission denied", "secret")), "names or means: Permission denied"),
        (ValueError("secret"), "its URL is wrong: an option is unknown"),
    ],
)
def test_a_wrong_url_is_told_without_it(error: Exception, told: str) -> None:
    """However the driver wraps what it met."""
    said = url_fault(error, ValueError) or ""
    assert told in said
    assert "secret" not in said


def test_a_file_is_named_before_the_option_that_names_it() -> None:
    """Drivers take a file that is not there for a wrong option."""
    error = ValueError("secret")
    error.__cause__ = FileNotFoundError(2, "No such file or directory")
    assert "a file or socket" in (url_fault(error, ValueError) or "")


@pytest.mark.parametrize("error", [ConnectionRefusedError("secret"), TimeoutError(), ValueError("of another driver")])
def test_what_is_no_fault_of_the_url_is_none(error: Exception) -> None:
    """A server that is away above all, and errors that the driver does not raise for its options."""
    assert url_fault(error, LookupError) is None
