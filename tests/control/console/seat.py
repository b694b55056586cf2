"""Somebody at a browser without scripts, before a desk: cookies, forms with their texts, and where an answer leads."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import urljoin

import aiohttp

from tests.control.desk import ADMIN, Desk

__all__ = ["Page", "Seat"]

_TOKEN = re.compile(r'name="form_token" value="([^"]*)"')


@dataclass(frozen=True)
class Page:
    status: int
    url: str
    text: str
    headers: Any

    @property
    def form_token(self) -> str:
        found = _TOKEN.search(self.text)
        assert found is not None, self.text
        return found[1]

    def filled(self, **changed: str) -> list[tuple[str, str]]:
        """Every field of the page as a browser sends it, some of them changed."""
        found = []
        for tag in re.findall(r"<input[^>]*>", self.text):
            name, value = re.search(r' name="([^"]*)"', tag), re.search(r' value="([^"]*)"', tag)
            if name is not None and ('type="checkbox"' not in tag or " checked" in tag) and name[1] != "form_token":
                found.append((name[1], changed.get(name[1], unescape(value[1]) if value is not None else "")))
        for name, text in re.findall(r'<textarea[^>]* name="([^"]*)"[^>]*>([^<]*)</textarea>', self.text):
            found.append((name, changed.get(name, unescape(text))))
        for name, options in re.findall(r'<select[^>]* name="([^"]*)"[^>]*>(.*?)</select>', self.text, re.DOTALL):
            texts = re.findall(r'<option value="([^"]*)"( selected)?', options)
            chosen = [text for text, selected in texts if selected] or [texts[0][0]]
            found.append((name, changed.get(name, unescape(chosen[0]))))
        return found

    def value(self, name: str) -> str:
        """What a field of the page holds."""
        found = re.search(rf'name="{name}"[^>]* value="([^"]*)"', self.text)
        assert found is not None, name
        return unescape(found[1])


@dataclass
class Seat:
    """`root` is where the console is; the session has a cookie jar of its own."""

    desk: Desk
    headers: dict[str, str] = field(default_factory=dict)
    base: str = ""
    token: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> str:
        return (self.base or self.desk.url) + "/ui/"

    async def ask(self, method: str, path: str, **more: Any) -> Page:
        """One request, whose answer is followed nowhere."""
        headers = {"Cookie": "; ".join(f"{name}={text}" for name, text in self.cookies.items())} if self.cookies else {}
        headers |= self.headers | more.pop("headers", {})
        target = urljoin(self.root, path)
        async with self.desk.session.request(method, target, headers=headers, allow_redirects=False, **more) as answer:
            text = await answer.text()
            for name, morsel in answer.cookies.items():
                self.cookies[name] = morsel.value
                if not morsel.value:
                    del self.cookies[name]
            page = Page(answer.status, target, text, answer.headers)
        if _TOKEN.search(text):
            self.token = page.form_token
        return page

    async def get(self, path: str = "", **more: Any) -> Page:
        """A page, wherever it leads to."""
        page = await self.ask("GET", path, **more)
        for _ in range(5):
            if page.status not in {303, 308}:
                return page
            page = await self.ask("GET", urljoin(page.url, page.headers["Location"]), **more)
        raise AssertionError("the pages lead nowhere")

    async def post(self, path: str, form: Any = (), **more: Any) -> Page:
        """A form of the page that was seen last, sent as browsers do."""
        pairs = [*(form.items() if isinstance(form, dict) else form)]
        if not any(name == "form_token" for name, _ in pairs):
            pairs.append(("form_token", self.token))
        origin = {"Origin": self.base or self.desk.url, "Sec-Fetch-Site": "same-origin"}
        headers = origin | more.pop("headers", {})
        return await self.ask("POST", path, data=aiohttp.FormData(pairs), headers=headers, **more)

    async def follow(self, page: Page) -> Page:
        assert page.status == 303, (page.status, page.text)
        return await self.get(urljoin(page.url, page.headers["Location"]))

    async def sign_in(self, token: str = ADMIN, **form: str) -> Page:
        """The answer that somebody gets who signs in; if they are let in, they are at a page with forms."""
        await self.get("sign-in")
        page = await self.post("sign-in", form or {"token": token})
        if page.status == 303:
            await self.get("sessions")
        return page
