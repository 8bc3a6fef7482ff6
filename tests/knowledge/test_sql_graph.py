"""The graph in both databases."""

from __future__ import annotations

import pytest

from knowledge.layout import INDEXES, TABLES
from knowledge.sql_graph import SqlGraphStore
from state.layout import TableLayout
from state.table import open_database
from tests.conformance.graph_suite import GraphSuite

LAYOUT = TableLayout(TABLES, INDEXES)


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


class TestSqliteGraph(SqlGraphSuite):
    @pytest.fixture
    def url(self, tmp_path):
        return f"sqlite:///{tmp_path}/deep/knowledge.db"


class TestPostgresGraph(SqlGraphSuite):
    @pytest.fixture
    def url(self, database):
        return database
