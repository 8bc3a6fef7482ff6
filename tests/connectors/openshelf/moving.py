"""What the Openshelf tests share: runs of a sandbox service's units into Postgres, and comparison with its data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connectors.openshelf.config import OpenshelfConfig
from connectors.openshelf.source import OpenshelfSource
from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from tests.connectors.ingestion import Ingestion

if TYPE_CHECKING:
    from contracts.unit import IngestionMode
    from flows.stages.plan import RunRequest
    from sandbox.openshelf import SandboxOpenshelf, ShelfSite

QUICK = {"retry_pause_s": 0.005, "request_timeout_s": 5.0, "slice_rows": 40, "page_size": 20, "max_tries": 30}
UNITS = ("books", "authors", "loans")


def source_of(server: SandboxOpenshelf, **settings: Any) -> OpenshelfSource:
    """A source over the sandbox, quick to retry and with small slices."""
    given = {"base_url": server.url, "token": server.token, **QUICK, **settings}
    return OpenshelfSource(OpenshelfConfig.model_validate(given))


class ShelfIngestion(Ingestion):
    """Runs of a service's units into one database; a unit without a cursor is always read in full."""

    def __init__(self, server: SandboxOpenshelf, sink_url: str, **settings: Any) -> None:
        sink = PostgresSink(PostgresConfig.model_validate({"url": sink_url}))
        super().__init__(source_of(server, **settings), sink, sink_url, endpoint_id="shelf", sink_id="raw")
        self.server = server

    def request(self, name: str, mode: IngestionMode = "full", **policy: Any) -> RunRequest:
        """A run of the unit in a mode that it has."""
        request = super().request(name, mode, **policy)
        return request if mode in request.unit.supported_modes else super().request(name, "full", **policy)

    def rows(self, name: str) -> dict[str, dict[str, str | None]]:
        """Rows in the sink by key, every column as text."""
        columns = [one.name for unit in self.source.units if unit.name == name for one in unit.columns]
        shown = [f"{_as_text(one)} AS {one}" for one in columns]
        rows = self.query(f"SELECT {', '.join(shown)} FROM openshelf.{name}")
        return {row[0]: dict(zip(columns, row, strict=True)) for row in rows}


def _as_text(column: str) -> str:
    if column == "updated_at":
        return f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
    return f"{column}::text"


def truth(site: ShelfSite, name: str) -> dict[str, dict[str, Any]]:
    """What the service holds, by key, as text of the sink's columns (JSON columns left out)."""
    return {str(row["id"]): {column: _said(column, value) for column, value in row.items()} for row in site.rows(name)}


def _said(column: str, value: Any) -> Any:
    if column == "rating" and value is not None:
        return f"{float(value):g}"
    if isinstance(value, bool):
        return str(value).lower()
    return value["name"] if isinstance(value, dict) else None if value is None else str(value)


def assert_equal(mover: ShelfIngestion, *names: str) -> None:
    """Row by row, column by column."""
    for name in names or UNITS:
        theirs, ours = truth(mover.server.site, name), mover.rows(name)
        assert theirs.keys() - ours.keys() == set(), f"{name}: lost"
        assert ours.keys() - theirs.keys() == set(), f"{name}: rows that are not at the source"
        for key, row in theirs.items():
            row["updated_at"] = _utc(row["updated_at"]) if "updated_at" in row else None
            different = {c: (row[c], v) for c, v in ours[key].items() if c in row and c != "tags" and row[c] != v}
            assert not different, f"{name} {key}: {different}"


def _utc(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
