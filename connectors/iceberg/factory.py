"""What the registry loads for ``warehouse.iceberg``; pyiceberg itself is imported when a sink is made."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from connectors.iceberg.config import IcebergConfig
from connectors.iceberg.descriptor import DESCRIPTOR
from contracts.errors import EndpointUnknownError

if TYPE_CHECKING:
    from connectors.iceberg.sink import IcebergSink

for _package in ("pyiceberg", "pyarrow", "sqlalchemy"):
    if find_spec(_package) is None:
        raise ModuleNotFoundError(f"No module named {_package!r}", name=_package)


class IcebergFactory:
    """Builds the sink; Iceberg tables are no source here."""

    descriptor = DESCRIPTOR
    config_class = IcebergConfig
    url_schemes = ("iceberg+sqlite", "iceberg+https", "iceberg+http")
    """URLs of these forms fill the config's ``url``."""

    def source(self, config: IcebergConfig) -> IcebergSink:
        """Always refused."""
        raise EndpointUnknownError(
            f"Template {DESCRIPTOR.template_id} is a sink only (catalog type {config.catalog_type})",
            "Read the tables with DuckDB, Spark or Trino.",
            template_id=DESCRIPTOR.template_id,
        )

    def sink(self, config: IcebergConfig) -> IcebergSink:
        """A sink over the config."""
        from connectors.iceberg.sink import IcebergSink  # noqa: PLC0415 — a second and 165 MB, for its users only

        return IcebergSink(config)


FACTORY = IcebergFactory()
