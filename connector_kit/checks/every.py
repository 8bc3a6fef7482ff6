"""All checks, by id, in the order in which a scorecard shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.checks import (
    capabilities,
    catalog,
    clocks,
    faults,
    increments,
    memory,
    pages,
    plans,
    resume,
    schemas,
    secrecy,
    states,
    values,
)

if TYPE_CHECKING:
    from connector_kit.checks.check import Check

GROUPS = tuple(
    module.GROUP
    for module in (
        capabilities, catalog, plans, schemas, values, pages, increments, states, resume, faults, clocks, memory,
        secrecy,
    )
)  # fmt: skip
CHECKS: dict[str, Check] = {check.check_id: check for group in GROUPS for check in group.checks}
TITLES = {group.name: group.title for group in GROUPS}


def group_of(check: Check) -> str:
    """Name of the check's group."""
    return check.check_id.partition(".")[0]
