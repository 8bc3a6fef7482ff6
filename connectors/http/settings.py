"""The fields every HTTP endpoint's config has."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from connectors.config_fields import DESTINATION


def _checked_url(value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise ValueError("must begin with https://")
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(_checked_url), Field(json_schema_extra=DESTINATION)]
"""Where a service is; without a slash at its end. Changing it requires the secrets again."""


@cache
def _usual_authorities() -> ssl.SSLContext:
    """Those that httpx trusts; reading them takes 20 ms of CPU, and connections may share them."""
    import httpx  # noqa: PLC0415 - a form or a list of templates makes no requests

    return httpx.create_ssl_context(trust_env=False)


class HttpSettings(BaseModel):
    """How requests are made: limits, time, proxy, TLS."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    concurrency: int = Field(8, ge=1, le=64, description="Most requests under way at once; throttling lowers it.")
    request_timeout_s: float = Field(60.0, gt=0, description="Seconds to wait for a connection or for the next bytes.")
    max_tries: int = Field(10, ge=1, le=50, description="Tries of one request before it counts as failed.")
    retry_pause_s: float = Field(
        0.5, gt=0, description="Mean seconds before the second try; each further pause is longer, with jitter."
    )
    max_wait_s: float = Field(
        600.0, gt=0, description="A server that asks for a longer pause than this ends the run instead."
    )
    proxy: SecretStr | None = Field(
        None, description="URL of a proxy, with its credentials if it needs them.", json_schema_extra=DESTINATION
    )
    ca_file: Path | None = Field(
        None, description="Certificates to trust besides the system's (PEM).", json_schema_extra=DESTINATION
    )
    verify_tls: bool = Field(
        default=True, description="Switch off only against a test server.", json_schema_extra=DESTINATION
    )

    @property
    def tls(self) -> ssl.SSLContext | bool:
        """What httpx takes as ``verify``; the usual authorities are read once a process."""
        if not self.verify_tls:
            return False
        if self.ca_file is None:
            return _usual_authorities()
        context = ssl.create_default_context()
        context.load_verify_locations(self.ca_file)
        return context
