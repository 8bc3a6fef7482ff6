"""What an operator says about a MySQL or MariaDB endpoint."""

from __future__ import annotations

from typing import Any, Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.config_fields import DESTINATION

TlsMode = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]
ZeroDates = Literal["refuse", "null"]

_SCHEMES = ("mysql", "mariadb")
_PARAMETERS = (
    "tls", "tls_ca", "tls_cert", "tls_key", "socket", "connect_timeout_s", "readers", "zero_dates",
)  # fmt: skip


class MySqlConfig(BaseModel):
    """Connection, limits and what is read. A ``url`` fills the fields it names."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: SecretStr | None = Field(
        None, description="mysql://user:password@host:3306/database?tls=require; takes the place of what it names."
    )
    host: str = Field("localhost", description="Host name or address.", json_schema_extra=DESTINATION)
    port: int = Field(3306, ge=1, le=65535, description="TCP port.", json_schema_extra=DESTINATION)
    socket: str | None = Field(
        None, description="Path of a unix socket; takes the place of host and port.", json_schema_extra=DESTINATION
    )
    user: str = Field("root", description="Account to log in as.")
    password: SecretStr | None = Field(None, description="Password of the account.")
    database: str | None = Field(None, description="Database to catalogue; all that can be read when empty.")
    tls: TlsMode = Field(
        "prefer",
        description="How much TLS is asked for: verify-ca checks the certificate, verify-full the host's name too.",
        json_schema_extra=DESTINATION,
    )
    tls_ca: str | None = Field(
        None, description="File with the certificate authorities to trust.", json_schema_extra=DESTINATION
    )
    tls_cert: str | None = Field(None, description="File with the client certificate.")
    tls_key: str | None = Field(None, description="File with the client certificate's key.")
    connect_timeout_s: int = Field(10, ge=1, description="Seconds to wait for a connection.")
    readers: int = Field(4, ge=1, le=64, description="Connections that share the view of a run.")
    include_schemas: tuple[str, ...] = Field(
        (), description="Databases to catalogue, in place of database; * and ? match as in a shell."
    )
    exclude_schemas: tuple[str, ...] = Field((), description="Databases to leave out, after include_schemas.")
    zero_dates: ZeroDates = Field(
        "refuse",
        description="Dates with a zero in them (0000-00-00) exist in no other system: refuse stops the slice, null "
        "reads NULL and names the gap, so that the run succeeds only where allow_partial is set.",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_url(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("url"):
            return data
        url = data["url"]
        rest = {key: value for key, value in data.items() if key != "url"}
        return {**rest, **_url_fields(url.get_secret_value() if isinstance(url, SecretStr) else str(url))}

    @model_validator(mode="after")
    def _cert_and_key_go_together(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together")
        return self


def _url_fields(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ValueError("url must start with mysql:// or mariadb://")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("url has a port that is not a number") from None
    login, _, _ = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    fields: dict[str, Any] = {
        "host": unquote(parts.hostname or ""),
        "port": port,
        "user": unquote(user),
        "password": unquote(password),
        "database": unquote(parts.path.removeprefix("/")),
    }
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _PARAMETERS:
            raise ValueError(f"url has a parameter that is not known; there are: {', '.join(_PARAMETERS)}")
        fields[name] = value
    return {name: value for name, value in fields.items() if value}
