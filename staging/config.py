"""Configuration of staging areas. Importing this module loads neither polars nor boto3."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

MIB = 1024 * 1024


class _Settings(BaseModel):
    # Inputs stay out of validation errors: one of them may be a secret in the wrong field.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    part_bytes: int = Field(16 * MIB, ge=1024, description="Size of the rows of one part, in bytes of memory.")


class MemoryStagingConfig(_Settings):
    """Sessions in this process, for tests, notebooks and copies by a single process."""

    provider: Literal["memory"] = "memory"
    area: str = Field("default", description="Name of the area, as it appears in handles.")
    limit_bytes: int = Field(256 * MIB, ge=1, description="Maximum stored bytes of all sessions together.")


class LocalStagingConfig(_Settings):
    """Sessions in an existing folder that all workers share."""

    provider: Literal["local"] = "local"
    path: Path = Field(description="An existing folder.")
    durable: bool = Field(
        default=False,
        description="Sync every write to disk. Without it, a power failure can lose sessions.",
    )


class S3StagingConfig(_Settings):
    """Sessions in a bucket of any S3 endpoint."""

    provider: Literal["s3"] = "s3"
    bucket: str = Field(min_length=1, description="An existing bucket.")
    prefix: str = Field("", description="Prefix of all keys.")
    endpoint_url: str | None = Field(None, description="URL of an S3 service other than AWS; addressed path-style.")
    access_key_id: SecretStr | None = Field(
        None, description="Set together with the secret key; without both, the standard AWS credential chain is used."
    )
    secret_access_key: SecretStr | None = Field(None, description="Secret of the access key.")
    session_token: SecretStr | None = Field(None, description="Session token of temporary credentials.")
    region: str | None = Field(None, description="The bucket's region; us-east-1 by default if an endpoint is given.")
    verify: bool = Field(default=True, description="Check the endpoint's TLS certificate.")
    ca_bundle: Path | None = Field(
        None, description="PEM file with the certificate authorities to trust instead of the default ones."
    )
    connect_timeout_s: float = Field(5.0, gt=0, description="Seconds to wait for a connection.")
    read_timeout_s: float = Field(30.0, gt=0, description="Seconds to wait for the next bytes.")
    max_attempts: int = Field(
        10, ge=1, le=50, description="Attempts per request, with increasing delays of up to 20 seconds."
    )

    @field_validator("endpoint_url", "region", "access_key_id", "secret_access_key", "session_token", mode="before")
    @classmethod
    def _blank_is_absent(cls, value: object) -> object:
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        return None if plain == "" else value

    @field_validator("prefix")
    @classmethod
    def _bare(cls, value: str) -> str:
        return value.strip("/")

    @field_validator("endpoint_url")
    @classmethod
    def _plain_http_url(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://unused")
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            message = "must be http://host[:port] or https://host[:port], without credentials"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _whole_credentials(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            message = "access_key_id and secret_access_key must be set together"
            raise ValueError(message)
        return self


StagingConfig = Annotated[MemoryStagingConfig | LocalStagingConfig | S3StagingConfig, Field(discriminator="provider")]
"""Any of the three; ``provider`` is the discriminator."""
