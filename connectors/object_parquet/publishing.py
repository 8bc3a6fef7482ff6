"""Tables for engines that know nothing of manifests: lists of live files as Hive, Trino, Athena and Spark read them.

``SymlinkTextInputFormat`` reads, in the folder it is given, files of one URI per line. A table whose live files are all
in folders of one column (``column=value``) gets such a folder for each value; any other table gets one for all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from connectors.lake.objects import Objects
    from connectors.object_parquet.manifests import TableState

LISTS = "_symlink_format_manifest"
INPUT_FORMAT = "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat"
OUTPUT_FORMAT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
_HIVE: dict[str, str] = {
    "Boolean": "boolean", "Int16": "smallint", "Int32": "int", "Int64": "bigint", "Float32": "float",
    "Float64": "double", "Binary": "binary", "Date": "date", "Datetime": "timestamp", "DatetimeUTC": "timestamp",
    "String": "string",
}  # fmt: skip


class Partition(NamedTuple):
    """The live files of one value.

    Attributes:
        value: As text; ``__HIVE_DEFAULT_PARTITION__`` for none.
        folder: ``column=value`` as it is spelled in keys; empty where the table has no partitions.
        paths: Of files, relative to the table.
    """

    value: str
    folder: str
    paths: tuple[str, ...]


class HiveTable(NamedTuple):
    """A table as Hive sees it.

    Attributes:
        columns: Hive's type by column; a partition's column is none of them, although the files have it.
        partition: Its column, or None.
        partitions: The lists of files: one, or one for each value.
    """

    columns: dict[str, str]
    partition: str | None
    partitions: tuple[Partition, ...]


def hive_table(state: TableState) -> HiveTable:
    """What Hive is to see of a state of the table."""
    columns = {name: _HIVE.get(stored, stored.lower()) for name, (_, stored) in state.columns.items()}
    folders: dict[str, list[str]] = {}
    for path in sorted(state.files):
        folders.setdefault("/".join(path.split("/")[1:-1]), []).append(path)
    names = {folder.partition("=")[0] for folder in folders}
    if not folders or "" in names or len(names) > 1:
        return HiveTable(columns, None, (Partition("", "", tuple(sorted(state.files))),))
    column = unquote(names.pop())
    columns.pop(column, None)
    values = (Partition(unquote(each.partition("=")[2]), each, tuple(paths)) for each, paths in folders.items())
    return HiveTable(columns, column, tuple(values))


def publish(objects: Objects, folder: str, state: TableState) -> HiveTable:
    """Write the lists of live files, and remove those of values that no row has any more."""
    table = hive_table(state)
    written = set()
    for each in table.partitions:
        key = f"{place(folder, each)}/manifest"
        lines = [objects.uri(f"{folder}/{path}") for path in each.paths]
        objects.put(key, "".join(f"{line}\n" for line in lines).encode())
        written.add(key)
    objects.delete([entry.key for entry in objects.list(f"{folder}/{LISTS}/") if entry.key not in written])
    return table


def place(folder: str, partition: Partition | None = None) -> str:
    """Where the lists of a table are, or a partition's list."""
    within = f"/{partition.folder}" if partition is not None and partition.folder else ""
    return f"{folder}/{LISTS}{within}"


def hive_text(objects: Objects, folder: str, state: TableState, name: str) -> str:
    """Statements of Hive, Athena or Trino's Hive connector over the lists (not part of our tests)."""
    table = hive_table(state)
    columns = ", ".join(f"`{column.replace('`', '``')}` {kind}" for column, kind in table.columns.items())
    by = f"PARTITIONED BY (`{table.partition.replace('`', '``')}` string) " if table.partition else ""
    made = (
        f"CREATE EXTERNAL TABLE {name} ({columns}) {by}ROW FORMAT SERDE '{SERDE}' "
        f"STORED AS INPUTFORMAT '{INPUT_FORMAT}' OUTPUTFORMAT '{OUTPUT_FORMAT}' "
        f"LOCATION '{objects.uri(place(folder))}'"
    )
    return f"{made}; MSCK REPAIR TABLE {name}" if by else made
