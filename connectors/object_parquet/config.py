"""What an operator says about a place for Parquet files."""

from __future__ import annotations

import os
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.config_fields import DESTINATION

Compression = Literal["zstd", "snappy", "lz4", "gzip", "uncompressed"]
_HDFS = {"webhdfs": "http", "swebhdfs": "https"}
LOAD_DATE = "load_date()"
"""In ``partition_by``: by the day (UTC) on which a row was written."""


class ParquetConfig(BaseModel):
    """Where the files go, how large they are, and how a bucket is reached."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: SecretStr | None = Field(
        None, description="The same as root, for the command line.", json_schema_extra=DESTINATION
    )
    root: str = Field(
        "",
        description="Folder (a path or file:///path), s3://bucket/prefix or webhdfs://host:port/path under which the "
        "tables are.",
        json_schema_extra=DESTINATION,
    )
    endpoint_url: str | None = Field(
        None, description="Of an S3 service that is not Amazon's.", json_schema_extra=DESTINATION
    )
    region: str | None = Field(None, description="Region of the bucket.")
    access_key_id: SecretStr | None = Field(None, description="As boto3 finds it by itself when empty.")
    secret_access_key: SecretStr | None = Field(None, description="As boto3 finds it by itself when empty.")
    session_token: SecretStr | None = Field(None, description="Of temporary credentials.")
    hdfs_user: str | None = Field(
        None, description="Name of the user, where HDFS asks for no proof of it; HADOOP_USER_NAME when empty."
    )
    delegation_token: SecretStr | None = Field(None, description="Of HDFS, where it asks for one.")
    timeout_s: float = Field(60.0, gt=0, description="How long an answer of S3 or HDFS is waited for.")
    max_attempts: int = Field(6, ge=1, description="How often a request to S3 or HDFS is tried.")
    target_namespace: str | None = Field(None, description="Folder of the tables; the source's schema when empty.")
    partition_by: dict[str, str] = Field(
        {},
        description="By table name (or namespace.name), the column whose values become folders (column=value), or "
        f"{LOAD_DATE} for the day a row was written on.",
    )
    target_file_bytes: int = Field(
        128 * 1024 * 1024, ge=64 * 1024, description="Files are cut at this size, as polars holds it in memory."
    )
    compression: Compression = Field("zstd", description="Of the files' pages.")
    symlink_manifest: bool = Field(
        default=False, description="List the live files for Hive, Trino and Athena when a run ends."
    )
    glue_database: str | None = Field(
        None,
        pattern="^[a-z0-9_]{1,255}$",
        description="Register the table in this database of an AWS Glue Data Catalog when a run ends.",
    )
    glue_endpoint_url: str | None = Field(
        None, description="Of a Glue service that is not Amazon's.", json_schema_extra=DESTINATION
    )
    orphan_grace_s: float = Field(
        86_400.0, ge=0.0, description="A compaction removes files that no manifest names when they are this old."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_url(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("url"):
            return data
        url = data["url"].get_secret_value() if isinstance(data["url"], SecretStr) else str(data["url"])
        return {**data, "root": url, "url": None}

    @model_validator(mode="after")
    def _has_a_place(self) -> ParquetConfig:
        parts = urlsplit(self.root)
        if parts.scheme not in {"", "file", "s3", *_HDFS}:
            raise ValueError("root is a path, file:///path, s3://bucket/prefix or webhdfs://host:port/path")
        if not (parts.netloc if parts.scheme == "s3" else parts.path):
            raise ValueError("root names no folder and no bucket")
        if parts.scheme in _HDFS and not (parts.hostname and parts.port and parts.username is None):
            raise ValueError("root of HDFS names no host and HTTP port, or a user: that is hdfs_user")
        if parts.query or (parts.scheme == "file" and parts.netloc):
            raise ValueError("root has parts that mean nothing here")
        if self.glue_database is not None and parts.scheme != "s3":
            raise ValueError("glue_database needs a root in a bucket")
        return self

    @property
    def bucket(self) -> tuple[str, str] | None:
        """Bucket and prefix; None for a folder."""
        parts = urlsplit(self.root)
        return (parts.netloc, parts.path.strip("/")) if parts.scheme == "s3" else None

    @property
    def name_node(self) -> tuple[str, str] | None:
        """Of HDFS: the URL of its REST API and the folder's path; None elsewhere."""
        parts = urlsplit(self.root)
        return (f"{_HDFS[parts.scheme]}://{parts.netloc}", unquote(parts.path)) if parts.scheme in _HDFS else None

    @property
    def hdfs_login(self) -> dict[str, str]:
        """Parameters of each request to HDFS."""
        if self.delegation_token is not None:
            return {"delegation": self.delegation_token.get_secret_value()}
        user = self.hdfs_user or os.environ.get("HADOOP_USER_NAME")
        return {"user.name": user} if user else {}

    @property
    def keys(self) -> tuple[str | None, str | None, str | None]:
        """Access key id, secret and session token, each None where boto3 finds it by itself."""
        secrets = (self.access_key_id, self.secret_access_key, self.session_token)
        return tuple(None if each is None else each.get_secret_value() for each in secrets)  # type: ignore[return-value]

    @property
    def folder(self) -> str:
        """The folder's path."""
        parts = urlsplit(self.root)
        return unquote(parts.path) if parts.scheme == "file" else self.root
