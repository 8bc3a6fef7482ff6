"""Creates a staging provider from a URL or a configuration. A provider's module is imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from contracts.errors import ConfigInvalidError
from staging.config import LocalStagingConfig, MemoryStagingConfig, S3StagingConfig, StagingConfig

if TYPE_CHECKING:
    from contracts.staging import StagingProvider

# The setting of a member model does not apply to errors that the union raises for it.
_CONFIG: TypeAdapter[StagingConfig] = TypeAdapter(StagingConfig, config=ConfigDict(hide_input_in_errors=True))
_SECRETS = {"access_key_id", "secret_access_key", "session_token"}
_FORMS = "Write memory:, file:///path or s3://bucket/prefix, with options as ?name=value."


def open_staging(where: str | StagingConfig, **options: Any) -> StagingProvider:
    """The provider for a URL or a configuration; ``options`` override its fields.

    URLs: ``memory:[area]``, ``file:///path``, ``s3://bucket/prefix``; a query string sets further
    fields, but never secrets. No connection is opened; use ``test_connection`` for that.

    Raises:
        ConfigInvalidError: Unknown scheme, unknown option, or a value that does not fit.
    """
    return _build(staging_config(where, **options))


def staging_config(where: str | StagingConfig, **options: Any) -> StagingConfig:
    """The configuration given by a URL or another configuration, and options.

    Raises:
        ConfigInvalidError: As ``open_staging``.
    """
    fields = {**dict(where)} if isinstance(where, BaseModel) else _fields_of(where)
    try:
        return _CONFIG.validate_python({**fields, **options})
    except ValidationError as error:
        raise _invalid(error) from None


def _build(config: StagingConfig) -> StagingProvider:
    if isinstance(config, S3StagingConfig):
        from staging.s3 import S3Staging  # noqa: PLC0415 - boto3 is slow to load

        return S3Staging(config)
    if isinstance(config, LocalStagingConfig):
        from staging.local import LocalStaging  # noqa: PLC0415 - polars is slow to load

        return LocalStaging(config)
    return _memory(config)


def _memory(config: MemoryStagingConfig) -> StagingProvider:
    from staging.memory import MemoryStaging  # noqa: PLC0415 - polars is slow to load

    return MemoryStaging(config)


def _fields_of(url: str) -> dict[str, Any]:
    parts = _split(url)
    fields = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=False))
    if _SECRETS & fields.keys() or "@" in parts.netloc:
        # The URL contains a secret, so the error does not quote it.
        raise ConfigInvalidError("A staging URL must not carry credentials", "Pass them as options.")
    match parts.scheme:
        case "memory":
            return {**fields, "provider": "memory", **({"area": unquote(parts.path)} if parts.path else {})}
        case "file" if parts.netloc in {"", "localhost"} and parts.path:
            return {**fields, "provider": "local", "path": unquote(parts.path)}
        case "s3" if parts.netloc:
            return {**fields, "provider": "s3", "bucket": parts.netloc, "prefix": unquote(parts.path)}
    raise ConfigInvalidError(f"{parts.scheme!r} is not a staging URL scheme, or a part of the URL is missing", _FORMS)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise ConfigInvalidError("The staging URL is malformed", _FORMS) from None


def _invalid(error: ValidationError) -> ConfigInvalidError:
    lines = error.errors(include_input=False, include_url=False)
    fields = [".".join(str(one) for one in line["loc"][1:]) for line in lines]
    problems = [f"{name} ({line['msg']})" if name else line["msg"] for name, line in zip(fields, lines, strict=True)]
    what = f"The staging config is wrong: {', '.join(problems)}"
    return ConfigInvalidError(what, "Correct these fields.", fields=fields)
