from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from connectors.postgres.config import PostgresConfig
from connectors.postgres.source import PostgresSource
from tests.conformance.source_suite import SourceSuite
from tests.connectors.postgres.moving import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

_numbers = count(1)


class PostgresSourceSystem:
    """Tables of one database as the suite wants them."""

    def __init__(self, url: str, secret: str) -> None:
        self.secret = secret
        self.url = url
        self.database = Database(url)

    def source(self, **fields) -> PostgresSource:
        return PostgresSource(PostgresConfig(url=self.url).model_copy(update=fields))

    def broken_sources(self):
        wrong = PostgresConfig(password=f"not {self.secret}").password
        yield "E_SOURCE_AUTH", self.source(password=wrong)
        yield "E_SOURCE_AUTH", self.source(database="no such")
        yield "E_SOURCE_UNREACHABLE", self.source(port=1)
        yield "E_SOURCE_UNREACHABLE", self.source(host="no-such-ssl-host.invalid")
        yield "E_SOURCE_TLS", self.source(ssl_mode="require")

    def make(self, rows: int, *, keyed: bool = True, padding: int = 0) -> str:
        name = f"things_{next(_numbers)}"
        # Random hex, stored plainly: what is on disk is what travels.
        noise = f"(SELECT string_agg(md5(g::text || i), '') FROM generate_series(1, {-(-padding // 32)}) i)"
        self.database.run(
            f"CREATE TABLE {name} (id integer {'PRIMARY KEY' if keyed else 'NOT NULL'}, name text STORAGE EXTERNAL, "
            "amount bigint, changed integer)",
            f"INSERT INTO {name} SELECT g, 'row ' || g || {noise if padding else repr('')}, g * 10, g "
            f"FROM generate_series(0, {rows - 1}) g",
            f"ANALYZE {name}",
        )
        return f"public.{name}"

    def rename(self, dataset_id: str, key: int, name: str) -> None:
        quoted = name.replace("'", "''")
        self.database.run(f"UPDATE {dataset_id} SET name = '{quoted}' WHERE id = {key}")

    def move_row(self, dataset_id: str, key: int, new_key: int) -> None:
        self.database.run(f"UPDATE {dataset_id} SET id = {new_key} WHERE id = {key}")

    def drop_column(self, dataset_id: str, column: str) -> None:
        self.database.run(f"ALTER TABLE {dataset_id} DROP COLUMN {column}")

    def drop(self, dataset_id: str) -> None:
        self.database.run(f"DROP TABLE {dataset_id}")


@pytest.fixture(scope="module")
def place(postgres) -> Iterator[PostgresSourceSystem]:
    made = PostgresSourceSystem(postgres.create_database("source_suite"), postgres.password)
    yield made
    made.database.close()
    postgres.drop_database("source_suite")


class TestPostgresSource(SourceSuite):
    @pytest.fixture
    def lab(self, place) -> PostgresSourceSystem:
        place.database.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        return place
