"""The peer's side of the benchmark; runs in an environment of its own that has dlt and nothing of ours."""

import os
import sys

import dlt
from dlt.sources.sql_database import sql_table


def main() -> None:
    """Load the table of the first URL to the second: a database, ``file:///folder`` or ``iceberg:///folder``.

    With ``load`` as a third argument rows are appended, else they are merged by key.
    """
    source_url, sink_url, *more = sys.argv[1:]
    os.environ["NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION"] = "true"
    table = sql_table(
        credentials=source_url.replace("postgresql://", "postgresql+psycopg2://", 1),
        table="lineitem",
        schema="public",
        backend="connectorx",
        backend_kwargs={"return_type": "arrow_stream", "batch_size": 200_000},
        reflection_level="full_with_precision",
    )
    table.apply_hints(
        primary_key=("l_orderkey", "l_linenumber"), write_disposition={"disposition": "merge", "strategy": "upsert"}
    )
    kind, _, folder = sink_url.partition("://")
    if more == ["load"]:
        table.apply_hints(write_disposition="append")
    if kind == "iceberg":
        table.apply_hints(table_format="iceberg")
    lake = kind in {"file", "iceberg"}
    destination = dlt.destinations.filesystem(f"file://{folder}") if lake else dlt.destinations.postgres(sink_url)
    pipeline = dlt.pipeline(f"lineitem_{kind}", destination=destination, dataset_name="dlt_copy")
    print(pipeline.run(table, loader_file_format="parquet"))


if __name__ == "__main__":
    main()
