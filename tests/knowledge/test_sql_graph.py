"""The graph in both databases."""

from __future__ import annotations

import pytest

from contracts.knowledge import Emission, KbEdge, KbNode
from knowledge import sql_graph
from knowledge.layout import INDEXES, TABLES
from knowledge.sql_graph import SqlGraphStore
from state.layout import TableLayout
from state.table import open_database
from tests.conformance.graph_suite import GraphSuite

LAYOUT = TableLayout(TABLES, INDEXES)


class Killed(BaseException):
    """The process is gone: nobody catches it."""


class DyingDatabase:
    """A database whose process dies after so many statements; what those did is committed."""

    def __init__(self, database, statements: int) -> None:
        self._database, self.left = database, statements

    def create(self) -> None:
        self._database.create()

    def run(self, statement, values):
        if self.left == 0:
            raise Killed
        self.left -= 1
        return self._database.run(statement, values)

    def close(self) -> None:
        self._database.close()


def said(number: int) -> Emission:
    """Two emissions of one speaker: nodes and edges change, come and go between them."""
    nodes = [KbNode(node_id=f"kb:column:{each}", node_type="column", title=f"{each}", properties={"n": each % (number + 2)})
             for each in range(3 * number, 9 + 3 * number)]  # fmt: skip
    edges = [KbEdge(from_id=nodes[0].node_id, edge_type="contains", to_id=each.node_id) for each in nodes[number:]]
    return Emission(source_ref="catalog:shop", nodes=nodes, edges=edges)


def whole(store) -> tuple:
    """All that is live, but for when it was written."""
    nodes = [(known.node, known.source_ref) for known in store.search(limit=500)]
    return nodes, store.neighbours("kb:column:0"), store.neighbours("kb:column:1")


class SqlGraphSuite(GraphSuite):
    @pytest.fixture
    def url(self):
        raise NotImplementedError

    @pytest.fixture
    def again(self, url):
        opened = []

        def again():
            opened.append(SqlGraphStore(open_database(url, LAYOUT)))
            return opened[-1]

        yield again
        for store in opened:
            store.close()

    @pytest.fixture
    def store(self, again):
        return again()

    def test_killed_between_any_two_statements_it_is_made_whole_by_saying_it_again(self, store, url, monkeypatch):
        monkeypatch.setattr(sql_graph, "_CHUNK", 2)
        store.emit(said(0))
        before = whole(store)
        store.emit(said(1))
        after = whole(store)
        assert before != after
        for statements in range(100):
            store.emit(said(0))
            assert whole(store) == before
            dying = SqlGraphStore(DyingDatabase(open_database(url, LAYOUT), statements))
            try:
                dying.emit(said(1))
            except Killed:
                store.emit(said(1))
                assert whole(store) == after
                continue
            finally:
                dying.close()
            assert statements > 10
            return
        pytest.fail("it never got to its end")


class TestSqliteGraph(SqlGraphSuite):
    @pytest.fixture
    def url(self, tmp_path):
        return f"sqlite:///{tmp_path}/deep/knowledge.db"


class TestPostgresGraph(SqlGraphSuite):
    @pytest.fixture
    def url(self, database):
        return database
