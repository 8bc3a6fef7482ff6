"""What the registry loads for ``cdm.jdbc``; the driver is imported when a sink is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.cdm_jdbc.config import CdmJdbcConfig
from connectors.cdm_jdbc.descriptor import DESCRIPTOR
from contracts.errors import EndpointUnknownError

if TYPE_CHECKING:
    from connectors.cdm_jdbc.sink import CdmSink


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
        from connectors.cdm_jdbc.sink import CdmSink  # noqa: PLC0415 - 50 MB, for its users only

        return CdmSink(config)


FACTORY = CdmJdbcFactory()
