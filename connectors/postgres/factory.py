"""What the registry loads for ``jdbc.postgres``."""

from __future__ import annotations

from connectors.postgres.config import PostgresConfig
from connectors.postgres.descriptor import DESCRIPTOR
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
        return PostgresSource(config)

    def sink(self, config: PostgresConfig) -> PostgresSink:
        """A sink over the config."""
        return PostgresSink(config)


FACTORY = PostgresFactory()
