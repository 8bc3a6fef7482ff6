"""What a run sees of MariaDB: one moment through several connections, or a sentence that says why not."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from connectors.mysql.config import MySqlConfig
from connectors.sql.settled import Watermark
from contracts.endpoint import PlanRequest
from contracts.errors import IngestionError, SourcePrivilegeError, SourceUnreachableError, SourceViewLostError
from contracts.unit import UnitPolicy
from flows.stages.plan import make_plan
from sandbox.mariadb import SandboxMariaDb
from tests.connectors.mysql.moving import DATABASE, MariaDbIngestion
from tests.selection import require_mariadb

if TYPE_CHECKING:
    from connectors.mysql.source import MySqlSource

pytestmark = [pytest.mark.postgres, pytest.mark.mariadb]
TABLE = ("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT seq, seq FROM seq_1_to_100")


def sums(source: MySqlSource, view: str) -> list[str]:
    """What each connection of a view sees of the table."""
    sessions = source._views[view]._sessions
    return [session.rows(f"SELECT SUM(n), COUNT(*) FROM `{DATABASE}`.t", "looking")[0] for session in sessions]


def test_connections_share_a_moment_while_others_commit(moving):
    moving.write(*TABLE)
    stop = threading.Event()

    def write() -> None:
        with closing(moving.server.connect(DATABASE)) as connection, closing(connection.cursor()) as cursor:
            while not stop.wait(0.002):
                cursor.execute("UPDATE t SET n = n + 1 WHERE id = 1")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen, readers = set(), []
        for _ in range(8):
            with moving.source.open_view() as view:
                found = sums(moving.source, view)
                seen.add(found[0])
                readers.append(len(found))
                assert len(set(found)) == 1, "those that were kept see one moment"
    finally:
        stop.set()
        writer.join()
    assert len(seen) > 1, "nothing was written meanwhile"
    assert max(readers) > 1, "on a busy machine one may miss the others' moment, and is let go"


@pytest.fixture(scope="module")
def without_log():
    """A server that writes no binary log."""
    require_mariadb()
    with SandboxMariaDb(settings={"skip-log-bin": "1"}) as server:
        yield server


def test_without_a_binary_log_a_quiet_server_is_enough_and_a_busy_one_has_no_common_view(without_log, sink_url):
    without_log.create_database(DATABASE)
    with MariaDbIngestion(without_log, sink_url) as moving:
        moving.write(*TABLE)
        with moving.source.open_view() as view:
            found = sums(moving.source, view)
            assert (len(found), len(set(found)), moving.source._views[view].notes) == (4, 1, ())
        with closing(without_log.connect(DATABASE)) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("BEGIN")
            cursor.execute("UPDATE t SET n = 0 WHERE id = 1")
            with moving.source.open_view() as view:
                assert len(sums(moving.source, view)) == 1
                assert "one connection reads the whole run" in moving.source._views[view].notes[0]
            summary = moving.execute(moving.request("t"))
            assert "one connection reads the whole run" in summary.notes[0]
            cursor.execute("COMMIT")
        moving.execute(moving.request("t"))
        assert moving.equal("t")


def test_without_the_privilege_nothing_settles_and_the_run_says_so(moving):
    moving.write(*TABLE)
    how = {"mode": "incremental", "cursor_columns": ("n",)}
    with closing(moving.as_account(f"SELECT ON `{DATABASE}`.*")) as source:
        policy = UnitPolicy(cursor_columns=("n",))
        units = source.list_units(source.collect_catalog("m"))
        request = PlanRequest(endpoint_id="m", unit=units[0], mode="incremental", policy=policy)
        plan = source.plan(request)
        assert any("GRANT PROCESS" in note for note in plan.notes)
        assert any("unsettled" in note for note in plan.notes)
        assert Watermark.model_validate(plan.checkpoint_after).settled is None
        again = source.plan(request.model_copy(update={"checkpoint": plan.checkpoint_after}))
        assert sum(frame.height for piece in again.slices for frame in source.export(again, piece)) == 100
    with closing(moving.as_account(f"SELECT ON `{DATABASE}`.*", "PROCESS ON *.*")) as source:
        plan = source.plan(request)
        assert plan.notes == ()
        assert Watermark.model_validate(plan.checkpoint_after).highest == "100"
    assert moving.execute(moving.request("t", **how)).notes == ()


def test_a_replica_settles_nothing(moving):
    """A server that only reads may be one; so may one that has threads which apply."""
    moving.write(*TABLE, "SET GLOBAL read_only = 1")
    try:
        plan = make_plan(moving.source, moving.request("t", "incremental", cursor_columns=("n",)), None)
    finally:
        moving.write("SET GLOBAL read_only = 0")
    assert any("another one's transactions" in note for note in plan.notes)
    assert Watermark.model_validate(plan.checkpoint_after).settled is None


def test_an_account_sees_what_it_may_select(moving):
    moving.write(*TABLE, "CREATE TABLE u (id int PRIMARY KEY, secret int, open int)", "CREATE TABLE w (id int)")
    grants = f"SELECT (id, open), INSERT ON `{DATABASE}`.u", f"SELECT ON `{DATABASE}`.t", f"INSERT ON `{DATABASE}`.w"
    with closing(moving.as_account(*grants)) as source:
        catalog = source.collect_catalog("m")
        found = {dataset.name: [column.name for column in dataset.columns] for dataset in catalog.datasets}
        assert found == {"t": ["id", "n"], "u": ["id", "open"]}
        unit = source.list_units(catalog)[0]
        moving.server.run(f"REVOKE SELECT ON `{DATABASE}`.t FROM reader")
        with pytest.raises(SourcePrivilegeError):
            source.preview(unit, 1)


def test_tables_without_transactions_have_no_view_and_never_settle(moving):
    moving.write(f"{TABLE[0]} ENGINE = MyISAM", TABLE[1], "CREATE VIEW v AS SELECT * FROM t")
    for name in ("t", "v"):
        how = {"mode": "incremental", "cursor_columns": ("n",), "key_columns": ("id",)}
        summary = moving.execute(moving.request(name, **how))
        assert "MyISAM" in summary.notes[0]
        assert Watermark.model_validate(summary.checkpoint_after).settled is None
        assert moving.equal(name)


def test_a_table_that_was_changed_after_the_view_began_ends_it(moving):
    moving.write(*TABLE)
    request = moving.request("t")
    with moving.source.open_view() as view:
        moving.write("ALTER TABLE t ADD COLUMN x int DEFAULT 5, ALGORITHM = COPY")
        with pytest.raises(SourceViewLostError):
            moving.source.plan(
                PlanRequest(endpoint_id="m", unit=request.unit, mode="full", policy=request.policy, view=view)
            )


def test_a_view_outlives_a_connection_but_not_all(moving):
    """And the query of a reader that is given up ends on the server."""
    moving.write(*TABLE, "INSERT INTO t SELECT seq, seq FROM seq_101_to_60000")
    request = moving.request("t")
    with moving.source.open_view() as view:
        plan = moving.source.plan(
            PlanRequest(endpoint_id="m", unit=request.unit, mode="full", policy=request.policy, view=view)
        )
        batches = moving.source.export(plan, plan.slices[0], view)
        next(batches)
        batches.close()
        assert sum(frame.height for frame in moving.source.export(plan, plan.slices[0], view)) == 60_000
        threads = [session.thread_id for session in moving.source._views[view]._sessions]
        for thread in threads[1:]:
            moving.server.run(f"KILL {thread}")
        tries = 0
        while tries < len(threads):
            tries += 1
            try:
                read = sum(frame.height for frame in moving.source.export(plan, plan.slices[0], view))
            except SourceUnreachableError:
                continue
            break
        assert read == 60_000
        moving.server.run(f"KILL {threads[0]}")
        for code in ("E_SOURCE_UNREACHABLE", "E_SOURCE_VIEW_LOST", "E_SOURCE_VIEW_LOST"):
            with pytest.raises(IngestionError) as caught:
                list(moving.source.export(plan, plan.slices[0], view))
            assert caught.value.code == code


def test_a_run_whose_connections_all_go_is_continued_under_a_new_view(moving, monkeypatch):
    """Rows move meanwhile from a range that was not read into one that was; both sides are equal in the end."""
    moving.write(*TABLE, "ALTER TABLE t ADD COLUMN pad text", "UPDATE t SET pad = REPEAT('x', 5000)", "ANALYZE TABLE t")
    request = moving.request("t", target_slice_bytes=64 * 1024)
    reading, cut = moving.source.export, []

    def export(plan, piece, view=None):
        if piece.sequence == 3 and not cut:
            cut.extend(session.thread_id for session in moving.source._views[view]._sessions)
            moving.write(*(f"KILL {thread}" for thread in cut), "UPDATE t SET id = -id WHERE id > 90")
        return reading(plan, piece, view)

    monkeypatch.setattr(moving.source, "export", export)
    with pytest.raises(IngestionError) as caught:
        moving.execute(request, keep_staged=True)
    assert caught.value.retryable
    summary = moving.execute(request)
    assert len(cut) == 4
    assert summary.slices_done_before > 0
    assert moving.equal("t")


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        (
            "mysql://u:p%40ss@db.example:3307/shop",
            {"host": "db.example", "port": 3307, "user": "u", "database": "shop"},
        ),
        ("mariadb://u@[::1]/", {"host": "::1", "port": 3306, "user": "u", "database": None}),
        ("mysql://db/shop?tls=verify-full&tls_ca=/ca.pem&readers=2", {"tls": "verify-full", "readers": 2}),
        ("mysql:///shop?socket=/run/mysqld.sock", {"host": "localhost", "socket": "/run/mysqld.sock"}),
    ],
)
def test_a_url_fills_the_fields_it_names(url, fields):
    config = MySqlConfig(url=url)
    assert {name: getattr(config, name) for name in fields} == fields
    assert config.url is None
    assert "p@ss" not in repr(config)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://h/d",
        "mysql://h:port/d",
        "mysql://h/d?sslmode=on",
        "mysql://h/d?tls=perhaps",
        "mysql://h/d?tls_key=k",
    ],
)
def test_urls_that_cannot_be(url):
    with pytest.raises(ValidationError):
        MySqlConfig(url=url)
