from contextlib import closing, suppress

import pytest

from contracts.errors import ConfigInvalidError, StateUnavailableError
from contracts.state import KvKey
from state.table import TableKvStore, open_table_store
from state.table_sqlite import SqliteTable
from tests.conformance.kv_suite import KvStoreSuite, key_of


class TestSqliteKvStore(KvStoreSuite):
    racers = 8
    increments = 25

    @pytest.fixture
    def reopen(self, tmp_path):
        opened = []

        def reopen():
            opened.append(open_table_store(f"sqlite:///{tmp_path}/made/on demand/state.db"))
            return opened[-1]

        yield reopen
        for store in opened:
            store.close()

    @pytest.fixture
    def store(self, reopen):
        return reopen()


def test_nothing_is_made_before_the_first_call(tmp_path):
    store = open_table_store(f"sqlite:///{tmp_path}/state.db")
    assert list(tmp_path.iterdir()) == []
    with closing(store):
        assert store.get(key_of("a")) is None
    assert (tmp_path / "state.db").exists()


def test_a_closed_store_opens_again(tmp_path):
    store = open_table_store(f"sqlite:///{tmp_path}/state.db")
    store.put(key_of("a"), {"n": 1})
    store.close()
    with closing(store):
        assert store.put(key_of("a"), {"n": 2}, expected_version=1).version == 2


def test_a_file_of_another_kind_is_a_typed_error(tmp_path):
    (tmp_path / "state.db").write_text("not a database, whatever its name says" * 50)
    with pytest.raises(StateUnavailableError, match=r"state\.db"):
        open_table_store(f"sqlite:///{tmp_path}/state.db").get(key_of("a"))


def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StateUnavailableError):
        open_table_store(f"sqlite:///{tmp_path}/file/state.db").get(key_of("a"))


def test_a_lock_held_for_too_long_is_a_typed_error_and_the_next_call_works(tmp_path):
    table = SqliteTable(tmp_path / "state.db", busy_timeout_s=0.1)
    holder = SqliteTable(tmp_path / "state.db")
    store = TableKvStore(table)
    with closing(store), closing(holder):
        store.put(key_of("a"), {"n": 1})
        holder.run("BEGIN IMMEDIATE", ())
        with pytest.raises(StateUnavailableError, match="locked"):
            store.put(key_of("a"), {"n": 2})
        assert store.get(key_of("a")).value == {"n": 1}
        holder.run("COMMIT", ())
        assert store.put(key_of("a"), {"n": 2}).version == 2


def test_a_value_edited_into_something_else_names_its_key(tmp_path):
    store = open_table_store(f"sqlite:///{tmp_path}/state.db")
    table = SqliteTable(tmp_path / "state.db")
    with closing(store), closing(table):
        store.put(key_of("edited"), {"n": 1})
        table.run("UPDATE kv_entries SET value = '[1'", ())
        with pytest.raises(ConfigInvalidError, match="'edited'"):
            store.get(key_of("edited"))


@pytest.mark.parametrize(
    "url",
    ["", "state.db", "sqlite://state.db", "sqlite:///", "sqlite:///:memory:", "mysql://root:hunter2@db/x"],
)
def test_other_urls_are_refused_without_repeating_them(url):
    with pytest.raises(ConfigInvalidError) as caught:
        open_table_store(url)
    assert "hunter2" not in str(caught.value.to_json())


def test_one_idle_connection_however_many_calls(tmp_path):
    table = SqliteTable(tmp_path / "state.db")
    store = TableKvStore(table)
    with closing(store):
        for number in range(20):
            store.put(KvKey(namespace="n", scope_id="s", key=str(number)), {})
            with suppress(Exception):
                table.run("no such statement", ())
        store.get(key_of("a"))
        assert len(table._connections._idle) == 1
    assert table._connections._idle == []
