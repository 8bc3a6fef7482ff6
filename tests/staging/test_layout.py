from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.staging import StagingContext
from staging import layout

IDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def context_of(workspace: str, endpoint: str, run: str, sequence: int, attempt: str) -> StagingContext:
    return StagingContext(
        workspace_id=workspace,
        endpoint_id=endpoint,
        unit_id="u",
        run_id=run,
        slice_key="s",
        sequence=sequence,
        attempt=attempt,
    )


def test_the_keys_are_the_documented_ones():
    session = layout.session_key(context_of("acme", "pg-1", "run 7", 12, "a"))
    assert session == "ingestion/acme/pg-1/run%207/12/a/"
    assert layout.part_key(session, 3) == session + "part-00003.parquet"
    assert layout.manifest_key(session) == session + "manifest.json"
    assert layout.success_key(session) == session + "_SUCCESS"
    assert layout.consumed_key(session) == session + "_CONSUMED"


@given(st.tuples(IDS, IDS, IDS, st.integers(), IDS), st.sampled_from(["", "a/b/"]))
def test_any_ids_make_one_segment_each_and_come_back(ids, root):
    session = layout.session_key(context_of(*ids), root)
    segments = session.removeprefix(root).split("/")
    assert len(segments) == 7
    assert not {"", ".", ".."} & set(segments[:-1])
    assert session.isascii()
    assert layout.parse_session(session, root) == ids
    assert layout.session_of(layout.part_key(session, 0)) == session


@given(IDS, IDS)
def test_different_ids_make_different_keys(one, other):
    keys = {layout.session_key(context_of("w", each, "r", 0, "1")) for each in (one, other)}
    assert len(keys) == len({one, other})


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "ingestion/",
        "ingestion/w/e/r/0/",
        "ingestion/w/e/r/0/1",
        "ingestion/w/e/r/0/1/2/",
        "ingestion/w/e/r/zero/1/",
        "ingestion/w/e/../0/1/",
        "ingestion/w//r/0/1/",
        "ingestion/w/%65/r/0/1/",
        "ingestion/w/%ff/r/0/1/",
        "ingestion/w/a b/r/0/1/",
        "other/w/e/r/0/1/",
        "/ingestion/w/e/r/0/1/",
    ],
)
def test_anything_else_is_not_a_session(key):
    assert layout.parse_session(key) is None
    assert layout.parse_session(key, "ingestion/") is None


def test_a_probe_belongs_to_no_session():
    assert layout.parse_session(layout.session_of(layout.probe_key("x"))) is None
