"""What every staging provider does. Subclass it, give ``make_provider``, and the provider is tested.

The suite reaches to ``provider.store`` only to look at stored objects, and to spoil them as a disk might.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from polars.testing.parametric import dataframes

from contracts.errors import (
    SourceSchemaChangedError,
    StageCorruptError,
    StageUnsealedError,
    StagingRefusedError,
)
from contracts.staging import StagingContext, StagingHandle
from staging import layout, parquet
from staging.expiry import clean
from tests.conformance.staging_frames import extreme_frame, identical

if TYPE_CHECKING:
    from collections.abc import Callable

    from staging.provider import StoreStaging

ODD_IDS = (
    *(
        "",
        " ",
        ".",
        "..",
        "...",
        "/",
        "a/b",
        "../../etc/passwd",
        "\\",
        "%",
        "%2F",
        "%2f",
        "%%",
        "a b",
        "a+b",
        "a&b=c?d#e",
    ),
    *(
        "naïve",
        "漢字",
        "🧊",
        "'",
        '"',
        "\0",
        "\n",
        "*",
        ":",
        "_SUCCESS",
        "part-00000.parquet",
        "-1",
        "ingestion",
    ),
)
HOUR_S = 3_600.0
NUMBERS = pl.DataFrame({"id": range(1_000), "text": [f"row {number}" for number in range(1_000)]})


def context(run_id: str = "run", sequence: int = 0, attempt: str = "1", endpoint_id: str = "shop") -> StagingContext:
    """Which slice a session is for; everything else the same."""
    return StagingContext(
        endpoint_id=endpoint_id,
        unit_id="unit",
        run_id=run_id,
        slice_key=f"s{sequence}",
        sequence=sequence,
        attempt=attempt,
    )


def stage(provider: StoreStaging, *frames: pl.DataFrame, where: StagingContext | None = None) -> StagingHandle:
    """A sealed session holding the frames."""
    session = provider.allocate_session(where or context())
    for frame in frames:
        session.writer().write_batch(frame)
    return session.seal()


def read(provider: StoreStaging, handle: StagingHandle, chunk_size: int | None = None) -> list[pl.DataFrame]:
    """All batches of the session."""
    return list(provider.open_session(handle).reader().iter_batches(chunk_size))


def names_in(provider: StoreStaging, session: str) -> list[str]:
    """Names of the session's objects, ordered."""
    return sorted(stored.key.removeprefix(session) for stored in provider.store.list(session))


