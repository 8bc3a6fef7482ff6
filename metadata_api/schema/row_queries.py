"""Rows that have landed: which tables there are, and a page of one. Rows are for admins."""
# ruff: noqa: D101 - the description is what clients read

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import strawberry
from pydantic import TypeAdapter, ValidationError

from cdm_mappers.models import MODELS, model_of
from contracts.browsing import MOST_PAGE_ROWS, RowPage, SupportsLandedRows, SupportsModelRows
from contracts.errors import EndpointUnknownError, FilterNotSupportedError, SinkNotProvisionedError
from contracts.receipts import RunRef
from contracts.traits import SupportsOtherReaders
from contracts.unit import Predicate
from flows.operations.cells import json_rows
from flows.wiring import Workspace
from metadata_api.errors import MalformedError
from metadata_api.schema.context import Context

if TYPE_CHECKING:
    JSON = Any
else:
    from strawberry.scalars import JSON

Info = strawberry.Info[Context, None]
MOST_CHARACTERS, MOST_OFFSET, MOST_VALUES, MOST_TABLES = 400, 100_000, 200, 500
_PREDICATES = TypeAdapter(tuple[Predicate, ...])


@strawberry.type(description="Rows of one unit in one sink, or of a common model in one sink (cdmModelId).")
class LandedTable:
    sink_id: strawberry.ID
    endpoint_id: strawberry.ID | None
    unit_id: strawberry.ID | None
    cdm_model_id: str | None
    rows: float | None
    last_run_at: datetime | None


@strawberry.type(
    description="A page of rows in the order of their key, every value as text. A sink of files shows none: readers "
    "are lines by which other programs read them."
)
class LandedRows:
    columns: list[str]
    rows: list[JSON]
    offset: int
    has_next_page: bool
    readers: JSON


@strawberry.type(description="A common model: its columns by name, and what it is.")
class CdmModelInfo:
    id: strawberry.ID
    meaning: str
    columns: list[str]


@strawberry.type
class RowQueries:
    """The part of Query that is about rows in sinks."""

    @strawberry.field
    def cdm_models(self) -> list[CdmModelInfo]:
        """Every common model."""
        return [
            CdmModelInfo(
                id=strawberry.ID(each.model_id), meaning=each.meaning, columns=[column.name for column in each.columns]
            )
            for each in MODELS.values()
        ]

    @strawberry.field
    def landed_tables(self, info: Info, search: str = "", first: int = 200) -> list[LandedTable]:
        """What has landed: the common models' tables, and the units that succeeded, by sink; at most 500 of those.

        The text is looked for in the ids.
        """
        if not 0 < first <= MOST_TABLES:
            raise MalformedError("A list has between 1 and 500 tables", "Give first in these limits.")
        text = search.lower()
        found = (each for each in info.context.states(None) if each.sink_id and each.stats)
        landed = [each for each in found if text in f"{each.endpoint_id}/{each.unit_id} {each.sink_id}".lower()][:first]
        tables = [
            LandedTable(
                sink_id=strawberry.ID(each.sink_id),
                endpoint_id=strawberry.ID(each.endpoint_id),
                unit_id=strawberry.ID(each.unit_id),
                cdm_model_id=None,
                rows=_number(each.stats.get("rows_staged")),
                last_run_at=each.last_run_at,
            )
            for each in landed
        ]
        return [
            *(each for each in _model_tables(info.context) if text in f"{each.cdm_model_id} {each.sink_id}"),
            *tables,
        ]

    @strawberry.field
    def landed_rows(  # noqa: PLR0917 - arguments of GraphQL have names
        self,
        info: Info,
        sink_id: strawberry.ID,
        endpoint_id: strawberry.ID | None = None,
        unit_id: strawberry.ID | None = None,
        cdm_model_id: str | None = None,
        search: str = "",
        where: JSON | None = None,
        first: int = 50,
        offset: int = 0,
    ) -> LandedRows:
        """Rows of a unit (endpointId, unitId) or of a common model (cdmModelId) in the sink, at most 200 at a time.

        `where` is a list of {column, op, value}; the text of `search` is looked for in the whole row.
        """
        workspace = info.context.admin()
        page = _page(search, where, first, offset)
        if cdm_model_id:
            batch: Any = _model_sink(workspace, sink_id).model_rows(model_of(cdm_model_id), page)
            return _shown(batch, page)
        if not (endpoint_id and unit_id):
            raise MalformedError("No rows are named", "Give endpointId and unitId, or cdmModelId.")
        ref = RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_id)
        sink: Any = workspace.sink(sink_id)
        if not isinstance(sink, SupportsLandedRows):
            lines = sink.reading_lines(ref) if isinstance(sink, SupportsOtherReaders) else {}
            return LandedRows(columns=[], rows=[], offset=0, has_next_page=False, readers=lines)
        frozen = sink.last_run(ref)  # type: ignore[attr-defined]  # a protocol beside the sink's own
        if frozen is None:
            raise SinkNotProvisionedError(f"No run of {ref} is on record", "Run the unit into this sink first.")
        return _shown(sink.landed_rows(frozen.plan, page), page)

    @strawberry.field
    def landed_values(self, info: Info, sink_id: strawberry.ID, cdm_model_id: str, column: str) -> list[str]:
        """What a column of a common model holds in the sink, at most 200 values in order."""
        model = model_of(cdm_model_id)
        return [*_model_sink(info.context.admin(), sink_id).model_values(model, column, MOST_VALUES)]


def _model_tables(context: Context) -> list[LandedTable]:
    return [
        LandedTable(
            sink_id=strawberry.ID(sink.sink_id),
            endpoint_id=None,
            unit_id=None,
            cdm_model_id=model,
            rows=None,
            last_run_at=None,
        )
        for sink in context.services.metadata.sinks("sink.cdm")
        for model in sorted(sink.provisioned)
    ]


def _model_sink(workspace: Workspace, sink_id: str) -> SupportsModelRows:
    sink: Any = workspace.sink(sink_id)
    if not isinstance(sink, SupportsModelRows):
        raise EndpointUnknownError(f"Sink {sink_id!r} shows no common models", "Choose another sink.")
    return sink


def _page(search: str, where: Any, first: int, offset: int) -> RowPage:
    if not (0 < first <= MOST_PAGE_ROWS and 0 <= offset <= MOST_OFFSET):
        raise MalformedError(
            f"A page has 1 to {MOST_PAGE_ROWS} rows, of the first {MOST_OFFSET:,}", "Search or filter to see others."
        )
    try:
        conditions = _PREDICATES.validate_json(json.dumps(where or []))
    except ValidationError:
        raise FilterNotSupportedError("The filter cannot be used", "Each condition is {column, op, value}.") from None
    return RowPage(
        where=conditions, search=search[:200], limit=first + 1, offset=offset
    )  # one more tells of a next page


def _shown(batch: Any, page: RowPage) -> LandedRows:
    columns, lines = json_rows(batch, MOST_CHARACTERS)
    shown, more = lines[: page.limit - 1], len(lines) == page.limit
    return LandedRows(columns=columns, rows=[*shown], offset=page.offset, has_next_page=more, readers={})


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
