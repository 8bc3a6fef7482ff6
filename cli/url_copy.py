"""One copy from URL to URL: the same stages as everywhere, with the sink's ledger as its only memory."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from cli.arguments.urls import endpoint_of
from cli.arguments.values import table_name
from cli.scratch_folder import scratch_folder
from cli.terminal.failures import Interrupted
from cli.terminal.interrupts import interruptible
from cli.terminal.progress import observe
from contracts.catalog import structure
from contracts.errors import DatasetNotInCatalogError
from contracts.metadata import SupportsDatasetLookup
from contracts.receipts import RunRef
from flows.stages.export import RunStopped
from flows.stages.plan import RunRequest, make_plan
from flows.stages.run import UnitRun
from flows.stages.verify import verify
from staging.factory import open_staging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.terminal.output import Output
    from contracts.catalog import CatalogSnapshot
    from contracts.endpoint import SinkEndpoint, SourceEndpoint
    from contracts.model import Json
    from contracts.receipts import FrozenRun, RunSummary
    from contracts.staging import StagingProvider
    from contracts.unit import EndpointUnitDescriptor, IngestionMode, UnitPolicy
    from flows.stages.verify import VerifyReport


@dataclass(frozen=True)
class CopyOrder:
    """What was asked on the command line.

    Attributes:
        target: The sink's table as written, or None for the source's own name.
        policy: Without a target; it is filled in here.
        staging: A staging URL, or None for a temporary folder.
    """

    source_url: str
    table: str
    sink_url: str
    target: str | None
    mode: IngestionMode
    policy: UnitPolicy
    staging: str | None
    fresh: bool
    adopt: bool


class Copy:
    """An order with both ends open."""

    def __init__(self, source: SourceEndpoint, sink: SinkEndpoint, request: RunRequest) -> None:
        self.source, self.sink, self.request = source, sink, request

    def run(self, staging: StagingProvider, out: Output) -> RunSummary:
        """Run to the end.

        Raises:
            IngestionError: It did not succeed; the same command continues it.
            Interrupted: Somebody stopped it; the same command continues it.
        """
        with observe(as_json=out.as_json) as observer:
            run = UnitRun(self.source, self.sink, staging, self.request, observer=observer, keep_staged=False)
            try:
                return interruptible(run.execute, run.stop, out.note)
            except (RunStopped, Interrupted):
                raise Interrupted(f"{observer.so_far}; the same command again continues there.") from None

    def verify(self) -> VerifyReport:
        """Both sides as they are now, over a plan of the whole table."""
        whole = self.request.model_copy(update={"mode": "full", "checkpoint": None})
        return interruptible(lambda: verify(self.source, self.sink, make_plan(self.source, whole, None)))


@contextmanager
def opened(order: CopyOrder) -> Iterator[Copy]:
    """Both ends of the order, closed afterwards.

    Raises:
        IngestionError: A URL cannot be used, an end does not answer, or the table does not exist.
    """
    origin, destination = endpoint_of(order.source_url, "source"), endpoint_of(order.sink_url, "sink")
    namespace, name = table_name(order.table, origin.default_namespace)
    policy, target = order.policy, (namespace or "", name)
    if order.target is not None:
        target_namespace, target_name = table_name(order.target, destination.default_namespace)
        target = (target_namespace or "", target_name)
        policy = policy.model_copy(update={"target_namespace": target_namespace, "target_name": target_name})
    with closing(origin.source(namespace)) as source, closing(destination.sink()) as sink:
        source_id, sink_id = origin.endpoint_id(), destination.endpoint_id(*target)
        catalog = interruptible(lambda: _catalog(source, source_id, namespace, name))
        unit = _unit(source, catalog, namespace, name)
        ref = RunRef(endpoint_id=source_id, unit_id=unit.unit_id, sink_id=sink_id)
        last = interruptible(lambda: sink.last_run(ref))
        start = starting_point(last, unit, policy) if order.mode == "incremental" else None
        yield Copy(
            source,
            sink,
            RunRequest(
                ref=ref,
                unit=unit,
                mode=order.mode,
                policy=policy,
                checkpoint=start,
                fresh=order.fresh,
                adopt=order.adopt,
            ),
        )


@contextmanager
def staging_area(url: str | None) -> Iterator[StagingProvider]:
    """The staging area that was asked for, or a temporary folder."""
    with ExitStack() as stack:
        yield open_staging(url or stack.enter_context(scratch_folder()).as_uri())


def starting_point(last: FrozenRun | None, unit: EndpointUnitDescriptor, policy: UnitPolicy) -> Json | None:
    """The checkpoint that the sink's last run left; of an unfinished run, the one it began with.

    None, which reads everything, when that run moved other columns or filtered otherwise: rows it left out
    would never come.
    """
    if last is None or last.plan.policy.filter != policy.filter:
        return None
    if structure(last.plan.unit.dataset) != structure(unit.dataset):
        return None
    return last.checkpoint if last.finished_at is not None else last.plan.checkpoint_before


def _catalog(source: SourceEndpoint, source_id: str, namespace: str | None, name: str) -> CatalogSnapshot:
    """Only the table, where the source can look it up; else, and where it is not there, everything."""
    if namespace is not None and isinstance(source, SupportsDatasetLookup):
        snapshot = source.look_up_dataset(source_id, namespace, name)
        if snapshot.datasets:
            return snapshot
    return source.collect_catalog(source_id)


def _unit(source: SourceEndpoint, catalog: CatalogSnapshot, namespace: str | None, name: str) -> EndpointUnitDescriptor:
    units = source.list_units(catalog)
    for unit in units:
        if unit.dataset.name == name and namespace in {None, unit.dataset.namespace}:
            return unit
    where = f"{namespace}.{name}" if namespace else name
    names = [unit.dataset.name for unit in units]
    close = get_close_matches(name, names, n=1) or [each for each in names if each.lower() == name.lower()]
    raise DatasetNotInCatalogError(
        f"There is no table {where} at the source, or it may not be read",
        f"Did you mean {close[0]!r}? Names are taken as written." if close else _listing(names),
        dataset=where,
        known=names[:20],
    )


def _listing(names: list[str]) -> str:
    return f"There are: {', '.join(names[:20])}." if names else "The role can read no table in that schema."
