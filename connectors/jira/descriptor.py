"""What the template ``http.jira`` says of itself."""

from __future__ import annotations

from connectors.describe import fields_of
from connectors.jira.config import JiraConfig
from connectors.jira.scope import SELECTORS
from contracts.endpoint import EndpointDescriptor

DESCRIPTOR = EndpointDescriptor(
    template_id="http.jira",
    family="http",
    vendor="jira",
    title="Jira Cloud",
    description="Projects, users, issues, comments and worklogs of a Jira Cloud site, over REST v3.",
    fields=fields_of(JiraConfig),
    capabilities=(
        "metadata.collect",
        "metadata.preview",
        "ingest.full",
        "ingest.incremental",
        "ingest.delete_detection",
        "ingest.filter_options",
        "ingest.set_watermark",
    ),
    roles=("source",),
    docs_url="docs/connectors/jira.md",
    auth_modes=("api_token", "bearer"),
    aliases=("jira.http",),
    selectors=SELECTORS,
)
