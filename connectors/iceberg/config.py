"""What an operator says about an Iceberg warehouse."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.config_fields import DESTINATION

CatalogType = Literal["sql", "rest", "glue", "hive"]

_EMBEDDED = "iceberg+sqlite://"
_REMOTE = "iceberg+"


class IcebergConfig(BaseModel):
    """Catalog, warehouse, and where tables go. Without a catalog's URI, one is made in a file in the warehouse."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: SecretStr | None = Field(
        None,
        description="All in one: iceberg+sqlite:///folder for a warehouse in a folder with a catalog of its own, "
        "iceberg+https://host/path for a REST catalog.",
        json_schema_extra=DESTINATION,
    )
    catalog_type: CatalogType = Field("sql", description="Kind of catalog, as pyiceberg names them.")
    uri: SecretStr | None = Field(
        None,
        description="The catalog's URI; empty for `sql`: an SQLite file in the warehouse's folder.",
        json_schema_extra=DESTINATION,
    )
    warehouse: str | None = Field(
        None,
        description="Folder or object storage URL of the tables; for a REST catalog its name of the warehouse.",
        json_schema_extra=DESTINATION,
    )
    credential: SecretStr | None = Field(None, description="REST: client id and secret, as id:secret.")
    token: SecretStr | None = Field(None, description="REST: bearer token.")
    properties: dict[str, str] = Field(
        {}, description="More of pyiceberg's catalog properties, as s3.endpoint.", json_schema_extra=DESTINATION
    )
    secret_properties: dict[str, SecretStr] = Field(
        {}, description="Properties that are secret, as s3.secret-access-key."
    )
    target_namespace: str | None = Field(None, description="Namespace of the tables; the source's name when empty.")
    state_namespace: str = Field("nucleus_state", description="Namespace of the small tables that remember runs.")
    cdm_namespace: str | None = Field(
        None, description="Namespace of common-model tables; cdm_ and the model's family when empty."
    )
    table_prefix: str = Field("cdm_", description="Before the name of each common-model table.")
    partition_by: dict[str, tuple[str, ...]] = Field(
        {},
        description="By table name (or namespace.name), how a new table is partitioned: column, year(column), "
        "month(column), day(column), hour(column).",
    )
    target_file_bytes: int = Field(
        128 * 1024 * 1024, ge=64 * 1024, description="Data files are cut at this size, as Arrow holds it in memory."
    )
    keep_snapshots_s: float = Field(
        5 * 86_400.0, ge=0.0, description="A compaction expires snapshots that are older than this many seconds."
    )
    orphan_grace_s: float = Field(
        86_400.0, ge=0.0, description="A compaction removes files that no snapshot knows when they are this old."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_url(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("url"):
            return data
        url = data["url"].get_secret_value() if isinstance(data["url"], SecretStr) else str(data["url"])
        if url.startswith(_EMBEDDED):
            filled = {"catalog_type": "sql", "warehouse": unquote(url.removeprefix(_EMBEDDED))}
        elif url.startswith((_REMOTE + "https://", _REMOTE + "http://")):
            filled = {"catalog_type": "rest", "uri": url.removeprefix(_REMOTE)}
        else:
            raise ValueError("the URL begins with iceberg+sqlite:///, iceberg+https:// or iceberg+http://")
        return {**data, **filled, "url": None}

    @model_validator(mode="after")
    def _has_a_place(self) -> IcebergConfig:
        if self.catalog_type in {"sql", "glue"} and not self.warehouse:
            raise ValueError(f"a catalog of type {self.catalog_type} needs a warehouse")
        if self.catalog_type in {"rest", "hive"} and self.uri is None:
            raise ValueError(f"a catalog of type {self.catalog_type} needs a uri")
        if self.catalog_type == "sql" and self.uri is None and "://" in (self.warehouse or "").removeprefix("file://"):
            raise ValueError("a catalog in a file needs a warehouse in a folder: give the uri of a database")
        return self
