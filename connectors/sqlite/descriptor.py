"""What the template ``jdbc.sqlite`` says of itself."""

from __future__ import annotations

from connectors.describe import fields_of
from connectors.sqlite.config import SqliteConfig
from contracts.endpoint import EndpointDescriptor

DESCRIPTOR = EndpointDescriptor(
    template_id="jdbc.sqlite",
    family="jdbc",
    vendor="sqlite",
    title="SQLite",
    description="Tables and views of a SQLite file.",
    fields=fields_of(SqliteConfig),
    capabilities=(
        "metadata.collect",
        "metadata.preview",
        "ingest.full",
        "ingest.incremental",
        "ingest.consistent_view",
        "ingest.delete_detection",
        "ingest.set_watermark",
        "verify.content",
    ),
    roles=("source",),
    docs_url="docs/connectors/sqlite.md",
    auth_modes=("none",),
)
