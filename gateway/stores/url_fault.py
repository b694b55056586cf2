"""Owns what is said where the URL of a server is wrong, or names a file that cannot be read.

Refuses to own the drivers' other errors (each engine's `errors`).

Law: neither the URL nor a part of it is told; it may hold a password.
"""

from __future__ import annotations


def url_fault(error: BaseException, refused: type[Exception]) -> str | None:
    """What is wrong about the URL, if this error comes from that; `refused` is what the driver says of its options.
    Drivers wrap what the system said."""
    fault = None
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, FileNotFoundError | PermissionError):
            return f"a file or socket that its URL names or means: {cause.strerror}"
        if isinstance(cause, refused):
            fault = "its URL is wrong: an option is unknown, or has no such value"
        cause = cause.__cause__ or cause.__context__
    return fault
