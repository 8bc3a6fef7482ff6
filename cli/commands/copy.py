"""``nucleus copy``: one table from URL to URL, without registering anything and without a server."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments.options import (
    MAX_DELETE_FRACTION,
    ON_GONE,
    PARALLEL,
    SLICE_SIZE,
    AdoptFlag,
    FreshFlag,
    Gone,
    JsonFlag,
    KeyColumns,
)
from cli.terminal.output import Output

if TYPE_CHECKING:
    from contracts.unit import UnitPolicy

SMALLEST_SLICE_BYTES = 64 * 1024


def copy(  # noqa: PLR0913 - every one is an option of the command
    source_url: Annotated[
        str,
        typer.Argument(metavar="SOURCE_URL", help="URL of the source, as postgresql://user@host/database."),
    ],
    table: Annotated[str, typer.Argument(metavar="TABLE", help='table or schema.table, as written; "a.b" quotes.')],
    sink_url: Annotated[str, typer.Argument(metavar="SINK_URL", help="URL of the sink, in the same form.")],
    target: Annotated[
        str | None, typer.Argument(metavar="TABLE", help="Table to write to; the same name when left out.")
    ] = None,
    *,
    incremental: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Read only what changed, by this column. Repeatable."),
    ] = None,
    key: KeyColumns = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help='Only rows like "n>=5", "x is null", "k in a,b". Repeatable.'),
    ] = None,
    parallel: Annotated[int, PARALLEL] = 2,
    slice_size: Annotated[str, SLICE_SIZE] = "32MiB",
    staging: Annotated[
        str | None,
        typer.Option(help="file:///folder, s3://bucket/prefix or memory:; else a temporary folder."),
    ] = None,
    on_gone: Annotated[Gone, ON_GONE] = "delete",
    max_delete_fraction: Annotated[float, MAX_DELETE_FRACTION] = 0.5,
    verify: Annotated[bool, typer.Option("--verify", help="Compare content afterwards, by slice.")] = False,
    fresh: FreshFlag = False,
    adopt: AdoptFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Copy one table from database to database, exactly. Run again: continue, or bring up to date.

    No registration and no server. A password may come from PGPASSWORD or a pgpass file.
    """
    from cli.terminal.summary import summary_table, verify_json, verify_words
    from cli.url_copy import CopyOrder, opened, staging_area
    from flows.stages.verify import refuse_differences

    out = Output(as_json=as_json)
    policy = _policy(incremental, key, where, slice_size).model_copy(
        update={"parallel_slices": parallel, "on_gone": on_gone, "max_delete_fraction": max_delete_fraction}
    )
    order = CopyOrder(
        source_url, table, sink_url, target, "incremental" if incremental else "full", policy, staging, fresh, adopt
    )
    with opened(order) as job, staging_area(order.staging) as area:
        summary = job.run(area, out)
        report = job.verify() if verify else None
    if report is not None:
        refuse_differences(report)
    checked = {"verify": verify_json(report)} if report else {}
    words = [verify_words(report)] if report else []
    out.show({"run": summary.model_dump(mode="json"), **checked}, summary_table(summary), *words)


def _policy(
    incremental: list[str] | None, key: list[str] | None, where: list[str] | None, slice_size: str
) -> "UnitPolicy":
    from cli.arguments.values import predicate, size_bytes
    from contracts.unit import UnitPolicy

    size = size_bytes(slice_size)
    if size < SMALLEST_SLICE_BYTES:
        raise typer.BadParameter("--slice-size must be 64KiB or more.")
    return UnitPolicy(
        cursor_columns=tuple(incremental or ()),
        key_columns=tuple(key or ()),
        filter=tuple(predicate(each) for each in where or ()),
        target_slice_bytes=size,
    )
