"""What an operator says about a PostgreSQL endpoint."""

from __future__ import annotations

from typing import Any, Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.describe import DESTINATION

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]

_URL_OPTIONS = {"sslmode": "ssl_mode", "sslrootcert": "ssl_root_cert", "sslcert": "ssl_cert", "sslkey": "ssl_key",
                "application_name": "application_name", "connect_timeout": "connect_timeout_s", "host": "host",
                "port": "port", "user": "user", "password": "password", "dbname": "database"}  # fmt: skip


class PostgresConfig(BaseModel):
    """Connection, limits and, for a sink, where rows go. A ``url`` fills the fields it names."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: SecretStr | None = Field(None, description="Connection URL; takes the place of the fields it names.")
    host: str = Field(
        "localhost", description="Host name, address, or folder of a unix socket.", json_schema_extra=DESTINATION
    )
    port: int = Field(5432, ge=1, le=65535, description="TCP port.", json_schema_extra=DESTINATION)
    database: str = Field("postgres", description="Database to connect to.")
    user: str | None = Field(None, description="Role to log in as; the operating system's user when empty.")
    password: SecretStr | None = Field(None, description="Password; PGPASSWORD or a pgpass file serve when empty.")
    ssl_mode: SslMode = Field("prefer", description="How much TLS is asked for.", json_schema_extra=DESTINATION)
    ssl_root_cert: str | None = Field(
        None, description="File with the certificate authorities to trust.", json_schema_extra=DESTINATION
    )
    ssl_cert: str | None = Field(None, description="File with the client certificate.")
    ssl_key: str | None = Field(None, description="File with the client certificate's key.")
    role: str | None = Field(None, description="Role to switch to after login (SET ROLE).")
    application_name: str = Field("nucleus", description="Name shown in pg_stat_activity.")
    connect_timeout_s: int = Field(10, ge=1, description="Seconds to wait for a connection.")
    statement_timeout_s: float = Field(0.0, ge=0.0, description="Seconds a statement may take; 0 means no limit.")
    include_schemas: tuple[str, ...] = Field(("*",), description="Schemas to catalogue; * and ? match as in a shell.")
    exclude_schemas: tuple[str, ...] = Field((), description="Schemas to leave out, after include_schemas.")
    allow_row_security: bool = Field(
        default=False, description="Read tables whose row security hides rows; otherwise such a read is refused."
    )
    target_schema: str | None = Field(
        None, description="As a sink: schema of the tables; the source's name when empty."
    )
    state_schema: str = Field("nucleus", description="As a sink: schema that holds receipts and epochs.")

    @model_validator(mode="before")
    @classmethod
    def _fill_from_url(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("url"):
            return data
        url = data["url"]
        text = url.get_secret_value() if isinstance(url, SecretStr) else str(url)
        return {**{key: value for key, value in data.items() if key != "url"}, **_url_fields(text)}

    @model_validator(mode="after")
    def _cert_and_key_go_together(self) -> Self:
        if (self.ssl_cert is None) != (self.ssl_key is None):
            raise ValueError("ssl_cert and ssl_key go together")
        return self


def _url_fields(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError("url must start with postgresql://")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("url has a port that is not a number") from None
    fields: dict[str, Any] = {
        "host": unquote(parts.hostname) if parts.hostname else None,
        "port": port,
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "database": unquote(parts.path.lstrip("/")) or None,
    }
    for name, value in parse_qsl(parts.query):
        if name not in _URL_OPTIONS:
            raise ValueError(f"url has an option that is not known; these are: {', '.join(_URL_OPTIONS)}")
        fields[_URL_OPTIONS[name]] = value
    return {name: value for name, value in fields.items() if value is not None}


def conninfo(config: PostgresConfig) -> str:
    """The libpq connection string. Holds the password: never log it."""
    password = config.password.get_secret_value() if config.password else None
    pairs = {
        "host": config.host, "port": config.port, "dbname": config.database, "user": config.user, "password": password,
        "sslmode": config.ssl_mode, "sslrootcert": config.ssl_root_cert, "sslcert": config.ssl_cert,
        "sslkey": config.ssl_key, "application_name": config.application_name,
        "connect_timeout": config.connect_timeout_s, "client_encoding": "UTF8",
        "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3,
    }  # fmt: skip
    return " ".join(f"{name}={_quoted(str(value))}" for name, value in pairs.items() if value is not None)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
