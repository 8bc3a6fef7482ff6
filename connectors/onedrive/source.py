"""OneDrive and SharePoint as a source: each drive's delta feed is followed, and paths are derived from ids."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from connectors.http.naming import api_dataset_name
from connectors.onedrive import units
from connectors.onedrive.census import DriveKeys
from connectors.onedrive.client import GraphClient
from connectors.onedrive.descriptor import DESCRIPTOR
from connectors.onedrive.drives import drive_options, find_drives
from connectors.onedrive.errors import typed_errors
from connectors.onedrive.planning import make_plan
from connectors.onedrive.preview import preview_rows
from connectors.onedrive.progress import checkpoint_of
from connectors.onedrive.reading import frames_of
from connectors.onedrive.scope import scope_of
from contracts.catalog import CatalogSnapshot
from contracts.endpoint import ConnectionReport, EndpointDescriptor, FilterOption
from contracts.plan import IngestionPlan, IngestionSlice, SliceReport

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import polars as pl

    from connectors.onedrive.config import OneDriveConfig
    from contracts.catalog import DatasetDescriptor
    from contracts.endpoint import PlanRequest
    from contracts.lineage import DatasetName
    from contracts.model import Json
    from contracts.receipts import Throttling, UpsertReceipt
    from contracts.unit import EndpointUnitDescriptor, Predicate, UnitPolicy


class OneDriveSource:
    """A ``SourceEndpoint`` that follows feeds, lists and looks up keys, and says what its selectors may hold."""

    descriptor: ClassVar[EndpointDescriptor] = DESCRIPTOR

    def __init__(self, config: OneDriveConfig) -> None:
        self._client = GraphClient(config)
        self._keys: DriveKeys | None = None
        """Of the comparison that is under way."""

    def test_connection(self) -> ConnectionReport:
        """Log in and look at the drives; name those that cannot be seen."""
        with typed_errors():
            account, found = self._client.login(), find_drives(self._client)
        return ConnectionReport(
            server_version="v1.0",
            account=account,
            details={"graph": self._client.config.base_url, "drives": len(found.payloads)},
            warnings=tuple(f"{name} cannot be seen: {why}" for name, why in found.unseen.items()),
        )

    def collect_catalog(self, endpoint_id: str) -> CatalogSnapshot:
        """The datasets every endpoint has; the login is proven by looking at the drives."""
        with typed_errors():
            self._client.login()
            find_drives(self._client)
        return CatalogSnapshot(
            endpoint_id=endpoint_id,
            collected_at=datetime.now(UTC),
            datasets=units.datasets(self._client.config.source_system),
            source_version="v1.0",
        )

    def dataset_name(self, dataset: DatasetDescriptor) -> DatasetName:
        """The dataset, below the address of the site."""
        return api_dataset_name(self._client.config.base_url, dataset)

    def list_units(self, catalog: CatalogSnapshot) -> tuple[EndpointUnitDescriptor, ...]:
        """Drives, items, versions and permissions."""
        return units.units_of(catalog, self._client.config.concurrency)

    def check_selection(self, unit: EndpointUnitDescriptor, policy: UnitPolicy) -> None:
        """Refuse filters on columns, unknown selectors and values of the wrong kind, without asking Graph."""
        scope_of(unit, policy)

    def plan(self, request: PlanRequest) -> IngestionPlan:
        """A slice per drive; for versions and permissions slices of items."""
        self._keys = None
        return make_plan(self._client, request)

    def export(
        self,
        plan: IngestionPlan,
        piece: IngestionSlice,
        view: str | None = None,  # noqa: ARG002 - the contract's
    ) -> Generator[pl.DataFrame, None, SliceReport]:
        """Batches of about 500 rows; the report holds the delta link that belongs to them."""
        report = yield from frames_of(self._client, plan, piece)
        if not report.gaps:
            self._client.login()  # a feed that is empty may be one that a stranger is shown
        return report

    def checkpoint(self, plan: IngestionPlan, receipts: Sequence[UpsertReceipt]) -> Json | None:
        """The links that belong to the rows in the sink; drives with gaps keep theirs."""
        return checkpoint_of(plan, receipts)

    def export_keys(
        self,
        plan: IngestionPlan,
        view: str | None = None,  # noqa: ARG002 - the contract's
    ) -> Iterator[pl.DataFrame]:
        """Keys of everything inside the unit's selectors, by full enumerations; of items what tells versions apart."""
        self._keys = DriveKeys(self._client, plan)
        return self._keys.listed()

    def lists_keys(self, plan: IngestionPlan) -> bool:
        """False for versions and permissions: they are asked for item by item."""
        self._keys = DriveKeys(self._client, plan)
        return not units.is_of_items(plan.unit.dataset)

    def absent_keys(self, plan: IngestionPlan, keys: pl.DataFrame) -> pl.DataFrame:
        """Keys that the drives do not have inside the unit's selectors."""
        under_way = self._keys if self._keys is not None and self._keys.plan is plan else DriveKeys(self._client, plan)
        return under_way.absent(keys)

    def gone_keys(
        self,
        plan: IngestionPlan,
        view: str | None = None,  # noqa: ARG002 - the contract's
    ) -> Iterator[pl.DataFrame] | None:
        """Items that the feeds say are deleted, and those that left the root path."""
        return DriveKeys(self._client, plan).told_gone()

    def parents_read(self, plan: IngestionPlan) -> Iterator[pl.DataFrame] | None:
        """Drives whose feed does not tell all that is gone; of versions and permissions the items asked."""
        self._keys = DriveKeys(self._client, plan)
        return self._keys.parents()

    def repair_slices(self, plan: IngestionPlan, keys: Sequence[Json], epoch: int) -> tuple[IngestionSlice, ...]:
        """The drives of the keys once more, only these items; their versions or permissions; all drives."""
        by_drive: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            drive, _, item = str(key["id"]).partition(":")
            by_drive[drive].append(item.partition(":")[0])
        if plan.unit.dataset.name == "drive":
            return (IngestionSlice(key=f"repair-{epoch}", sequence=len(plan.slices), params={"explain": "all again"}),)
        what = "items" if units.is_of_items(plan.unit.dataset) else "only"
        return tuple(
            IngestionSlice(
                key=f"repair-{epoch}-{number}",
                sequence=len(plan.slices) + number,
                params={"drive": drive, what: sorted(set(items)), "explain": f"{len(items)} missing row(s)"},
            )
            for number, (drive, items) in enumerate(sorted(by_drive.items()))
        )

    def preview(self, unit: EndpointUnitDescriptor, limit: int, where: Sequence[Predicate] = ()) -> pl.DataFrame:
        """The first rows: of items those at the top of the drives."""
        scope = scope_of(unit, unit.default_policy.model_copy(update={"filter": tuple(where)}))
        with typed_errors():
            return preview_rows(self._client, unit.dataset.name, scope, limit)

    def filter_options(self) -> dict[str, tuple[FilterOption, ...]]:
        """The drives there are now; a path is free."""
        with typed_errors():
            self._client.login()
            return {"driveIds": drive_options(self._client)}

    def throttling(self) -> Throttling:
        """How often the service made the source wait or ask again."""
        return self._client.http.throttling()

    def close(self) -> None:
        """Close connections."""
        self._client.close()
