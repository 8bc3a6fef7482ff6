"""Common-model rows into PostgreSQL: the raw sink's mechanism over tables that are made on demand and shared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from connectors.cdm_jdbc import tables
from connectors.cdm_jdbc.descriptor import DESCRIPTOR
from connectors.postgres import browsing
from connectors.postgres.ddl import change
from connectors.postgres.sink import TableSink
from connectors.postgres.sql import ident, literal
from connectors.postgres.target import TargetTable, existing_table
from connectors.sql.predicates import where
from contracts.endpoint import EndpointDescriptor, ProvisionedModel
from contracts.errors import CdmModelUnsupportedError, SinkNotProvisionedError
from contracts.mapping import DELETED_AT, IDENTITY, INGESTED_AT, matches_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from connectors.cdm_jdbc.config import CdmJdbcConfig
    from connectors.postgres.session import Session
    from contracts.browsing import RowPage
    from contracts.mapping import CdmModel
    from contracts.plan import IngestionPlan

_BATCH_BYTES = 8 * 1024 * 1024


class CdmSink(TableSink):
    """A ``SinkEndpoint`` with ``SupportsCdm``. Rows of other endpoints in the same table are never touched."""

    descriptor: ClassVar[EndpointDescriptor] = DESCRIPTOR
    supported_cdm_models: tuple[str, ...] = ("cdm.work.*", "cdm.doc.*")

    def __init__(self, config: CdmJdbcConfig) -> None:
        super().__init__(config)
        self._cdm = config

    def provision_model(self, model: CdmModel) -> ProvisionedModel:
        """Make or widen the model's table, in one transaction."""
        self._require_supported(model)
        schema, name = self._cdm.schema_of(model), self._cdm.table_of(model)
        target = self._table(model)

        def provisioned(session: Session) -> list[str]:
            there = session.value(f"SELECT to_regnamespace({literal(ident(schema))}) IS NOT NULL AS there")
            lines = [] if there else [f"CREATE SCHEMA {ident(schema)}"]
            lines += tables.statements(model, target.table, existing_table(session, target).types)
            for line in lines:
                session.execute(line, f"preparing {target.table}")
            return lines

        lines = change(self._client, target.table, provisioned)
        return ProvisionedModel(dataset=tables.dataset_of(model, schema, name), statements=tuple(lines))

    def require_model(self, model: CdmModel) -> None:
        """The table is there and has every column of the model."""
        self._require_supported(model)
        target = self._table(model)
        with self._client.session() as session:
            self._require_table(session, target, model)

    def provision(self, plan: IngestionPlan) -> tuple[str, ...]:
        """Creates nothing: the model's table must have been provisioned."""
        self.require_model(_model_of(plan))
        return ()

    def tombstones(self, plan: IngestionPlan) -> Iterator[pl.DataFrame]:
        """``source_id`` of our rows that are marked as gone and not alive under another key."""
        target, source_id = self._target(plan), ident(IDENTITY[1])
        gone = where([*target.owned, f"{ident(DELETED_AT)} IS NOT NULL"])
        alive = where(target.live)
        sql = f"SELECT {source_id} FROM {target.table}{gone} EXCEPT SELECT {source_id} FROM {target.table}{alive}"
        with self._client.session() as session:
            yield from session.stream(sql, _BATCH_BYTES, f"reading tombstones of {target.table}")

    def model_rows(self, model: CdmModel, page: RowPage) -> pl.DataFrame:
        """Live rows of the model's table, whoever owns them."""
        self._require_supported(model)
        return browsing.page_of(self._client, self._table(model), page)

    def model_values(self, model: CdmModel, column: str, limit: int) -> tuple[str, ...]:
        """Values of one column in live rows."""
        self._require_supported(model)
        return browsing.values_of(self._client, self._table(model), column, limit)

    def _target(self, plan: IngestionPlan) -> TargetTable:
        table = self._table(_model_of(plan))
        own = plan.endpoint_id, plan.unit.dataset.dataset_id
        return replace(table, owner=own[0], dataset=own[1], tombstones=plan.on_gone == "tombstone")

    def _table(self, model: CdmModel) -> TargetTable:
        return TargetTable(
            schema=self._cdm.schema_of(model),
            name=self._cdm.table_of(model),
            columns=tables.columns_of(model),
            key=model.key,
            made_types=(),
            tombstones=True,
            tombstone=DELETED_AT,
            volatile=(INGESTED_AT,),
        )

    def _require_supported(self, model: CdmModel) -> None:
        if not any(matches_model(one, model.model_id) for one in self.supported_cdm_models):
            raise CdmModelUnsupportedError(
                f"This sink takes no rows of {model.model_id}",
                f"It takes {', '.join(self.supported_cdm_models)}.",
                cdm_model_id=model.model_id,
            )

    @staticmethod
    def _require_table(session: Session, target: TargetTable, model: CdmModel) -> None:
        existing = existing_table(session, target).types
        lacking = [name for name in target.columns if name not in existing]
        if lacking:
            what = f"lacks {', '.join(lacking)}" if existing else "does not exist"
            raise SinkNotProvisionedError(
                f"{target.table} for {model.model_id} {what}",
                f"Run `nucleus cdm provision ENDPOINT {model.model_id}` first.",
                table=target.table,
                cdm_model_id=model.model_id,
            )


def _model_of(plan: IngestionPlan) -> CdmModel:
    if plan.cdm_model is None:
        raise CdmModelUnsupportedError(
            f"{plan.unit.unit_id} comes as raw rows, and this sink takes common-model rows only",
            "Use data mode `cdm`, or a raw sink.",
            unit_id=plan.unit.unit_id,
        )
    return plan.cdm_model
