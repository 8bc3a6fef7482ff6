"""What the template ``object.parquet`` says of itself."""

from __future__ import annotations

from connectors.describe import fields_of
from connectors.object_parquet.config import ParquetConfig
from contracts.endpoint import EndpointDescriptor

DESCRIPTOR = EndpointDescriptor(
    template_id="object.parquet",
    family="object",
    vendor="parquet",
    title="Parquet files",
    description="Parquet files in a folder or a bucket; one manifest per slice carries its files and its receipt.",
    fields=fields_of(ParquetConfig),
    capabilities=("sink.upsert", "sink.delete_detection"),
    roles=("sink",),
    docs_url="docs/connectors/object_parquet.md",
    auth_modes=("none", "access_key"),
)
