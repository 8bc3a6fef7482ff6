"""The scorecard as a page a person likes to read: self-contained, and good on paper."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from connector_kit.checks.check import Finding, Verdict

def page_of(
    title: str, unit: str, counts: Mapping[Verdict, int], findings: Sequence[Finding], moment: datetime
) -> str:
    """The page."""
    return title
