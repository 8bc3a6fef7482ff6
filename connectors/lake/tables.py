"""What the difference and the census ask of a table, whatever its format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

LiveT = TypeVar("LiveT")
MadeT = TypeVar("MadeT")


class LakeTable(Protocol):
    """A table and whose rows of it are meant."""

    @property
    def key(self) -> tuple[str, ...]:
        """Key columns."""
        ...

    @property
    def identity(self) -> tuple[str, ...]:
        """Columns that say which source row a row is; the key, or the source's id in a shared table."""
        ...

    @property
    def tombstone(self) -> str:
        """The column that says when a row was found gone."""
        ...

    @property
    def owner(self) -> str | None:
        """In a table that several endpoints share: the endpoint whose rows are meant."""
        ...

    @property
    def dataset(self) -> str | None:
        """In such a table: the dataset whose rows are meant."""
        ...

    @property
    def volatile(self) -> tuple[str, ...]:
        """Columns that do not make two rows different."""
        ...

    def owned(self) -> pl.Expr:
        """Rows that are meant."""
        ...

    def live(self, present: set[str]) -> pl.Expr:
        """Those that are not tombstoned, where the table has these columns."""
        ...

    def looked_at(self, present: set[str]) -> list[str]:
        """Columns by which a row is found."""
        ...


class TableFiles(Protocol[LiveT, MadeT]):
    """The files of one state of a table."""

    @property
    def columns(self) -> Mapping[str, pl.DataType | None]:
        """Type by column; None for one that the sink does not write."""
        ...

    def live(self) -> list[LiveT]:
        """Files whose rows count."""
        ...

    def read(self, file: LiveT, names: Sequence[str] | None = None) -> pl.DataFrame:
        """A file's rows, or these columns of them."""
        ...

    def write(self, frame: pl.DataFrame) -> list[MadeT]:
        """New files with these rows, not part of the table yet."""
        ...

    def dropped(self, file: LiveT) -> MadeT:
        """What a commit is told that takes the file out of the table."""
        ...
