"""What the template ``jdbc.postgres`` says of itself."""

from __future__ import annotations

from connectors.describe import fields_of
from connectors.postgres.config import PostgresConfig
from contracts.endpoint import EndpointDescriptor

DESCRIPTOR = EndpointDescriptor(
    template_id="jdbc.postgres",
    family="jdbc",
    vendor="postgres",
    title="PostgreSQL",
    description="Tables and views of a PostgreSQL database, read and written by binary COPY over ADBC.",
    fields=fields_of(PostgresConfig),
    capabilities=(
        "metadata.collect",
        "metadata.preview",
        "ingest.full",
        "ingest.incremental",
        "ingest.consistent_view",
        "ingest.delete_detection",
        "ingest.set_watermark",
        "sink.upsert",
        "sink.delete_detection",
        "verify.content",
    ),
    roles=("source", "sink"),
    docs_url="docs/connectors/postgres.md",
    auth_modes=("password", "pgpass", "certificate"),
    aliases=("postgres.jdbc",),
)
