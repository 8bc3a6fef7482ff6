import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.catalog import ColumnDescriptor, DatasetDescriptor
from contracts.plan import IngestionPlan, IngestionSlice, explain
from contracts.unit import EndpointUnitDescriptor, Predicate, UnitPolicy

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(text, values, max_size=4)
counts = st.none() | st.integers(min_value=0)

columns = st.builds(
    ColumnDescriptor,
    name=text,
    logical_type=st.sampled_from(["int64", "string", "timestamptz", "other"]),
    declared_type=text,
    nullable=st.booleans(),
    comment=st.none() | text,
)
datasets = st.builds(
    DatasetDescriptor,
    dataset_id=text,
    kind=st.sampled_from(["table", "view", "entity"]),
    namespace=text,
    name=text,
    columns=st.lists(columns, max_size=3).map(tuple),
    primary_key=st.lists(text, max_size=2).map(tuple),
    rows_estimate=counts,
    bytes_estimate=counts,
    properties=objects,
)
predicates = st.builds(Predicate, column=text, op=st.sampled_from(["eq", "in", "is_null"]), value=values)
policies = st.builds(
    UnitPolicy,
    filter=st.lists(predicates, max_size=2).map(tuple),
    cursor_columns=st.lists(text, max_size=2).map(tuple),
    parallel_slices=st.integers(1, 64),
    max_delete_fraction=st.floats(0, 1),
)
units = st.builds(EndpointUnitDescriptor, unit_id=text, dataset=datasets, kind=text, display_name=text)


@st.composite
def slice_lists(draw):
    keys = draw(st.lists(text, unique=True, max_size=5))
    return tuple(
        IngestionSlice(
            key=key,
            sequence=i,
            params=draw(objects),
            expected_rows=draw(counts),
            estimated_bytes=draw(counts),
        )
        for i, key in enumerate(keys)
    )


plans = st.builds(
    IngestionPlan,
    endpoint_id=text,
    unit=units,
    mode=st.sampled_from(["full", "incremental"]),
    strategy=text,
    reason=text,
    slices=slice_lists(),
    policy=policies,
    checkpoint_before=st.none() | objects,
    checkpoint_after=st.none() | objects,
)


def piece(key, sequence=0, **more):
    return IngestionSlice(key=key, sequence=sequence, **more)


def plan(**changes):
    dataset = DatasetDescriptor(
        dataset_id="public.orders",
        kind="table",
        namespace="public",
        name="orders",
        columns=(ColumnDescriptor(name="id", logical_type="int64", declared_type="bigint"),),
        primary_key=("id",),
        rows_estimate=100,
        bytes_estimate=1000,
    )
    facts = {
        "endpoint_id": "shop",
        "unit": EndpointUnitDescriptor(unit_id="public.orders", dataset=dataset, kind="table", display_name="Orders"),
        "mode": "incremental",
        "strategy": "key-range",
        "slices": (piece("a"), piece("b", 1)),
        "policy": UnitPolicy(cursor_columns=("at",)),
        "checkpoint_before": {"settled": "1", "pending": []},
    }
    return IngestionPlan(**(facts | changes))


def with_dataset(**changes):
    unit = plan().unit
    return plan(unit=unit.model_copy(update={"dataset": unit.dataset.model_copy(update=changes)}))


def with_policy(**changes):
    return plan(policy=UnitPolicy(**({"cursor_columns": ("at",)} | changes)))


@settings(deadline=None)
@given(plans)
def test_a_plan_survives_json(made):
    again = IngestionPlan.model_validate_json(made.model_dump_json())
    assert again == made
    assert again.fingerprint == made.fingerprint
    assert again.model_dump_json() == made.model_dump_json()
    assert IngestionPlan.model_validate(made.model_dump(mode="json")) == made


@settings(deadline=None)
@given(plans)
def test_explain_names_every_slice_and_touches_nothing(made):
    lines = explain(made).split("\n")
    assert made.unit.unit_id in explain(made)
    assert len(lines) > len(made.slices)
    assert all(each.key.strip() in explain(made) for each in made.slices)


