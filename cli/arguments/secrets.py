"""Config values from the command line; secrets only by the place where they are kept, never by value."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.arguments.values import json_or_text, pair
from cli.terminal.redaction import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from contracts.endpoint import FieldDescriptor

_HOW = "Write --secret {0}=env:NAME, --secret {0}=file:PATH or --secret {0}=prompt."


def config_of(settings: Iterable[str], secrets: Iterable[str], fields: Sequence[FieldDescriptor]) -> dict[str, Any]:
    """The config that ``--set`` and ``--secret`` options stand for; the template judges unknown names.

    Raises:
        typer.BadParameter: A secret was given by value, or cannot be found; no value is repeated.
    """
    by_name = {field.name: field for field in fields}
    config: dict[str, Any] = {}
    for text in settings:
        name, value = pair(text, "--set")
        if name in by_name and by_name[name].secret:
            raise typer.BadParameter(f"{name} is a secret and not taken by --set. {_HOW.format(name)}")
        config[name] = _typed(value, by_name.get(name))
    for text in secrets:
        name, place = pair(text, "--secret")
        config[name] = _secret(name, place)
    return config


def masked(config: Mapping[str, Any], fields: Sequence[FieldDescriptor]) -> dict[str, Any]:
    """The config for showing: what is not known to be harmless is stars."""
    harmless = {field.name for field in fields if not field.secret}
    return {
        name: value if name in harmless or value is None else MASK
        for name, value in sorted(config.items())
        if value is not None
    }


def _typed(value: str, field: FieldDescriptor | None) -> Any:
    if field is not None and field.type.startswith("list") and not value.startswith("["):
        return [part.strip() for part in value.split(",") if part.strip()]
    return json_or_text(value) if value.startswith(("[", "{")) else value


def _secret(name: str, place: str) -> str:
    kind, _, where = place.partition(":")
    if place == "prompt":
        return str(typer.prompt(name, hide_input=True, err=True))
    if kind == "env" and where:
        if where not in os.environ:
            raise typer.BadParameter(f"--secret {name}: the environment variable {where} is not set.")
        return os.environ[where]
    if kind == "file" and where:
        return _from_file(name, Path(where))
    raise typer.BadParameter(f"--secret {name}: secrets are never given by value. {_HOW.format(name)}")


def _from_file(name: str, path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"--secret {name}: {path} cannot be read ({type(error).__name__}).") from None
