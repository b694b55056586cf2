"""Owns that the first page of a process holds nothing else up: what pages are made of is read in another thread.

Refuses to own what that is (`gateway.pages.render`).
"""

from __future__ import annotations

import asyncio

from gateway.pages.render import are_read, read_templates


async def load_pages() -> None:
    """To be awaited before a page is rendered; from the second time on there is nothing to wait for."""
    if not are_read():
        await asyncio.to_thread(read_templates)
