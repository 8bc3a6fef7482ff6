"""What other programs call our tables: OpenLineage's ``spec/Naming.md``, "Postgres"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.postgres.config import address_of
from contracts.lineage import DatasetName

if TYPE_CHECKING:
    from connectors.postgres.config import PostgresConfig


def table_name(config: PostgresConfig, schema: str, table: str) -> DatasetName:
    """``database.schema.table`` at ``postgres://host:port``, as :func:`address_of` gives them."""
    host, port, database = address_of(config)
    return DatasetName(namespace=f"postgres://{host}:{port}", name=f"{database}.{schema}.{table}")
