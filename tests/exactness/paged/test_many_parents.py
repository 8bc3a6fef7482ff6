"""Thousands of parents at the governor's concurrency, in a process that is killed half-way and begun again."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

from connectors.http.paged import PagedSettings
from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from tests.connectors.ingestion import Ingestion
from tests.exactness.executors import PROVE
from tests.exactness.paged.wiki import FACTORY, Wiki
from tests.exactness.processes import RunProcess

if TYPE_CHECKING:
    from collections.abc import Callable

PARENTS, SLICE_PARENTS = (2_600, 50) if PROVE else (260, 10)
CONCURRENCY = 8


def ingest(order: dict[str, Any], say: Callable[[Any], None]) -> int:
    """One run of the comments, in a process of its own."""
    settings = {"base_url": order["url"], "slice_parents": SLICE_PARENTS, "concurrency": CONCURRENCY}
    source = FACTORY.source(PagedSettings.model_validate(settings))
    sink = PostgresSink(PostgresConfig.model_validate({"url": order["database"]}))
    with Ingestion(source, sink, order["database"], endpoint_id="wiki", sink_id="raw") as ingestion:
        summary = ingestion.run("comments")
    say({"resumed": summary.resumed, "before": summary.slices_done_before, "slices": summary.slices_done})
    return 0


def lists_read(wiki: Wiki) -> Counter[str]:
    """How often the first page of each list was asked for."""
    return Counter(one.path for one in wiki.requests_to("/comments") if "after" not in one.query)


def test_a_run_that_is_killed_half_way_repeats_only_the_slices_in_hand(database):
    with Wiki(pages=PARENTS, latency_s=0.02) as wiki:
        process = RunProcess(ingest, {"url": wiki.url, "database": database})

        def kill_at_the_half(_target: str) -> None:
            if len(wiki.requests) > PARENTS // 2 + PARENTS // 10:
                wiki.on_request = lambda _later: None
                process.kill()

        wiki.on_request = kill_at_the_half
        assert process.wait(120) == -signal.SIGKILL
        before = lists_read(wiki)
        most_at_once = max(one.at_once for one in wiki.requests_to("/comments"))
        wiki.requests.clear()

        again = RunProcess(ingest, {"url": wiki.url, "database": database})
        assert again.wait(240) == 0, again.said
        after = lists_read(wiki)
        truth = wiki.truth()

    (said,) = again.said
    assert most_at_once == CONCURRENCY
    assert said["resumed"]
    repeated = sum(path in after for path in before)
    in_hand = 2  # UnitPolicy.parallel_slices
    # One slice more may have been read and not yet written.
    assert repeated <= (in_hand + 1) * SLICE_PARENTS, (repeated, said)
    assert len(before) + len(after) - repeated == PARENTS
    sink = PostgresSink(PostgresConfig.model_validate({"url": database}))
    source = FACTORY.source(PagedSettings(base_url="http://127.0.0.1:9"))
    with Ingestion(source, sink, database, endpoint_id="wiki", sink_id="raw") as look:
        assert set(look.query("SELECT page_id, id::bigint, text FROM wiki.comments")) == truth
