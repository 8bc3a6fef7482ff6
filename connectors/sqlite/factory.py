"""What the registry loads for ``jdbc.sqlite``."""

from __future__ import annotations

from typing import NoReturn

from connectors.sqlite.config import SqliteConfig
from connectors.sqlite.descriptor import DESCRIPTOR
from connectors.sqlite.source import SqliteSource
from contracts.errors import EndpointUnknownError


class SqliteFactory:
    """Builds the source."""

    descriptor = DESCRIPTOR
    config_class = SqliteConfig
    url_schemes = ("sqlite",)
    """URLs of this form fill the config's ``url``."""
    default_namespace = "main"
    """Where a table that was named without a schema is."""

    def source(self, config: SqliteConfig) -> SqliteSource:
        """A source over the config."""
        return SqliteSource(config)

    def sink(self, config: SqliteConfig) -> NoReturn:
        """SQLite is no sink."""
        raise EndpointUnknownError("SQLite cannot be a sink", "Choose another sink.", path=str(config.path))


FACTORY = SqliteFactory()
"""What the registry takes."""
