"""What the template ``http.jira`` says of itself."""

from __future__ import annotations

from connectors.http.registration import describe
from connectors.jira.config import JiraConfig
from connectors.jira.scope import SELECTORS
from connectors.jira.units import UNITS

DESCRIPTOR = describe(
    "jira",
    "Jira Cloud",
    "Projects, users, issues, comments and worklogs of a Jira Cloud site, over REST v3.",
    JiraConfig,
    UNITS,
    capabilities=("ingest.filter_options", "ingest.set_watermark"),
    docs_url="docs/connectors/jira.md",
    auth_modes=("api_token", "bearer"),
    aliases=("jira.http",),
    selectors=SELECTORS,
)
