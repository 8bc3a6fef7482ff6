"""The collection of a database's catalog, divided by schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.errors import ConfigInvalidError
from contracts.metadata import WHOLE, MetadataJob

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_JOBS = 8
"""Each has a connection of its own."""
_SHOWN = 3


def jobs_of(schemas: Sequence[str]) -> tuple[MetadataJob, ...]:
    """One job for each schema, or for each of eight groups of them; one for everything where there is at most one."""
    if len(schemas) <= 1:
        return (WHOLE,)
    groups = [sorted(schemas)[first::MOST_JOBS] for first in range(min(MOST_JOBS, len(schemas)))]
    return tuple(
        MetadataJob(job_id=f"schemas-{number}", title=_title(each), namespaces=tuple(each))
        for number, each in enumerate(groups)
    )


def require_some_schema(include: Sequence[str], exclude: Sequence[str]) -> None:
    """Refuse settings that leave no schema.

    Raises:
        ConfigInvalidError: Nothing is included, or everything is excluded.
    """
    if not include or "*" in exclude:
        raise ConfigInvalidError(
            "These settings leave no schema to catalogue", "Correct include_schemas and exclude_schemas."
        )


def _title(schemas: Sequence[str]) -> str:
    if len(schemas) == 1:
        return f"schema {schemas[0]}"
    more = f" and {len(schemas) - _SHOWN} more" if len(schemas) > _SHOWN else ""
    return f"schemas {', '.join(schemas[:_SHOWN])}{more}"
