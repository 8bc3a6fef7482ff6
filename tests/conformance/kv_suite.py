"""What every ``KvStore`` does. Subclass it, give ``store`` and ``reopen``, and the driver is tested.

A driver that declares ``compare_and_set`` False is held to the weaker promise in the same tests: there racing
writers may overwrite each other, but nothing is torn, and whoever is told of a conflict did not write.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, TypeVar

import pytest

from contracts.errors import CheckpointConflictError
from contracts.state import KvKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.model import Json
    from contracts.state import KvEntry, KvStore

ResultT = TypeVar("ResultT")

NESTED: Json = {
    "text": "naïve 漢字 🧊 \\ \" ' \n",
    "numbers": [0, -1, 2**53 + 1, 2**63 - 1, 0.1, 1e300, -0.0],
    "flags": {"yes": True, "no": False, "nothing": None},
    "empty": [{}, [], ""],
    "": {"deep": [[[[{"er": "::"}]]]]},
}
ODD_NAMES = (
    "::",
    "a::b",
    "%",
    "%3A%3A",
    "100%s",
    "with space",
    " ",
    "it's",
    '"quoted"',
    "back\\slash",
    "a/b?c#d",
    "$1",
    "{brace}",
    "new\nline",
    "ünï",
    "漢字🧊",
    "Case",
    "case",
    "*",
    "_",
)


def key_of(name: str, scope: str = "shop", namespace: str = "suite") -> KvKey:
    """A key in the suite's own namespace."""
    return KvKey(namespace=namespace, scope_id=scope, key=name)


