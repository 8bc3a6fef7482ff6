import logging
from datetime import UTC, datetime

import pytest

from contracts.errors import CheckpointConflictError, ConfigInvalidError
from contracts.receipts import RunRef
from contracts.state import Checkpoint, KvKey, checkpoint_key
from state.checkpoints import Checkpoints
from state.memory import MemoryKvStore

REF = RunRef(endpoint_id="shop", unit_id="public.orders", sink_id="lake")
OTHER = RunRef(endpoint_id="shop", unit_id="public.items", sink_id="lake")
ELSEWHERE = RunRef(endpoint_id="wiki", unit_id="pages", sink_id="lake")


def checkpoint(settled, ref=REF):
    return Checkpoint(
        **ref.model_dump(),
        cursor={"settled": settled, "pending": [{"value": "9", "xmax": 7}]},
        last_run_id="run-1",
        last_updated_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        stats={"rows": 3},
    )


@pytest.fixture
def store():
    return MemoryKvStore()


@pytest.fixture
def checkpoints(store):
    return Checkpoints(store, "acme")


def test_nothing_saved_is_none(checkpoints):
    assert checkpoints.load(REF) is None
    assert checkpoints.load_transient(REF) is None
    assert checkpoints.list() == ()


def test_what_is_saved_is_loaded_under_the_agreed_key(store, checkpoints):
    checkpoints.save(checkpoint("1"))
    assert Checkpoints(store, "acme").load(REF) == checkpoint("1")
    entry = store.get(checkpoint_key("acme", "shop", "public.orders", "lake"))
    assert entry.key.key == "ingest::acme::endpoint::shop::unit::public.orders::sink::lake"
    assert entry.value["cursor"]["settled"] == "1"


def test_one_object_saves_again_and_again(checkpoints):
    for settled in ("1", "2", "3"):
        checkpoints.save(checkpoint(settled))
    assert checkpoints.load(REF) == checkpoint("3")


def test_a_second_writer_is_noticed_and_may_go_on_after_it_looked(store, checkpoints):
    checkpoints.save(checkpoint("1"))
    second = Checkpoints(store, "acme")
    second.load(REF)
    checkpoints.save(checkpoint("2"))
    with pytest.raises(CheckpointConflictError):
        second.save(checkpoint("1b"))
    assert second.load(REF) == checkpoint("2")
    second.save(checkpoint("3"))
    with pytest.raises(CheckpointConflictError):
        checkpoints.save(checkpoint("2b"))


def test_a_first_save_meets_a_first_save(store, checkpoints):
    second = Checkpoints(store, "acme")
    assert second.load(REF) is None
    checkpoints.save(checkpoint("1"))
    with pytest.raises(CheckpointConflictError) as caught:
        second.save(checkpoint("2"))
    assert (caught.value.facts["expected_version"], caught.value.facts["found_version"]) == (0, 1)


def test_a_checkpoint_reset_under_a_running_writer_is_noticed(store, checkpoints):
    checkpoints.save(checkpoint("1"))
    Checkpoints(store, "acme").reset(REF)
    with pytest.raises(CheckpointConflictError):
        checkpoints.save(checkpoint("2"))
    assert checkpoints.load(REF) is None


def test_after_a_conflict_the_next_save_starts_from_the_stored_version(store, checkpoints):
    checkpoints.load(REF)
    Checkpoints(store, "acme").save(checkpoint("other"))
    with pytest.raises(CheckpointConflictError):
        checkpoints.save(checkpoint("1"))
    checkpoints.save(checkpoint("2"))
    assert checkpoints.load(REF) == checkpoint("2")


def test_reset_forgets_checkpoint_and_transient_state(checkpoints):
    checkpoints.save(checkpoint("1"))
    checkpoints.save_transient(REF, {"space": {"A": 1}})
    checkpoints.save(checkpoint("1", OTHER))
    assert checkpoints.reset(REF) is True
    assert (checkpoints.load(REF), checkpoints.load_transient(REF)) == (None, None)
    assert checkpoints.load(OTHER) == checkpoint("1", OTHER)
    assert checkpoints.reset(REF) is False
    checkpoints.save(checkpoint("2"))
    assert checkpoints.load(REF) == checkpoint("2")


def test_transient_state_has_a_version_of_its_own(store, checkpoints):
    checkpoints.save(checkpoint("1"))
    assert checkpoints.save_transient(REF, {"space": {"A": 1}})
    assert checkpoints.save_transient(REF, {"space": {"A": 2}})
    assert Checkpoints(store, "acme").load_transient(REF) == {"space": {"A": 2}}
    checkpoints.save(checkpoint("2"))


def test_a_conflict_of_transient_state_is_logged_and_not_fatal(store, checkpoints, caplog):
    checkpoints.save_transient(REF, {"n": 1})
    second = Checkpoints(store, "acme")
    second.save_transient(REF, {"n": 2})
    with caplog.at_level(logging.WARNING):
        assert checkpoints.save_transient(REF, {"n": 3}) is False
    assert "shop/public.orders -> lake" in caplog.text
    assert checkpoints.load_transient(REF) == {"n": 2}
    assert checkpoints.save_transient(REF, {"n": 3}) is True


def test_list_knows_vendor_and_endpoint_and_leaves_transient_state_out(store, checkpoints):
    for ref in (REF, OTHER, ELSEWHERE):
        checkpoints.save(checkpoint("1", ref))
    checkpoints.save_transient(REF, {"n": 1})
    Checkpoints(store, "other").save(checkpoint("2"))
    assert checkpoints.list() == tuple(checkpoint("1", ref) for ref in (OTHER, REF, ELSEWHERE))
    assert checkpoints.list("wiki") == (checkpoint("1", ELSEWHERE),)
    assert Checkpoints(store, "other").list() == (checkpoint("2"),)
    assert Checkpoints(store, "nobody").list() == ()


def test_a_value_that_was_edited_badly_names_key_and_fields(store, checkpoints):
    key = checkpoint_key("acme", "shop", "public.orders", "lake")
    store.put(key, {"endpoint_id": "shop", "curser": {}})
    for read in (lambda: checkpoints.load(REF), checkpoints.list):
        with pytest.raises(ConfigInvalidError, match="curser") as caught:
            read()
        assert KvKey(**caught.value.facts) == key
    checkpoints.reset(REF)
    assert checkpoints.load(REF) is None
