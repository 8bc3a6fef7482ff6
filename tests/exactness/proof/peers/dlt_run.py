"""One incremental run of dlt over the proof's table; runs in an environment of its own that has dlt and nothing of ours.

As dlt's documentation has it: an incremental cursor, merge by the primary key, the pipeline's state in its folder.
Prints "ready", then the outcome, as JSON.
"""

import json
import resource
import sys

import dlt
from dlt.sources.sql_database import sql_table

FAILED = 3


def main() -> int:
    """Exit code 3 when the run failed, with the name of the error printed."""
    source_url, sink_url, folder, most_bytes = sys.argv[1:]
    table = sql_table(
        credentials=source_url.replace("postgresql://", "postgresql+psycopg2://", 1),
        table="moved",
        schema="public",
        incremental=dlt.sources.incremental("changed_at"),
        primary_key="id",
        write_disposition={"disposition": "merge", "strategy": "upsert"},
    )
    pipeline = dlt.pipeline(
        "proof", destination=dlt.destinations.postgres(sink_url), dataset_name="copy", pipelines_dir=folder
    )
    say("ready")
    if int(most_bytes):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(most_bytes), resource.RLIM_INFINITY))
    try:
        pipeline.run(table)
    except Exception as error:
        say({"code": type(error).__name__, "message": str(error)[:500], "retryable": True})
        return FAILED
    counts = pipeline.last_trace.last_normalize_info.row_counts if pipeline.last_trace.last_normalize_info else {}
    say({"rows_staged": sum(rows for name, rows in counts.items() if not name.startswith("_dlt"))})
    return 0


def say(what: object) -> None:
    """A line of JSON."""
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    sys.exit(main())
