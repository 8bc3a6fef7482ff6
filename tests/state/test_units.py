from datetime import UTC, datetime, timedelta

import pytest

from contracts.catalog import CatalogSnapshot, DatasetDescriptor
from contracts.errors import ConfigInvalidError, DatasetNotInCatalogError, SourceAuthError, UnitDisabledError
from contracts.receipts import RunRef
from contracts.unit import EndpointUnitDescriptor, UnitConfig, UnitPolicy, UnitState
from state.admission import require_runnable
from state.keys import unit_config_key, unit_state_key
from state.memory import MemoryKvStore
from state.units import UnitConfigs, UnitStates, effective_policy

REF = RunRef(endpoint_id="shop", unit_id="public.orders", sink_id="lake")
START = datetime(2026, 1, 1, tzinfo=UTC)
CATALOG = CatalogSnapshot(
    endpoint_id="shop",
    collected_at=START,
    datasets=(
        DatasetDescriptor(dataset_id="public.orders", kind="table", namespace="public", name="orders", columns=()),
    ),
)


@pytest.fixture
def configs():
    return UnitConfigs(MemoryKvStore())


@pytest.fixture
def states():
    ticks = (START + timedelta(hours=hour) for hour in range(100))
    return UnitStates(MemoryKvStore(), lambda: next(ticks))


def config(unit_id="public.orders", *, enabled=True, endpoint_id="shop"):
    return UnitConfig(endpoint_id=endpoint_id, unit_id=unit_id, enabled=enabled)


def test_a_unit_nobody_configured_has_the_defaults(configs):
    assert configs.config("shop", "public.orders") == config()
    assert configs.list() == ()


def test_what_was_configured_is_read_back_and_replaced(configs):
    wanted = UnitConfig(
        endpoint_id="shop",
        unit_id="public.orders",
        mode="incremental",
        sink_id="lake",
        schedule="every 60",
        policy=UnitPolicy(cursor_columns=("at",), max_delete_fraction=0.1),
    )
    assert configs.configure(wanted) == wanted
    assert configs.config("shop", "public.orders") == wanted
    configs.configure(config(enabled=False))
    assert configs.config("shop", "public.orders") == config(enabled=False)
    assert configs.forget("shop", "public.orders") is True
    assert configs.config("shop", "public.orders") == config()
    assert configs.forget("shop", "public.orders") is False


def test_configs_are_listed_by_endpoint(configs):
    for each in (config("b"), config("a"), config("c", endpoint_id="crm")):
        configs.configure(each)
    assert configs.list("shop") == (config("a"), config("b"))
    assert [each.unit_id for each in configs.list()] == ["c", "a", "b"]


def test_a_catalogued_enabled_unit_may_run():
    assert require_runnable(CATALOG, "public.orders", config()) is CATALOG.datasets[0]
    assert require_runnable(CATALOG, "orders", config("orders"), dataset_id="public.orders")


def test_metadata_is_asked_first():
    with pytest.raises(DatasetNotInCatalogError):
        require_runnable(CATALOG, "public.gone", config("public.gone", enabled=False))


def test_a_disabled_unit_may_not_run():
    with pytest.raises(UnitDisabledError, match=r"nucleus unit configure shop public\.orders") as caught:
        require_runnable(CATALOG, "public.orders", config(enabled=False))
    assert caught.value.facts == {"endpoint_id": "shop", "unit_id": "public.orders"}


def test_a_unit_that_never_ran_is_idle(states):
    assert states.state(REF) == UnitState(**REF.model_dump())
    assert states.list() == ()


def test_a_run_begins_fails_begins_again_and_succeeds(states):
    begun = states.running(REF, "run-1")
    assert (begun.state, begun.last_run_id, begun.last_run_at) == ("RUNNING", "run-1", START)
    error = SourceAuthError("The source refused", "Check the password.", host="db")
    failed = states.failed(REF, "run-1", error, {"rows": 1})
    assert (failed.state, failed.last_error, failed.last_run_at) == ("FAILED", error.to_json(), START)
    assert states.running(REF, "run-2").last_error == error.to_json()
    done = states.succeeded(REF, "run-2", {"rows": 5})
    assert (done.state, done.last_error, done.stats) == ("SUCCEEDED", None, {"rows": 5})
    assert done.last_run_at == START + timedelta(hours=1)
    assert states.state(REF) == done


