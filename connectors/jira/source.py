"""Jira Cloud as a source: ids are listed by search, issues fetched by id, and what is listed must arrive."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

import msgspec
import polars as pl

from connectors.http.naming import api_dataset_name
from connectors.http.watermarks import watermark_of
from connectors.jira import jql, units
from connectors.jira.census import SiteKeys
from connectors.jira.client import JiraClient
from connectors.jira.descriptor import DESCRIPTOR
from connectors.jira.errors import typed_errors
from connectors.jira.names import RENAMED
from connectors.jira.options import filter_options
from connectors.jira.planning import check_values, late, make_plan, selected_projects
from connectors.jira.progress import JiraCheckpoint, with_old_names
from connectors.jira.reading import IssueSliceReader, read_list
from connectors.jira.scope import scope_of
from connectors.slicing import key_chunks
from contracts.catalog import CatalogSnapshot
from contracts.endpoint import ConnectionReport, EndpointDescriptor, FilterOption
from contracts.errors import CursorUnsupportedError
from contracts.plan import IngestionPlan, IngestionSlice, SliceReport

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from connectors.jira.config import JiraConfig
    from contracts.catalog import DatasetDescriptor
    from contracts.endpoint import PlanRequest
    from contracts.lineage import DatasetName
    from contracts.model import Json
    from contracts.receipts import Throttling, UpsertReceipt
    from contracts.unit import EndpointUnitDescriptor, Predicate, UnitPolicy

_PERMISSIONS = {"BROWSE_PROJECTS": "issues", "USER_PICKER": "users"}
_MAX_REPAIR_IDS = 1000


class _FieldPayload(msgspec.Struct):
    id: str
    name: str = ""
    custom: bool = False
    schema: dict[str, object] | None = None


class JiraSource:
    """A ``SourceEndpoint`` that can also list keys and say what its selectors may hold."""

    descriptor: ClassVar[EndpointDescriptor] = DESCRIPTOR

    def __init__(self, config: JiraConfig) -> None:
        self._client = JiraClient(config)

    def test_connection(self) -> ConnectionReport:
        """Check the login on a resource that refuses anonymous callers; name missing permissions."""
        with typed_errors():
            account, server = self._client.myself(), self._client.server_info()
            given = self._client.permissions(tuple(_PERMISSIONS))
        return ConnectionReport(
            server_version=str(server.get("version", "")),
            account=str(account.get("displayName") or account.get("accountId")),
            details={
                "site": self._client.config.base_url,
                "deployment": str(server.get("deploymentType", "")),
                "account_zone": str(account.get("timeZone", "")),
                "server_zone": str(server.get("serverTimeZone", "")),
            },
            warnings=tuple(
                f"the account lacks {name}: {what} it does not see stay out"
                for name, what in _PERMISSIONS.items()
                if not given[name]
            ),
        )

    def collect_catalog(self, endpoint_id: str) -> CatalogSnapshot:
        """The datasets every site has; issues with the site's custom fields, by id."""
        with typed_errors():
            self._client.myself()
            listed = [msgspec.json.decode(raw, type=_FieldPayload) for raw in self._client.list_of("field")]
            issues = self._client.count("project is not EMPTY")
            version = str(self._client.server_info().get("version", ""))
        fields = [
            units.CustomField(one.id, one.name, _kind(one)) for one in listed if one.id.startswith("customfield_")
        ]
        return CatalogSnapshot(
            endpoint_id=endpoint_id,
            collected_at=datetime.now(UTC),
            datasets=units.datasets(self._client.config.source_system, fields, issues),
            source_version=version,
        )

    def dataset_name(self, dataset: DatasetDescriptor) -> DatasetName:
        """The dataset, below the address of the site."""
        return api_dataset_name(self._client.config.base_url, dataset)

    def list_units(self, catalog: CatalogSnapshot) -> tuple[EndpointUnitDescriptor, ...]:
        """Projects, users, issues, comments and worklogs."""
        return units.units_of(catalog, self._client.config.concurrency)

    def check_selection(self, unit: EndpointUnitDescriptor, policy: UnitPolicy) -> None:
        """Refuse filters on columns, unknown selectors and values of the wrong kind, without asking the site."""
        scope_of(unit, policy, selectable=units.is_found_by_issue(unit.dataset))

    def plan(self, request: PlanRequest) -> IngestionPlan:
        """Projects split into windows of creation time; projects and users as one slice."""
        return make_plan(self._client, request)

    def export(
        self, plan: IngestionPlan, piece: IngestionSlice, view: str | None = None
    ) -> Generator[pl.DataFrame, None, SliceReport]:
        """Batches of about 500 rows; the report says how many the site promised, and what it withheld."""
        dataset = plan.unit.dataset
        if units.is_found_by_issue(dataset):
            below = self._below(plan, piece)
            return (yield from IssueSliceReader(self._client, dataset, piece, below).frames())
        return (yield from read_list(self._client, dataset))

    def checkpoint(self, plan: IngestionPlan, receipts: Sequence[UpsertReceipt]) -> Json | None:
        """The plan's, except that projects with gaps stay where they were, and so do names that did not reach all."""
        if plan.checkpoint_after is None:
            return None
        with_gaps = {str(receipt.observed["project"]) for receipt in receipts if "project" in receipt.observed}
        after = plan.checkpoint_after
        if with_gaps:
            after = JiraCheckpoint.model_validate(after).with_unread(with_gaps, plan.checkpoint_before)
        if any(RENAMED in receipt.observed for receipt in receipts):
            after = with_old_names(after, plan.checkpoint_before)
        return after

    def checkpoint_at(self, unit: EndpointUnitDescriptor, policy: UnitPolicy, value: str) -> Json:
        """Every selected project read up to the moment, an ISO 8601 text; UTC where it names no zone.

        Raises:
            CursorUnsupportedError: It is no moment, or the unit is listed in full.
        """
        scope = scope_of(unit, policy, selectable=True)
        if not units.is_found_by_issue(unit.dataset):
            raise CursorUnsupportedError(f"{unit.unit_id} has no watermark: it is listed in full", "Leave it as it is.")
        moment = watermark_of(value)
        projects, _ = selected_projects(self._client, scope)
        begun = JiraCheckpoint(scope=scope.fingerprint(unit), census_at=datetime.now(UTC))
        return begun.advanced(projects, moment, census=False)

    def late_slices(self, plan: IngestionPlan, epoch: int) -> tuple[IngestionSlice, ...]:
        """What changed since the plan was made: an issue that moved meanwhile may have been in no slice's project."""
        return late(plan, epoch)

    def export_keys(self, plan: IngestionPlan, view: str | None = None) -> Iterator[pl.DataFrame]:
        """Keys of everything inside the unit's selectors; the login is proven before and after.

        Raises:
            CompletenessGapError: Part of it could not be listed: what is missing then is not gone.
        """
        return SiteKeys(self._client, plan).listed()

    def lists_keys(self, plan: IngestionPlan) -> bool:
        """False for comments and worklogs: no list of their ids spares reading every issue."""
        return plan.unit.dataset.name == "issues" or not units.is_found_by_issue(plan.unit.dataset)

    def absent_keys(self, plan: IngestionPlan, keys: pl.DataFrame) -> pl.DataFrame:
        """Ids that the site does not have inside the unit's selectors."""
        return SiteKeys(self._client, plan).absent(keys)

    def gone_keys(self, plan: IngestionPlan, view: str | None = None) -> Iterator[pl.DataFrame] | None:
        """Worklogs deleted since the last run: the one kind of row Jira keeps a record of when it goes."""
        return SiteKeys(self._client, plan).deleted()

    def parents_read(self, plan: IngestionPlan) -> Iterator[pl.DataFrame] | None:
        """Issues updated since the last run, by id and key, for comments and worklogs."""
        return SiteKeys(self._client, plan).parents()

    def repair_slices(self, plan: IngestionPlan, keys: Sequence[Json], epoch: int) -> tuple[IngestionSlice, ...]:
        """Issues, comments and worklogs by id; projects and users are listed in full once more."""
        name = plan.unit.dataset.name
        if not units.is_found_by_issue(plan.unit.dataset):
            return (IngestionSlice(key=f"repair-{epoch}", sequence=len(plan.slices), params={"explain": "all again"}),)
        what = "ids" if name == "issues" else "children"
        ids = [str(key[plan.unit.primary_key[0]]) for key in keys]
        return tuple(
            IngestionSlice(
                key=f"repair-{epoch}-{index}",
                sequence=len(plan.slices) + index,
                params={what: [*chunk], "explain": f"{len(chunk)} missing row(s)"},
            )
            for index, chunk in enumerate(key_chunks(ids, _MAX_REPAIR_IDS))
        )

    def preview(self, unit: EndpointUnitDescriptor, limit: int, where: Sequence[Predicate] = ()) -> pl.DataFrame:
        """The first rows; of issues and their children those that changed last."""
        self._client.myself()
        scope = scope_of(unit, unit.default_policy.model_copy(update={"filter": tuple(where)}), selectable=True)
        if not units.is_found_by_issue(unit.dataset):
            return pl.concat(list(read_list(self._client, unit.dataset))).head(limit)
        query = jql.all_of([*scope.conditions, "project is not EMPTY"], "updated DESC")
        with typed_errors():
            check_values(self._client, unit, scope)
            ids = self._client.latest(query, limit)
        piece = IngestionSlice(key="preview", sequence=0, params={"ids": list(ids)})
        return pl.concat(list(IssueSliceReader(self._client, unit.dataset, piece).frames())).head(limit)

    def filter_options(self) -> dict[str, tuple[FilterOption, ...]]:
        """Projects, statuses and people there are now; a moment is free."""
        with typed_errors():
            self._client.myself()
            return filter_options(self._client)

    def throttling(self) -> Throttling:
        """How often the service made the source wait or ask again."""
        return self._client.http.throttling()

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _below(self, plan: IngestionPlan, piece: IngestionSlice) -> list[str] | None:
        """Which children of changed issues are read with them; a full run's reads all anyway, but the late one."""
        if plan.unit.dataset.name != "issues" or (plan.mode == "full" and "projects" not in piece.params):
            return None
        return scope_of(plan.unit, plan.policy, selectable=True).selected(self._client.config.project_keys)


def _kind(field: _FieldPayload) -> str:
    """The field's type in words: ``number``, ``array of option``."""
    schema = field.schema or {}
    kind = str(schema.get("type", "any"))
    return f"array of {schema['items']}" if kind == "array" and "items" in schema else kind
