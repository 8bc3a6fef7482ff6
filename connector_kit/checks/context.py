"""A connector under test: set up on a proxy, asked as the stages ask it, its answers kept as typed rows."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from connector_kit.checks.rows import ReadResult, Row, SliceRead, comparable, frame_of, keys_of
from connector_kit.checks.system import SkippedError, UntriedError
from connector_kit.recording.proxy import RecordingProxy
from connector_kit.recording.scrubbing import SHORTEST, Scrubber, secrets_of
from connectors.http.settings import HttpSettings
from contracts.endpoint import PlanRequest
from contracts.errors import IngestionError
from contracts.plan import SliceReport
from contracts.receipts import UpsertReceipt
from contracts.traits import SupportsLateSlices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import polars as pl

    from connector_kit.checks.system import TestSystem
    from connector_kit.recording.faults import Fault
    from contracts.model import Json
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.staging import Batch
    from contracts.unit import EndpointUnitDescriptor, IngestionMode, UnitPolicy

ENDPOINT = "checked"
FIRST_READ_REQUESTS = 3_000
"""A plan or a slice gets no more answers while nobody knows how many a read needs: a circle comes to an end."""
READS, SPARE_REQUESTS = 4, 50
"""Afterwards a plan or a slice may take as many requests as so many undisturbed reads of all slices, and these."""
QUICK = {
    "retry_pause_s": 0.005, "request_timeout_s": 10.0, "max_tries": 4, "max_wait_s": 30.0,
    "verify_tls": False,  # to the proxy it is plain HTTP, and certificates take long to load
}  # fmt: skip


class ConnectedSource:
    """A source whose system is behind a proxy.

    Args:
        proxy: Before the system.
        config: Of the connector.
        system: Behind the proxy.
        made: Closes what is made here.
        allowance: Requests that a plan or a slice of the unit may take.
    """

    def __init__(self, proxy: RecordingProxy, config: Any, system: TestSystem, made: ExitStack, allowance: int) -> None:
        self.proxy, self.config, self.allowance = proxy, config, allowance
        self.secrets = tuple(
            one for one in dict.fromkeys([*secrets_of(config), *system.secrets]) if len(one) >= SHORTEST
        )
        self._system, self._made = system, made
        self.source = system.factory.source(config)
        made.callback(self.source.close)

    @cached_property
    def unit(self) -> EndpointUnitDescriptor:
        """The unit, from a fresh catalog."""
        units = self.source.list_units(self.source.collect_catalog(ENDPOINT))
        matches = [unit for unit in units if unit.unit_id == self._system.unit_id]
        if not matches:
            raise LookupError(
                f"{self._system.unit_id} is not among the units: {', '.join(one.unit_id for one in units)}"
            )
        return matches[0]

    def new_process(self) -> ConnectedSource:
        """Another source of the same config on the same proxy, as a new process would make it."""
        return ConnectedSource(self.proxy, self.config, self._system, self._made, self.allowance)

    def plan(
        self, mode: IngestionMode = "full", checkpoint: Json | None = None, policy: UnitPolicy | None = None
    ) -> IngestionPlan:
        """A plan for the unit."""
        self._allow(self.unit)
        return self.source.plan(self.request(self.unit, mode, checkpoint, policy))

    def request(
        self,
        unit: EndpointUnitDescriptor,
        mode: IngestionMode = "full",
        checkpoint: Json | None = None,
        policy: UnitPolicy | None = None,
    ) -> PlanRequest:
        """What a plan is asked by; the checkpoint has been written down and read back."""
        return PlanRequest(
            endpoint_id=ENDPOINT,
            unit=unit,
            mode=mode,
            policy=policy or unit.default_policy.model_copy(update=dict(self._system.policy)),
            checkpoint=json.loads(json.dumps(checkpoint)),
        )

    def read(self, plan: IngestionPlan, pieces: Sequence[IngestionSlice] | None = None) -> ReadResult:
        """Slices one after the other, all of them when None, until one fails with a typed error."""
        reading = ReadResult()
        for piece in plan.slices if pieces is None else pieces:
            try:
                read = self.slice(plan, piece)
            except IngestionError as error:
                reading.error = error
                return reading
            reading.add(piece.key, read, self.rows(read.frames))
        return reading

    def rows(self, frames: Iterable[pl.DataFrame]) -> Iterator[Row]:
        """Rows in a form that is the same whichever proxy they came through."""
        return comparable(frames, self.unit, self.proxy.url)

    def slice(self, plan: IngestionPlan, piece: IngestionSlice) -> SliceRead:
        """One slice to its end."""
        self._allow(plan.unit)
        batches: Iterator[Batch] = self.source.export(plan, piece)
        frames: list[pl.DataFrame] = []
        while True:
            try:
                frames.append(frame_of(next(batches)))
            except StopIteration as end:
                report = end.value or SliceReport()
                keys = [key for frame in frames for key in keys_of(frame, plan.unit)]
                return SliceRead(frames, report, keys)

    def late(self, plan: IngestionPlan) -> tuple[IngestionSlice, ...]:
        """Slices that the source wants read after all others."""
        return self.source.late_slices(plan, 1) if isinstance(self.source, SupportsLateSlices) else ()

    def whole(self, plan: IngestionPlan) -> ReadResult:
        """The plan's slices and the late ones, as a run reads them."""
        reading = self.read(plan)
        if reading.error is not None:
            return reading
        later = self.read(plan, self.late(plan))
        together = later.over(reading)
        together.duplicated = reading.duplicated
        return together

    def _allow(self, unit: EndpointUnitDescriptor) -> None:
        """So many requests from here on; how many another unit needs is not known."""
        known = unit.unit_id == self._system.unit_id
        self.proxy.most_requests = len(self.proxy.requests) + (self.allowance if known else FIRST_READ_REQUESTS)

    def sees(self, what: object) -> str:
        """Which secret is in the text of something: its beginning; empty when none is."""
        text = what if isinstance(what, str) else repr(what)
        return next((f"{one[:3]}…" for one in self.secrets if Scrubber([one]).holds_secret(text)), "")


