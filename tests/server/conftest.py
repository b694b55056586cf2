"""The server is tried with the data plane behind it: real sockets, real requests."""

from __future__ import annotations
