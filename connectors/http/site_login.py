"""The login that products of one maker share: an account's token at the site, or a bearer token at a gateway."""

from __future__ import annotations

import base64
from typing import ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from connectors.http.settings import HttpSettings, Url


class SiteLogin(HttpSettings):
    """A site and an account on it; ``product`` is what the gateway calls the site's product."""

    product: ClassVar[str]

    base_url: Url = Field(description="The site as people open it: https://example.atlassian.net")
    email: str | None = Field(None, description="Account of the API token.")
    api_token: SecretStr | None = Field(None, description="API token of that account.")
    bearer_token: SecretStr | None = Field(None, description="OAuth or scoped token; needs cloud_id.")
    cloud_id: str | None = Field(None, description="Id of the site, for bearer tokens.")
    gateway_url: Url = Field("https://api.atlassian.com", description="Where bearer tokens are accepted.")

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
            return f"{self.gateway_url}/ex/{self.product}/{self.cloud_id}"
        return self.base_url

    @property
    def authorization(self) -> str:
        """The ``Authorization`` header: a secret."""
        if self.bearer_token is not None:
            return f"Bearer {self.bearer_token.get_secret_value()}"
        token = self.api_token.get_secret_value() if self.api_token else ""
        return "Basic " + base64.b64encode(f"{self.email}:{token}".encode()).decode()