class CheckContext:
    """What a check works with. Each check has its own."""

    def __init__(self, system: TestSystem) -> None:
        self.system = system
        self.unmatched: list[str] = []
        """Requests that the test system's cassette does not hold."""
        self.secrets: set[str] = set()
        """Of all configs that were made: no result may hold one."""
        self.grown = False
        """The system holds more rows now than an undisturbed read found."""

    @contextmanager
    def connected(self, fault: Fault | None = None, **settings: Any) -> Iterator[ConnectedSource]:
        """A new source on a new proxy.

        Args:
            fault: What is done to answers from the first on; mostly set later, by ``proxy.fault``.
            settings: Fields of the connector's config.
        """
        system = self.system
        upstream = system.tape or system.upstream
        plain = isinstance(upstream, str) and upstream.startswith("http://")
        reach = HttpSettings.model_validate({"verify_tls": not plain})
        record = system.recording if isinstance(upstream, str) else None
        with RecordingProxy(upstream, record, fault, settings=reach, most_requests=FIRST_READ_REQUESTS) as proxy:
            try:
                with ExitStack() as made:
                    one = ConnectedSource(proxy, self.config(proxy.url, **settings), system, made, self.allowance)
                    self.secrets |= set(one.secrets)
                    yield one
            finally:
                self.unmatched += proxy.unmatched

    @property
    def allowance(self) -> int:
        """Requests that a plan or a slice may take."""
        reads = None if self.grown else self.system.requests
        return FIRST_READ_REQUESTS if reads is None else READS * reads + SPARE_REQUESTS

    def known(self, **settings: Any) -> dict[str, Any]:
        """Those settings that the connector's config has."""
        fields = self.system.factory.config_class.model_fields
        return {name: value for name, value in settings.items() if name in fields}

    def config(self, url: str, **settings: Any) -> Any:
        """The connector's config, made quick."""
        known = self.system.factory.config_class.model_fields
        quick = self.known(**QUICK)
        if unknown := sorted(set(settings) - set(known)):
            raise SkippedError(f"the connector's config has no {unknown[0]}")
        given = {**quick, **self.system.config(url), **self.system.settings, **settings}
        return self.system.factory.config_class.model_validate(given)

    @cached_property
    def truth(self) -> dict[str, Row]:
        """All rows by key, read without faults before the check changes anything."""
        if self.system.truth is not None:
            return self.system.truth
        with self.connected() as plain:
            reading = plain.read(plain.plan())
            self.system.requests = len(plain.proxy.requests)
        if not reading.rows and reading.error is None:
            raise UntriedError("the unit has no rows")
        if reading.error is not None:
            raise reading.error
        if self.system.repeatable:
            self.system.truth = reading.rows
        return reading.rows

    def plan(self, one: ConnectedSource) -> IngestionPlan:
        """The plan of a full read, before the check changes anything; of a repeatable test system it is made once."""
        if self.system.plan is not None:
            return self.system.plan
        plan = one.plan()
        if self.system.repeatable:
            self.system.plan = plan
        return plan

    def read_with_fault(self, fault: Fault, **settings: Any) -> ReadResult:
        """All rows, faults injected after the plan was made."""
        with self.connected(**settings) as one:
            plan = self.plan(one)
            one.proxy.fault = fault
            return one.read(plan)


def receipts_of(reading: ReadResult, plan: IngestionPlan) -> list[UpsertReceipt]:
    """What a sink would write of these slices."""
    order = {piece.key: piece.sequence for piece in plan.slices}
    return [
        UpsertReceipt(
            slice_key=name,
            sequence=order.get(name, len(order)),
            epoch=1,
            rows_staged=len(read.keys),
            expected_rows=read.report.expected_rows,
            observed=read.report.observed,
            gaps=read.report.gaps,
        )
        for name, read in reading.slices.items()
    ]
