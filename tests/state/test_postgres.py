from contextlib import closing
from urllib.parse import urlsplit

import pytest

from contracts.errors import StateUnavailableError
from state.table import TableKvStore, open_table_store
from state.table_postgres import PostgresTable
from tests.conformance.kv_suite import KvStoreSuite, key_of


class TestPostgresKvStore(KvStoreSuite):
    @pytest.fixture
    def reopen(self, database):
        opened = []

        def reopen():
            opened.append(open_table_store(database))
            return opened[-1]

        yield reopen
        for store in opened:
            store.close()

    @pytest.fixture
    def store(self, reopen):
        return reopen()


def test_json_beyond_what_a_text_column_takes(database):
    value = {"nul": "\u0000", "half a pair": "\ud800", "digits": 10**30, "infinite": float("inf")}
    with closing(open_table_store(database)) as store:
        store.put(key_of("a"), value)
        assert store.get(key_of("a")).value == value


def test_a_schema_of_any_name(database):
    for schema in ("It's", 'a "b" $1 kv_entries', "nucleus"):
        store = open_table_store(database, schema)
        store.put(key_of("a"), {"schema": schema})
        store.close()
        with closing(open_table_store(database, schema)) as again:
            assert again.get(key_of("a")).value == {"schema": schema}


def test_an_account_that_may_only_use_the_table_needs_no_right_to_create(database):
    owner = PostgresTable(database)
    TableKvStore(owner).put(key_of("a"), {"n": 1})
    owner.run("DROP ROLE IF EXISTS nucleus_kv_reader", ())
    owner.run("CREATE ROLE nucleus_kv_reader LOGIN PASSWORD 'just-reading'", ())
    owner.run("GRANT USAGE ON SCHEMA nucleus TO nucleus_kv_reader", ())
    owner.run("GRANT SELECT ON nucleus.kv_entries TO nucleus_kv_reader", ())
    account = urlsplit(database)
    place = f"{account.hostname}:{account.port}{account.path}"
    reader = open_table_store(f"postgresql://nucleus_kv_reader:just-reading@{place}")
    try:
        assert reader.get(key_of("a")).value == {"n": 1}
        with pytest.raises(StateUnavailableError, match="permission denied") as caught:
            reader.put(key_of("a"), {"n": 2})
        assert caught.value.facts["sqlstate"] == "42501"
    finally:
        reader.close()
        owner.run("DROP OWNED BY nucleus_kv_reader", ())
        owner.run("DROP ROLE nucleus_kv_reader", ())
        owner.close()


def test_a_connection_that_died_idle_is_replaced(database):
    store, other = open_table_store(database), PostgresTable(database)
    store.put(key_of("a"), {"n": 1})
    other.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()", ())
    assert store.put(key_of("a"), {"n": 2}, expected_version=1).version == 2
    store.close()
    other.close()


@pytest.mark.parametrize(
    ("account", "place"),
    [
        ("postgres:hunter2", ":1/"),
        ("postgres:hunter2%zz", ":1/"),
        ("postgres:hunter2@hunter2", "the given URL"),
        ("postgres:hunter2/hunter2", "the given URL"),
        ("postgres:hunter2#", "the given URL"),
    ],
)
def test_no_error_repeats_the_password(account, place):
    with pytest.raises(StateUnavailableError) as caught:
        open_table_store(f"postgresql://{account}@127.0.0.1:1/nowhere").get(key_of("a"))
    assert place in str(caught.value)
    error = caught.value
    while error is not None:
        assert "hunter2" not in str(error)
        error = error.__cause__ or error.__context__


def test_a_wrong_password_says_what_the_server_said(database):
    account = urlsplit(database)
    wrong = f"postgresql://{account.username}:wrong@{account.hostname}:{account.port}{account.path}"
    with pytest.raises(StateUnavailableError, match="password authentication failed"):
        open_table_store(wrong).get(key_of("a"))
