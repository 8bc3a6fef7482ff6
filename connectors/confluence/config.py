"""What an endpoint of template ``http.confluence`` is configured with."""

from __future__ import annotations

import base64
from typing import Self

from pydantic import Field, SecretStr, model_validator

from connectors.http.settings import HttpSettings, Url


class ConfluenceConfig(HttpSettings):
    """A Confluence Cloud site and an account on it."""

    base_url: Url = Field(description="The site as people open it, without /wiki: https://example.atlassian.net")
    email: str | None = Field(None, description="Account of the API token.")
    api_token: SecretStr | None = Field(None, description="API token of that account.")
    bearer_token: SecretStr | None = Field(None, description="OAuth or scoped token; needs cloud_id.")
    cloud_id: str | None = Field(None, description="Id of the site, for bearer tokens.")
    gateway_url: Url = Field("https://api.atlassian.com", description="Where bearer tokens are accepted.")
    source_system: str = Field(
        "confluence",
        pattern=r"^[a-z][a-z0-9_]{0,30}$",
        description="Name of this site in tables and ids. Jira of the same site may share it: people then have one id.",
    )
    space_keys: tuple[str, ...] = Field((), description="Only these spaces; all that the account sees when empty.")
    page_size: int = Field(100, ge=1, le=250, description="Pages with bodies fetched by one request.")
    slice_pages: int = Field(500, ge=10, le=2000, description="Most pages that a slice holds.")
    overlap_s: int = Field(300, ge=60, description="An incremental run reads this far back before its watermark.")

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> Self:
        basic, bearer = self.email and self.api_token, self.bearer_token and self.cloud_id
        if bool(basic) == bool(bearer):
            raise ValueError("give email and api_token, or bearer_token and cloud_id")
        return self

    @property
    def api_url(self) -> str:
        """Where the API is, for the way of logging in."""
        if self.bearer_token is not None:
            return f"{self.gateway_url}/ex/confluence/{self.cloud_id}"
        return self.base_url

    @property
    def authorization(self) -> str:
        """The ``Authorization`` header: a secret."""
        if self.bearer_token is not None:
            return f"Bearer {self.bearer_token.get_secret_value()}"
        token = self.api_token.get_secret_value() if self.api_token else ""
        return "Basic " + base64.b64encode(f"{self.email}:{token}".encode()).decode()
