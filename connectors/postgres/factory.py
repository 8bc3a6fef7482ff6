"""What the registry loads for ``jdbc.postgres``; the driver is imported when a source or a sink is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.postgres.config import PostgresConfig
from connectors.postgres.descriptor import DESCRIPTOR

if TYPE_CHECKING:
    from connectors.postgres.sink import PostgresSink
    from connectors.postgres.source import PostgresSource


class PostgresFactory:
    """Builds the source and the sink over one config class."""

    descriptor = DESCRIPTOR
    config_class = PostgresConfig
    url_schemes = ("postgresql", "postgres")
    """URLs of these forms fill the config's ``url``."""
    default_namespace = "public"
    """Where a table that was named without a schema is."""

    def source(self, config: PostgresConfig) -> PostgresSource:
        """A source over the config."""
        from connectors.postgres.source import PostgresSource  # noqa: PLC0415 - 50 MB, for its users only

        return PostgresSource(config)

    def sink(self, config: PostgresConfig) -> PostgresSink:
        """A sink over the config."""
        from connectors.postgres.sink import PostgresSink  # noqa: PLC0415 - as above

        return PostgresSink(config)


FACTORY = PostgresFactory()
