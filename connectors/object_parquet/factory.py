"""What the registry loads for ``object.parquet``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.object_parquet.config import ParquetConfig
from connectors.object_parquet.descriptor import DESCRIPTOR
from contracts.errors import EndpointUnknownError

if TYPE_CHECKING:
    from connectors.object_parquet.sink import ParquetSink


class ParquetFactory:
    """Builds the sink; files are no source here."""

    descriptor = DESCRIPTOR
    config_class = ParquetConfig
    url_schemes = ("file", "s3", "webhdfs", "swebhdfs")
    """URLs of these forms fill the config's ``url``."""

    def source(self, config: ParquetConfig) -> ParquetSink:
        """Always refused."""
        raise EndpointUnknownError(
            f"Template {DESCRIPTOR.template_id} is a sink only (root {config.root})",
            "Read the files with DuckDB, polars, Spark or Trino.",
            template_id=DESCRIPTOR.template_id,
        )

    def sink(self, config: ParquetConfig) -> ParquetSink:
        """A sink over the config."""
        from connectors.object_parquet.sink import ParquetSink  # noqa: PLC0415 — polars and boto3, for its users only

        return ParquetSink(config)


FACTORY = ParquetFactory()
