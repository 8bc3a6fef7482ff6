"""What the registry loads for ``jdbc.mysql``."""

from __future__ import annotations

from typing import NoReturn

from connectors.mysql.config import MySqlConfig
from connectors.mysql.descriptor import DESCRIPTOR
from connectors.mysql.source import MySqlSource
from contracts.errors import EndpointUnknownError


class MySqlFactory:
    """Builds the source."""

    descriptor = DESCRIPTOR
    config_class = MySqlConfig
    url_schemes = ("mysql", "mariadb")
    """URLs of these forms fill the config's ``url``, which names the database that tables are looked for in."""

    def source(self, config: MySqlConfig) -> MySqlSource:
        """A source over the config."""
        return MySqlSource(config)

    def sink(self, config: MySqlConfig) -> NoReturn:
        """MySQL is no sink."""
        raise EndpointUnknownError("MySQL cannot be a sink", "Choose another sink.", host=config.host)


FACTORY = MySqlFactory()
"""What the registry takes."""
