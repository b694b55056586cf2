"""The same listeners as in the tests of the data plane."""

from __future__ import annotations