def test_a_number_that_json_does_not_know_survives():
    odd = plan(slices=(piece("a", params={"low": float("-inf"), "high": float("inf")}),))
    assert IngestionPlan.model_validate_json(odd.model_dump_json()) == odd


def test_a_plan_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        plan().mode = "full"


@pytest.mark.parametrize(
    ("slices", "why"),
    [
        ((piece("a"), piece("a", 1)), "unique"),
        ((piece("a", 1),), "numbered"),
        ((piece("a"), piece("b", 2)), "numbered"),
        ((piece("a", 1), piece("b", 0)), "numbered"),
        ((piece("a"), piece("b")), "numbered"),
    ],
)
def test_slices_with_equal_keys_or_wrong_numbers_are_refused(slices, why):
    with pytest.raises(ValidationError, match=why):
        plan(slices=slices)


@pytest.mark.parametrize("changes", [{"mode": "sideways"}, {"surprise": 1}, {"slices": None}, {"endpoint_id": None}])
def test_other_malformed_plans_are_refused(changes):
    with pytest.raises(ValidationError):
        plan(**changes)


def test_a_plan_without_slices_is_a_plan():
    assert plan(slices=()).slices == ()


@settings(deadline=None)
@given(slice_lists())
def test_extended_appends_and_renumbers(extra):
    fresh = tuple(each.model_copy(update={"key": f"+{each.key}", "sequence": 99}) for each in extra)
    longer = plan().extended(fresh)
    assert longer.slices[:2] == plan().slices
    assert [each.sequence for each in longer.slices] == list(range(2 + len(extra)))
    assert [each.key for each in longer.slices[2:]] == [each.key for each in fresh]
    assert longer.model_copy(update={"slices": plan().slices}) == plan()
    assert IngestionPlan.model_validate_json(longer.model_dump_json()) == longer


def test_extended_leaves_the_plan_and_the_fingerprint_alone():
    short = plan()
    assert short.extended((piece("c"),)).fingerprint == short.fingerprint
    assert len(short.slices) == 2
    assert short.extended(()) == short


def test_extended_refuses_a_key_that_is_there():
    with pytest.raises(ValueError, match="unique"):
        plan().extended((piece("b"),))


@pytest.mark.parametrize(
    "same",
    [
        plan(),
        plan(slices=(), strategy="single", reason="why not", checkpoint_after={"settled": "9"}),
        plan(endpoint_id="other name of the same"),
        with_dataset(rows_estimate=None, bytes_estimate=5),
        with_policy(parallel_slices=9),
        with_policy(resume_within_s=1.0),
        with_policy(max_delete_fraction=0.9),
        with_policy(on_gone="ignore"),
        with_policy(target_slice_bytes=1 << 20),
        plan(checkpoint_before={"pending": [], "settled": "1"}),
    ],
)
def test_the_fingerprint_stays(same):
    assert same.fingerprint == plan().fingerprint


@pytest.mark.parametrize(
    "other",
    [
        plan(mode="full"),
        plan(checkpoint_before=None),
        plan(checkpoint_before={"settled": "2", "pending": []}),
        with_policy(filter=(Predicate(column="id", op="gt", value=1),)),
        with_policy(cursor_columns=("id",)),
        with_policy(key_columns=("other",)),
        with_policy(target_name="elsewhere"),
        with_policy(target_namespace="elsewhere"),
        with_dataset(primary_key=()),
        with_dataset(columns=()),
        with_dataset(name="elsewhere"),
        plan(unit=plan().unit.model_copy(update={"unit_id": "other"})),
    ],
)
def test_the_fingerprint_changes(other):
    assert other.fingerprint != plan().fingerprint


def test_explain_says_which_counts_are_promised():
    lines = explain(
        plan(
            reason="cut by statistics",
            slices=(
                piece("a", expected_rows=5),
                piece("b", 1, estimated_rows=7, estimated_bytes=3 << 20, params={"explain": "id < 9"}),
                piece("c", 2),
            ),
        )
    ).split("\n")
    assert lines == [
        "public.orders: incremental, 3 slice(s), key-range",
        "cut by statistics",
        "     0 a (5 rows)",
        "     1 b (~7 rows, ~3.0 MiB) id < 9",
        "     2 c",
    ]
