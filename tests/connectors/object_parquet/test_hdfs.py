"""HDFS over its REST API: exactly one of several writers, answers that are lost, refusals, and what a run leaves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from connectors.lake.hdfs import HdfsObjects
from connectors.lake.objects import DRAFT
from connectors.lake.versions import VersionedObjects
from connectors.object_parquet.config import ParquetConfig
from connectors.object_parquet.latest import latest
from connectors.object_parquet.sink import ParquetSink
from connectors.object_parquet.target import table_of
from connectors.object_parquet.upkeep import remove_strays
from contracts.errors import SinkAuthError, SinkPrivilegeError, SinkUnreachableError
from sandbox.webhdfs import HdfsFaults, SandboxWebHdfs
from sandbox.webhdfs.server import READER, USER
from tests.conformance.sink_suite import begin, plan_of, reader_of
from tests.connectors.object_parquet.places import ParquetInHdfs, folder_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[SandboxWebHdfs]:
    with SandboxWebHdfs() as running:
        yield running


def objects_of(server: SandboxWebHdfs, user: str = USER) -> HdfsObjects:
    return HdfsObjects(server.url, "/lake & more/50%", {"user.name": user}, timeout_s=10.0, tries=4)


@pytest.fixture
def objects(server: SandboxWebHdfs) -> Iterator[HdfsObjects]:
    with closing(objects_of(server)) as made:
        yield made


def drafts(server: SandboxWebHdfs) -> list[str]:
    return [path for path in server.tree.files if path.endswith(DRAFT)]


def test_objects_of_any_name_are_there_whole_and_listed_in_order(objects: HdfsObjects) -> None:
    names = ["a/ü=1/x y.parquet", "a/ü=%2F/x+y.parquet", "a/b", "a/c/d/e", "b/f"]
    for name in names:
        objects.put(name, name.encode())
    assert [one.key for one in objects.list("a/")] == sorted(names[:4])
    assert [one.key for one in objects.list("a/", after="a/c/d/e")] == ["a/ü=%2F/x+y.parquet", "a/ü=1/x y.parquet"]
    assert [objects.get(name)[0] for name in names] == [name.encode() for name in names]
    assert objects.get("a/nothing") is None
    assert list(objects.list("nothing/")) == []
    objects.delete([*names, "a/nothing"])
    assert list(objects.list("a/")) == []
    assert objects.uri("a/b").startswith("webhdfs://127.0.0.1:")


def test_exactly_one_of_several_writers_is_told_so(objects: HdfsObjects, server: SandboxWebHdfs) -> None:
    for number in range(10):
        contents = [uuid4().bytes for _ in range(6)]
        with ThreadPoolExecutor(6) as pool:
            told = list(pool.map(lambda content, key=f"m/{number}": objects.put_if_absent(key, content), contents))
        assert sorted(told) == [False] * 5 + [True]
        assert objects.get(f"m/{number}")[0] == contents[told.index(True)]
    assert drafts(server) == []


def test_an_answer_that_is_lost_is_looked_up(objects: HdfsObjects, server: SandboxWebHdfs) -> None:
    server.faults.lose_answers = 1
    assert objects.put_if_absent("m/1", b"mine")
    assert server.faults.lose_answers == 0
    assert objects.get("m/1")[0] == b"mine"
    assert not objects.put_if_absent("m/1", b"another's")
    assert drafts(server) == []


def test_a_name_stays_taken_while_it_is_written_over(objects: HdfsObjects) -> None:
    """A manifest that is emptied: a writer that comes late must not get its number."""
    assert objects.put_if_absent("m/1", b"old")
    seen: list[bool] = []
    with ThreadPoolExecutor(2) as pool:
        emptied = pool.submit(lambda: [objects.put("m/1", b"") for _ in range(20)])
        while not emptied.done():
            seen.append(objects.put_if_absent("m/1", uuid4().bytes))
    assert not any(seen)


class TestVersions:
    def test_of_several_who_replace_one_version_one_does(self, objects: HdfsObjects) -> None:
        cells = VersionedObjects(objects)
        assert cells.get("run") is None
        assert cells.put_if_absent("run", b"first")
        assert not cells.put_if_absent("run", b"again")
        for _ in range(5):
            content, tag = cells.get("run")
            made = [uuid4().bytes for _ in range(5)]
            with ThreadPoolExecutor(5) as pool:
                told = list(pool.map(lambda one, tag=tag: cells.put_if_match("run", one, tag), made))
            assert sorted(told) == [False] * 4 + [True]
            assert cells.get("run")[0] == made[told.index(True)] != content
        assert len(list(objects.list("run/"))) == 2, "old versions are removed"

    def test_an_old_tag_replaces_nothing_though_its_successor_is_forgotten(self, objects: HdfsObjects) -> None:
        cells = VersionedObjects(objects)
        cells.put_if_absent("run", b"1")
        old = cells.get("run")[1]
        for number in range(2, 6):
            assert cells.put_if_match("run", str(number).encode(), cells.get("run")[1])
        assert not cells.put_if_match("run", b"late", old)
        assert cells.get("run")[0] == b"5"
        assert len(list(objects.list("run/"))) == 2


@pytest.mark.parametrize(
    ("user", "faults", "expected"),
    [
        ("stranger", {}, SinkAuthError),
        (READER, {}, SinkPrivilegeError),
        (USER, {"standby": True}, SinkUnreachableError),
        (USER, {"failing": 1.0}, SinkUnreachableError),
        (USER, {"cut": 1.0}, SinkUnreachableError),
    ],
)
def test_refusals_are_typed_and_hold_no_secret(user: str, faults: dict[str, Any], expected: type[Exception]) -> None:
    with SandboxWebHdfs(HdfsFaults(**faults)) as server:
        config = {"root": f"{server.root}/lake", "hdfs_user": user, "max_attempts": 2}
        with (
            closing(ParquetSink(ParquetConfig.model_validate(config))) as sink,
            pytest.raises(expected, match="Could not") as caught,
        ):
            sink.test_connection()
        assert caught.value.next_step
        assert f"user.name={user}" not in str(caught.value)


@pytest.mark.slow(10)
def test_a_third_of_the_answers_fail(server: SandboxWebHdfs) -> None:
    place = ParquetInHdfs(server, max_attempts=12)
    plan = plan_of(slices=8)
    server.faults.failing, server.faults.cut = 0.2, 0.1
    server.faults.lose_answers = 5
    with closing(place.sink()) as sink:
        sink.provision(plan)
        run = begin(sink, plan)
        for number, piece in enumerate(plan.slices):
            receipt = sink.upsert(run, plan, piece, reader_of([(number, f"row {number}", 1)]))
            assert receipt.rows_inserted == 1
        server.faults.failing = server.faults.cut = 0.0
        assert place.rows(plan) == [(number, f"row {number}", 1) for number in range(8)]
        assert set(sink.receipts(run)) == {piece.key for piece in plan.slices}
        assert latest(sink.place.objects, folder_of(plan)).height == 8


def test_what_a_killed_writer_left_is_removed_after_the_grace(server: SandboxWebHdfs) -> None:
    place = ParquetInHdfs(server)
    plan = plan_of()
    with closing(place.sink()) as sink:
        sink.provision(plan)
        run = begin(sink, plan)
        sink.upsert(run, plan, plan.slices[0], reader_of([(1, "a", 1)]))
        place.cut_before_commit(lambda: sink.provision(plan_of(target_name="other")))
        left = f"{place.top}/{folder_of(plan)}/_nucleus/manifests/000000000099.json.{uuid4().hex}{DRAFT}"
        server.tree.write(server.tree.create(left, overwrite=False), b"{")
        log = sink._log(table_of(plan, sink._config))
        assert remove_strays(sink.place.objects, log, folder_of(plan), 3600.0) == ()
        server.tree.files[left].modified_ms -= 7_200_000
        assert remove_strays(sink.place.objects, log, folder_of(plan), 3600.0) == ("1 stray files removed",)
        assert place.rows(plan) == [(1, "a", 1)]


def test_reading_lines_are_those_of_programs_that_read_hdfs(server: SandboxWebHdfs) -> None:
    plan = plan_of()
    with closing(ParquetInHdfs(server).sink()) as sink:
        sink.provision(plan)
        run = begin(sink, plan)
        sink.upsert(run, plan, plan.slices[0], reader_of([(1, "a", 1)]))
        sink.finish_run(run, None)
        lines = sink.reading_lines(run.ref)
        assert set(lines) == {"spark", "hive"}
        assert server.root in lines["spark"]
        assert sink.target_name(plan).namespace.startswith("hdfs://127.0.0.1:")


@pytest.mark.parametrize(
    "root", ["webhdfs://namenode/lake", "webhdfs://me@namenode:9870/lake", "webhdfs://namenode:9870"]
)
def test_a_root_that_names_no_folder_of_hdfs(root: str) -> None:
    with pytest.raises(ValidationError):
        ParquetConfig.model_validate({"root": root})
