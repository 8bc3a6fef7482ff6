"""Whose the target of a copy is: nothing of somebody else is written, removed or widened."""

from __future__ import annotations

import pytest

from tests.cli.command import fails, succeeds


@pytest.fixture
def others(source):
    """A second table at the source, with one key in common with the first and another column."""
    source.run(
        "CREATE TABLE others (id int PRIMARY KEY, word text, more int,"
        " changed timestamptz NOT NULL DEFAULT now());"
        "INSERT INTO others SELECT i, 'other', 1 FROM generate_series(100, 109) i"
    )
    return "others"


def test_the_table_of_another_unit_is_refused_until_it_is_taken_over(source, sink, numbers, others):
    first = ("copy", source.url, numbers, sink.url, "public.t")
    second = ("copy", source.url, others, sink.url, "public.t", "--max-delete-fraction", "1")
    succeeds(*first)
    before = sink.rows("t")
    error = fails("E_SINK_OWNER", *second)
    assert "unit 'public.numbers'" in error["message"]
    assert "--adopt" in error["hint"]
    assert (error["facts"]["owner_unit_id"], error["facts"]["unit_id"]) == ("public.numbers", "public.others")
    assert sink.rows("t") == before
    assert sink.run("SELECT count(*) FROM information_schema.columns WHERE table_name = 't'") == "3"

    # What the ledger knows of an earlier time does not speak for rows that somebody else has written since.
    run = succeeds(*second, "--incremental", "changed", "--adopt")["run"]
    assert (run["mode"], run["rows_inserted"], run["rows_updated"], run["rows_deleted"]) == ("full", 9, 1, 99)
    assert succeeds(*second, "--adopt")["run"]["rows_unchanged"] == 10
    assert "unit 'public.others'" in fails("E_SINK_OWNER", *first)["message"]
    assert sink.run("SELECT count(*), min(id) FROM t") == "10|100"


def test_rows_that_no_run_wrote_are_refused_and_an_empty_table_is_not(source, sink, numbers, others):
    sink.run(
        "CREATE TABLE numbers (id int PRIMARY KEY, word text, changed timestamptz); INSERT INTO numbers VALUES (0)"
    )
    command = ("copy", source.url, numbers, sink.url)
    error = fails("E_SINK_OWNER", *command)
    assert (error["facts"]["table"], error["facts"]["owner"]) == ('"public"."numbers"', None)
    assert sink.run("SELECT id, word FROM numbers") == "0|"
    sink.run("TRUNCATE numbers")
    assert succeeds(*command)["run"]["rows_inserted"] == 100
    sink.run("TRUNCATE numbers")
    assert succeeds(*command)["run"]["rows_inserted"] == 100, "emptied by hand, and still its own"
    sink.run("TRUNCATE numbers")
    assert succeeds("copy", source.url, others, sink.url, numbers)["run"]["rows_inserted"] == 10, "free again"
    sink.run("DROP TABLE numbers")
    assert succeeds(*command)["run"]["rows_inserted"] == 100


def test_tables_of_a_version_that_recorded_no_owners(source, sink, numbers, others):
    command = ("copy", source.url, numbers, sink.url)
    succeeds(*command)
    sink.run("DROP TABLE nucleus.targets")
    assert "unit 'public.numbers'" in fails("E_SINK_OWNER", "copy", source.url, others, sink.url, numbers)["message"]
    assert succeeds(*command)["run"]["rows_unchanged"] == 100
    assert (
        sink.run("SELECT target_schema, target_name, unit_id FROM nucleus.targets") == "public|numbers|public.numbers"
    )
