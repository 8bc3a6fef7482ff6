"""Confluence Cloud as a source: what there is comes from lists without bodies, and what is listed must arrive."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, ClassVar

import polars as pl

from connectors.confluence import units
from connectors.confluence.census import ContentKeys, parents_read
from connectors.confluence.client import MOST_PER_PAGE, ConfluenceClient, typed_errors
from connectors.confluence.contents import spaces_of
from connectors.confluence.descriptor import DESCRIPTOR
from connectors.confluence.labels import SiteLabels
from connectors.confluence.planning import late, make_plan, repairs
from connectors.confluence.progress import ConfluenceCheckpoint, checkpoint_from_receipts
from connectors.confluence.reading import SliceRows
from connectors.confluence.scope import scope_of
from connectors.confluence.selection import SiteSelection
from connectors.http.naming import api_dataset_name
from connectors.http.watermarks import watermark_of
from contracts.catalog import CatalogSnapshot
from contracts.endpoint import ConnectionReport, EndpointDescriptor, FilterOption
from contracts.errors import CursorUnsupportedError
from contracts.plan import IngestionPlan, IngestionSlice, SliceReport

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from connectors.confluence.config import ConfluenceConfig
    from contracts.catalog import DatasetDescriptor
    from contracts.endpoint import PlanRequest
    from contracts.lineage import DatasetName
    from contracts.model import Json
    from contracts.receipts import Throttling, UpsertReceipt
    from contracts.unit import EndpointUnitDescriptor, Predicate, UnitPolicy


class ConfluenceSource:
    """A ``SourceEndpoint`` that can also list keys, look single ones up, and say what its selectors may hold."""

    descriptor: ClassVar[EndpointDescriptor] = DESCRIPTOR

    def __init__(self, config: ConfluenceConfig) -> None:
        self._client = ConfluenceClient(config)
        self._lock = Lock()
        self._run: tuple[str, SiteLabels] | None = None
        self._chosen: tuple[str, SiteSelection] | None = None

    def test_connection(self) -> ConnectionReport:
        """Check the login on a resource that knows strangers; say what the account sees and whether v1 is there."""
        with typed_errors():
            account = self._client.prove_login()
            spaces, unseen = spaces_of(self._client, self._client.config.space_keys)
        has_v1 = bool(account)
        warnings = [f"space {key} is not there, or the account may not see it" for key in unseen]
        warnings += [] if has_v1 else ["REST v1 is gone: restrictions of pages cannot be read"]
        return ConnectionReport(
            server_version="cloud",
            account=str(account.get("displayName") or account.get("accountId") or ""),
            details={"site": self._client.config.base_url, "spaces": len(spaces), "rest_v1": has_v1},
            warnings=tuple(warnings),
        )

    def collect_catalog(self, endpoint_id: str) -> CatalogSnapshot:
        """The datasets every site has."""
        self._client.prove_login()
        return CatalogSnapshot(
            endpoint_id=endpoint_id,
            collected_at=datetime.now(UTC),
            datasets=units.datasets(self._client.config.source_system),
            source_version="cloud",
        )

    def dataset_name(self, dataset: DatasetDescriptor) -> DatasetName:
        """The dataset, below the address of the site."""
        return api_dataset_name(self._client.config.base_url, dataset)

    def list_units(self, catalog: CatalogSnapshot) -> tuple[EndpointUnitDescriptor, ...]:
        """Spaces, pages, comments, attachments, versions, links, labels and permissions."""
        return units.units_of(catalog, self._client.config.concurrency)

    def check_selection(self, unit: EndpointUnitDescriptor, policy: UnitPolicy) -> None:
        """Refuse filters on columns, unknown selectors and values of the wrong kind, without asking the site."""
        scope_of(unit, policy)

    def plan(self, request: PlanRequest) -> IngestionPlan:
        """Pages by space in slices of bounded size; comments and attachments by the lists that the site has."""
        labels = SiteLabels(self._client)
        if request.mode == "full" and request.unit.dataset.name == "page":
            labels.begin()
        with typed_errors():
            made = make_plan(self._client, request)
        with self._lock:
            self._run = (_identity(made), labels)
        return made

    def export(
        self, plan: IngestionPlan, piece: IngestionSlice, view: str | None = None
    ) -> Generator[pl.DataFrame, None, SliceReport]:
        """Batches of about 500 rows; the report names what the site withheld."""
        with typed_errors():
            chosen = self._selection(plan)
        return (yield from SliceRows(self._client, plan, piece, chosen, self._labels(plan)).frames())

    def checkpoint(self, plan: IngestionPlan, receipts: Sequence[UpsertReceipt]) -> Json | None:
        """The plan's, except that spaces with gaps stay where they were."""
        if plan.checkpoint_after is None:
            return None
        return checkpoint_from_receipts(plan.checkpoint_after, plan.checkpoint_before, receipts)

    def checkpoint_at(self, unit: EndpointUnitDescriptor, policy: UnitPolicy, value: str) -> Json:
        """Every selected space read up to the moment, an ISO 8601 text; UTC where it names no zone.

        Raises:
            CursorUnsupportedError: It is no moment, or the unit is listed in full.
        """
        if not unit.cursor_candidates:
            raise CursorUnsupportedError(f"{unit.unit_id} has no watermark: it is listed in full", "Leave it as it is.")
        moment = watermark_of(value)
        with typed_errors():
            self._client.prove_login()
            chosen = SiteSelection(self._client, unit, policy)
        begun = ConfluenceCheckpoint(scope=chosen.scope.fingerprint(unit), census_at=datetime.now(UTC))
        return begun.advanced(chosen.keys, moment, census=False)

    def late_slices(self, plan: IngestionPlan, epoch: int) -> tuple[IngestionSlice, ...]:
        """What was modified since the plan was made, and after a full run what moved between its lists."""
        with typed_errors():
            return late(self._client, plan, epoch)

    def export_keys(self, plan: IngestionPlan, view: str | None = None) -> Iterator[pl.DataFrame]:
        """Keys of everything inside the unit's selectors; the login is proven before and after.

        Raises:
            CompletenessGapError: Part of it could not be listed: what is missing then is not gone.
        """
        return self._keys(plan, fresh=True).listed()

    def lists_keys(self, plan: IngestionPlan) -> bool:
        """Every unit has a list that its keys can be read from."""
        return True

    def absent_keys(self, plan: IngestionPlan, keys: pl.DataFrame) -> pl.DataFrame:
        """Ids that the site does not have inside the unit's selectors."""
        return self._keys(plan).absent(keys)

    def parents_read(self, plan: IngestionPlan) -> Iterator[pl.DataFrame] | None:
        """Pages and blog posts that an incremental run of links or versions reads."""
        return parents_read(plan)

    def repair_slices(self, plan: IngestionPlan, keys: Sequence[Json], epoch: int) -> tuple[IngestionSlice, ...]:
        """Pages by id, with all their links and versions; comments and attachments one by one."""
        with typed_errors():
            return repairs(self._client, plan, keys, epoch)

    def preview(self, unit: EndpointUnitDescriptor, limit: int, where: Sequence[Predicate] = ()) -> pl.DataFrame:
        """The first rows; of what belongs to pages, those of the pages that were modified last."""
        policy = unit.default_policy.model_copy(update={"filter": tuple(where)})
        scope_of(unit, policy)
        with typed_errors():
            self._client.prove_login()
            chosen = SiteSelection(self._client, unit, policy)
            piece = self._first(unit, chosen, limit)
        plan = IngestionPlan(
            endpoint_id="preview", unit=unit, mode="full", strategy="preview", slices=(piece,), policy=policy
        )
        frames: list[pl.DataFrame] = []
        for frame in SliceRows(self._client, plan, piece, chosen, SiteLabels(self._client)).frames():
            frames.append(frame)
            if sum(one.height for one in frames) >= limit:
                break
        return pl.concat(frames).head(limit)

    def filter_options(self) -> dict[str, tuple[FilterOption, ...]]:
        """Spaces there are now; a moment is free."""
        with typed_errors():
            self._client.prove_login()
            rows = [row for page in self._client.rows("/spaces", limit=MOST_PER_PAGE) for row in page]
        allowed = self._client.config.space_keys
        shown = [row for row in rows if not allowed or row.get("key") in allowed]
        options = [FilterOption(value=str(row["key"]), label=str(row.get("name") or row["key"])) for row in shown]
        return {"spaceKeys": tuple(sorted(options, key=lambda one: (one.label, one.value)))}

    def throttling(self) -> Throttling:
        """How often the service made the source wait or ask again."""
        return self._client.http.throttling()

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _first(self, unit: EndpointUnitDescriptor, chosen: SiteSelection, limit: int) -> IngestionSlice:
        name, most = unit.dataset.name, max(1, min(limit, MOST_PER_PAGE))
        if name in units.BY_LIST:
            return IngestionSlice(key="preview", sequence=0, params={"list": units.BY_LIST[name][0]})
        if name not in units.BY_CONTENT:
            return IngestionSlice(key="preview", sequence=0, params={})
        named = None if chosen.whole_site else ",".join(one.space_id for one in chosen.spaces[:100])
        rows = next(self._client.rows("/pages", space_id=named, sort="-modified-date", limit=most), [])
        ids = [str(row["id"]) for row in rows][:most]
        return IngestionSlice(key="preview", sequence=0, params={"kind": "page", "ids": [*ids], "labels": "each"})

    def _keys(self, plan: IngestionPlan, *, fresh: bool = False) -> ContentKeys:
        with typed_errors():
            return ContentKeys(self._client, plan, SiteLabels(self._client) if fresh else self._labels(plan))

    def _labels(self, plan: IngestionPlan) -> SiteLabels:
        """Read once for each run."""
        name = _identity(plan)
        with self._lock:
            if self._run is None or self._run[0] != name:
                self._run = (name, SiteLabels(self._client))
            return self._run[1]

    def _selection(self, plan: IngestionPlan) -> SiteSelection:
        """The selected spaces, asked for once for each run of a unit whose plan says when it was made."""
        name = _identity(plan)
        with self._lock:
            if self._chosen is None or self._chosen[0] != name or plan.checkpoint_after is None:
                self._chosen = (name, SiteSelection(self._client, plan.unit, plan.policy))
            return self._chosen[1]


def _identity(plan: IngestionPlan) -> str:
    return f"{plan.endpoint_id} {plan.unit.unit_id} {plan.checkpoint_after} {plan.policy.selectors}"
