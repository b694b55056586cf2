"""People who prove to be holders of a link, with a mailer that only listens."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.core.grant import Grant
from gateway.core.holder_pass import prove, seal_pass
from gateway.core.holders import Holders, ProvedBy
from gateway.core.request import Action
from gateway.pages.render import Look
from tests.data.harness import Rig
from tests.data.raw_client import Got

BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PROGRAM = {**FORM, "Accept": "application/json"}
ANN = "ann@acme.example"
BOTH = frozenset({Action.READ, Action.WRITE})
ALL = frozenset({Action.READ, Action.LIST, Action.WRITE})
TUS = {"Tus-Resumable": "1.0.0"}


def for_ann(**more: object) -> Holders:
    return Holders(**{"emails": (ANN,), "key": bytes(range(32)), **more})  # type: ignore[arg-type]


@dataclass
class Post:
    """Who hears of codes instead of a mailer. What is for nobody is kept as None."""

    sent: list[tuple[str | None, str]] = field(default_factory=list)

    async def __call__(self, address: str | None, code: str, look: Look) -> None:
        self.sent.append((address, code))


def post_of(rig: Rig) -> Post:
    post = Post()
    rig.plane.send_code = post
    return post


async def ask(rig: Rig, token: str, email: str = ANN, **headers: str) -> Got:
    return await rig.ask("POST", f"/s/{token}", {**PROGRAM, **headers}, f"email={email}".encode())


async def answer(rig: Rig, token: str, code: str, challenge: str, **headers: str) -> Got:
    return await rig.ask("POST", f"/s/{token}", {**PROGRAM, **headers}, f"code={code}&challenge={challenge}".encode())


async def later(rig: Rig, seconds: float) -> None:
    """So many seconds on, with all that revoked meanwhile known."""
    rig.clock.tick(seconds)
    await rig.plane.follower.catch_up()


def pass_for(grant: Grant, address: str = ANN, by: ProvedBy = ProvedBy.CODE, groups: tuple[str, ...] = ()) -> str:
    """A pass without a code."""
    return seal_pass(grant, prove(grant, address, by, grant.issued_at, groups))
