"""What every ``SourceEndpoint`` does. Subclass it, give ``lab``, and the source is tested.

The lab is the test's hand on the system behind the source: it makes datasets with rows and changes them. The suite
reads through the source alone. Traits are tested where the descriptor declares them; where it does not, the source
must not have them.
"""

from __future__ import annotations

import functools
import operator
import time
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl
import pytest

from contracts import errors
from contracts.endpoint import PlanRequest
from contracts.plan import IngestionPlan, IngestionSlice, explain
from contracts.traits import SupportsConsistentView, SupportsContentHash, SupportsDeleteDetection, SupportsWatermark
from contracts.unit import MIB, Predicate, UnitPolicy
from flows.stages.run import reading_view

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from contracts.endpoint import Capability, SourceEndpoint
    from contracts.model import Json
    from contracts.unit import EndpointUnitDescriptor

TRAITS: dict[Capability, type] = {
    "ingest.consistent_view": SupportsConsistentView,
    "ingest.delete_detection": SupportsDeleteDetection,
    "ingest.set_watermark": SupportsWatermark,
    "verify.content": SupportsContentHash,
}
HOSTILE = (
    "'; DROP TABLE things; --",
    "it's",
    '"quoted"',
    "back\\slash",
    "$1",
    "%s",
    "$$",
    "{}",
    "\\",
    "naïve 漢字 🧊",
    "line\nbreak",
    " ",
)
TRIES = 50
SMALL = 64 * 1024
"""Target size of slices that makes a dataset of a few hundred kilobytes many of them."""


class SourceLab(Protocol):
    """Makes and changes datasets of ``(id, name, amount, changed)``: whole number, text, whole number, whole number."""

    secret: str
    """A password that must never be shown."""

    def source(self) -> SourceEndpoint:
        """A source over the system, with good credentials."""
        ...

    def broken_sources(self) -> Iterable[tuple[str, SourceEndpoint]]:
        """Sources that cannot connect, each with the code its error must have."""
        ...

    def make(self, rows: int, *, keyed: bool = True, padding: int = 0) -> str:
        """A dataset with ids 0 to rows-1, ``changed`` = id, and names of ``padding`` more characters; its id."""
        ...

    def rename(self, dataset_id: str, key: int, name: str) -> None:
        """Give one row another name."""
        ...

    def move_row(self, dataset_id: str, key: int, new_key: int) -> None:
        """Give one row another id."""
        ...

    def drop_column(self, dataset_id: str, column: str) -> None:
        """Take a column away."""
        ...

    def drop(self, dataset_id: str) -> None:
        """Take the dataset away."""
        ...


