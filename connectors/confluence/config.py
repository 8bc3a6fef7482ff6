"""What an endpoint of template ``http.confluence`` is configured with."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from connectors.http.settings import Url  # noqa: TC001 - pydantic reads the annotation
from connectors.http.site_login import SiteLogin


class ConfluenceConfig(SiteLogin):
    """A Confluence Cloud site and an account on it."""

    product: ClassVar[str] = "confluence"

    base_url: Url = Field(description="The site as people open it, without /wiki: https://example.atlassian.net")
    source_system: str = Field(
        "confluence",
        pattern=r"^[a-z][a-z0-9_]{0,30}$",
        description="Name of this site in tables and ids. Jira of the same site may share it: people then have one id.",
    )
    space_keys: tuple[str, ...] = Field((), description="Only these spaces; all that the account sees when empty.")
    page_size: int = Field(250, ge=1, le=250, description="Pages with bodies fetched by one request.")
    slice_pages: int = Field(500, ge=10, le=2000, description="Most pages that a slice holds.")
    overlap_s: int = Field(300, ge=60, description="An incremental run reads this far back before its watermark.")
