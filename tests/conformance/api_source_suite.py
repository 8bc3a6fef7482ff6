"""What every source over an API does. Subclass it, give ``lab``, and the source is tested.

The lab is the test's hand on the system behind the source: it holds a few dozen rows of one incremental unit, changes
them and spoils answers. The suite reads through the source alone, as the stages do.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl
import pytest

from contracts import errors
from contracts.endpoint import (
    PlanRequest,
    SupportsConsistentView,
    SupportsDeleteDetection,
    SupportsFilterOptions,
    SupportsWatermark,
)
from contracts.plan import IngestionPlan, SliceReport, explain
from contracts.unit import Predicate, UnitPolicy
from flows.stages.export import Export

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contracts.endpoint import SourceEndpoint
    from contracts.unit import EndpointUnitDescriptor

TRAITS = {
    "ingest.consistent_view": SupportsConsistentView,
    "ingest.delete_detection": SupportsDeleteDetection,
    "ingest.filter_options": SupportsFilterOptions,
    "ingest.set_watermark": SupportsWatermark,
}


class ApiSourceLab(Protocol):
    """The system behind the source."""

    unit_id: str
    """A unit that can be read incrementally, of several slices."""
    secret: str
    """A credential that must never be shown."""

    def source(self) -> SourceEndpoint:
        """A source with good credentials."""
        ...

    def broken_sources(self) -> Iterable[tuple[str, SourceEndpoint]]:
        """Sources that cannot connect, each with the code its error must have."""
        ...

    def keys(self) -> set[str]:
        """Keys of the unit's rows now."""
        ...

    def change(self, count: int) -> set[str]:
        """Change so many rows, a while after whatever was read; their keys."""
        ...

    def remove(self) -> str:
        """Remove a row; its key."""
        ...

    def expire(self) -> None:
        """From now on the credentials do not count."""
        ...

    def spoil(self, share: float) -> None:
        """From now on this share of answers is bad in a way that passes."""
        ...


