"""Owns the use cases of the control API, made once from what the control plane needs of outside.

Refuses to own the endpoints (`gateway.control.rows`).
"""

from __future__ import annotations

from gateway.control.console.entry_codes import EntryCodes
from gateway.control.deps import ControlDeps
from gateway.control.guard import Guard
from gateway.control.key_proof import KeyProof
from gateway.control.proxied_users import ProxiedUsers
from gateway.control.usecases.approvals import Approvals
from gateway.control.usecases.exclusions import Exclusions
from gateway.control.usecases.journal import Journal
from gateway.control.usecases.keys import Keys
from gateway.control.usecases.links import Links
from gateway.control.usecases.operations import Operations
from gateway.control.usecases.policies import Policies
from gateway.control.usecases.revocations import LongPolls, Revocations
from gateway.control.usecases.sessions import Sessions
from gateway.control.usecases.suspensions import Suspensions
from gateway.control.usecases.transfers import RunningTransfers


class Api:
    """What handlers are given."""

    def __init__(self, deps: ControlDeps) -> None:
        stores, live = deps.stores, deps.live
        journal = Journal(stores.ledger, live.clock, live.audit_required, deps.process.tell)
        self.deps = deps
        self.waits = LongPolls()
        self.key_proof = keys = KeyProof(stores.grants, stores.sealer, live.ended, live.clock)
        self.proxied = ProxiedUsers(lambda: live.callers().proxy, lambda: live.console().public_url, deps.process.shown)
        self.guard = Guard(
            live.callers, live.address, keys, identity=live.identity, proxied=self.proxied, clock=live.clock
        )
        self.links = Links(stores, live, journal)
        self.keys = Keys(stores, live, journal)
        self.suspensions = Suspensions(stores, live, journal)
        self.exclusions = Exclusions(stores, live, journal)
        self.revocations = Revocations(stores, live, journal, self.waits)
        self.approvals = Approvals(stores, live, journal, self.revocations)
        self.policies = Policies(stores, live, journal)
        self.transfers = RunningTransfers(deps.process, journal)
        self.operations = Operations(deps.process, live, journal)
        self.entry_codes = EntryCodes(deps.process, live.clock, live.entropy)
        self.sessions = Sessions(stores.grants, stores.issuer or self.keys, live.clock, live.ended)
