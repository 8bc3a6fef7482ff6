"""What an endpoint of template ``http.openshelf`` is configured with."""

from __future__ import annotations

from pydantic import Field, SecretStr

from connectors.http.paged import PagedSettings


class OpenshelfConfig(PagedSettings):
    """An account at a lending service."""

    token: SecretStr = Field(description="Access token of the account.")
