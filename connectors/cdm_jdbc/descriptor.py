"""What the template ``cdm.jdbc`` says of itself."""

from __future__ import annotations

from connectors.cdm_jdbc.config import CdmJdbcConfig
from connectors.describe import fields_of
from contracts.endpoint import EndpointDescriptor

DESCRIPTOR = EndpointDescriptor(
    template_id="cdm.jdbc",
    family="cdm",
    vendor="jdbc",
    title="Common data model in PostgreSQL",
    description="Tables of the common data model, shared by all sources that map to it.",
    fields=fields_of(CdmJdbcConfig),
    capabilities=("sink.upsert", "sink.delete_detection", "sink.cdm"),
    roles=("sink",),
    docs_url="docs/connectors/cdm_jdbc.md",
    auth_modes=("password", "pgpass", "certificate"),
)