class SourceSuite:
    """Behaviour every source shares."""

    @pytest.fixture
    def lab(self) -> SourceLab:
        raise NotImplementedError

    @pytest.fixture
    def source(self, lab: SourceLab) -> Iterable[SourceEndpoint]:
        source = lab.source()
        yield source
        source.close()

    def test_connection_says_who_and_what(self, source):
        report = source.test_connection()
        assert report.ok
        assert report.server_version

    def test_broken_connections_have_codes_and_keep_the_secret(self, lab):
        for code, broken in lab.broken_sources():
            with pytest.raises(errors.IngestionError) as caught:
                broken.test_connection()
            assert caught.value.code == code, str(caught.value)
            assert caught.value.next_step
            assert_silent(caught.value, lab.secret)

    def test_capabilities_are_the_traits(self, source):
        for capability, trait in TRAITS.items():
            assert (capability in source.descriptor.capabilities) == isinstance(source, trait), capability
        assert "source" in source.descriptor.roles

    def test_units_are_the_catalog_and_nothing_else(self, lab, source):
        made = {lab.make(3), lab.make(0), lab.make(2, keyed=False)}
        catalog = source.collect_catalog("shop")
        units = source.list_units(catalog)
        assert [dataset.dataset_id for dataset in catalog.datasets] == sorted(d.dataset_id for d in catalog.datasets)
        assert {unit.dataset_id for unit in units} == {dataset.dataset_id for dataset in catalog.datasets} >= made
        assert source.list_units(catalog.model_copy(update={"datasets": ()})) == ()
        assert all("incremental" not in unit.supported_modes for unit in units if not unit.primary_key)

    def test_the_catalog_has_one_version_until_something_changes(self, lab, source):
        made = lab.make(3)
        before, again = source.collect_catalog("shop"), source.collect_catalog("shop")
        assert before.version == again.version
        assert again.diff(before).empty
        lab.rename(made, 1, "other")
        assert source.collect_catalog("shop").version == before.version
        lab.drop_column(made, "amount")
        after = source.collect_catalog("shop")
        assert after.version != before.version
        assert set(after.diff(before).changed) == {made}

    def test_every_key_is_in_exactly_one_slice(self, lab, source):
        made = lab.make(700, padding=600)
        plan = plan_of(source, made, target_slice_bytes=SMALL)
        assert len(plan.slices) > 3
        read = [ids(export(source, plan, piece)) for piece in plan.slices]
        assert all(read)
        assert sorted(functools.reduce(operator.iadd, read, [])) == list(range(700))

    def test_the_plan_is_deterministic_and_survives_json(self, lab, source):
        made = lab.make(700, padding=600)
        plan = plan_of(source, made, target_slice_bytes=SMALL)
        assert plan_of(source, made, target_slice_bytes=SMALL).slices == plan.slices
        again = IngestionPlan.model_validate_json(plan.model_dump_json())
        assert again == plan
        assert again.fingerprint == plan.fingerprint
        assert len(explain(plan).splitlines()) >= 1 + len(plan.slices)
        with_other = lab.source()
        assert ids(*(export(with_other, again, piece) for piece in again.slices)) == list(range(700))
        with_other.close()

    def test_a_frozen_plan_covers_rows_that_came_later(self, lab, source):
        made = lab.make(700, padding=600)
        plan = plan_of(source, made, target_slice_bytes=SMALL)
        lab.move_row(made, 0, -5)
        lab.move_row(made, 699, 10_000)
        read = ids(*(export(source, plan, piece) for piece in plan.slices))
        assert read == [-5, *range(1, 699), 10_000]

    def test_an_empty_dataset_has_columns(self, lab, source):
        plan = plan_of(source, lab.make(0))
        (piece,) = plan.slices
        batches = [pl.DataFrame(batch) for batch in source.export(plan, piece)]
        assert [batch.columns for batch in batches] == [["id", "name", "amount", "changed"]]
        assert batches[0].height == 0
        assert batches[0].schema == export(source, plan_of(source, lab.make(3)), piece).schema

    def test_a_dataset_without_key_is_one_slice(self, lab, source):
        plan = plan_of(source, lab.make(700, keyed=False, padding=600), target_slice_bytes=SMALL)
        assert len(plan.slices) == 1
        assert ids(export(source, plan, plan.slices[0])) == list(range(700))

    def test_batches_are_bounded_in_bytes(self, lab, source):
        plan = plan_of(source, lab.make(300, padding=120_000))
        sizes = [pl.DataFrame(batch).estimated_size() for batch in source.export(plan, plan.slices[0])]
        assert len(sizes) > 1
        assert max(sizes) < 24 * MIB

    def test_preview(self, lab, source):
        unit = unit_of(source, lab.make(50))
        assert pl.DataFrame(source.preview(unit, 7)).height == 7
        assert pl.DataFrame(source.preview(unit, 100)).height == 50
        frame = pl.DataFrame(source.preview(unit, 9, [Predicate(column="id", op="lt", value=3)]))
        assert ids(frame) == [0, 1, 2]
        assert pl.DataFrame(source.preview(unit, 0)).columns == ["id", "name", "amount", "changed"]

    def test_filters_are_data(self, lab, source):
        made = lab.make(len(HOSTILE) + 5)
        for key, name in enumerate(HOSTILE):
            lab.rename(made, key, name)
        unit = unit_of(source, made)
        for key, name in enumerate(HOSTILE):
            assert ids(pl.DataFrame(source.preview(unit, 99, [Predicate(column="name", op="eq", value=name)]))) == [key]
            others = pl.DataFrame(source.preview(unit, 99, [Predicate(column="name", op="ne", value=name)]))
            assert others.height == len(HOSTILE) + 4
        for name in HOSTILE[:3]:
            condition = Predicate(column="name", op="eq", value=name)
            assert filtered(source, made, condition) == [HOSTILE.index(name)]
        wanted: list[Any] = list(HOSTILE)
        assert filtered(source, made, Predicate(column="name", op="in", value=wanted)) == list(range(len(HOSTILE)))
        assert len(filtered(source, made, Predicate(column="name", op="not_in", value=wanted))) == 5
        assert filtered(source, made, Predicate(column="name", op="in", value=[])) == []

    @pytest.mark.parametrize(
        ("op", "value", "expected"),
        [
            ("eq", 3, [3]),
            ("ne", 3, [0, 1, 2, 4, 5]),
            ("lt", 2, [0, 1]),
            ("le", 2, [0, 1, 2]),
            ("gt", 3, [4, 5]),
            ("ge", 3, [3, 4, 5]),
            ("in", [1, 4], [1, 4]),
            ("not_in", [1, 4], [0, 2, 3, 5]),
            ("not_in", [], [0, 1, 2, 3, 4, 5]),
            ("is_null", None, []),
            ("is_not_null", None, [0, 1, 2, 3, 4, 5]),
        ],
    )
    def test_filter_operators(self, lab, source, op, value, expected):
        assert filtered(source, lab.make(6), Predicate(column="changed", op=op, value=value)) == expected

    def test_a_filter_joins_its_predicates_and_its_slices(self, lab, source):
        made = lab.make(700, padding=600)
        both = (Predicate(column="id", op="ge", value=100), Predicate(column="changed", op="lt", value=500))
        plan = plan_of(source, made, target_slice_bytes=SMALL, filter=both)
        assert len(plan.slices) > 1
        assert ids(*(export(source, plan, piece) for piece in plan.slices)) == list(range(100, 500))

    @pytest.mark.parametrize(
        "condition",
        [
            Predicate(column="no such", op="eq", value=1),
            Predicate(column='id"; --', op="eq", value=1),
            Predicate(column="id", op="eq", value=[1]),
            Predicate(column="id", op="eq"),
            Predicate(column="id", op="in", value=1),
            Predicate(column="id", op="in", value=[1, None]),
            Predicate(column="id", op="eq", value="not a number"),
            Predicate(column="name", op="eq", value="nul\0"),
        ],
    )
    def test_filters_that_cannot_be(self, lab, source, condition):
        made = lab.make(3)
        with pytest.raises(errors.FilterNotSupportedError):
            plan_of(source, made, filter=(condition,))
        with pytest.raises(errors.FilterNotSupportedError):
            source.preview(unit_of(source, made), 1, [condition])

    def test_incremental_is_refused_where_it_cannot_be_exact(self, lab, source):
        if "ingest.incremental" not in source.descriptor.capabilities:
            with pytest.raises(errors.ModeUnsupportedError):
                plan_of(source, lab.make(1), mode="incremental", cursor_columns=("changed",))
            return
        with pytest.raises(errors.ModeUnsupportedError):
            plan_of(source, lab.make(1, keyed=False), mode="incremental", cursor_columns=("changed",))
        for columns in ((), ("name",), ("no such",), ("changed", "name")):
            with pytest.raises(errors.CursorUnsupportedError):
                plan_of(source, lab.make(1), mode="incremental", cursor_columns=columns)

    def test_incremental_reads_on_from_its_checkpoint(self, lab, source):
        if "ingest.incremental" not in source.descriptor.capabilities:
            return
        made = lab.make(20)
        plan = plan_of(source, made, mode="incremental", cursor_columns=("changed",))
        assert ids(*(export(source, plan, piece) for piece in plan.slices)) == list(range(20))
        for _ in range(TRIES):  # it may wait for whoever else is at work in the system
            checkpoint = source.checkpoint(plan, ())
            plan = plan_of(source, made, mode="incremental", checkpoint=checkpoint, cursor_columns=("changed",))
            read = ids(*(export(source, plan, piece) for piece in plan.slices))
            assert 19 in read
            if read == [19]:
                return
            time.sleep(0.1)
        raise AssertionError(f"never settled: {checkpoint}")

    def test_incremental_begins_where_a_person_says(self, lab, source):
        if not isinstance(source, SupportsWatermark):
            return
        made = lab.make(20)
        unit, policy = unit_of(source, made), UnitPolicy(cursor_columns=("changed",))
        checkpoint = source.checkpoint_at(unit, policy, "15")
        plan = plan_of(source, made, mode="incremental", checkpoint=checkpoint, cursor_columns=("changed",))
        assert ids(*(export(source, plan, piece) for piece in plan.slices)) == [15, 16, 17, 18, 19]
        for value in ("not a number", "", "1; DROP TABLE x", "nul\0"):
            with pytest.raises(errors.CursorUnsupportedError):
                source.checkpoint_at(unit, policy, value)
        with pytest.raises(errors.CursorUnsupportedError):
            source.checkpoint_at(unit, UnitPolicy(), "15")

    def test_a_row_that_moves_between_slices_is_read_once(self, lab, source):
        made = lab.make(700, padding=600)
        with reading_view(source) as view:
            plan = plan_of(source, made, view=view, target_slice_bytes=SMALL)
            first = ids(export(source, plan, plan.slices[0], view))
            lab.move_row(made, first[0], 90_001)
            lab.move_row(made, 699, -7)
            rest = [ids(export(source, plan, piece, view)) for piece in plan.slices[1:]]
        read = sorted(sum(rest, first))
        if isinstance(source, SupportsConsistentView):
            assert read == list(range(700))
        else:
            assert len(read) == len(set(read))

    def test_views_end(self, lab, source):
        if not isinstance(source, SupportsConsistentView):
            return
        plan = plan_of(source, lab.make(3))
        for _ in range(20):  # a view that the server ends a moment later would be met by one of them
            with source.open_view() as view:
                assert ids(export(source, plan, plan.slices[0], view)) == [0, 1, 2]
            with pytest.raises(errors.SourceViewLostError):
                export(source, plan, plan.slices[0], view)
        assert ids(export(source, plan, plan.slices[0])) == [0, 1, 2]

    def test_keys_and_repairs(self, lab, source):
        if not isinstance(source, SupportsDeleteDetection):
            return
        made = lab.make(40)
        kept = (Predicate(column="id", op="ge", value=5),)
        plan = plan_of(source, made, filter=kept)
        keys = [pl.DataFrame(batch) for batch in source.export_keys(plan)]
        assert {tuple(frame.columns) for frame in keys} == {("id",)}
        assert sorted(int(key) for key in pl.concat(keys)["id"]) == list(range(5, 40))
        repairs = source.repair_slices(plan, [{"id": "7"}, {"id": "30"}, {"id": "2"}], epoch=4)
        assert ids(*(export(source, plan, piece) for piece in repairs)) == [7, 30]

    def test_content_hashes(self, lab, source):
        if not isinstance(source, SupportsContentHash):
            return
        made, twin = lab.make(40), lab.make(40)
        hashes = []
        for dataset in (made, twin):
            plan = plan_of(source, dataset)
            hashes.append(source.content_hash(plan, plan.slices[0]))
        assert hashes[0] == hashes[1]
        assert hashes[0].rows == 40
        lab.rename(made, 3, "other")
        plan = plan_of(source, made)
        assert source.content_hash(plan, plan.slices[0]).digest != hashes[1].digest

    def test_a_column_that_goes_between_plan_and_export(self, lab, source):
        made = lab.make(3)
        plan = plan_of(source, made)
        unit = plan.unit
        lab.drop_column(made, "amount")
        with pytest.raises(errors.SourceSchemaChangedError):
            export(source, plan, plan.slices[0])
        with pytest.raises(errors.SourceSchemaChangedError) as caught:
            source.plan(PlanRequest(endpoint_id="shop", unit=unit, mode="full", policy=UnitPolicy()))
        assert_silent(caught.value, lab.secret)

    def test_a_dataset_that_goes(self, lab, source):
        made = lab.make(3)
        plan = plan_of(source, made)
        lab.drop(made)
        with pytest.raises(errors.SourceSchemaChangedError):
            export(source, plan, plan.slices[0])
        with pytest.raises(errors.SourceSchemaChangedError):
            source.plan(PlanRequest(endpoint_id="shop", unit=plan.unit, mode="full", policy=UnitPolicy()))
        assert made not in {unit.unit_id for unit in source.list_units(source.collect_catalog("shop"))}

    def test_an_export_that_is_given_up_leaves_the_source_usable(self, lab, source):
        plan = plan_of(source, lab.make(300, padding=120_000))
        batches = source.export(plan, plan.slices[0])
        next(batches)
        batches.close()
        assert source.test_connection().ok
        assert len(ids(export(source, plan, plan.slices[0]))) == 300

    def test_a_closed_source_can_be_used_again(self, source):
        source.close()
        source.close()
        assert source.test_connection().ok


