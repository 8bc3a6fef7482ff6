"""A source over an API that answers in pages: what an author of a connector builds on.

An author writes four small things; this module gives the rest of the ``SourceEndpoint`` contract::

    class AcmeConfig(PagedSettings):            # config.py: the credentials
    class AcmeClient(JsonApi):                  # client.py: a method per list gives its Pages, one the Account
    UNITS = (ApiUnit(...), ...)                 # units.py: columns, key, cursor
    class AcmeSource(PagedSource[AcmeClient]):  # source.py: account() and page()

``connectors/openshelf/`` is the example. An author's method gives one page and nothing else: it keeps no state, does
not retry, catch or sleep, and hands numbers on as ``get_json`` decoded them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import polars as pl

from connectors.http.answer_rules import AnswerRule
from connectors.http.client import Refusal
from connectors.http.errors import refusal_error
from connectors.http.json_api import JsonApi, PagedSettings
from connectors.http.keys_read import KeysRead
from connectors.http.lists import UnitLists, require_gone, require_whole
from connectors.http.local_filter import LocalFilter, in_zone
from connectors.http.naming import api_dataset_name
from connectors.http.paging import Account, LeftOut, Page, PageRequest, Token
from connectors.http.parts import late_parts, make_plan_by_parts, parts_checkpoint
from connectors.http.planning import (
    UnitProbe,
    late,
    make_plan,
    make_plan_by_parents,
    new_parents,
    parent_slices,
    repairs,
)
from connectors.http.progress import checkpoint_from_receipts
from connectors.http.reading import PagedSliceReader
from connectors.http.registration import describe, source_only
from connectors.http.rows import RowReader
from connectors.http.scope import chosen_parents, find_unit, fingerprint_of, reject_selection, resolve_unit
from connectors.http.units import ApiUnit, Column, datasets, units_of
from contracts.catalog import CatalogSnapshot
from contracts.endpoint import ConnectionReport, FilterOption

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from contracts.catalog import DatasetDescriptor
    from contracts.endpoint import EndpointDescriptor, PlanRequest
    from contracts.lineage import DatasetName
    from contracts.model import Json
    from contracts.plan import IngestionPlan, IngestionSlice, SliceReport
    from contracts.receipts import Throttling, UpsertReceipt
    from contracts.unit import EndpointUnitDescriptor, Predicate, UnitPolicy

__all__ = [
    "Account",
    "AnswerRule",
    "ApiUnit",
    "Column",
    "JsonApi",
    "LeftOut",
    "LocalFilter",
    "Page",
    "PageRequest",
    "PagedSettings",
    "PagedSource",
    "Token",
    "describe",
    "in_zone",
    "source_only",
]  # fmt: skip
ClientT = TypeVar("ClientT", bound=JsonApi)


class PagedSource(ABC, Generic[ClientT]):
    """A ``SourceEndpoint`` that can also list keys and read what changed during a run.

    Args:
        config: Page and slice sizes, the overlap, the name of the system.
        client: The author's; closed with the source.
    """

    descriptor: ClassVar[EndpointDescriptor]
    units: ClassVar[tuple[ApiUnit, ...]]

    def __init_subclass__(cls, **named: object) -> None:
        """A source has options for its selectors where its units have parents, and only there."""
        super().__init_subclass__(**named)
        if any(unit.parent is not None for unit in getattr(cls, "units", ())):
            cls.filter_options = PagedSource._options_of_parents  # type: ignore[attr-defined]

    def __init__(self, config: PagedSettings, client: ClientT) -> None:
        self.config, self.client = config, client
        self._read: dict[str, KeysRead] = {}
        """What the run of a unit that compares keys has read here."""

    @abstractmethod
    def account(self) -> Account:
        """Whom the credentials belong to; requested before anything is read, so it must fail for anonymous callers."""

    @abstractmethod
    def page(self, request: PageRequest) -> Page:
        """One page of ``request.unit``. Errors of the client go through: the caller decides what a refusal means."""

    def test_connection(self) -> ConnectionReport:
        """Prove the login."""
        account = self._verify_login()
        return ConnectionReport(server_version=account.version, account=account.name, details=dict(account.details))

    def collect_catalog(self, endpoint_id: str) -> CatalogSnapshot:
        """One dataset per unit of the connector."""
        account, vendor = self._verify_login(), self.descriptor.vendor
        return CatalogSnapshot(
            endpoint_id=endpoint_id,
            collected_at=datetime.now(UTC),
            datasets=datasets(vendor, self.config.source_system or vendor, self.units),
            source_version=account.version,
        )

    def dataset_name(self, dataset: DatasetDescriptor) -> DatasetName:
        """The dataset, below the address of the API."""
        return api_dataset_name(self.config.base_url, dataset)

    def list_units(self, catalog: CatalogSnapshot) -> tuple[EndpointUnitDescriptor, ...]:
        """Those of the connector's units that are in the catalog."""
        return units_of(catalog, self.descriptor.vendor, self.units)

    def check_selection(self, unit: EndpointUnitDescriptor, policy: UnitPolicy) -> None:
        """Refuse filters and selectors, but for the choice of parents: a list is read in full."""
        known = resolve_unit(unit, self.descriptor.vendor, self.units)
        reject_selection(unit, policy, (known.parent,))
        chosen_parents(known, self.config, policy)

    def plan(self, request: PlanRequest) -> IngestionPlan:
        """Windows of the cursor column where the API can filter by it; lists of some parents each; else one slice."""
        unit = resolve_unit(request.unit, self.descriptor.vendor, self.units)
        self.check_selection(request.unit, request.policy)
        self._verify_login()
        self._read.pop(unit.name, None)
        lists = self._lists(unit, request.policy)
        scope = fingerprint_of(request.unit, unit, self.config)
        try:
            if unit.parent is not None and unit.cursor is not None:
                return make_plan_by_parts(lists.page, unit, lists.parents(), request, self.config, scope)
            if unit.parent is not None:
                return make_plan_by_parents(lists.parents(), request, self.config)
            probe = UnitProbe(lists.page, unit, self.config.page_size)
            return make_plan(probe, request, self.config, datetime.now(UTC), scope)
        except Refusal as refusal:
            raise refusal_error(refusal) from refusal

    def export(
        self, plan: IngestionPlan, piece: IngestionSlice, view: str | None = None
    ) -> Generator[pl.DataFrame, None, SliceReport]:
        """A batch per page; the report says how many rows the service promised, and what it refused.

        The login is proven once more at the end: what came under a login that has lapsed may be less than there is.
        """
        unit = resolve_unit(plan.unit, self.descriptor.vendor, self.units)
        read = self._keys_read(unit) if plan.census or plan.mode == "full" else None
        listing = self._lists(unit, plan.policy).of_slice(piece.params)
        report = yield from PagedSliceReader(listing, unit, piece).frames(read)
        if not report.gaps:
            self._verify_login()  # a service that takes a lapsed login for nobody's answers 200 with nothing
        return report

    def checkpoint(self, plan: IngestionPlan, receipts: Sequence[UpsertReceipt]) -> Json | None:
        """The planned watermark, or as far as the rows reached if that is less."""
        if plan.checkpoint_after is None:
            return None
        unit = find_unit(plan.unit, self.descriptor.vendor, self.units)
        made = checkpoint_from_receipts if unit.parent is None else parts_checkpoint
        return made(plan.checkpoint_after, plan.checkpoint_before, receipts)

    def late_slices(self, plan: IngestionPlan, epoch: int) -> tuple[IngestionSlice, ...]:
        """What changed since the plan was made: such a row may have left a window before that was read.

        Of a unit with a parent: the lists of parents that are new since.
        """
        unit = resolve_unit(plan.unit, self.descriptor.vendor, self.units)
        if unit.parent is not None and unit.cursor is not None:
            return late_parts(self._lists(unit, plan.policy).parents(), plan, unit, epoch, self.config)
        if unit.parent is not None:
            parents = new_parents(self._lists(unit, plan.policy).parents(), plan)
            return parent_slices(parents, f"late-{epoch}", len(plan.slices), self.config.slice_parents)
        return late(plan, epoch, self.config.overlap_s, unit)

    def export_keys(self, plan: IngestionPlan, view: str | None = None) -> Iterator[pl.DataFrame]:
        """Keys of all rows, in an incremental run with the unit's versions; the login is proven before and after.

        Raises:
            CompletenessGapError: Part of them could not be listed: what is missing then is not gone. Or a row that
                this run read in this process is not among them and is still there: the list is narrower than the rows.
        """
        self._verify_login()
        unit = resolve_unit(plan.unit, self.descriptor.vendor, self.units)
        reader = RowReader(unit, keys_only=True, versions=plan.mode == "incremental")
        lists, read = self._lists(unit, plan.policy), self._keys_read(unit)
        listing = lists.whole(keys_only=True)
        unlisted = read.all()
        yield reader.frame([])
        for rows in listing:
            frame = reader.frame(rows)
            unlisted = read.left_of(unlisted, frame)
            yield frame
        require_whole(listing, plan.unit.unit_id)
        if unlisted:
            require_gone(lists.whole(), RowReader(unit, keys_only=True), read, unlisted)
        self._verify_login()

    def repair_slices(self, plan: IngestionPlan, keys: Sequence[Json], epoch: int) -> tuple[IngestionSlice, ...]:
        """Slices that go through the list once more and keep the rows of these keys."""
        return repairs(plan, keys, epoch)

    def preview(self, unit: EndpointUnitDescriptor, limit: int, where: Sequence[Predicate] = ()) -> pl.DataFrame:
        """The first rows, in the API's order."""
        known = resolve_unit(unit, self.descriptor.vendor, self.units)
        reject_selection(unit, unit.default_policy.model_copy(update={"filter": tuple(where)}), (known.parent,))
        self._verify_login()
        reader = RowReader(known)
        frames = [reader.frame([])]
        listing = self._lists(known).first(limit)
        for rows in listing:
            frames.append(reader.frame(rows))
            if listing.rows >= limit:
                break
        if listing.refusal:
            raise refusal_error(listing.refusal) from listing.refusal
        return pl.concat(frames).head(limit)

    def throttling(self) -> Throttling:
        """How often the service made the source wait or ask again."""
        return self.client.throttling()

    def close(self) -> None:
        """Close connections; the source can be used again."""
        self.client.close()

    def _options_of_parents(self) -> dict[str, tuple[FilterOption, ...]]:
        """The parents that there are now, of those that the settings allow, by the name of their unit."""
        self._verify_login()
        children = {unit.parent: unit for unit in self.units if unit.parent is not None}
        return {parent: self._lists(unit).options() for parent, unit in sorted(children.items())}

    def _keys_read(self, unit: ApiUnit) -> KeysRead:
        return self._read.setdefault(unit.name, KeysRead(unit.primary_key))

    def _lists(self, unit: ApiUnit, policy: UnitPolicy | None = None) -> UnitLists:
        return UnitLists(self.page, unit, self.units, self.config, policy)

    def _verify_login(self) -> Account:
        try:
            return self.account()
        except Refusal as refusal:
            raise refusal_error(refusal) from refusal
