"""A table in an AWS Glue Data Catalog, over the lists of live files that ``publishing`` writes.

AWS Glue web API reference: ``CreateTable``, ``UpdateTable``, ``GetPartitions``, ``BatchCreatePartition`` (100 at a
time), ``BatchDeletePartition`` (25). Names of tables and columns are in lower case, as Hive has them.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from connectors.object_parquet.publishing import INPUT_FORMAT, OUTPUT_FORMAT, SERDE, place
from contracts.errors import ConfigInvalidError, SinkNameError, SinkWriteFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from connectors.lake.objects import Objects
    from connectors.object_parquet.config import ParquetConfig
    from connectors.object_parquet.publishing import HiveTable, Partition
    from connectors.object_parquet.target import ParquetTable

_CREATED_AT_ONCE, _DELETED_AT_ONCE = 100, 25
_UNSAFE = re.compile(r"[^a-z0-9_]")


class GlueTables:
    """Tables of one Glue database.

    Args:
        config: Credentials and region, which are the bucket's.
        database: Its name.
    """

    def __init__(self, config: ParquetConfig, database: str) -> None:
        self._config, self._database = config, database

    def check(self) -> None:
        """Look for the database.

        Raises:
            ConfigInvalidError: There is none.
            UpsertError: A subclass for each cause: unreachable, authentication, privileges.
        """
        with self._translated("read the database"):
            self._client.get_database(Name=self._database)

    def require_names(self, target: ParquetTable) -> None:
        """Refuse a table before anything is written to it.

        Raises:
            SinkNameError: Two columns are the same in lower case.
        """
        names = [name.lower() for name in target.wanted]
        if len({*names}) < len(names):
            raise SinkNameError(
                f"{target} has columns that are the same in lower case, which Glue cannot tell apart",
                "Rename one of them, or leave glue_database empty.",
                columns=sorted(name for name in names if names.count(name) > 1),
            )

    def register(self, objects: Objects, target: ParquetTable, table: HiveTable) -> None:
        """Make or update the table and its partitions; what is registered and has no rows any more is removed.

        Raises:
            ConfigInvalidError: There is no such database.
            UpsertError: A subclass for each cause: unreachable, authentication, privileges.
        """
        name = table_name(target)
        described = self._described(objects, target, table, name)
        with self._translated(f"register the table {name}"):
            try:
                before = self._client.get_table(DatabaseName=self._database, Name=name)["Table"]
            except self._client.exceptions.EntityNotFoundException:
                self._client.create_table(DatabaseName=self._database, TableInput=described)
            else:
                if _columns(before.get("PartitionKeys", ())) != _columns(described["PartitionKeys"]):
                    # Glue cannot change the keys of a table. The entry is only a description: it is made anew.
                    self._client.delete_table(DatabaseName=self._database, Name=name)
                    self._client.create_table(DatabaseName=self._database, TableInput=described)
                else:
                    self._client.update_table(DatabaseName=self._database, TableInput=described)
            if table.partition is not None:
                self._set_partitions(objects, target, table, described)

    def _set_partitions(
        self, objects: Objects, target: ParquetTable, table: HiveTable, described: dict[str, Any]
    ) -> None:
        address = {"DatabaseName": self._database, "TableName": described["Name"]}
        pages = self._client.get_paginator("get_partitions").paginate(**address)
        known = {each["Values"][0]: each["StorageDescriptor"] for page in pages for each in page["Partitions"]}
        wanted = {each.value: _storage(objects, target, described, each) for each in table.partitions}
        same = {value for value in known if value in wanted and _is_same(known[value], wanted[value])}
        stale = [value for value in known if value not in same]
        for some in _in_parts(stale, _DELETED_AT_ONCE):
            values = [{"Values": [value]} for value in some]
            _require_none_failed(self._client.batch_delete_partition(**address, PartitionsToDelete=values))
        missing = [value for value in wanted if value not in same]
        for some in _in_parts(missing, _CREATED_AT_ONCE):
            made = [{"Values": [value], "StorageDescriptor": wanted[value]} for value in some]
            _require_none_failed(self._client.batch_create_partition(**address, PartitionInputList=made))

    def _described(self, objects: Objects, target: ParquetTable, table: HiveTable, name: str) -> dict[str, Any]:
        columns = [{"Name": column.lower(), "Type": kind} for column, kind in table.columns.items()]
        keys = [] if table.partition is None else [{"Name": table.partition.lower(), "Type": "string"}]
        return {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
            "PartitionKeys": keys,
            "StorageDescriptor": {
                "Columns": columns,
                "Location": objects.uri(place(target.folder)),
                "InputFormat": INPUT_FORMAT,
                "OutputFormat": OUTPUT_FORMAT,
                "SerdeInfo": {"SerializationLibrary": SERDE},
            },
        }

    @cached_property
    def _client(self) -> Any:
        from connectors.lake.s3 import session_of  # noqa: PLC0415 - boto3, for buckets only

        url = self._config.glue_endpoint_url
        return session_of(url, self._config.region, self._config.keys).client("glue", endpoint_url=url)

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        from botocore import exceptions as boto  # noqa: PLC0415

        from connectors.lake.s3 import translate  # noqa: PLC0415

        try:
            yield
        except (boto.ClientError, boto.BotoCoreError) as error:
            if isinstance(error, boto.ClientError) and error.response["Error"]["Code"] == "EntityNotFoundException":
                raise ConfigInvalidError(
                    f"There is no Glue database {self._database!r}", "Create it, or correct glue_database."
                ) from error
            raise translate(error, f"{verb} in the Glue database {self._database!r}") from error


def table_name(target: ParquetTable) -> str:
    """The table's name in Glue: namespace and name in lower case, other characters as underscores."""
    return _UNSAFE.sub("_", f"{target.namespace}_{target.name}".lower())


def _storage(objects: Objects, target: ParquetTable, described: dict[str, Any], each: Partition) -> dict[str, Any]:
    return {**described["StorageDescriptor"], "Location": objects.uri(place(target.folder, each))}


def _is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """As far as we say it: Glue answers with more."""
    same_place = one.get("Location") == other["Location"]
    return same_place and _columns(one.get("Columns", ())) == _columns(other["Columns"])


def _columns(described: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["Name"], each.get("Type", "")) for each in described]


def _in_parts(values: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _require_none_failed(answer: dict[str, Any]) -> None:
    """Of a batch, each entry can fail by itself; what another writer did at the same time is as good.

    Raises:
        SinkWriteFailedError: One failed for another reason.
    """
    meanwhile = {"AlreadyExistsException", "EntityNotFoundException"}
    failed = [each for each in answer.get("Errors", ()) if each["ErrorDetail"]["ErrorCode"] not in meanwhile]
    if failed:
        raise SinkWriteFailedError(
            f"Glue refused {len(failed)} partition(s): {failed[0]['ErrorDetail'].get('ErrorMessage', '')}", "Run again."
        )
