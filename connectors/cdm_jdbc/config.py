"""What an endpoint of template ``cdm.jdbc`` is configured with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydantic import Field

from connectors.postgres.config import PostgresConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contracts.mapping import CdmModel

_URLS = ("CDM_DATABASE_URL", "CDM_WORK_DATABASE_URL", "METADATA_DATABASE_URL")
_SCHEMAS = ("CDM_DATABASE_SCHEMA", "CDM_WORK_DATABASE_SCHEMA")
_PREFIXES = ("CDM_DATABASE_TABLE_PREFIX", "CDM_WORK_DATABASE_TABLE_PREFIX")


class CdmJdbcConfig(PostgresConfig):
    """A PostgreSQL database for common-model tables."""

    cdm_schema: str | None = Field(None, description="Schema of the tables; cdm_ and the model's family when empty.")
    table_prefix: str = Field("cdm_", description="Before each table's name.")

    def schema_of(self, model: CdmModel) -> str:
        """``cdm_work`` for ``cdm.work.item``, unless one is set."""
        return self.cdm_schema or f"cdm_{model.family}"

    def table_of(self, model: CdmModel) -> str:
        """``cdm_item`` for ``cdm.work.item``.

        Families have entities of one name (both work and documents have items). In one schema for all of them the
        tables of every family but the first, ``work``, have the family's name too: ``cdm_doc_item``.
        """
        family = f"{model.family}_" if self.cdm_schema and model.family != "work" else ""
        return self.table_prefix + family + "_".join(model.model_id.split(".")[2:])


def from_environment(environment: Mapping[str, str] = os.environ) -> CdmJdbcConfig | None:
    """For development: the sink that the environment describes; None without a URL.

    CDM_DATABASE_URL, CDM_DATABASE_SCHEMA and CDM_DATABASE_TABLE_PREFIX count first, then the platform's names for them.
    """
    url = _first(environment, _URLS)
    if not url:
        return None
    given = {"url": url, "cdm_schema": _first(environment, _SCHEMAS)}
    prefix = next((environment[name] for name in _PREFIXES if name in environment), None)  # an empty one is one too
    return CdmJdbcConfig.model_validate({**given, **({} if prefix is None else {"table_prefix": prefix})})


def _first(environment: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next(filter(None, map(environment.get, names)), None)