class ArrowOnly:
    """A batch that is nothing but an Arrow stream, as ADBC gives it."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


class StagingSuite:
    """Behaviour of ``memory``, ``local`` and ``s3`` alike."""

    @pytest.fixture
    def make_provider(self) -> Callable[..., StoreStaging]:
        """A function of ``part_bytes`` (optional): a provider over this test's area, empty at first."""
        raise NotImplementedError

    @pytest.fixture
    def provider(self, make_provider) -> StoreStaging:
        return make_provider()

    # rows there and back

    def test_the_area_answers(self, provider):
        provider.test_connection()
        assert list(provider.sessions()) == []

    def test_every_type_survives_at_its_extremes(self, provider):
        frame = extreme_frame()
        [back] = read(provider, stage(provider, frame))
        assert [name for name in frame.columns if not identical(frame.select(name), back.select(name))] == []

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(frame=dataframes(max_size=30, max_cols=6, excluded_dtypes=[pl.Object, pl.Categorical], allow_chunks=True))
    def test_any_frame_survives(self, provider, frame):
        back = read(provider, stage(provider, frame))
        assert identical(pl.concat(back), frame)

    def test_order_is_kept_over_batches_and_parts(self, make_provider):
        provider = make_provider(part_bytes=4_096)
        frames = [NUMBERS.slice(offset, 77) for offset in range(0, NUMBERS.height, 77)]
        handle = stage(provider, *frames)
        assert identical(pl.concat(read(provider, handle)), NUMBERS)
        assert len(provider.open_session(handle).reader().manifest.parts) > 3

    def test_a_large_batch_is_cut_into_bounded_parts(self, make_provider):
        provider = make_provider(part_bytes=64 * 1024)
        sizes = [10 if number % 100 else 30_000 for number in range(2_000)]
        frame = pl.DataFrame({"id": range(2_000), "text": ["x" * size for size in sizes]})
        parts = read(provider, stage(provider, frame))
        assert identical(pl.concat(parts), frame)
        assert max(parquet.size_bytes(part) for part in parts) <= 64 * 1024
        assert len(parts) < 4 * parquet.size_bytes(frame) / (64 * 1024)

    def test_a_row_larger_than_a_part_is_a_part_alone(self, make_provider):
        provider = make_provider(part_bytes=4_096)
        frame = pl.DataFrame({"text": ["a", "b" * 50_000, "c", "d"]})
        parts = read(provider, stage(provider, frame))
        assert identical(pl.concat(parts), frame)
        assert [part.height for part in parts if part["text"].str.len_bytes().max() > 4_096] == [1]

    def test_chunks_hold_at_most_the_rows_asked_for(self, make_provider):
        provider = make_provider(part_bytes=8_192)
        handle = stage(provider, NUMBERS)
        chunks = read(provider, handle, chunk_size=33)
        assert identical(pl.concat(chunks), NUMBERS)
        assert max(chunk.height for chunk in chunks) == 33
        with pytest.raises(ValueError, match="at least 1 row"):
            read(provider, handle, chunk_size=0)

    def test_any_arrow_stream_is_a_batch(self, provider):
        session = provider.allocate_session(context())
        assert session.writer().write_batch(ArrowOnly(NUMBERS)) == NUMBERS.height
        assert session.writer().write_batch(NUMBERS) == NUMBERS.height
        assert identical(pl.concat(read(provider, session.seal())), pl.concat([NUMBERS, NUMBERS]))

    def test_batches_without_rows_still_tell_the_columns(self, provider):
        empty = extreme_frame().clear()
        handle = stage(provider, empty, empty)
        [back] = read(provider, handle)
        assert identical(back, empty)
        assert handle.rows == 0

    def test_a_session_without_batches_is_empty(self, provider):
        handle = stage(provider)
        assert read(provider, handle) == []
        assert provider.open_session(handle).reader().manifest.columns == ()

    def test_empty_batches_among_others_leave_no_trace(self, provider):
        handle = stage(provider, NUMBERS.clear(), NUMBERS, NUMBERS.clear())
        [back] = read(provider, handle)
        assert identical(back, NUMBERS)

    # sealing

    def test_the_handle_says_what_is_there(self, provider):
        session = provider.allocate_session(context())
        session.writer().write_batch(NUMBERS)
        handle = session.seal({"watermark": 7})
        manifest = session.reader().manifest
        assert StagingHandle.model_validate_json(handle.model_dump_json()) == handle
        assert (handle.rows, handle.bytes) == (NUMBERS.height, manifest.bytes)
        assert (manifest.context, manifest.metadata, handle.metadata) == (
            context(),
            {"watermark": 7},
            {"watermark": 7},
        )
        assert manifest.columns == (("id", "Int64"), ("text", "String"))
        assert names_in(provider, handle.key) == ["_SUCCESS", "manifest.json", "part-00000.parquet"]
        assert len(handle.model_dump_json()) < 2_000

    def test_other_columns_are_refused_by_name(self, provider):
        writer = provider.allocate_session(context()).writer()
        writer.write_batch(NUMBERS)
        for other in (
            NUMBERS.with_columns(pl.col("id").cast(pl.Int32)),
            NUMBERS.rename({"id": "key"}),
            NUMBERS.select("text", "id"),
            NUMBERS.drop("id").clear(),
        ):
            with pytest.raises(SourceSchemaChangedError, match=r"id|order"):
                writer.write_batch(other)
        assert writer.write_batch(NUMBERS) == NUMBERS.height

    def test_a_sealed_session_takes_nothing_more(self, provider):
        session = provider.allocate_session(context())
        writer = session.writer()
        writer.write_batch(NUMBERS)
        handle = session.seal()
        for again in (lambda: writer.write_batch(NUMBERS), session.writer, session.seal):
            with pytest.raises(StagingRefusedError, match="sealed"):
                again()
        opened = provider.open_session(handle)
        for again in (opened.writer, opened.seal):
            with pytest.raises(StagingRefusedError, match="sealed"):
                again()
        session.close()
        opened.close()
        assert identical(pl.concat(read(provider, handle)), NUMBERS)

    def test_an_unsealed_session_cannot_be_read(self, make_provider):
        provider = make_provider(part_bytes=4_096)
        session = provider.allocate_session(context())
        session.writer().write_batch(NUMBERS)
        with pytest.raises(StageUnsealedError):
            session.reader()
        forged = stage(provider, NUMBERS, where=context(attempt="2")).model_copy(update={"key": session.id})
        with pytest.raises(StageUnsealedError):
            provider.open_session(forged).reader()

    def test_closing_an_unsealed_session_removes_it(self, make_provider):
        provider = make_provider(part_bytes=4_096)
        session = provider.allocate_session(context())
        writer = session.writer()
        writer.write_batch(NUMBERS)
        assert names_in(provider, session.id)
        session.close()
        session.close()
        assert names_in(provider, session.id) == []
        for again in (lambda: writer.write_batch(NUMBERS), session.writer, session.seal):
            with pytest.raises(StagingRefusedError, match="closed"):
                again()

    def test_a_retry_leaves_the_first_attempt_unread(self, make_provider):
        provider = make_provider(part_bytes=4_096)
        killed = provider.allocate_session(context(attempt="1"))
        killed.writer().write_batch(NUMBERS)
        handle = stage(provider, NUMBERS.head(10), where=context(attempt="2"))
        assert identical(pl.concat(read(provider, handle)), NUMBERS.head(10))
        assert names_in(provider, killed.id)

    # damage

    def test_a_damaged_part_is_noticed(self, provider):
        handle = stage(provider, NUMBERS)
        key = layout.part_key(handle.key, 0)
        content = provider.store.get(key)
        other = parquet.encode([NUMBERS.reverse()]).content
        for damaged in (
            content[:-1],
            content + b"\0",
            content[:99] + bytes([content[99] ^ 1]) + content[100:],
            other,
            b"",
        ):
            provider.store.put(key, damaged)
            with pytest.raises(StageCorruptError, match="sha256"):
                read(provider, handle)
        provider.store.put(key, content)
        assert identical(pl.concat(read(provider, handle)), NUMBERS)

    def test_a_missing_part_is_noticed(self, make_provider):
        provider = make_provider(part_bytes=8_192)
        handle = stage(provider, NUMBERS)
        provider.store.delete([layout.part_key(handle.key, 1)])
        batches = provider.open_session(handle).reader().iter_batches()
        next(batches)
        with pytest.raises(StageCorruptError, match="missing"):
            next(batches)

    def test_a_tampered_manifest_is_noticed(self, provider):
        handle = stage(provider, NUMBERS)
        key = layout.manifest_key(handle.key)
        manifest = json.loads(provider.store.get(key))
        for tampered in ({**manifest, "parts": []}, {**manifest, "metadata": {"rows": 0}}):
            provider.store.put(key, json.dumps(tampered).encode())
            with pytest.raises(StageUnsealedError, match="do not match"):
                provider.open_session(handle).reader()
        provider.store.delete([key])
        with pytest.raises(StageUnsealedError):
            provider.open_session(handle).reader()

    def test_a_session_written_anew_is_not_the_one_of_the_handle(self, provider):
        handle = stage(provider, NUMBERS)
        newer = stage(provider, NUMBERS.head(5))
        assert newer.key == handle.key
        with pytest.raises(StageCorruptError, match="handle"):
            provider.open_session(handle).reader()

    def test_a_row_count_that_differs_is_noticed(self, provider):
        handle = stage(provider, NUMBERS)
        reader = provider.open_session(handle).reader()
        part = reader.manifest.parts[0]
        content = provider.store.get(part.key)
        with pytest.raises(StageCorruptError, match="row count"):
            parquet.decode(content, part.model_copy(update={"rows": 1}), reader.manifest.columns)
        with pytest.raises(StageCorruptError, match="columns"):
            parquet.decode(content, part, [("id", "Int64")])

    def test_a_broken_seal_is_no_seal(self, provider):
        handle = stage(provider, NUMBERS)
        for broken in (b"", b"{}", b"\xff"):
            provider.store.put(layout.success_key(handle.key), broken)
            with pytest.raises(StageUnsealedError):
                provider.open_session(handle).reader()
        assert [one.rows for one in provider.sessions()] == [0]

    # listing, marking, removing

    def test_sessions_are_listed_with_their_state(self, make_provider):
        provider = make_provider(part_bytes=4_096)
        before = datetime.now(UTC)
        sealed = stage(provider, NUMBERS, where=context("a"))
        consumed = stage(provider, NUMBERS.head(3), where=context("b", endpoint_id="mail"))
        provider.mark_consumed(consumed)
        provider.mark_consumed(consumed)
        provider.allocate_session(context("c")).writer().write_batch(NUMBERS)
        listed = {one.run_id: one for one in provider.sessions()}
        assert {run: (one.state, one.rows) for run, one in listed.items()} == {
            "a": ("sealed", 1_000),
            "b": ("consumed", 3),
            "c": ("open", 0),
        }
        assert [one.key for one in provider.sessions()] == sorted(one.key for one in listed.values())
        assert listed["a"].key == sealed.key
        assert listed["a"].bytes > sealed.bytes
        assert abs(listed["a"].modified_at - before) < timedelta(minutes=1)
        assert [one.run_id for one in provider.sessions(endpoint_id="mail")] == ["b"]
        assert [one.run_id for one in provider.sessions(run_id="c")] == ["c"]
        assert list(provider.sessions(endpoint_id="mail", run_id="c")) == []
        assert identical(pl.concat(read(provider, consumed)), NUMBERS.head(3))

    def test_deleting_is_repeatable_and_touches_one_session(self, provider):
        first, second = (stage(provider, NUMBERS, where=context(attempt=name)) for name in ("1", "10"))
        provider.delete(first.key)
        provider.delete(first.key)
        assert [one.key for one in provider.sessions()] == [second.key]
        with pytest.raises(StageUnsealedError):
            provider.open_session(first).reader()
        assert identical(pl.concat(read(provider, second)), NUMBERS)

    def test_only_sessions_can_be_deleted(self, provider):
        handle = stage(provider, NUMBERS)
        above = handle.key.rsplit("/", 2)[0] + "/"
        for key in (
            "",
            "/",
            "ingestion/",
            above,
            handle.key[:-1],
            f"{handle.key}x/",
            "ingestion/a/../../../x/0/1/",
        ):
            with pytest.raises(StagingRefusedError):
                provider.delete(key)
        assert len(list(provider.sessions())) == 1

    def test_a_handle_of_another_area_is_refused(self, provider):
        handle = stage(provider, NUMBERS)
        for change in ({"bucket": "of somebody else"}, {"provider": "tape"}, {"key": "elsewhere/"}):
            with pytest.raises(StagingRefusedError):
                provider.open_session(handle.model_copy(update=change))

    def test_ids_of_any_kind_make_sessions_of_their_own(self, provider):
        handles = {
            odd: stage(provider, pl.DataFrame({"n": [number]}), where=context(odd, attempt=odd, endpoint_id=odd))
            for number, odd in enumerate(ODD_IDS)
        }
        assert {(one.run_id, one.endpoint_id) for one in provider.sessions()} == {(odd, odd) for odd in ODD_IDS}
        for number, odd in enumerate(ODD_IDS):
            [back] = read(provider, handles[odd])
            assert back["n"].to_list() == [number]
            provider.delete(handles[odd].key)
        assert list(provider.sessions()) == []

    def test_two_writers_at_once_do_not_mix(self, make_provider):
        provider = make_provider(part_bytes=4_096)

        def write(sequence: int) -> StagingHandle:
            frame = NUMBERS.with_columns(pl.lit(sequence).alias("writer"))
            frames = [frame.slice(offset, 100) for offset in range(0, frame.height, 100)]
            return stage(provider, *frames, where=context(sequence=sequence))

        with ThreadPoolExecutor(4) as pool:
            handles = list(pool.map(write, range(8)))
            backs = list(pool.map(lambda handle: pl.concat(read(provider, handle)), handles))
        assert all(identical(back, NUMBERS.with_columns(pl.lit(n).alias("writer"))) for n, back in enumerate(backs))

    # time to live

    def test_cleaning_removes_what_is_past_its_time(self, make_provider):
        provider = make_provider(part_bytes=4_096)
        old = stage(provider, NUMBERS, where=context("old"))
        provider.allocate_session(context("killed")).writer().write_batch(NUMBERS)
        total = sum(one.bytes for one in provider.sessions())
        early = clean(provider, ttl_s=HOUR_S, now=datetime.now(UTC), live_run_ids=())
        assert (early.removed_sessions, early.kept_sessions, early.kept_bytes) == (0, 2, total)
        late = clean(provider, ttl_s=HOUR_S, now=datetime.now(UTC) + timedelta(hours=2), live_run_ids=())
        assert (late.removed_sessions, late.removed_bytes, late.kept_sessions) == (2, total, 0)
        assert names_in(provider, old.key) == []

    def test_cleaning_never_touches_a_live_run(self, provider):
        stage(provider, NUMBERS, where=context("done"))
        live = stage(provider, NUMBERS, where=context("live"))
        provider.mark_consumed(live)
        report = clean(
            provider,
            ttl_s=HOUR_S,
            now=datetime.now(UTC) + timedelta(days=9),
            live_run_ids={"live"},
            consumed_ttl_s=0,
        )
        assert (report.removed_sessions, report.kept_sessions, report.live_sessions) == (1, 1, 1)
        assert identical(pl.concat(read(provider, live)), NUMBERS)

    def test_consumed_sessions_go_earlier(self, provider):
        stage(provider, NUMBERS, where=context("kept"))
        provider.mark_consumed(stage(provider, NUMBERS, where=context("consumed")))
        soon = datetime.now(UTC) + timedelta(minutes=10)
        report = clean(provider, ttl_s=HOUR_S, now=soon, live_run_ids=(), consumed_ttl_s=60)
        assert (report.removed_sessions, report.kept_sessions) == (1, 1)
        assert [one.run_id for one in provider.sessions()] == ["kept"]
