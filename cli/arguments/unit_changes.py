"""A unit's config with the options of one command line put in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from pydantic import ValidationError

from cli.arguments.values import predicate, size_bytes, table_name
from contracts.unit import UnitConfig, UnitPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def changed(
    config: UnitConfig, settings: Mapping[str, Any], policy: Mapping[str, Any], unset: Sequence[str] = ()
) -> UnitConfig:
    """The config with settings and policy fields replaced; an empty text clears what can be empty.

    Args:
        config: What was set before.
        settings: Fields of the config.
        policy: Fields of the policy; each overrides the unit's default, also with the value most units have.
        unset: Fields of the policy that go back to the unit's default.

    Raises:
        typer.BadParameter: A value has no meaning.
    """
    cleared = {name: None if value == "" else value for name, value in settings.items()}
    if unknown := [name for name in unset if name not in UnitPolicy.model_fields]:
        raise typer.BadParameter(f"{unknown[0]!r} is no field of the policy: {', '.join(UnitPolicy.model_fields)}")
    before = config.policy.model_dump(exclude_unset=True)
    values: dict[str, Any] = {name: value for name, value in before.items() if name not in unset}
    for name, value in policy.items():
        values |= _field(name, value)
    try:
        return UnitConfig.model_validate({**config.model_dump(), **cleared, "policy": values})
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)]
        raise typer.BadParameter("; ".join(lines)) from None


def selectors(given: Sequence[str]) -> dict[str, str | list[str]]:
    """``NAME=VALUE`` options by name; a name that is given several times holds a list.

    Raises:
        typer.BadParameter: One has no ``=``.
    """
    parsed: dict[str, str | list[str]] = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not (name and sign):
            raise typer.BadParameter(f"{each!r} is not NAME=VALUE")
        there = parsed.get(name)
        parsed[name] = value if there is None else [*([there] if isinstance(there, str) else there), value]
    return parsed


def _field(name: str, value: Any) -> dict[str, Any]:
    if name == "filter":
        return {name: [predicate(each).model_dump() for each in value if each]}
    if name == "selectors":
        return {name: selectors([each for each in value if each])}
    if name == "target_slice_bytes":
        return {name: size_bytes(value)}
    if name == "target":
        namespace, table = table_name(value, None) if value else (None, None)
        return {"target_namespace": namespace, "target_name": table}
    if isinstance(value, list):
        return {name: [each for each in value if each]}
    return {name: value}
