"""What the registry loads for ``cdm.jdbc``."""

from __future__ import annotations

from connectors.cdm_jdbc.config import CdmJdbcConfig
from connectors.cdm_jdbc.descriptor import DESCRIPTOR
from connectors.cdm_jdbc.sink import CdmSink
from contracts.errors import EndpointUnknownError


class CdmJdbcFactory:
    """Builds the sink; common-model tables are no source here."""

    descriptor = DESCRIPTOR
    config_class = CdmJdbcConfig

    def source(self, config: CdmJdbcConfig) -> CdmSink:
        """Always refused."""
        raise EndpointUnknownError(
            f"Template {DESCRIPTOR.template_id} is a sink only ({config.host})",
            "To read the tables, register the database with template `jdbc.postgres`.",
            template_id=DESCRIPTOR.template_id,
        )

    def sink(self, config: CdmJdbcConfig) -> CdmSink:
        """A sink over the config."""
        return CdmSink(config)


FACTORY = CdmJdbcFactory()
