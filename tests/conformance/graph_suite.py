"""What every ``GraphStore`` does. Subclass it, give ``store`` and ``again`` (the same graph opened anew)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from contracts.knowledge import MOST_PROPERTY_BYTES, Emission, EmissionReceipt, KbEdge, KbNode, node_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.knowledge import GraphStore

ODD = ("it's", 'quo"te', "per%cent_", "back\\slash", "naïve 漢字 🧊", "a:b", "$1", "kb_nodes", "")


def dataset(name: str, **properties) -> KbNode:
    return KbNode(node_id=node_id("dataset", "shop", name), node_type="dataset", title=name, properties=properties)


def edge(one: KbNode, kind: str, two: KbNode) -> KbEdge:
    return KbEdge(from_id=one.node_id, edge_type=kind, to_id=two.node_id)


class GraphSuite:
    """Behaviour every graph shares."""

    @pytest.fixture
    def store(self) -> GraphStore:
        raise NotImplementedError

    @pytest.fixture
    def again(self) -> Callable[[], GraphStore]:
        raise NotImplementedError

    def test_nothing_is_there_at_first(self, store):
        assert store.get("kb:dataset:shop:none") is None
        assert store.search() == ()
        assert store.neighbours("kb:dataset:shop:none").nodes == ()
        assert store.remove("nobody") == EmissionReceipt()

    def test_saying_it_again_changes_nothing(self, store, again):
        one, two = dataset("orders", rows=5), dataset("lines")
        emission = Emission(source_ref="catalog:shop", nodes=[one, two], edges=[edge(one, "contains", two)])
        assert store.emit(emission) == EmissionReceipt(nodes_written=2, edges_written=1)
        known = store.get(one.node_id)
        assert (known.node, known.source_ref, known.removed_at) == (one, "catalog:shop", None)
        assert store.emit(emission) == EmissionReceipt()
        assert again().get(one.node_id) == known

    def test_what_is_not_said_any_more_is_gone_and_returns(self, store):
        one, two = dataset("orders"), dataset("lines")
        whole = Emission(source_ref="catalog:shop", nodes=[one, two], edges=[edge(one, "contains", two)])
        store.emit(whole)
        store.emit(Emission(source_ref="catalog:other", nodes=[dataset("elsewhere")]))
        assert store.emit(whole.model_copy(update={"nodes": (one,), "edges": ()})) == EmissionReceipt(
            nodes_removed=1, edges_removed=1
        )
        assert store.get(two.node_id).removed_at is not None
        assert [known.node.title for known in store.search()] == ["elsewhere", "orders"]
        assert store.neighbours(one.node_id).nodes == (one,)
        assert store.emit(whole) == EmissionReceipt(nodes_written=1, edges_written=1)
        assert store.neighbours(one.node_id).edges == (edge(one, "contains", two),)
        assert store.remove("catalog:shop") == EmissionReceipt(nodes_removed=2, edges_removed=1)
        assert [known.node.title for known in store.search()] == ["elsewhere"]

    def test_a_node_belongs_to_whoever_named_it_last(self, store):
        store.emit(Emission(source_ref="first", nodes=[dataset("orders")]))
        store.emit(Emission(source_ref="second", nodes=[dataset("orders")]))
        assert store.remove("first") == EmissionReceipt()
        assert store.get(dataset("orders").node_id).source_ref == "second"

    def test_the_last_of_two_in_one_emission_counts(self, store):
        nodes = [dataset("orders", rows=1), dataset("orders", rows=2)]
        assert store.emit(Emission(source_ref="catalog:shop", nodes=nodes)).nodes_written == 1
        assert store.get(nodes[0].node_id).node.properties == {"rows": 2}

    def test_a_walk_goes_as_far_and_in_the_direction_asked(self, store):
        chain = [dataset(f"d{number}") for number in range(5)]
        edges = [edge(one, "derived_from", two) for one, two in pairwise(chain)]
        aside = dataset("aside")
        store.emit(Emission(source_ref="s", nodes=[*chain, aside], edges=[*edges, edge(chain[1], "owned_by", aside)]))

        def titles(**how) -> list[str]:
            return [node.title for node in store.neighbours(chain[1].node_id, **how).nodes]

        assert titles() == ["aside", "d0", "d1", "d2"]
        assert titles(direction="out", depth=2) == ["aside", "d1", "d2", "d3"]
        assert titles(direction="in", depth=9) == ["d0", "d1"]
        assert titles(direction="out", depth=9, edge_types=["derived_from"]) == ["d1", "d2", "d3", "d4"]
        assert titles(depth=0) == ["d1"]

    def test_a_circle_ends_and_an_unknown_end_is_left_out(self, store):
        one, two, unknown = dataset("one"), dataset("two"), dataset("unknown")
        edges = [edge(one, "contains", two), edge(two, "contains", one), edge(one, "contains", unknown)]
        store.emit(Emission(source_ref="s", nodes=[one, two], edges=edges))
        found = store.neighbours(one.node_id, depth=6)
        assert (found.nodes, len(found.edges), found.truncated) == ((one, two), 2, False)

    def test_names_of_any_kind_survive_and_are_found_as_written(self, store):
        nodes = [dataset(f"x{odd}", text=odd) for odd in ODD]
        store.emit(Emission(source_ref="od'd", nodes=nodes))
        assert len({node.node_id for node in nodes}) == len(ODD)
        for node, odd in zip(nodes, ODD, strict=True):
            assert store.get(node.node_id).node == node
            assert node.title in [known.node.title for known in store.search(f"x{odd}")]
        assert [known.node.title for known in store.search("T_")] == ["xper%cent_"], "the wildcards are letters"

    def test_what_no_database_takes_as_text_is_replaced(self, store):
        node = dataset("nul\0 half \ud800", text="nul\0 half \ud800")
        store.emit(Emission(source_ref="s", nodes=[node]))
        assert store.get(node.node_id).node == node
        assert node.title == "nul\ufffd half ?"

    def test_pages_follow_each_other(self, store):
        nodes = [dataset(f"t{number:04d}") for number in range(450)]
        store.emit(Emission(source_ref="s", nodes=nodes, edges=[edge(nodes[0], "contains", each) for each in nodes]))
        seen, after = [], None
        while page := store.search("t0", "dataset", limit=100, after=after):
            seen += [known.node.title for known in page]
            after = page[-1].node.node_id
        assert seen == [node.title for node in nodes]
        assert store.search("t0", "column") == ()
        assert len(store.neighbours(nodes[0].node_id).nodes) == 450

    def test_rows_do_not_fit(self, store):
        with pytest.raises(ValidationError, match="at most"):
            dataset("orders", rows=["a row of some length"] * (MOST_PROPERTY_BYTES // 20))

    def test_several_emit_at_once(self, again):
        stores = [again() for _ in range(4)]

        def say(number: int) -> int:
            nodes = [dataset("shared"), *(dataset(f"n{number}-{each}") for each in range(50))]
            return stores[number].emit(Emission(source_ref=f"s{number}", nodes=nodes)).nodes_written

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(say, range(4))) == [51] * 4
        assert len(stores[0].search(limit=500)) == 201

    def test_a_closed_graph_can_be_used_again(self, store):
        store.close()
        store.close()
        assert store.search() == ()
