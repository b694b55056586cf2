"""Owns what is said of TLS with another server that fails: its certificate is not believed, or ours, or a file of ours
holds none.

Refuses to own whom to believe (settings) and what becomes of the call that failed.

Law: the reason is told, in the words of the TLS library; the names and addresses in it are not. Libraries wrap such an
error, some of them more than once, in errors that say no more than that nobody could be reached.
"""

from __future__ import annotations

import ssl


def certificate_fault(error: BaseException) -> str | None:
    """What failed of TLS, if it is that which this error comes from."""
    cause: BaseException | None = error
    while cause is not None:
        reason = getattr(cause, "verify_message", None)  # the TLS library's own: what is derived from it has none
        if isinstance(cause, ssl.SSLCertVerificationError) and reason is not None:
            return f"its certificate is not believed: {reason.partition(',')[0]}"
        word = getattr(cause, "reason", None)
        if isinstance(cause, ssl.SSLError) and isinstance(word, str):
            return f"TLS failed: {word.replace('_', ' ').lower()}"
        cause = cause.__cause__ or cause.__context__
    return None