def unit_of(source: SourceEndpoint, dataset_id: str) -> EndpointUnitDescriptor:
    units = source.list_units(source.collect_catalog("shop"))
    return next(unit for unit in units if unit.dataset_id == dataset_id)


def plan_of(
    source: SourceEndpoint,
    dataset_id: str,
    *,
    mode: Any = "full",
    view: str | None = None,
    checkpoint: Json | None = None,
    **policy: Any,
) -> IngestionPlan:
    unit = unit_of(source, dataset_id)
    return source.plan(
        PlanRequest(
            endpoint_id="shop", unit=unit, mode=mode, policy=UnitPolicy(**policy), checkpoint=checkpoint, view=view
        )
    )


def export(source: SourceEndpoint, plan: IngestionPlan, piece: IngestionSlice, view: str | None = None) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(batch) for batch in source.export(plan, piece, view)])


def ids(*frames: pl.DataFrame) -> list[int]:
    """Ids in order; doubled ones stay."""
    return sorted(int(key) for frame in frames for key in frame["id"])


def filtered(source: SourceEndpoint, dataset_id: str, *conditions: Predicate) -> list[int]:
    plan = plan_of(source, dataset_id, filter=conditions)
    return ids(*(export(source, plan, piece) for piece in plan.slices))


def assert_silent(error: BaseException, *secrets: str) -> None:
    """Neither the error nor what it came from says a secret."""
    chain: Sequence[BaseException | None] = (error, error.__cause__, error.__context__)
    for one in chain:
        text = f"{one} {one!r} {getattr(one, 'facts', '')}"
        assert not any(secret in text for secret in secrets)
