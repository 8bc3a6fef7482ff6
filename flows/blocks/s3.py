"""The staging block for buckets. Apart from the others because ``prefect_aws`` takes over a second to load."""

from __future__ import annotations

from typing import Any

from prefect.blocks.core import Block
from prefect_aws import AwsCredentials, MinIOCredentials
from pydantic import Field, SecretStr

from staging.config import S3StagingConfig


class S3StagingBlock(Block):
    """Staging in a bucket of any S3 endpoint, with saved credentials."""

    _block_type_name = "Nucleus staging: bucket"
    _block_type_slug = "nucleus-s3-staging"

    bucket: str = Field(description="An existing bucket.")
    prefix: str = Field("", description="Key prefix before everything of ours.")
    endpoint_url: str | None = Field(None, description="Another endpoint than AWS; the credentials' own when empty.")
    region: str | None = Field(None, description="The bucket's region; the credentials' own when empty.")
    # In this order: the fields of the first are required, so that the other's cannot be taken for it.
    credentials: MinIOCredentials | AwsCredentials | None = Field(
        None, description="Without them AWS's usual places are asked."
    )

    def to_config(self) -> S3StagingConfig:
        """The config of the provider; raises pydantic's ValidationError, inputs hidden."""
        ours = {"endpoint_url": self.endpoint_url, "region": self.region}
        given = {name: value for name, value in ours.items() if value}
        return S3StagingConfig(bucket=self.bucket, prefix=self.prefix, **{**_login(self.credentials), **given})


def _login(credentials: AwsCredentials | MinIOCredentials | None) -> dict[str, Any]:
    """The config's fields that the credentials block fills."""
    if credentials is None:
        return {}
    client = credentials.aws_client_parameters
    wire = {"endpoint_url": client.endpoint_url, "region": credentials.region_name, "verify": bool(client.verify)}
    if isinstance(credentials, MinIOCredentials):
        return {
            **wire,
            "access_key_id": SecretStr(credentials.minio_root_user),
            "secret_access_key": credentials.minio_root_password,
        }
    token = credentials.aws_session_token
    return {
        **wire,
        "access_key_id": SecretStr(credentials.aws_access_key_id) if credentials.aws_access_key_id else None,
        "secret_access_key": credentials.aws_secret_access_key,
        "session_token": SecretStr(token) if isinstance(token, str) else token,
    }
