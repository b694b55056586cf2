"""Owns the composition root: settings -> objects -> listeners -> shutdown order.

Refuses to own any behaviour: every decision is made in a room, and this is the only file that sees them all.

Law of ending: readiness fails first and each answer ends its connection; after the notice nothing new is accepted,
running transfers finish within the drain time, longer ones are cut so that their clients see it, records are written,
stores and connections close.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from gateway import __version__
from gateway.backends.examination import examine_in_use
from gateway.backends.multipart_upload import upload_call
from gateway.backends.profiles import PROFILES
from gateway.backends.upstream import StoreUpstream
from gateway.callers import list_proofs, make_callers, make_console_rules, make_sign_ins
from gateway.code_mailer import CodeMailer
from gateway.control.deps import ControlDeps, Live, Process, Stores
from gateway.control.serve import ControlPlane
from gateway.control.usecases.journal import Journal
from gateway.control.usecases.keys import Keys
from gateway.control.usecases.orphaned_keys import OrphanedKeys
from gateway.control.usecases.unapproved import UnapprovedGrants
from gateway.core.reasons import Reason, SettingsError
from gateway.core.revocation import FeedEntry
from gateway.core.said import phrase
from gateway.data.plane import DataPlane, Snapshot, Terms
from gateway.data.routes import data_handler
from gateway.data.s3.fast_crc import register_fast_checksums
from gateway.data.state.bandwidth import BandwidthShaper
from gateway.data.state.grants import Grants
from gateway.data.state.guess_limiter import GuessLimiter
from gateway.data.state.names import Names
from gateway.data.state.peers import Peers
from gateway.data.state.records import Accounts
from gateway.data.state.revocation_follower import RevocationFollower
from gateway.data.state.shared_hold import shared_hold
from gateway.data.state.transfers import Pace, Transfers
from gateway.data.steps.refuse import refuse_ended
from gateway.data.steps.renew import Renewals
from gateway.data.steps.reserve import keep_reservations
from gateway.ending import finish_before, heed_signals
from gateway.listed_revocations import ListedRevocations
from gateway.listeners import Listeners
from gateway.mail.choose import make_mailer
from gateway.mail.outbox import Outbox
from gateway.oidc.issuers import Identity
from gateway.processes import Worker
from gateway.running_transfers import WorkerTransfers
from gateway.server.tls import check_certificates
from gateway.settings.model import Settings
from gateway.settings.proxies import expand_networks
from gateway.settings.sources import compile_sources, source_address
from gateway.settings.watch import LoadedSettings, Reloader, watch
from gateway.stores.monitor import StoreMonitor
from gateway.stores.retention import prune_for_ever
from gateway.stores.revocation_file import RevocationFile
from gateway.stores.seal import Sealer
from gateway.stores.state import State, open_state
from gateway.telemetry.health import Health
from gateway.telemetry.logs import Logs
from gateway.telemetry.memory import give_back
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.timed import measure_calls
from gateway.telemetry.tracing import open_tracing
from gateway.telemetry.worker_mesh import WorkerMesh

_log = structlog.get_logger("gateway")
_DRAIN_TICK: Final = 0.05
_STORE_CHECKS: Final = {
    "grants": phrase("check_grants", "store of grants"),
    "limits": phrase("check_limits", "store of limits"),
    "records": phrase("check_records", "store of records"),
}
_NO_RECORDS: Final = phrase("no_records", "records cannot be written")


async def run(
    settings_path: Path,
    *,
    environ: Mapping[str, str] = os.environ,
    settle: Callable[[], None] | None = None,
    ready: Callable[[], None] | None = None,
    stop: asyncio.Event | None = None,
    worker: Worker | None = None,
) -> None:
    """Serve until `stop` is set, SIGTERM or SIGINT. `settle` is called when all is made and no listener is open yet,
    `ready` once all of them accept. A start that they come into is given up.

    `worker` says which of several processes this one is.

    Raises:
        SettingsError: the files are wrong, or what they name cannot be opened.
    """
    register_fast_checksums()
    reloader = Reloader(settings_path, environ, PROFILES)
    app = _App(reloader, reloader.load(), worker)
    async with AsyncExitStack() as stack:
        ended = stop or asyncio.Event()
        heed_signals(ended)
        if not await finish_before(ended, app.start(stack, settle)):
            return
        if ready is not None:
            ready()
        await app.serve_until(ended)


def check_files(settings: Settings) -> None:
    """Read what a start would open beside the settings themselves, and take nothing.

    Raises:
        SettingsError: a certificate does not load, a library is not installed, or the list of revocations is wrong or
            too old to serve with.
    """
    check_certificates(settings.tls.values())
    make_mailer(settings.mail.way)
    if (listed := settings.state.revocations) is not None:
        RevocationFile(listed.file, clock=time.time).check(listed.max_age)


class _App:
    """One process of the gateway: what it is made of, and the order in which that starts and ends."""

    def __init__(self, reloader: Reloader, loaded: LoadedSettings, worker: Worker | None) -> None:
        self.processes = 1 if worker is None else worker.count
        self.slot = None if worker is None else worker.slot
        self.reloader = reloader
        self.settings: Settings = loaded.settings
        self.loaded = loaded
        self.logs = Logs(self.settings.log.level, self.settings.log.format, addresses=self.settings.log.addresses)
        self.metrics = Metrics()
        meeting = None if worker is None else worker.meeting
        self.running = WorkerTransfers(lambda: self.plane.transfers, self.logs.address, self.logs.mailbox)
        orders: dict[str, Callable[..., str | None]] = {
            "drain": self._drain,
            "log": self.logs.override,
            "session": lambda said: self.control.hear(said),
            **self.running.orders,
        }
        self.mesh = WorkerMesh(self.metrics, meeting, self.processes, orders)
        self.health = Health()
        self._fixed = self.settings.fixed_at_start
        self._callers, self._console_rules = make_callers(self.settings), make_console_rules(self.settings)
        self._settings_read, self._rules_read = asyncio.Event(), asyncio.Event()
        self._forgetting: list[asyncio.Task[None]] = []
        self.identity = Identity(lambda: [issuer.rules for issuer in self.settings.control.identity], time.time)
        self.outbox = Outbox(make_mailer(self.settings.mail.way), self.metrics, self.logs.mailbox)

    async def start(self, stack: AsyncExitStack, settle: Callable[[], None] | None = None) -> None:
        """Open everything, listeners last. What was opened is closed by `stack`, the last one first."""
        self.logs.install()
        stack.callback(self.logs.close)
        self.metrics.measure_lost_lines(lambda: self.logs.lost)
        self.tracing = open_tracing(os.environ)
        if self.tracing is not None:
            stack.push_async_callback(asyncio.to_thread, self.tracing.close)
        self.metrics.announce_names(backends=self.loaded.policies.policy.backends)
        self.listeners = Listeners(
            shared=self.processes > 1,
            head_seconds=self.settings.deadlines.headers,
            tls=self.settings.tls,
            certificate_ends=self.metrics.set_certificate_end,
        )
        await self._open_state(stack)
        await self._open_plane(stack)
        for name, work in self._work():
            self._keep(stack, name, work)
        self.control = ControlPlane(self._control_deps())
        await self.mesh.open()
        stack.push_async_callback(self.mesh.close)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: self._reload("SIGHUP"))
        if settle is not None:
            settle()
        await self._open_listeners(stack)
        self.metrics.count_reload("ok")
        self._warn()

    async def _open_state(self, stack: AsyncExitStack) -> None:
        """The stores, with every call timed. What one does only in part keeps the gateway from being ready."""
        wanted, metrics = self.settings.state, self.metrics
        state = await open_state(
            wanted.grants.url,
            limits=wanted.limits.url if wanted.limits != wanted.grants else None,
            records=wanted.records.url if wanted.records != wanted.grants else None,
            processes=self.processes,
            accept_redis_durability=wanted.accept_redis_durability,
            token=wanted.token.resolve() if wanted.token is not None else "",
            ca_file=None if wanted.ca_file is None else str(wanted.ca_file),
            sealing_keys=[(one.id, one.key.resolve()) for one in wanted.sealing_keys],
        )
        stack.push_async_callback(state.close)
        self.state: State = replace(
            state,
            grants=measure_calls(state.grants, metrics),
            leases=measure_calls(state.leases, metrics),
            feed=measure_calls(state.feed, metrics),
            limits=measure_calls(state.limits, metrics),
            ledger=measure_calls(state.ledger, metrics),
            issuer=measure_calls(state.issuer, metrics) if state.issuer is not None else None,
        )
        self.monitor = StoreMonitor({role: engine.probe for role, engine in state.roles.items()})
        self.metrics.measure_clocks(self.monitor.skew)
        await self.monitor.check()
        for role in state.roles:
            self.health.check(_STORE_CHECKS[role], partial(self._store_fault, role))

    async def _open_plane(self, stack: AsyncExitStack) -> None:
        """The data plane: its parts, and what it knows of revocations before the first request."""
        monotonic = time.monotonic  # not the loop's: uvloop's clock stands still within one turn
        self.upstream = StoreUpstream(self.loaded.backends, clock=time.time, on_event=self.metrics)
        stack.push_async_callback(self.upstream.close)
        await self.upstream.start()
        self.sealer = Sealer()
        follower = RevocationFollower(
            self.state.feed,
            self._take,
            monotonic=monotonic,
            clock=time.time,
            metrics=self.metrics,
            neighbours=self.slot,
        )
        self.metrics.report_view_age(lambda: follower.age)
        tracing, log = self.tracing, self.logs.access_log
        self.plane = DataPlane(
            snapshot=_make_snapshot(self.loaded),
            upstream=self.upstream if tracing is None else tracing.trace_upstream(self.upstream),
            grants=Grants(
                self.state.grants,
                lambda: follower.view,
                self.sealer,
                monotonic=monotonic,
                metrics=self.metrics,
                keep_up=None if self.slot is None else follower.keep_up,
                is_behind=None if self.slot is None else follower.is_behind,
            ),
            follower=follower,
            leases=self.state.leases,
            limits=self.state.limits,
            transfers=Transfers(
                monotonic=monotonic,
                on_cut=self.metrics.count_cut,
                refuse=lambda permit, reason: refuse_ended(self.plane, permit, reason),
                pace=lambda: Pace(self.settings.deadlines.min_rate, self.settings.deadlines.total),
            ),
            shaper=BandwidthShaper(monotonic),
            guesses=GuessLimiter(),
            names=Names(
                lambda name, busy: shared_hold(
                    self.state.limits, time.time, name, busy, closed=self.plane.snapshot.posture.limits == "closed"
                )
            ),
            upload_parts=partial(upload_call, self.upstream),
            accounts=Accounts(
                self.state.ledger,
                self.state.leases,
                self.metrics,
                monotonic=monotonic,
                log=log,
                describe=None if tracing is None else tracing.describe,
            ),
            metrics=self.metrics,
            clock=time.time,
            entropy=secrets.token_bytes,
            send_code=CodeMailer(self.outbox),
            identity=self.identity,
        )
        self.metrics.transfers.ask(self.plane.transfers.__len__)
        self.renewals = self.plane.renewals = Renewals(self.plane, monotonic=monotonic)
        self.plane.link_issuer = self.state.issuer or Keys(self._stores(), self._live(), self._journal())
        await self._open_listed(follower)
        await follower.load()
        self.health.check(phrase("check_revocations", "revocations"), follower.tell_fault)
        self.health.check(phrase("check_audit", "audit"), self._ledger_fault)

    async def _open_listed(self, follower: RevocationFollower) -> None:
        """The list of revocations that somebody else keeps, as a part of the view."""
        self._listed: ListedRevocations | None = None
        if (settings := self.settings.state.revocations) is not None:
            self._listed = listed = ListedRevocations(settings, self._take)
            await listed.open()
            follower.include(listed.follower)
            self.metrics.report_list_age(lambda: listed.follower.age)

    async def _open_listeners(self, stack: AsyncExitStack) -> None:
        data = self.settings.data
        stack.push_async_callback(self.listeners.close)
        main = ((data.listen, data.app, True),)
        for listen, app, tls in (*main, *((one.listen, one.app, False) for one in data.further)):
            terms = Terms(app, data.takes_unsigned_type(listen), data.believed(listen))
            handler = data_handler(self.plane, terms, shown=self.logs.address)
            if self.tracing is not None:
                handler = self.tracing.trace_handler(handler)
            handler = self.control.sts_before(handler) if data.sts else handler
            peers = Peers(
                lambda: self.settings.data.connections_per_address,
                lambda peer: self.plane.snapshot.trusts(peer),
                self.metrics,
                self.logs.address,
            )
            await self.listeners.open_data(listen, handler, peers, tls=tls)
        await self.mesh.meet()  # a session that begins there, and each order, is for all processes
        # Last, as readiness is asked there: who is told of it finds all the others open.
        await self.listeners.open_control(self.settings.control.listen, self.control)

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Wait for the end, then drain: see the module's order of ending."""
        loop = asyncio.get_running_loop()
        _log.info("serving", version=__version__, data=str(self.settings.data.listen))
        await stop.wait()
        self.health.draining = True
        self.listeners.part()
        _log.info("draining", transfers=len(self.plane.transfers))
        await asyncio.sleep(self.settings.deadlines.notice or 0)
        self.listeners.stop_data()
        deadline = loop.time() + self.settings.deadlines.drain
        while (self.listeners.busy or self.outbox.busy) and loop.time() < deadline:  # noqa: ASYNC110 (others end)
            await asyncio.sleep(_DRAIN_TICK)
        self.plane.draining = True
        cut = self.plane.transfers.cut_where(lambda _: Reason.SHUTTING_DOWN)
        _log.info("stopped", cut=cut)

    def _work(self) -> Sequence[tuple[str, Coroutine[Any, Any, None]]]:
        plane = self.plane
        unapproved = UnapprovedGrants(self._stores(), self._live(), self._journal(), self.metrics.set_waiting)
        orphaned = OrphanedKeys(self._stores(), self._live(), self._journal(), lambda: compile_sources(self.settings))
        return (
            *(() if self._listed is None else self._listed.work()),
            ("revocations", plane.follower.run()),
            ("view", plane.follower.guard(plane.transfers.cut_undecided)),
            ("renewals", self.renewals.run()),
            ("ends", plane.transfers.watch_ends(plane.clock)),
            ("sources", orphaned.watch(self._settings_read)),
            ("approvals", unapproved.watch(self._rules_read)),
            ("transfers", plane.transfers.watch()),
            ("records", plane.accounts.run()),
            ("reservations", keep_reservations(plane.leases, plane.transfers, plane.clock)),
            (
                "retention",
                prune_for_ever(
                    self.state,
                    lambda: self.settings.records.keep,
                    self.settings.state.keep_expired,
                    self.monitor.earliest,
                ),
            ),
            ("store monitor", self.monitor.run()),
            ("memory", give_back(plane.body_memory.let_go)),
            ("mail", self.outbox.run()),
            ("reload", watch(self.reloader, lambda: self._reload("change"))),
        )

    def _keep(self, stack: AsyncExitStack, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run something for as long as the app runs. If it breaks, the log says why, and readiness that it did."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.health.watch(task)

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])

        stack.push_async_callback(end)

    def _control_deps(self) -> ControlDeps:
        return ControlDeps(
            stores=self._stores(),
            live=self._live(),
            process=Process(
                ready=self.health.faults,
                metrics=self.mesh.page,
                know=lambda operations: self.metrics.announce_names(operations=operations),
                count=self.metrics.count_control_request,
                tell=self.logs.audit_log,
                shown=self.logs.address,
                drain=lambda name, drained: self.mesh.order("drain", name, drained),
                log_at=lambda level, seconds: self.mesh.order("log", level, seconds),
                share=lambda said: self.mesh.order("session", said),
                transfers=lambda: self.running.all(self.mesh),
                cut=lambda request_id, owner: self.running.cut(self.mesh, request_id, owner),
                processes=self.processes,
                version=__version__,
            ),
        )

    def _stores(self) -> Stores:
        state = self.state
        return Stores(
            grants=state.grants,
            leases=state.leases,
            feed=state.feed,
            ledger=state.ledger,
            sealer=self.sealer,
            resealer=state.sealed,
            issuer=state.issuer,
        )

    def _live(self) -> Live:
        return Live(
            policy=lambda: self.plane.snapshot.policy,
            callers=lambda: self._callers,
            public_url=lambda: self.settings.data.public_url,
            address=lambda: source_address(self.settings),
            audit_required=lambda: self.settings.fail.audit == "closed",
            apply_now=self._apply_now,
            ended=lambda grant: self.plane.follower.view.revoked(grant, "", "", "") is not None,
            profile_of=lambda name: self.upstream.store(name).spec.profile.name,
            examine=lambda name: examine_in_use(self.upstream, name, self.plane.snapshot.policy.buckets.values()),
            clock=time.time,
            entropy=secrets.token_bytes,
            upstream=self.upstream,
            identity=self.identity,
            console=lambda: self._console_rules,
            proofs=lambda: list_proofs(self.settings),
        )

    def _journal(self) -> Journal:
        return Journal(self.state.ledger, time.time, self._live().audit_required, self.logs.audit_log)

    def _drain(self, name: str, drained: bool) -> None:  # noqa: FBT001 (an operator's word)
        """Out of use, or back, until a reload. What runs goes on. Raises KeyError if there is none of this name."""
        self.plane.snapshot = self.plane.snapshot.with_drained(name, drained=drained)
        _log.warning("backend drained" if drained else "backend resumed", backend=name)

    def _store_fault(self, role: str) -> str | None:
        """Counters that fail keep nobody out where their posture is open; records are reported by `audit`."""
        open_to_it = {"limits": self.settings.fail.limits == "open", "records": True}.get(role, False)
        return None if open_to_it else self.monitor.fault(role)

    def _ledger_fault(self) -> str | None:
        return _NO_RECORDS if self.plane.accounts.ledger_down else None

    async def _apply_now(self) -> None:
        """Return when all that was written so far is in force here, for what runs too."""
        await self.plane.follower.catch_up()
        await self.renewals.settle()

    def _take(self, entries: Sequence[FeedEntry]) -> None:
        """What the feed said reaches the cache and the running transfers in the same call."""
        self.plane.grants.take(entries)
        self.renewals.note(entries)
        if any(entry.revokes for entry in entries):
            self.plane.transfers.cut_revoked(self.plane.follower.view)

    def _reload(self, cause: str) -> None:
        """Read the files again and take all of them over, or nothing."""
        try:
            loaded = self.reloader.load()
            mailer = make_mailer(loaded.settings.mail.way)
            take_backends = self.upstream.prepare(loaded.backends)
            self.listeners.renew(loaded.settings.tls)  # the last that can fail, and the first that takes anything over
        except SettingsError as failure:
            self.metrics.count_reload("failed")
            _log.error("reload refused: nothing has changed", cause=cause, faults=list(failure.faults))
            return
        # Before the snapshot names them: no request may be let through to a backend that is not there yet.
        self._forgetting = [
            *(one for one in self._forgetting if not one.done()),
            asyncio.get_running_loop().create_task(take_backends()),
        ]
        self.loaded, self.settings, self._callers = loaded, loaded.settings, make_callers(loaded.settings)
        self._console_rules, self.outbox.mailer = make_console_rules(loaded.settings), mailer
        self.metrics.announce_names(backends=loaded.policies.policy.backends)
        self.plane.snapshot = _make_snapshot(loaded)
        self.logs.configure(self.settings.log.level)
        self.renewals.rules_changed()
        self._settings_read.set()
        self._rules_read.set()
        self.metrics.count_reload("ok")
        _log.info("reloaded", cause=cause)
        self._warn()
        if later := [name for name, value in self.settings.fixed_at_start.items() if value != self._fixed[name]]:
            _log.warning("changes that need a restart", settings=later)

    def _warn(self) -> None:
        for text in self.loaded.warnings:
            _log.warning("this may not be meant so", detail=text)


def _make_snapshot(loaded: LoadedSettings) -> Snapshot:
    """What requests are judged by."""
    settings = loaded.settings
    return Snapshot(
        policy=loaded.policies.policy,
        posture=settings.fail.posture(),
        public_url=settings.data.public_url,
        domains=settings.data.domains,
        trusted_proxies=expand_networks(settings.trusted_proxies),
        trusted_socket="unix" in settings.trusted_proxies,
        max_transfers=settings.data.max_transfers,
        branding=settings.sharing.branding.made(),
        sign_ins=make_sign_ins(settings),
        drafts=settings.data.upload_drafts,
    )
