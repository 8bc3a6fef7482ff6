"""The lists of a lending service."""

from __future__ import annotations

from connectors.http.paged import ApiUnit, Column

UNITS = (
    ApiUnit(
        "books",
        "Books",
        description="A book that is or was on the shelf",
        columns=(
            Column("id", "int64"),
            Column("title"),
            Column("author_id", "int64"),
            Column("price", "decimal(10,2)", comment="What a lost copy costs"),
            Column("rating", "float64"),
            Column("pages", "int32"),
            Column("published_on", "date"),
            Column("lendable", "bool"),
            Column("summary"),
            Column("publisher", at="/publisher/name"),
            Column("tags", "json"),
            Column("updated_at", "timestamptz"),
            Column("raw", "json", at=""),
        ),
        primary_key=("id",),
        cursor="updated_at",
        windows=True,
        keys_only=True,
    ),
    ApiUnit(
        "authors",
        "Authors",
        description="Somebody who wrote a book",
        columns=(Column("id", "int64"), Column("name"), Column("born", "int32"), Column("alive", "bool")),
        primary_key=("id",),
    ),
    ApiUnit(
        "loans",
        "Loans",
        description="A book in somebody's hands",
        columns=(
            Column("id", "int64"),
            Column("book_id", "int64"),
            Column("reader"),
            Column("due_on", "date"),
            Column("returned", "bool"),
            Column("fine", "decimal(10,3)"),
            Column("updated_at", "timestamptz"),
        ),
        primary_key=("id",),
        cursor="updated_at",
    ),
)
