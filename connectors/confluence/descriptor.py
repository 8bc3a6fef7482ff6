"""What the template ``http.confluence`` says of itself."""

from __future__ import annotations

from connectors.confluence.config import ConfluenceConfig
from connectors.confluence.scope import SELECTORS
from connectors.confluence.units import UNITS
from connectors.http.registration import describe

DESCRIPTOR = describe(
    "confluence",
    "Confluence Cloud",
    "Spaces, pages, blog posts, comments, attachments, versions, links and permissions of a Confluence Cloud site, "
    "over REST v2.",
    ConfluenceConfig,
    UNITS,
    capabilities=("ingest.filter_options", "ingest.set_watermark"),
    docs_url="docs/connectors/confluence.md",
    auth_modes=("api_token", "bearer"),
    selectors=SELECTORS,
)
