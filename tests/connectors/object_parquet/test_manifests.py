"""Manifests under faults, over many commits, and after the cleaning."""

from __future__ import annotations

import os
import time
from itertools import count

import pytest
from botocore.exceptions import ConnectionClosedError

from connectors.lake import local
from connectors.lake.leases import ObjectLeases
from connectors.object_parquet.manifests import Manifest, ManifestLog
from contracts import errors
from tests.conformance.sink_suite import REF, begin, plan_of, reader_of, write
from tests.connectors.object_parquet.places import ParquetBucket, ParquetFolder, answer_puts, answered, folder_of


@pytest.fixture
def lab(tmp_path):
    return ParquetFolder(tmp_path / "lake")


def test_every_state_is_read_as_it_was_committed(lab):
    """Through full manifests, deltas and a reader that never saw the beginning."""
    plan = plan_of(slices=36)
    sink = lab.sink()
    run = begin(sink, plan)
    for piece in plan.slices:
        sink.upsert(run, plan, piece, reader_of([(piece.sequence, "x", 0), (0, "same", 0)]))
    anew = lab.sink()
    assert anew.receipts(run) == sink.receipts(run)
    assert len(anew.receipts(run)) == 36
    assert anew.state(plan).files == sink.state(plan).files
    assert [row[0] for row in lab.rows(plan)] == list(range(36))


def test_of_two_commits_of_one_state_one_is_made(lab):
    sink, plan = lab.sink(), plan_of()
    sink.provision(plan)
    logs = [ManifestLog(sink.place.objects, folder_of(plan)) for _ in range(2)]
    states = [log.load() for log in logs]
    said = Manifest(table_id=states[0].table_id, operation="test")
    made = [log.commit(state, said) for log, state in zip(logs, states, strict=True)]
    assert made[0] is not None
    assert made[1] is None


def test_a_writer_that_slept_through_the_cleaning_cannot_commit(lab):
    plan = plan_of()
    write(lab.sink(), plan, [(1, "a", 1)])
    sleeper = ManifestLog(lab.sink().place.objects, folder_of(plan))
    state = sleeper.load()
    for i in range(36):
        write(lab.sink(), plan, [(1, f"v{i}", 1)])
    long_ago = time.time() - 90_000
    for path in lab.root.rglob("*"):
        if path.is_file():
            os.utime(path, (long_ago, long_ago))
    done = lab.sink().compact(REF)
    assert any("manifests emptied" in line for line in done)
    assert any("36 stray files removed" in line for line in done)
    assert sleeper.commit(state, Manifest(table_id=state.table_id, operation="late")) is None
    assert sleeper.load().files == lab.sink().state(plan).files
    assert lab.rows(plan) == [(1, "v35", 1)]
    assert write(lab.sink(), plan, [(1, "v35", 1)]).rows_unchanged == 1


def test_a_commit_that_fails_after_it_was_made_keeps_its_files(lab, monkeypatch):
    """The disk is full just when the folder of the manifests is synced."""
    sink, plan = lab.sink(), plan_of()
    run = begin(sink, plan)
    sync = local._sync

    def full(folder):
        sync(folder)
        if folder.name == "manifests":
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(local, "_sync", full)
        with pytest.raises(errors.SinkWriteFailedError):
            sink.upsert(run, plan, plan.slices[0], reader_of([(1, "a", 1)]))
    assert lab.rows(plan) == [(1, "a", 1)]
    assert sink.upsert(run, plan, plan.slices[0], reader_of([(1, "a", 1)])).rows_inserted == 1
    assert lab.rows(plan) == [(1, "a", 1)]


def test_a_lease_is_taken_over_when_it_has_expired(lab):
    leases, others = (ObjectLeases(lab.sink().place.objects, "leases") for _ in range(2))
    key = leases._key(REF)
    with leases.exclusive(REF):
        assert others.is_locked(REF)
        with pytest.raises(errors.RunInProgressError), others.exclusive(REF):
            raise AssertionError("two at once")
    assert not others.is_locked(REF)
    assert leases._take(key, "one that dies")
    assert leases._extend(key, "one that dies", -1)
    with others.exclusive(REF):
        assert leases.is_locked(REF)
        assert not leases._extend(key, "one that dies", 60)


