"""What a lender and who moves bytes tell each other."""

from __future__ import annotations

from gateway.core.loan import Loan


def test_a_recall_stops_who_moves() -> None:
    """At once, and it is known afterwards, also to who has not begun."""
    loan, told = Loan(7, lambda count: None, lambda lost: None), list[str]()
    loan.stop = lambda: told.append("stopped")
    loan.recall()
    early = Loan(8, lambda count: None, lambda lost: None)
    early.recall()
    assert (["stopped"], True, True) == (told, loan.recalled, early.recalled)
