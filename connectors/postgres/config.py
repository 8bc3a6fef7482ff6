"""What an operator says about a PostgreSQL endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.config_fields import DESTINATION
from connectors.postgres.errors import server_message

if TYPE_CHECKING:
    from collections.abc import Mapping

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]

# libpq's names of the parameters that are fields here.
_FIELDS = {"sslmode": "ssl_mode", "sslrootcert": "ssl_root_cert", "sslcert": "ssl_cert", "sslkey": "ssl_key",
           "application_name": "application_name", "connect_timeout": "connect_timeout_s", "host": "host",
           "port": "port", "user": "user", "password": "password", "dbname": "database"}  # fmt: skip
# What a URL may say otherwise; the text of sessions is UTF-8, whatever it says.
_DEFAULTS = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
_LAST = "load_balance_hosts"
_FIXED = {"client_encoding": "UTF8"}


class PostgresConfig(BaseModel):
    """Connection, limits and, for a sink, where rows go. A ``url`` fills the fields it names."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: SecretStr | None = Field(None, description="Connection URL; takes the place of the fields it names.")
    host: str = Field(
        "localhost",
        description="Host name, address, or folder of a unix socket; several, separated by commas, are tried in order.",
        json_schema_extra=DESTINATION,
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
    connect_timeout_s: int = Field(10, ge=0, description="Seconds to wait for a connection; 0 means no limit.")
    connection_options: SecretStr | None = Field(
        None,
        description="Other parameters of libpq, as in a URL: channel_binding=require&target_session_attrs=read-write.",
        json_schema_extra=DESTINATION,
    )
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
        rest = {key: value for key, value in data.items() if key != "url"}
        fields = _url_fields(_plain(url))
        if rest.get("connection_options"):
            written = [_plain(rest["connection_options"]), fields.get("connection_options")]
            fields["connection_options"] = "&".join(filter(None, written))
        return {**rest, **fields}

    @model_validator(mode="after")
    def _cert_and_key_go_together(self) -> Self:
        if (self.ssl_cert is None) != (self.ssl_key is None):
            raise ValueError("ssl_cert and ssl_key go together")
        return self

    @model_validator(mode="after")
    def _options_are_libpqs(self) -> Self:
        refusal = _refusal(self) if self.connection_options else None
        if refusal is not None:
            raise ValueError(refusal)
        return self


def conninfo(config: PostgresConfig) -> str:
    """The libpq connection string. Holds the password: never log it.

    What the fields do not know is passed on as it is: libpq decides which parameters and values there are. With a
    ``service``, fields left at their defaults are left to the service file, whose values libpq only takes for
    parameters that are not given.
    """
    return _joined(_pairs(config))


def address_of(config: PostgresConfig) -> tuple[str, str, str]:
    """Host, port and database as people write them: the first of several hosts, localhost for a socket's folder.

    What a service file says is not read: its name stands for the host.
    """
    pairs = _pairs(config)
    host, port = (pairs.get(name, "").partition(",")[0] for name in ("host", "port"))
    if "service" in pairs:
        host = host or pairs["service"]
    is_local = not host or host.startswith(("/", "@"))
    return "localhost" if is_local else host, port or str(config.port), pairs.get("dbname", config.database)


def _pairs(config: PostgresConfig) -> dict[str, str]:
    others = _parameters(_plain(config.connection_options))
    given = {name: getattr(config, field) for name, field in _FIELDS.items()}
    if "service" in others:
        fields = type(config).model_fields
        given = {name: value for name, value in given.items() if value != fields[_FIELDS[name]].default}
    pairs = {**_DEFAULTS, **given, **others, **_FIXED}
    return {name: _plain(value) for name, value in pairs.items() if value is not None}


def _joined(pairs: Mapping[str, str]) -> str:
    return " ".join(f"{name}={_quoted(value)}" for name, value in pairs.items())


def _refusal(config: PostgresConfig) -> str | None:
    """What libpq says against the parameters, or None; no server is asked.

    A wrong value of the parameter that libpq looks at last ends every attempt before it connects. A service file is
    read only when it connects: it need not be on the machine where the endpoint is registered.
    """
    from adbc_driver_postgresql import dbapi  # noqa: PLC0415 - heavy, and most configs have no such options

    parameters = {name: value for name, value in _pairs(config).items() if name != "service"} | {_LAST: "none of these"}
    try:
        dbapi.connect(_joined(parameters))
    except dbapi.Error as error:
        message = server_message(error)
    return None if _LAST in message else message


def _url_fields(url: str) -> dict[str, str]:
    """The fields that a URL fills (PostgreSQL manual, section "Connection URIs")."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError("url must start with postgresql://")
    login, _, address = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    hosts, ports = zip(*map(_host_and_port, address.split(",")), strict=True)
    given = {
        "host": ",".join(hosts) if any(hosts) else "",
        "port": ",".join(ports) if any(ports) else "",
        "user": unquote(user),
        "password": unquote(password),
        "dbname": unquote(parts.path.removeprefix("/")),
        **_parameters(parts.query),
    }
    if given.get("ssl") == "true":  # libpq takes this one of JDBC's
        given |= {"sslmode": "require", "ssl": ""}
    fields = {_FIELDS[name]: value for name, value in given.items() if name in _FIELDS and value}
    others = {name: value for name, value in given.items() if name not in _FIELDS and value}
    if "," in given["port"]:
        others["port"] = fields.pop("port")
    if others:
        fields["connection_options"] = "&".join(f"{name}={quote(value)}" for name, value in others.items())
    return fields


def _host_and_port(text: str) -> tuple[str, str]:
    host, _, port = text[1:].partition("]") if text.startswith("[") else text.partition(":")
    port = port.removeprefix(":")
    if port and not port.isdecimal():
        raise ValueError("url has a port that is not a number")
    return unquote(host), port


def _parameters(query: str) -> dict[str, str]:
    """``name=value`` pairs with percent signs decoded; a plus sign is one, as in libpq."""
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return {unquote(name): unquote(value) for name, _, value in pairs}


def _plain(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else "" if value is None else str(value)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
