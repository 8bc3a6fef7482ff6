"""What the template ``jdbc.mysql`` says of itself."""

from __future__ import annotations

from connectors.describe import fields_of
from connectors.mysql.config import MySqlConfig
from contracts.endpoint import EndpointDescriptor

DESCRIPTOR = EndpointDescriptor(
    template_id="jdbc.mysql",
    family="jdbc",
    vendor="mysql",
    title="MySQL and MariaDB",
    description="Tables and views of a MySQL or MariaDB server.",
    fields=fields_of(MySqlConfig),
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
    docs_url="docs/connectors/mysql.md",
    auth_modes=("password", "certificate"),
    aliases=("mysql.jdbc",),
)
