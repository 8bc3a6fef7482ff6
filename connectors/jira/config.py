"""What an endpoint of template ``http.jira`` is configured with."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from connectors.http.site_login import SiteLogin


class JiraConfig(SiteLogin):
    """A Jira Cloud site and an account on it."""

    product: ClassVar[str] = "jira"

    source_system: str = Field(
        "jira",
        pattern=r"^[a-z][a-z0-9_]{0,30}$",
        description="Name of this site in tables and ids; two sites must not share one.",
    )
    project_keys: tuple[str, ...] = Field((), description="Only these projects; all that the account sees when empty.")
    page_size: int = Field(100, ge=1, le=100, description="Issues fetched by one request.")
    slice_issues: int = Field(1000, ge=10, le=5000, description="About how many issues a slice holds.")
    overlap_s: int = Field(
        300, ge=60, description="An incremental run reads this far back before its watermark: the search index lags."
    )
