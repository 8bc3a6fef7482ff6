"""A database of MariaDB, runs of its tables into PostgreSQL, and what compares both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.mysql.config import MySqlConfig
from connectors.mysql.source import MySqlSource
from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from flows.stages.plan import make_plan
from flows.stages.verify import verify
from tests.connectors.ingestion import Ingestion

if TYPE_CHECKING:
    from sandbox.mariadb import SandboxMariaDb

DATABASE = "from mysql"


class MariaDbIngestion(Ingestion):
    """Runs of one database's tables."""

    def __init__(self, server: SandboxMariaDb, sink_url: str, **fields: Any) -> None:
        self.server = server
        source = MySqlSource(MySqlConfig.model_validate({"url": server.url(DATABASE), **fields}))
        super().__init__(source, PostgresSink(PostgresConfig(url=sink_url)), sink_url, endpoint_id="m", sink_id="w")

    def write(self, *statements: str) -> list[tuple[Any, ...]]:
        """Statements at the source, each committed at once; the last one's rows."""
        return self.server.run(*statements, database=DATABASE)

    def equal(self, name: str, **how: Any) -> bool:
        """Whether both sides hash alike, slice by slice."""
        return not verify(self.source, self.sink, make_plan(self.source, self.request(name, **how), None)).different

    def as_account(self, *grants: str) -> MySqlSource:
        """A source of the same database for an account with these privileges and no others."""
        self.server.run("DROP USER IF EXISTS reader", "CREATE USER reader IDENTIFIED BY 'only reads'")
        self.server.run(*(f"GRANT {grant} TO reader" for grant in grants))
        return MySqlSource(MySqlConfig.model_validate({"url": self.server.url(DATABASE, "reader", "only reads")}))
