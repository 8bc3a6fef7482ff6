"""Rows that have landed, page by page, for people who look at them; never for a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pydantic import Field

from contracts.model import Contract
from contracts.unit import Predicate

if TYPE_CHECKING:
    from contracts.mapping import CdmModel
    from contracts.plan import IngestionPlan
    from contracts.staging import Batch

MOST_PAGE_ROWS = 200
"""Rows of one page."""


class RowPage(Contract):
    """Which rows are wanted."""

    where: tuple[Predicate, ...] = ()
    search: str = ""
    """Text that a row contains somewhere, in either case."""
    limit: int = Field(50, ge=1, le=MOST_PAGE_ROWS + 1)
    offset: int = Field(0, ge=0)


@runtime_checkable
class SupportsLandedRows(Protocol):
    """The sink can show the rows that a unit landed in it."""

    def landed_rows(self, plan: IngestionPlan, page: RowPage) -> Batch:
        """Live rows of the plan's target that belong to its unit, in the order of their key; every value as text.

        Raises:
            SinkNotProvisionedError: There is no such table.
            FilterNotSupportedError: A condition names no column, or its value does not fit.
        """
        ...


@runtime_checkable
class SupportsModelRows(Protocol):
    """The sink can show the rows of a common model, of all endpoints."""

    def model_rows(self, model: CdmModel, page: RowPage) -> Batch:
        """Live rows of the model's table in the order of their key; every value as text. Raises as ``landed_rows``."""
        ...

    def model_values(self, model: CdmModel, column: str, limit: int) -> tuple[str, ...]:
        """Values that the column has in live rows, in order, at most so many; raises as ``landed_rows``."""
        ...
