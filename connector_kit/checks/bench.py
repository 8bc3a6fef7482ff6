"""A connector under test: set up on a tape, asked as the stages ask it, its answers kept as typed rows."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from connector_kit.checks.lab import SkippedError
from connector_kit.checks.rows import Reading, Row, SliceRead, comparable, frame_of, keys_of
from connector_kit.tape.scrub import SHORTEST, Scrubber, secrets_of
from connector_kit.tape.server import TapeServer
from connectors.http.settings import HttpSettings
from contracts.endpoint import PlanRequest, SupportsLateSlices
from contracts.errors import IngestionError
from contracts.plan import SliceReport
from contracts.receipts import UpsertReceipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import polars as pl

    from connector_kit.checks.lab import Lab
    from connector_kit.tape.spoil import Spoil
    from contracts.model import Json
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.staging import Batch
    from contracts.unit import EndpointUnitDescriptor, IngestionMode, UnitPolicy

ENDPOINT = "checked"
MOST_REQUESTS = 1_500
"""One tape answers no more: a connector in a circle comes to an end."""
QUICK = {
    "retry_pause_s": 0.005, "request_timeout_s": 10.0, "max_tries": 4, "max_wait_s": 30.0,
    "verify_tls": False,  # to the tape it is plain HTTP, and certificates take long to load
}  # fmt: skip


class Connected:
    """A source whose system is behind a tape."""

    def __init__(self, tape: TapeServer, config: Any, lab: Lab, made: ExitStack) -> None:
        self.tape, self.config = tape, config
        self.secrets = tuple(one for one in dict.fromkeys([*secrets_of(config), *lab.secrets]) if len(one) >= SHORTEST)
        self._lab, self._made = lab, made
        self.source = lab.factory.source(config)
        made.callback(self.source.close)

    @cached_property
    def unit(self) -> EndpointUnitDescriptor:
        """The unit, from a fresh catalog."""
        units = self.source.list_units(self.source.collect_catalog(ENDPOINT))
        found = [unit for unit in units if unit.unit_id == self._lab.unit_id]
        if not found:
            raise LookupError(f"{self._lab.unit_id} is not among the units: {', '.join(one.unit_id for one in units)}")
        return found[0]

    def anew(self) -> Connected:
        """Another source of the same config on the same tape, as a new process would make it."""
        return Connected(self.tape, self.config, self._lab, self._made)

    def plan(
        self, mode: IngestionMode = "full", checkpoint: Json | None = None, policy: UnitPolicy | None = None
    ) -> IngestionPlan:
        """A plan for the unit."""
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
            policy=policy or unit.default_policy.model_copy(update=dict(self._lab.policy)),
            checkpoint=json.loads(json.dumps(checkpoint)),
        )

    def read(self, plan: IngestionPlan, pieces: Sequence[IngestionSlice] | None = None) -> Reading:
        """Slices one after the other, all of them when None, until one fails with a typed error."""
        reading = Reading()
        for piece in plan.slices if pieces is None else pieces:
            try:
                read = self.slice(plan, piece)
            except IngestionError as error:
                reading.error = error
                return reading
            reading.add(piece.key, read, self.rows(read.frames))
        return reading

    def rows(self, frames: Iterable[pl.DataFrame]) -> Iterator[Row]:
        """Rows as they can be compared between tapes, whose addresses differ, and with rows that a tape has edited."""
        return comparable(frames, self.unit, self.tape.url)

    def slice(self, plan: IngestionPlan, piece: IngestionSlice) -> SliceRead:
        """One slice to its end."""
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

    def whole(self, plan: IngestionPlan) -> Reading:
        """The plan's slices and the late ones, as a run reads them."""
        reading = self.read(plan)
        if reading.error is not None:
            return reading
        later = self.read(plan, self.late(plan))
        together = later.over(reading)
        together.doubled = reading.doubled
        return together

    def sees(self, what: object) -> str:
        """Which secret is in the text of something: its beginning; empty when none is."""
        text = what if isinstance(what, str) else repr(what)
        return next((f"{one[:3]}…" for one in self.secrets if Scrubber([one]).holds_secret(text)), "")


class Bench:
    """What a check works with. Each check has its own."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.unmatched: list[str] = []
        """Requests that the lab's cassette does not hold."""
        self.secrets: set[str] = set()
        """Of all configs that were made: no finding may hold one."""

    @contextmanager
    def connected(self, spoil: Spoil | None = None, **settings: Any) -> Iterator[Connected]:
        """A new source on a new tape.

        Args:
            spoil: What is done to answers from the first on; mostly set later, by ``tape.spoil``.
            settings: Fields of the connector's config.
        """
        lab = self.lab
        upstream = lab.upstream
        plain = isinstance(upstream, str) and upstream.startswith("http://")
        reach = HttpSettings.model_validate({"verify_tls": not plain})
        with TapeServer(upstream, spoil=spoil, settings=reach, most_requests=MOST_REQUESTS) as tape:
            try:
                with ExitStack() as made:
                    one = Connected(tape, self.config(tape.url, **settings), lab, made)
                    self.secrets |= set(one.secrets)
                    yield one
            finally:
                self.unmatched += tape.unmatched

    def known(self, **settings: Any) -> dict[str, Any]:
        """Those settings that the connector's config has."""
        fields = self.lab.factory.config_class.model_fields
        return {name: value for name, value in settings.items() if name in fields}

    def config(self, url: str, **settings: Any) -> Any:
        """The connector's config, made quick."""
        known = self.lab.factory.config_class.model_fields
        quick = self.known(**QUICK)
        if unknown := sorted(set(settings) - set(known)):
            raise SkippedError(f"the connector's config has no {unknown[0]}")
        given = {**quick, **self.lab.config(url), **self.lab.settings, **settings}
        return self.lab.factory.config_class.model_validate(given)

    @cached_property
    def truth(self) -> dict[str, Row]:
        """All rows, read without anything spoiled, before the check changes any."""
        if self.lab.truth is not None:
            return self.lab.truth
        with self.connected() as plain:
            reading = plain.read(plain.plan())
        if not reading.rows and reading.error is None:
            raise SkippedError("the unit has no rows")
        if reading.error is not None:
            raise reading.error
        if self.lab.steady:
            self.lab.truth = reading.rows
        return reading.rows

    def plan(self, one: Connected) -> IngestionPlan:
        """The plan of a full read, before the check changes anything; of a steady lab it is made once."""
        if self.lab.plan is not None:
            return self.lab.plan
        plan = one.plan()
        if self.lab.steady:
            self.lab.plan = plan
        return plan

    def spoiled(self, spoil: Spoil, **settings: Any) -> Reading:
        """All rows, answers spoiled after the plan was made."""
        with self.connected(**settings) as one:
            plan = self.plan(one)
            one.tape.spoil = spoil
            return one.read(plan)


def receipts_of(reading: Reading, plan: IngestionPlan) -> list[UpsertReceipt]:
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
