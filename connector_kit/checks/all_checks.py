"""All checks, by id, in the order in which a scorecard shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.checks import (
    capabilities,
    catalog,
    checkpoints,
    clocks,
    edges,
    faults,
    fields,
    incremental,
    logins,
    memory,
    narrowing,
    pages,
    parts,
    plans,
    resume,
    schemas,
    secrecy,
    values,
)
from contracts.errors import ConfigInvalidError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector_kit.checks.check import Check

ADDED_TO_GROUPS = (edges, fields, logins, narrowing, parts)
"""Modules whose checks belong to the groups of others: importing them adds the checks."""
GROUPS = tuple(
    module.GROUP
    for module in (
        capabilities, catalog, plans, schemas, values, pages, incremental, checkpoints, resume, faults, clocks, memory,
        secrecy,
    )
)  # fmt: skip
CHECKS: dict[str, Check] = {check.check_id: check for group in GROUPS for check in group.checks}
TITLES = {group.name: group.title for group in GROUPS}


def group_of(check: Check) -> str:
    """Name of the check's group."""
    return check.check_id.partition(".")[0]


def chosen(only: Iterable[str] | None = None) -> list[Check]:
    """All checks, or those of these ids or groups.

    Raises:
        ConfigInvalidError: There is no such check or group.
    """
    if only is None:
        return list(CHECKS.values())
    wanted = set(only)
    if unknown := sorted(wanted - set(CHECKS) - set(TITLES)):
        raise ConfigInvalidError(
            f"There is no check {unknown[0]!r}", f"Groups are {', '.join(TITLES)}.", known=sorted(CHECKS)
        )
    return [check for check in CHECKS.values() if check.check_id in wanted or group_of(check) in wanted]
