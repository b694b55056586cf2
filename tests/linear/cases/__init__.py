"""Every decoder, matcher and reader that sees bytes of strangers or of stores, with the worst that it can be given."""

from __future__ import annotations

from tests.linear.cases import answers, bodies, documents, forms, heads, proofs, requests, rules, stores

__all__ = ["CASES"]

_PARTS = (bodies, forms, documents, heads, requests, proofs, rules, answers, stores)
CASES = [case for part in _PARTS for case in part.CASES]
