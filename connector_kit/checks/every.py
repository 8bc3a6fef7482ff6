"""All checks, by id, in the order in which a scorecard shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.checks import pages, plans

if TYPE_CHECKING:
    from connector_kit.checks.check import Check

GROUPS = (plans.GROUP, pages.GROUP)
CHECKS: dict[str, Check] = {check.check_id: check for group in GROUPS for check in group.checks}
TITLES = {group.name: group.title for group in GROUPS}


def group_of(check: Check) -> str:
    """Name of the check's group."""
    return check.check_id.partition(".")[0]
