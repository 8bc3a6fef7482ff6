from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from connectors.mysql.config import MySqlConfig
from connectors.mysql.source import MySqlSource
from tests.conformance.source_suite import SourceSuite

if TYPE_CHECKING:
    from collections.abc import Iterator

_numbers = count(1)


class MySqlSystem:
    """Tables of one database as the suite wants them."""

    def __init__(self, server, url: str) -> None:
        self.server, self.url, self.secret = server, url, server.password

    def run(self, *statements: str) -> None:
        self.server.run(*statements, database="suite")

    def source(self, **fields) -> MySqlSource:
        return MySqlSource(MySqlConfig(url=self.url).model_copy(update=fields))

    def broken_sources(self):
        wrong = MySqlConfig(password=f"not {self.secret}").password
        yield "E_SOURCE_AUTH", self.source(password=wrong)
        yield "E_SOURCE_AUTH", self.source(database="no such")
        yield "E_SOURCE_UNREACHABLE", self.source(port=1)
        yield "E_SOURCE_UNREACHABLE", self.source(host="no-such-ssl-host.invalid")
        yield "E_SOURCE_TLS", self.source(tls="require")
        yield "E_SOURCE_TLS", self.source(tls="verify-ca", tls_ca="/no/such/file")

    def make(self, rows: int, *, keyed: bool = True, padding: int = 0) -> str:
        name = f"things_{next(_numbers)}"
        key = "PRIMARY KEY" if keyed else "NOT NULL"
        self.run(
            f"CREATE TABLE {name} (id int {key}, name mediumtext, amount bigint, changed int) COLLATE utf8mb4_unicode_ci",
            f"INSERT INTO {name} SELECT seq, CONCAT('row ', seq, REPEAT('x', {padding})), seq * 10, seq "
            f"FROM seq_0_to_{max(rows - 1, 0)} LIMIT {rows}",
            f"ANALYZE TABLE {name}",
        )
        return f"suite.{name}"

    def rename(self, dataset_id: str, key: int, name: str) -> None:
        quoted = name.replace("\\", "\\\\").replace("'", "''")
        self.run(f"UPDATE {dataset_id} SET name = '{quoted}' WHERE id = {key}")

    def move_row(self, dataset_id: str, key: int, new_key: int) -> None:
        self.run(f"UPDATE {dataset_id} SET id = {new_key} WHERE id = {key}")

    def drop_column(self, dataset_id: str, column: str) -> None:
        self.run(f"ALTER TABLE {dataset_id} DROP COLUMN {column}")

    def drop(self, dataset_id: str) -> None:
        self.run(f"DROP TABLE {dataset_id}")


@pytest.fixture(scope="module")
def url(mariadb) -> Iterator[str]:
    yield mariadb.create_database("suite")
    mariadb.drop_database("suite")


class TestMySqlSource(SourceSuite):
    @pytest.fixture
    def lab(self, mariadb, url) -> MySqlSystem:
        return MySqlSystem(mariadb, url)
