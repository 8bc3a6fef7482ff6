import pytest

from contracts.state import KvKey
from state.listed import ListedStore
from state.memory import MemoryKvStore
from tests.conformance.kv_suite import KvStoreSuite

NAMESPACE = "unit_states"


def key(name, namespace=NAMESPACE, scope="shop"):
    return KvKey(namespace=namespace, scope_id=scope, key=name)


class CallsNotingStore(MemoryKvStore):
    def __init__(self):
        super().__init__()
        self.calls = []
        self.between = lambda: None

    def get(self, key):
        self.calls.append("get")
        return super().get(key)

    def list(self, namespace, scope_id=None):
        self.calls.append("list")
        listed = super().list(namespace, scope_id)
        self.between()
        return listed


class TestOfAnyStore(KvStoreSuite):
    """Namespaces that are not believed behave as the store's."""

    durable = False

    @pytest.fixture
    def store(self):
        return ListedStore(MemoryKvStore(), {NAMESPACE: 10})

    @pytest.fixture
    def reopen(self):
        return lambda: ListedStore(MemoryKvStore(), {NAMESPACE: 10})


def test_one_list_answers_for_all_keys_of_a_scope_until_it_is_old():
    store, clock = CallsNotingStore(), [0.0]
    for number in range(5):
        store.put(key(f"u{number}"), {"n": number})
    view = ListedStore(store, {NAMESPACE: 10}, now=lambda: clock[0])
    store.calls.clear()
    assert [view.get(key(f"u{number}")).value["n"] for number in range(5)] == [*range(5)]
    assert view.get(key("other")) is None
    assert [entry.value["n"] for entry in view.list(NAMESPACE, "shop")] == [*range(5)]
    assert store.calls == ["list"]
    store.put(key("u0"), {"n": 7})
    assert view.get(key("u0")).value["n"] == 0, "what others write is seen when the list is read again"
    clock[0] = 10.1
    assert view.get(key("u0")).value["n"] == 7
    assert view.get(key("u0", namespace="elsewhere")) is None
    assert store.calls == ["list", "list", "get"]


def test_what_is_written_through_it_is_seen_at_once_also_by_a_list_that_was_asked_for_before():
    store = CallsNotingStore()
    view = ListedStore(store, {NAMESPACE: 10})

    def meanwhile():
        store.between = lambda: None
        view.put(key("new"), {"n": 2})
        view.delete(key("old"))

    store.put(key("old"), {"n": 1})
    store.between = meanwhile
    assert view.get(key("new")).value == {"n": 2}
    assert view.get(key("old")) is None
    view.put(key("new"), {"n": 3})
    assert view.get(key("new")).value == {"n": 3}
    view.delete(key("new"))
    assert view.get(key("new")) is None
    assert view.list(NAMESPACE) == (), "of all scopes the store is asked"