def test_an_error_of_another_kind_leaves_its_text_out(states):
    failed = states.failed(REF, "run-1", RuntimeError("password=hunter2"))
    assert failed.last_error == {"code": "E_INGESTION", "message": "RuntimeError"}


def test_a_run_that_was_replaced_notes_nothing(states):
    states.running(REF, "run-1")
    newer = states.running(REF, "run-2")
    assert states.failed(REF, "run-1", SourceAuthError("late")) == newer
    assert states.succeeded(REF, "run-1", {"rows": 9}) == newer
    assert states.state(REF) == newer


def test_a_pause_keeps_the_last_run(states):
    states.running(REF, "run-1")
    states.succeeded(REF, "run-1", {"rows": 5})
    paused = states.paused(REF)
    assert (paused.state, paused.last_run_id, paused.stats) == ("PAUSED", "run-1", {"rows": 5})


def test_states_are_listed_by_endpoint(states):
    for sink in ("b", "a"):
        states.running(REF.model_copy(update={"sink_id": sink}), "run-1")
    states.running(REF.model_copy(update={"endpoint_id": "crm"}), "run-1")
    assert [each.sink_id for each in states.list("shop")] == ["a", "b"]
    assert len(states.list()) == 3


def test_names_with_colons_and_percents_do_not_meet():
    pairs = [
        ("a", "b"),
        ("a::sink::b", ""),
        ("a", "b::sink::"),
        ("a:", "b"),
        ("a", ":b"),
        ("a%3A", "b"),
        ("", "a::sink::b"),
    ]
    refs = [RunRef(endpoint_id="e", unit_id=unit, sink_id=sink) for unit, sink in pairs]
    assert len({unit_state_key(ref).key for ref in refs}) == len(pairs)
    assert len({unit_config_key("e", unit).key for unit in ("a:", "a", "a%3A", "a::", "%", "%25")}) == 6


def unit(**default_policy):
    return EndpointUnitDescriptor(
        unit_id="public.orders",
        dataset=CATALOG.datasets[0],
        kind="table",
        display_name="Orders",
        default_policy=UnitPolicy(**default_policy),
    )


def test_the_request_overrides_the_operator_who_overrides_the_unit():
    orders = unit(parallel_slices=2, max_delete_fraction=0.2, allow_partial=True)
    operator = config().model_copy(update={"policy": UnitPolicy(parallel_slices=3, max_delete_fraction=0.3)})
    policy = effective_policy(orders, operator, {"parallel_slices": 5})
    assert policy == UnitPolicy(parallel_slices=5, max_delete_fraction=0.3, allow_partial=True)
    assert effective_policy(orders, config(), None) == orders.default_policy


def test_a_value_that_was_set_counts_though_it_is_the_general_default(configs):
    jira = unit(parallel_slices=8, census_every_s=3_600.0)
    configs.configure(config().model_copy(update={"policy": UnitPolicy(parallel_slices=2)}))
    policy = effective_policy(jira, configs.config("shop", "public.orders"), None)
    assert policy == UnitPolicy(parallel_slices=2, census_every_s=3_600.0)


def test_a_config_of_an_earlier_version_sets_what_differs_from_the_defaults():
    store = MemoryKvStore()
    whole = config().model_copy(update={"policy": UnitPolicy(target_slice_bytes=1 << 20)}).model_dump(mode="json")
    store.put(unit_config_key("shop", "public.orders"), whole)
    for held in (UnitConfigs(store).config("shop", "public.orders"), *UnitConfigs(store).list()):
        assert held.policy.model_fields_set == {"target_slice_bytes"}
        assert effective_policy(unit(parallel_slices=8), held, None).parallel_slices == 8


@pytest.mark.parametrize(
    ("asked", "field"), [({"parallel_slices": "many"}, "parallel_slices"), ({"no_such_field": 1}, "no_such_field")]
)
def test_a_policy_that_cannot_be_used_names_every_wrong_field(asked, field):
    with pytest.raises(ConfigInvalidError, match=field) as caught:
        effective_policy(unit(), config(), {**asked, "resume_within_s": -1})
    problems = caught.value.facts["fields"]
    assert len(problems) == 2
    assert any(problem.startswith("resume_within_s: ") for problem in problems)
