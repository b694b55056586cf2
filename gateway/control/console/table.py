"""Owns the table of the console's pages: what is at a path below `/ui`, and what answers.

Refuses to own what the pages ask and show (the modules beside this one).

Law: a page is a row here. `open` ones are for people who are not signed in yet; there is no other right to a page than
what the API's rows give that it asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from gateway.control.console import approvals, bulk, entering, keys, links, overview, places, rules
from gateway.control.console import signing_in as signing
from gateway.control.console.live import Stream
from gateway.control.console.visit import Visit
from gateway.core.values import dataclass
from gateway.wire.replies import Reply


@dataclass(frozen=True, slots=True)
class Page:
    """One row. `path` is what follows `/ui`."""

    method: str
    path: str
    handler: Callable[[Visit], Awaitable[Reply | Stream]]
    open: bool = False


PAGES: Final = (
    Page("GET", "/", overview.show_home),
    Page("GET", "/live", overview.follow),
    Page("GET", "/sign-in", signing.ask_to_sign_in, open=True),
    Page("POST", "/sign-in", signing.sign_in, open=True),
    Page("GET", "/issuer", signing.go_to_issuer, open=True),
    Page("GET", "/callback", signing.come_back, open=True),
    Page("GET", "/enter", entering.ask_for_code, open=True),
    Page("POST", "/enter", entering.enter, open=True),
    Page("POST", "/sign-out", signing.sign_out, open=True),
    Page("GET", "/sessions", signing.list_sessions),
    Page("POST", "/sessions", signing.end_session),
    Page("GET", "/links", links.list_links),
    Page("POST", "/links", links.find_link),
    Page("GET", "/links/new", links.ask_for_link),
    Page("POST", "/links/new", links.make_link),
    Page("POST", "/links/selected", links.preview_links),
    Page("POST", "/links/done", links.act_on_links),
    Page("GET", "/links/{id}", links.show_link),
    Page("GET", "/links/{id}/edit", links.show_edit),
    Page("POST", "/links/{id}/edit", links.edit_link),
    Page("POST", "/links/{id}/{act}", links.act_on_link),
    Page("GET", "/buckets", places.list_buckets),
    Page("POST", "/buckets", places.open_folder),
    Page("POST", "/buckets/longer", places.keep_open),
    Page("GET", "/send", places.ask_for_file),
    Page("POST", "/send", places.make_way),
    Page("GET", "/keys", keys.list_keys),
    Page("GET", "/keys/new", keys.ask_for_key),
    Page("POST", "/keys/new", keys.make_key),
    Page("POST", "/keys/selected", keys.preview_keys),
    Page("POST", "/keys/done", keys.act_on_keys),
    Page("GET", "/keys/{id}", keys.show_key),
    Page("GET", "/keys/{id}/edit", keys.show_key_edit),
    Page("POST", "/keys/{id}/edit", keys.edit_key),
    Page("POST", "/keys/{id}/{act}", keys.act_on_key),
    Page("GET", "/approvals", approvals.list_waiting),
    Page("GET", "/transfers", overview.show_transfers),
    Page("POST", "/transfers", overview.cut_transfer),
    Page("GET", "/revocations", rules.show_revocations),
    Page("POST", "/revocations/preview", bulk.preview_revocation),
    Page("POST", "/revocations/done", bulk.revoke_target),
    Page("GET", "/policy", rules.show_policy),
    Page("GET", "/explain", rules.explain),
    Page("GET", "/backends", overview.show_backends),
    Page("POST", "/backends/{name}", overview.drain_backend),
    Page("POST", "/backends/{name}/examination", overview.examine_backend),
    Page("GET", "/audit", rules.show_audit),
    Page("POST", "/audit", rules.verify_trail),
)