def test_small_files_become_one_and_young_ones_stay_readable(lab):
    plan = plan_of(slices=5)
    sink = lab.sink()
    run = begin(sink, plan)
    for piece in plan.slices:
        sink.upsert(run, plan, piece, reader_of([(piece.sequence, "x", 0)]))
    rows, before = lab.rows(plan), set(sink.state(plan).files)
    stray = lab.root / folder_of(plan) / "data" / f"{'0' * 32}.parquet"
    stray.write_bytes(b"of an attempt that is still under way")
    assert sink.compact(REF) == (f"{plan.unit.dataset.namespace}.things: 5 small files written as 1",)
    assert len(sink.state(plan).files) == 1
    assert lab.rows(plan) == rows
    assert stray.exists()
    assert all((lab.root / folder_of(plan) / path).exists() for path in before), "somebody may still read them"
    assert len(sink.receipts(run)) == 5
    assert sink.compact(REF) == ()


def test_another_unit_does_not_write_and_takes_over_only_when_told(lab):
    plan = plan_of()
    write(lab.sink(), plan, [(1, "a", 1)])
    other = plan.model_copy(update={"endpoint_id": "another"})
    ref = REF.model_copy(update={"endpoint_id": "another"})
    sink = lab.sink()
    old = begin(sink, plan)
    with pytest.raises(errors.SinkOwnerError):
        sink.provision(other)
    assert sink.adopt(ref, "adopting", other) == ("suite.things taken over from unit 'things' of endpoint 'shop'",)
    assert sink.adopt(ref, "adopting", other) == ()
    assert sink.provision(other) == ()
    with pytest.raises(errors.SinkOwnerError):
        sink.upsert(old, plan, plan.slices[0], reader_of([(1, "z", 1)]))
    assert lab.rows(plan) == [(1, "a", 1)]


@pytest.mark.parametrize("partition", ["name", "load_date()"])
def test_partitions_are_folders(lab, partition):
    lab.config = lab.config.model_copy(update={"partition_by": {"things": partition}})
    plan = plan_of()
    write(lab.sink(), plan, [(1, "a/b", 1), (2, None, 2), (3, "a/b", 3)])
    folders = {path.split("/")[1] for path in lab.sink().state(plan).files}
    if partition == "name":
        assert folders == {"name=a%2Fb", "name=__HIVE_DEFAULT_PARTITION__"}
    else:
        (only,) = folders
        assert only.startswith("load_date=2")
    assert lab.rows(plan) == [(1, "a/b", 1), (2, None, 2), (3, "a/b", 3)]


@pytest.mark.parametrize("fault", ["500", "503", "cut before", "answer lost"])
def test_a_bucket_that_fails_now_and_then(s3, bucket, fault):
    """Every second write fails; of those whose answer is lost the write had happened."""
    lab = ParquetBucket(s3, bucket)
    sink, numbers = lab.sink(), count()
    sent = sink.place.objects.client._endpoint.http_session

    def answer(request):
        if next(numbers) % 2:
            return None
        if fault == "answer lost":
            sent.send(request)
        if fault in {"cut before", "answer lost"}:
            raise ConnectionClosedError(endpoint_url=request.url)
        return answered(int(fault), b"")

    answer_puts(sink, answer)
    plan = plan_of(slices=2)
    run = begin(sink, plan)
    receipts = [
        sink.upsert(run, plan, piece, reader_of([(piece.sequence, "a", 1), (7, "b", piece.sequence)]))
        for piece in plan.slices
    ]
    sink.finish_run(run, {"value": 1})
    assert [(each.rows_inserted, each.rows_updated) for each in receipts] == [(2, 0), (1, 1)]
    assert lab.rows(plan) == [(0, "a", 1), (1, "a", 1), (7, "b", 1)]
    state = sink.state(plan)
    assert sum(file.rows for file in state.files.values()) == 3
    assert lab.sink().receipts(run) == {each.slice_key: each for each in receipts}


def test_a_table_that_was_filled_without_its_key_has_none(lab):
    """Rows with one key may be in it twice since, so a keyed unit cannot go on with it."""
    sink = lab.sink()
    write(sink, plan_of(), [(1, "a", 1)])
    write(sink, plan_of(key=()), [(1, "a", 1), (1, "b", 1)])
    with pytest.raises(errors.SinkSchemaConflictError, match="unique key"):
        sink.provision(plan_of())
