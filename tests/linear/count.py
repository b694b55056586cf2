"""Run under callgrind by `tests.linear.test_linear`: every case, between marks."""

from tests.linear.case import report
from tests.linear.cases import CASES
from tests.linear.obvious import OBVIOUS

if __name__ == "__main__":
    report([*CASES, *OBVIOUS])