class KvStoreSuite:
    """Behaviour every driver shares."""

    durable: ClassVar[bool] = True
    """False for a driver whose values end with the object."""
    racers: ClassVar[int] = 4
    increments: ClassVar[int] = 10
    """Writes of each racer; fewer for a driver that is slow to save."""

    @pytest.fixture
    def store(self) -> KvStore:
        """An empty store."""
        raise NotImplementedError

    @pytest.fixture
    def reopen(self) -> Callable[[], KvStore]:
        """Makes a new store object over the place that ``store`` uses."""
        raise NotImplementedError

    def test_a_missing_key_is_none(self, store: KvStore) -> None:
        assert store.get(key_of("nothing")) is None

    def test_put_answers_what_get_gives(self, store: KvStore) -> None:
        before = datetime.now(UTC) - timedelta(seconds=5)
        written = store.put(key_of("a"), {"n": 1})
        assert written.key == key_of("a")
        assert written.value == {"n": 1}
        assert written.version == 1
        assert before < written.updated_at < before + timedelta(minutes=2)
        assert store.get(key_of("a")) == written

    def test_nested_json_comes_back_as_it_was(self, store: KvStore) -> None:
        store.put(key_of("nested"), NESTED)
        assert _value(store.get(key_of("nested"))) == NESTED
        store.put(key_of("nested"), {})
        assert _value(store.get(key_of("nested"))) == {}

    def test_a_value_is_replaced_and_not_merged(self, store: KvStore) -> None:
        store.put(key_of("a"), {"old": 1, "both": {"x": 1}})
        store.put(key_of("a"), {"both": {"y": 2}})
        assert _value(store.get(key_of("a"))) == {"both": {"y": 2}}

    def test_values_are_copies(self, store: KvStore) -> None:
        mine: Json = {"list": [1]}
        given = store.put(key_of("a"), mine)
        for held in (mine, given.value, _value(store.get(key_of("a")))):
            held["list"].append(2)  # type: ignore[union-attr]
        assert _value(store.get(key_of("a"))) == {"list": [1]}

    def test_the_version_grows_with_every_write(self, store: KvStore) -> None:
        key = key_of("a")
        versions = [store.put(key, {"n": 0}).version for _ in range(3)]
        versions.append(store.put(key, {"n": 0}, expected_version=versions[-1]).version)
        assert versions == [1, 2, 3, 4]

    def test_expected_zero_creates_once(self, store: KvStore) -> None:
        key = key_of("once")
        assert store.put(key, {"n": 1}, expected_version=0).version == 1
        with pytest.raises(CheckpointConflictError) as caught:
            store.put(key, {"n": 2}, expected_version=0)
        assert caught.value.facts["expected_version"] == 0
        assert caught.value.facts["found_version"] == 1
        assert _value(store.get(key)) == {"n": 1}

    def test_a_stale_version_conflicts_and_changes_nothing(self, store: KvStore) -> None:
        key = key_of("stale")
        first = store.put(key, {"n": 1})
        second = store.put(key, {"n": 2}, expected_version=first.version)
        for stale in (first.version, second.version + 1):
            with pytest.raises(CheckpointConflictError) as caught:
                store.put(key, {"n": 3}, expected_version=stale)
            assert caught.value.facts["key"] == "stale"
            assert caught.value.facts["found_version"] == second.version
        assert store.get(key) == second

    def test_a_version_of_a_missing_key_conflicts(self, store: KvStore) -> None:
        with pytest.raises(CheckpointConflictError) as caught:
            store.put(key_of("gone"), {}, expected_version=3)
        assert caught.value.facts["found_version"] == 0
        assert store.get(key_of("gone")) is None

    def test_delete_removes_once(self, store: KvStore) -> None:
        store.put(key_of("a"), {"n": 1})
        store.put(key_of("b"), {"n": 2})
        assert store.delete(key_of("a")) is True
        assert store.get(key_of("a")) is None
        assert store.delete(key_of("a")) is False
        assert _value(store.get(key_of("b"))) == {"n": 2}
        assert store.put(key_of("a"), {"n": 3}, expected_version=0).value == {"n": 3}

    def test_list_is_scoped_and_ordered(self, store: KvStore) -> None:
        places = [
            ("b", "2"),
            ("a", "z"),
            ("b", "10"),
            ("a", "Z"),
            ("a", "é"),
            ("a b", "1"),
            ("B", "1"),
            ("a", ""),
        ]
        for scope, name in places:
            store.put(key_of(name, scope), {"at": [scope, name]})
        store.put(key_of("1", "a", namespace="other"), {})
        assert [(e.key.scope_id, e.key.key) for e in store.list("suite")] == sorted(places)
        assert [entry.key.key for entry in store.list("suite", "a")] == ["", "Z", "z", "é"]
        assert all(entry.value == {"at": [entry.key.scope_id, entry.key.key]} for entry in store.list("suite"))
        assert all(store.get(entry.key) == entry for entry in store.list("suite"))

    def test_list_of_nothing_is_empty(self, store: KvStore) -> None:
        store.put(key_of("a"), {})
        assert store.list("nowhere") == ()
        assert store.list("suite", "nowhere") == ()

    @pytest.mark.parametrize("place", ["key", "scope"])
    def test_odd_names_stay_apart(self, store: KvStore, place: str) -> None:
        keys = [key_of(name) if place == "key" else key_of("k", scope=name) for name in ODD_NAMES]
        for number, key in enumerate(keys):
            store.put(key, {"n": number})
        assert [_value(store.get(key)) for key in keys] == [{"n": number} for number in range(len(keys))]
        assert {entry.key for entry in store.list("suite")} == set(keys)

    def test_parts_of_a_key_do_not_run_together(self, store: KvStore) -> None:
        pairs = [("a", "b::c"), ("a::b", "c"), ("a/b", "c"), ("a", "b/c"), ("", "a::b::c"), ("a::b::c", "")]
        for scope, name in pairs:
            store.put(key_of(name, scope), {"at": [scope, name]})
        assert [_value(store.get(key_of(name, scope)))["at"] for scope, name in pairs] == [list(p) for p in pairs]

    def test_long_keys_stay_apart(self, store: KvStore) -> None:
        long = "".join(chr(33 + number * 7919 % 94) for number in range(999))
        for ending in "ab":
            store.put(key_of(long + ending), {"ending": ending})
        assert [_value(store.get(key_of(long + ending)))["ending"] for ending in "ab"] == ["a", "b"]

    def test_a_megabyte_comes_back(self, store: KvStore) -> None:
        big: Json = {"rows": ["0123456789abcdef" * 64 + str(number) for number in range(1024)]}
        store.put(key_of("big"), big)
        assert _value(store.get(key_of("big"))) == big

    def test_values_survive_the_object(self, store: KvStore, reopen: Callable[[], KvStore]) -> None:
        written = store.put(key_of("kept"), NESTED)
        again = reopen()
        if not self.durable:
            assert again.get(key_of("kept")) is None
            return
        assert again.get(key_of("kept")) == written
        assert again.put(key_of("kept"), {"n": 2}, expected_version=written.version).version == 2
        assert _value(store.get(key_of("kept"))) == {"n": 2}

    def test_racers_create_once(self, store: KvStore) -> None:
        key = key_of("race")
        wrote = self._race(lambda number: _wrote(store, key, {"by": number}, 0))
        winners = [number for number, won in enumerate(wrote) if won]
        assert _value(store.get(key))["by"] in winners
        if store.compare_and_set:
            assert len(winners) == 1
            assert store.get(key).version == 1  # type: ignore[union-attr]

    def test_racing_increments(self, store: KvStore) -> None:
        key = key_of("counter")
        store.put(key, {"n": 0})
        self._race(lambda _: _increment(store, key, self.increments))
        done, total = _value(store.get(key))["n"], self.racers * self.increments
        if store.compare_and_set:
            assert (done, store.get(key).version) == (total, total + 1)  # type: ignore[union-attr]
        else:
            assert 1 <= done <= total  # type: ignore[operator]

    def test_one_writer_loses_nothing(self, store: KvStore) -> None:
        key = key_of("counter")
        store.put(key, {"n": 0})
        _increment(store, key, self.increments)
        assert _value(store.get(key)) == {"n": self.increments}

    def test_readers_never_see_half_a_value(self, store: KvStore) -> None:
        key = key_of("whole")
        store.put(key, {"all": [0] * 500})

        def write_or_read(number: int) -> bool:
            if number == 0:
                return all(store.put(key, {"all": [turn] * 500}).version > 0 for turn in range(self.increments))
            return all(len(set(_value(store.get(key))["all"])) == 1 for _ in range(self.increments))  # type: ignore[arg-type]

        assert all(self._race(write_or_read))

    def _race(self, work: Callable[[int], ResultT]) -> list[ResultT]:
        start = threading.Barrier(self.racers)

        def run(number: int) -> ResultT:
            start.wait()
            return work(number)

        with ThreadPoolExecutor(self.racers) as pool:
            return list(pool.map(run, range(self.racers)))


def _value(entry: KvEntry | None) -> Json:
    assert entry is not None
    return entry.value


def _wrote(store: KvStore, key: KvKey, value: Json, expected_version: int) -> bool:
    try:
        store.put(key, value, expected_version)
    except CheckpointConflictError:
        return False
    return True


def _increment(store: KvStore, key: KvKey, times: int) -> int:
    done = 0
    while done < times:
        held = store.get(key)
        assert held is not None
        done += _wrote(store, key, {"n": held.value["n"] + 1}, held.version)  # type: ignore[operator]
    return done
