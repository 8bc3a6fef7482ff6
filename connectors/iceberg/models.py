"""Tables of common models: which are taken, how they are described, and what is tombstoned in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from connectors.iceberg import files
from connectors.iceberg.target import model_target, schema_of
from contracts.catalog import DatasetDescriptor
from contracts.endpoint import ProvisionedModel
from contracts.errors import CdmModelUnsupportedError, SinkNotProvisionedError
from contracts.mapping import matches_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyiceberg.table import Table

    from connectors.iceberg.config import IcebergConfig
    from connectors.iceberg.files import ManifestCache
    from connectors.iceberg.target import IcebergTarget
    from contracts.mapping import CdmModel


def target_for(model: CdmModel, config: IcebergConfig, supported: Sequence[str]) -> IcebergTarget:
    """The model's table.

    Raises:
        CdmModelUnsupportedError: The sink does not take the model.
    """
    if not any(matches_model(one, model.model_id) for one in supported):
        raise CdmModelUnsupportedError(
            f"This sink takes no rows of {model.model_id}",
            f"It takes {', '.join(supported)}.",
            cdm_model_id=model.model_id,
        )
    return model_target(model, config)


def provisioned_model(model: CdmModel, target: IcebergTarget, lines: tuple[str, ...]) -> ProvisionedModel:
    """The table as a dataset for the catalog."""
    namespace, name = target.table
    dataset = DatasetDescriptor(
        dataset_id=f"{namespace}.{name}",
        kind="table",
        namespace=namespace,
        name=name,
        columns=target.columns,
        primary_key=model.key,
        comment=model.meaning,
        dialect="iceberg",
        labels=(f"cdm_model:{model.model_id}",),
    )
    return ProvisionedModel(dataset=dataset, statements=lines)


def require_table(table: Table | None, target: IcebergTarget, model: CdmModel) -> None:
    """Check that the table is there with every column of the model.

    Raises:
        SinkNotProvisionedError: It is not.
    """
    existing = schema_of(table) if table is not None else {}
    lacking = [name for name in target.wanted if name not in existing]
    if lacking:
        what = f"lacks {', '.join(lacking)}" if existing else "does not exist"
        raise SinkNotProvisionedError(
            f"{target} for {model.model_id} {what}",
            f"Run `nucleus cdm provision ENDPOINT {model.model_id}` first.",
            table=str(target),
            cdm_model_id=model.model_id,
        )


def tombstoned_ids(table: Table, target: IcebergTarget, cache: ManifestCache) -> Iterator[pl.DataFrame]:
    """Source ids of our rows that are marked as gone and not alive under another key; at least one batch."""
    names, (source_id,) = target.looked_at(set(schema_of(table))), target.identity
    gone: list[pl.DataFrame] = []
    alive: list[pl.DataFrame] = []
    for file in cache.live_files(table):
        rows = files.read(table, file, names).filter(target.owned())
        marked = pl.col(target.tombstone).is_not_null()
        gone.append(rows.filter(marked).select(source_id))
        alive.append(rows.filter(~marked).select(source_id))
    nothing = pl.DataFrame(schema={source_id: pl.String})
    yield pl.concat([nothing, *gone]).unique().join(pl.concat([nothing, *alive]), on=source_id, how="anti")
