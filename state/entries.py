"""Encoding of entries, and the errors for conflicts and invalid values, shared by all drivers and readers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import ValidationError

from contracts.errors import CheckpointConflictError, ConfigInvalidError
from contracts.model import Contract

if TYPE_CHECKING:
    from contracts.model import Json
    from contracts.state import KvKey

ContractT = TypeVar("ContractT", bound=Contract)


def encode(value: Json) -> str:
    """The value as one line of ASCII JSON, so that every character (NUL too) survives every driver.

    Raises:
        TypeError: The value contains something that JSON cannot represent.
    """
    return json.dumps(value, separators=(",", ":"))


def decode(text: str, key: KvKey) -> Json:
    """The value of a stored text.

    Raises:
        ConfigInvalidError: The text was edited and is no longer a JSON object.
    """
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _unreadable(key, "it is not a JSON object")
    return cast("Json", value)


def read_as(kind: type[ContractT], value: object, key: KvKey) -> ContractT:
    """The stored value as an instance of ``kind``.

    Raises:
        ConfigInvalidError: The value was edited: fields are missing, unknown or malformed.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise _unreadable(key, f"as {kind.__name__}: {problems}") from error


def conflict(key: KvKey, expected_version: int, found_version: int) -> CheckpointConflictError:
    """The error for a write that expected another version; ``found_version`` 0 means that there is no entry."""
    return CheckpointConflictError(
        f"The value under {_address(key)} is at version {found_version}, not at {expected_version}",
        "Another writer changed it: load it again, then retry.",
        namespace=key.namespace,
        scope_id=key.scope_id,
        key=key.key,
        expected_version=expected_version,
        found_version=found_version,
    )


def _unreadable(key: KvKey, why: str) -> ConfigInvalidError:
    return ConfigInvalidError(
        f"The value under {_address(key)} cannot be read: {why}",
        "Correct it where it was edited, or reset it.",
        namespace=key.namespace,
        scope_id=key.scope_id,
        key=key.key,
    )


def _address(key: KvKey) -> str:
    return f"{key.key!r} ({key.namespace}/{key.scope_id})"
