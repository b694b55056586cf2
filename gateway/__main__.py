"""Lets `python -m gateway` be the same as `gateway`."""

from __future__ import annotations

from gateway.cli import main

if __name__ == "__main__":
    main()
