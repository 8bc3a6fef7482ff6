"""What the template ``warehouse.iceberg`` says of itself."""

from __future__ import annotations

from connectors.describe import fields_of
from connectors.iceberg.config import IcebergConfig
from contracts.endpoint import EndpointDescriptor

DESCRIPTOR = EndpointDescriptor(
    template_id="warehouse.iceberg",
    family="warehouse",
    vendor="iceberg",
    title="Apache Iceberg",
    description="Iceberg tables, raw and of common models; one snapshot per slice carries its rows and its receipt.",
    fields=fields_of(IcebergConfig),
    capabilities=("sink.upsert", "sink.delete_detection", "sink.cdm", "sink.raw"),
    roles=("sink",),
    docs_url="docs/connectors/iceberg.md",
    auth_modes=("none", "credential", "token"),
)
