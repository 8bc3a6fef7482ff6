from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.connectors.mysql.moving import DATABASE, MariaDbIngestion

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def sink_url(postgres) -> Iterator[str]:
    yield postgres.create_database("from_mysql")
    postgres.drop_database("from_mysql")


@pytest.fixture
def moving(mariadb, sink_url) -> Iterator[MariaDbIngestion]:
    mariadb.create_database(DATABASE)
    with MariaDbIngestion(mariadb, sink_url) as made:
        with made.sink_reader.session() as session:
            session.execute(f'DROP SCHEMA IF EXISTS "{DATABASE}" CASCADE')
            session.execute("DROP SCHEMA IF EXISTS nucleus CASCADE")
        yield made
    mariadb.drop_database(DATABASE)