class ApiSourceSuite:
    """Behaviour every source over an API shares."""

    @pytest.fixture
    def lab(self) -> ApiSourceLab:
        raise NotImplementedError

    @pytest.fixture
    def source(self, lab: ApiSourceLab) -> Iterable[Any]:
        source = lab.source()
        yield source
        source.close()

    @pytest.fixture
    def unit(self, lab: ApiSourceLab, source: SourceEndpoint) -> EndpointUnitDescriptor:
        catalog = source.collect_catalog("endpoint")
        return next(unit for unit in source.list_units(catalog) if unit.unit_id == lab.unit_id)

    def test_connection_says_who_and_what(self, source):
        report = source.test_connection()
        assert report.ok
        assert report.account
        assert report.server_version

    def test_broken_connections_have_codes_and_keep_the_secret(self, lab):
        for code, broken in lab.broken_sources():
            with closing(broken), pytest.raises(errors.IngestionError) as caught:
                broken.test_connection()
            assert caught.value.code == code, str(caught.value)
            assert caught.value.next_step
            assert lab.secret not in f"{caught.value} {caught.value.to_json()} {caught.value.__cause__!r}"

    def test_capabilities_are_the_traits(self, source):
        for capability, trait in TRAITS.items():
            assert (capability in source.descriptor.capabilities) == isinstance(source, trait), capability

    def test_units_come_from_the_catalog_and_nowhere_else(self, source):
        catalog = source.collect_catalog("endpoint")
        units = source.list_units(catalog)
        assert {unit.dataset_id for unit in units} <= {dataset.dataset_id for dataset in catalog.datasets}
        assert source.list_units(catalog.model_copy(update={"datasets": ()})) == ()
        assert source.collect_catalog("endpoint").version == catalog.version
        for unit in units:
            assert unit.primary_key
            assert all(unit.dataset.column(name) is not None for name in unit.primary_key)

    def test_a_plan_is_data_and_the_same_twice(self, source, unit):
        first, second = plan(source, unit), plan(source, unit)
        assert len(first.slices) > 1
        assert first.slices == second.slices
        assert IngestionPlan.model_validate_json(first.model_dump_json()) == first
        assert len(explain(first).splitlines()) >= len(first.slices)
        assert max(len(piece.model_dump_json()) for piece in first.slices) < 64 * 1024

    def test_slices_are_disjoint_and_cover_everything(self, lab, source, unit):
        read = [key for piece in plan(source, unit).slices for key in keys_of(source, unit, piece)[0]]
        assert sorted(read) == sorted(lab.keys())

    def test_a_slice_read_again_gives_the_same_rows(self, source, unit):
        made = plan(source, unit)
        for piece in made.slices[:3]:
            first, again = rows(source, made, piece), rows(source, made, piece)
            assert first[0].equals(again[0])
            assert first[1] == again[1]

    def test_batches_have_the_schema_that_was_promised(self, source):
        for unit in source.list_units(source.collect_catalog("endpoint")):
            made = plan(source, unit)
            for piece in made.slices[:2]:
                batches = list(source.export(made, piece))
                assert batches, "at least one, if only to carry the columns"
                for batch in batches:
                    assert batch.columns == [column.name for column in unit.columns]
                    assert batch.schema == batches[0].schema
                    for name in unit.primary_key:
                        assert batch[name].null_count() == 0

    def test_a_slice_says_what_was_promised(self, source, unit):
        made = plan(source, unit)
        for piece in made.slices:
            frame, report = rows(source, made, piece)
            assert report.gaps == ()
            assert report.expected_rows == frame.height

    def test_incremental_reads_what_changed_and_ends_as_full(self, lab, source, unit):
        first = plan(source, unit, "incremental")
        checkpoint = source.checkpoint(first, [])
        assert {key for piece in first.slices for key in keys_of(source, unit, piece, first)[0]} == lab.keys()
        changed = lab.change(3)
        second = plan(source, unit, "incremental", checkpoint=checkpoint)
        read = {key for piece in second.slices for key in keys_of(source, unit, piece, second)[0]}
        assert changed <= read
        assert len(read) < len(lab.keys())
        assert second.checkpoint_after != checkpoint

    def test_keys_are_those_of_the_rows(self, lab, source, unit):
        gone = lab.remove()
        frames = list(source.export_keys(plan(source, unit)))
        found = [key for frame in frames for key in frame[unit.primary_key[0]].cast(pl.String)]
        assert sorted(found) == sorted(lab.keys())
        assert gone not in found

    def test_repairs_read_exactly_what_is_missing(self, lab, source, unit):
        made = plan(source, unit)
        wanted = sorted(lab.keys())[:5]
        pieces = source.repair_slices(made, [{unit.primary_key[0]: key} for key in wanted], 2)
        assert {piece.key for piece in pieces}.isdisjoint(piece.key for piece in made.slices)
        assert sorted(key for piece in pieces for key in keys_of(source, unit, piece, made)[0]) == wanted

    def test_a_login_that_ran_out_is_no_empty_answer(self, lab, source, unit):
        made = plan(source, unit)
        lab.expire()
        for attempt in (
            lambda: plan(source, unit),
            lambda: rows(source, made, made.slices[0]),
            lambda: list(source.export_keys(made)),
            lambda: source.collect_catalog("endpoint"),
            source.test_connection,
        ):
            with pytest.raises(errors.SourceAuthError):
                attempt()

    def test_answers_that_are_bad_for_a_while_do_not_matter(self, lab, source, unit):
        lab.spoil(0.3)
        made = plan(source, unit)
        read = {key for piece in made.slices for key in keys_of(source, unit, piece, made)[0]}
        assert read == lab.keys()

    def test_what_cannot_be_selected_is_refused(self, source, unit):
        for policy in (
            UnitPolicy(filter=(Predicate(column="no such column", op="eq", value=1),)),
            UnitPolicy(selectors={"no such selector": "x"}),
        ):
            with pytest.raises(errors.FilterNotSupportedError):
                plan(source, unit, policy=policy)

    def test_preview_is_short_and_has_the_units_columns(self, source):
        for unit in source.list_units(source.collect_catalog("endpoint")):
            frame = source.preview(unit, 3)
            assert frame.height <= 3
            assert frame.columns == [column.name for column in unit.columns]

    def test_a_closed_source_can_be_used_again(self, source):
        source.close()
        assert source.test_connection().ok


def plan(source: Any, unit: EndpointUnitDescriptor, mode: str = "full", checkpoint: Any = None, policy: Any = None):
    request = PlanRequest(
        endpoint_id="endpoint", unit=unit, mode=mode, policy=policy or unit.default_policy, checkpoint=checkpoint
    )
    return source.plan(request)


def rows(source: Any, made: IngestionPlan, piece: Any) -> tuple[pl.DataFrame, SliceReport]:
    export = Export(source, made, piece, None)
    return pl.concat(list(export)), export.report


def keys_of(source: Any, unit: EndpointUnitDescriptor, piece: Any, made: Any = None) -> tuple[list[str], SliceReport]:
    frame, report = rows(source, made or plan(source, unit), piece)
    return frame[unit.primary_key[0]].cast(pl.String).to_list(), report
