"""The API's background thread: sends callbacks, restarts orphaned runs, sweeps, repairs schedules.

Pending callbacks are recorded in Prefect, on the run itself (a tag and labels), so they survive a restart of worker,
server and API alike, and a callback that cannot be delivered is retried for a day. Delivery is at least once: the
delivery id is the same on every attempt, and a run that is retried and ends again is announced under a new one.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING

from contracts.errors import IngestionError
from flows.operations.locks import is_locked
from flows.prefect_api.runs import ENDED
from flows.prefect_api.workers import is_worker_silent
from metadata_api.callbacks import CallbackOutcome, deliver
from metadata_api.errors import CallbackRefusedError
from metadata_api.orphaned_runs import restart_orphaned_runs, will_be_restarted
from metadata_api.results import result_of
from metadata_api.sealed_urls import unseal

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.prefect_api.runs import Run, Runs
    from flows.wiring import Workspace
    from metadata_api.settings import ApiSettings

DUE, SENT = "nucleus-callback-due", "nucleus-callback-done"
"""Tags of a run whose callback is due, and was sent."""
CALLBACK, CALLBACK_HOST, KEY, ANNOUNCED, ATTEMPTS, NEXT_AT = (
    f"nucleus.{name}" for name in ("callback", "callback.host", "key", "announced", "attempts", "next")
)
"""Labels: where to (sealed), its host (plain), signed by which key, the state that was announced, attempts so far, when
the next one is due."""
LOOK_EVERY_S = 2.0
CARE_EVERY_S = 5.0
SWEEP_EVERY_S = 600.0
FIRST_DELAY_S, LONGEST_DELAY_S, GIVE_UP_AFTER_S = 2.0, 3_600.0, 86_400.0
RETRIED_WITHIN = timedelta(days=7)
"""How far back a retry is noticed that ended while the API was down."""
SENDERS = 8
"""Callbacks at the same time: a receiver that does not answer holds one of them for ten seconds."""

_log = logging.getLogger(__name__)


class Dispatcher:
    """Runs in one daemon thread between :meth:`start` and :meth:`stop`.

    Args:
        workspace: Endpoints and state.
        runs: Flow runs of the same server.
        settings: Keys and hosts of callbacks.
        sweeps: What else is to be done every ten minutes; the first time at once.
        refresh: What else is to be done every five seconds.
    """

    def __init__(
        self,
        workspace: Workspace,
        runs: Runs,
        settings: ApiSettings,
        sweeps: tuple[Callable[[], object], ...] = (),
        refresh: Callable[[], object] = lambda: None,
    ) -> None:
        self._workspace, self._runs, self._settings = workspace, runs, settings
        self._sweeps, self._refresh = sweeps, refresh
        self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="callback")
        self._retries_seen_at = datetime.now(UTC) - RETRIED_WITHIN
        self._over = Event()
        self._thread = Thread(target=self._loop, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is in hand; what is due stays due."""
        self._over.set()
        self._thread.join(timeout=15.0)
        self._senders.shutdown(wait=False, cancel_futures=True)

    def send_due(self) -> int:
        """Send every callback that is due now; how many were delivered."""
        due = [run for run in self._runs.find(ENDED, tag=DUE) if not will_be_restarted(run)]
        return sum(self._senders.map(self._send, filter(_is_time, due)))

    def notice_retries(self) -> None:
        """Make a callback due again for runs that were retried in the UI and have ended once more."""
        began = datetime.now(UTC)
        for run in [*self._runs.find(ENDED, tag=SENT, ended_after=self._retries_seen_at)]:
            if run.labels.get(ANNOUNCED) not in {None, run.state_id}:
                self._runs.label(run, {ATTEMPTS: 0, NEXT_AT: 0.0})
                self._runs.retag(run, SENT, DUE)
        self._retries_seen_at = began - timedelta(seconds=2 * CARE_EVERY_S)

    def _send(self, run: Run) -> bool:
        outcome = self._deliver(run)
        attempts = int(run.labels.get(ATTEMPTS, 0)) + 1
        self._note(run, outcome, attempts)
        return outcome.delivered

    def _deliver(self, run: Run) -> CallbackOutcome:
        try:
            url = unseal(str(run.labels.get(CALLBACK, "")), self._settings.signing_keys)
        except CallbackRefusedError as error:
            return CallbackOutcome(delivered=False, why=error.what, final=True)
        key_id, delivery_id = str(run.labels.get(KEY, "")), f"{run.run_id}.{run.state_id}"
        return deliver(url, result_of(self._workspace, run), delivery_id, key_id, self._settings)

    def _note(self, run: Run, outcome: CallbackOutcome, attempts: int) -> None:
        ended_at = run.ended_at or run.state_at
        too_old = (datetime.now(UTC) - ended_at).total_seconds() > GIVE_UP_AFTER_S
        if outcome.delivered or outcome.final or too_old:
            _log.info("Callback of run %s: %s after %d tries (%s)", run.run_id, _word(outcome), attempts, outcome.why)
            self._runs.label(run, {ANNOUNCED: run.state_id, ATTEMPTS: attempts, "nucleus.callback.result": outcome.why})
            self._runs.retag(run, DUE, SENT)
            return
        next_at = time.time() + delay_s(attempts)
        _log.warning("Callback of run %s failed (%s), try %d", run.run_id, outcome.why, attempts)
        self._runs.label(run, {ATTEMPTS: attempts, NEXT_AT: next_at})

    def _loop(self) -> None:
        cared_at = swept_at = -SWEEP_EVERY_S
        while not self._over.wait(LOOK_EVERY_S):
            now = time.monotonic()
            self._guarded("callbacks", self.send_due)
            if now - cared_at >= CARE_EVERY_S:
                cared_at = now
                self._guarded("runs without a worker", self._restart_orphaned_runs)
                self._guarded("retried runs", self.notice_retries)
                self._guarded("states", self._refresh)
            if now - swept_at >= SWEEP_EVERY_S:
                swept_at = now
                for sweep in self._sweeps:
                    self._guarded("sweep", sweep)

    def _restart_orphaned_runs(self) -> list[str]:
        is_silent = partial(is_worker_silent, self._workspace.plane)
        return restart_orphaned_runs(self._runs, partial(is_locked, self._workspace), is_silent)

    def _guarded(self, what: str, work: Callable[[], object]) -> None:
        """A server that is away for a while ends nothing: the next look comes."""
        try:
            work()
        except IngestionError as error:
            _log.warning("%s: %s", what, error)
        except Exception as error:  # noqa: BLE001 - the thread must not end; the text may hold secrets
            _log.error("%s: unforeseen %s", what, type(error).__name__)


def delay_s(attempts: int) -> float:
    """Seconds until the next try: doubles up to an hour."""
    return float(min(FIRST_DELAY_S * 2.0 ** (attempts - 1), LONGEST_DELAY_S))


def _is_time(run: Run) -> bool:
    return float(run.labels.get(NEXT_AT, 0.0)) <= time.time()


def _word(outcome: CallbackOutcome) -> str:
    return "delivered" if outcome.delivered else "given up"
