"""pgpq in the driver's place: the same rows, the same errors, in the same transaction; and when it is taken."""

from __future__ import annotations

import importlib.util
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.postgres import copy_encoder
from connectors.postgres.client import PostgresClient
from connectors.postgres.config import PostgresConfig
from connectors.postgres.copy_encoder import DRIVER, ENCODER, PGPQ, WORTH_ROWS
from connectors.postgres.driver import LIBRARY
from connectors.postgres.pgpq_session import PgpqSession
from connectors.postgres.session import Session
from contracts import errors
from tests.conformance.sink_suite import plan_of, write
from tests.connectors.postgres import test_sink
from tests.connectors.postgres.test_sink import make_role, place, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["place"]
ENCODERS = (DRIVER, PGPQ)


@pytest.fixture
def by_pgpq(monkeypatch) -> list[int]:
    """Every slice by pgpq; gives the rows of each COPY."""
    copied: list[int] = []
    copy_in = PgpqSession.copy_in

    def counted(self, table, frame, **how) -> None:
        copy_in(self, table, frame, **how)
        copied.append(frame.height)

    monkeypatch.setattr(PgpqSession, "copy_in", counted)
    monkeypatch.setenv(ENCODER, PGPQ)
    return copied


@pytest.mark.usefixtures("by_pgpq")
class TestPostgresSinkByPgpq(test_sink.TestPostgresSink):
    """The whole suite of sinks."""


def test_the_suite_above_is_written_by_pgpq(place, by_pgpq):
    place.database.run("DROP SCHEMA IF EXISTS nucleus, suite CASCADE")
    sink, plan = place.sink(), plan_of({"id": "int64", "name": "string"})
    write(sink, plan, [(1, "one"), (2, None)], {"id": pl.Int64, "name": pl.String})
    write(sink, plan, [(1, "one"), (2, "two"), (3, "")], {"id": pl.Int64, "name": pl.String})
    assert by_pgpq == [2, 3]
    assert place.database.rows(f"SELECT id, name FROM {table_of(plan)} ORDER BY id") == [
        (1, "one"),
        (2, "two"),
        (3, ""),
    ]
    sink.close()


@pytest.fixture
def client(place) -> Iterator[PostgresClient]:
    made = PostgresClient(PostgresConfig(url=place.url), "sink")
    yield made
    made.close()


def written(client: PostgresClient, monkeypatch, encoder: str, frame: pl.DataFrame, *types: str) -> list[tuple]:
    """The table's rows as text after a COPY into a temporary one."""
    monkeypatch.setenv(ENCODER, encoder)
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(frame.columns, types, strict=True))
    shown = ", ".join(f"{name}::text AS {name}" for name in frame.columns)
    with client.writing(frame.height) as session, session.transaction():
        assert isinstance(session, PgpqSession if encoder == PGPQ else Session)
        session.execute(f"CREATE TEMPORARY TABLE taken (n bigserial, {columns}) ON COMMIT DROP")
        session.copy_in("taken", frame, schema=None, doing="copying")
        return session.rows(f"SELECT {shown} FROM taken ORDER BY n")


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal | None]:
    most = 10**precision - 1
    return st.none() | st.integers(-most, most).map(lambda n: Decimal(f"{n}E-{scale}"))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data(), precision=st.integers(1, 38))
def test_decimals_of_any_scale(client, monkeypatch, data, precision):
    scale = data.draw(st.integers(0, precision))
    values = data.draw(st.lists(decimals(precision, scale), min_size=1, max_size=50))
    frame = pl.DataFrame({"v": values}, schema={"v": pl.Decimal(precision, scale)})
    found = written(client, monkeypatch, PGPQ, frame, f"numeric({precision},{scale})")
    assert [(None if one is None else Decimal(one),) for (one,) in found] == [(one,) for one in values]
    assert found == written(client, monkeypatch, DRIVER, frame, f"numeric({precision},{scale})")


@pytest.mark.parametrize("scale", [0, 1, 4, 9, 19, 37, 38])
def test_decimals_of_38_digits(client, monkeypatch, scale):
    values = [
        Decimal(f"{n}E-{scale}") for n in (10**38 - 1, 1 - 10**38, 1, -1, 0, 10**37, 10**19, 10**4, 9999 * 10**30)
    ]
    frame = pl.DataFrame({"v": values}, schema={"v": pl.Decimal(38, scale)})
    found = written(client, monkeypatch, PGPQ, frame, "numeric")
    assert [Decimal(one) for (one,) in found] == values
    found = written(client, monkeypatch, PGPQ, frame, f"numeric(38,{scale})")
    assert found == written(client, monkeypatch, DRIVER, frame, f"numeric(38,{scale})")


def test_other_types_to_their_ends(client, monkeypatch):
    frame = pl.DataFrame(
        {
            "a": pl.Series([True, None, False], dtype=pl.Boolean),
            "b": pl.Series([-(2**15), 2**15 - 1, None], dtype=pl.Int16),
            "c": pl.Series([-(2**31), 2**31 - 1, None], dtype=pl.Int32),
            "d": pl.Series([-(2**63), 2**63 - 1, None], dtype=pl.Int64),
            "e": pl.Series([float("nan"), -0.0, 3.4028235e38], dtype=pl.Float32),
            "f": pl.Series([float("inf"), -0.0, 5e-324], dtype=pl.Float64),
            "g": pl.Series(["", "ä\U0001f600\u0001", "x" * 300_000], dtype=pl.String),
            "h": pl.Series([b"", bytes(range(256)), None], dtype=pl.Binary),
            "i": pl.Series([-128, 127, None], dtype=pl.Int8),
            "j": pl.Series([0, 255, None], dtype=pl.UInt8),
        }
    )
    types = ("boolean", "smallint", "integer", "bigint", "real", "float8", "text", "bytea", "smallint", "smallint")
    found = written(client, monkeypatch, PGPQ, frame, *types)
    assert found == written(client, monkeypatch, DRIVER, frame, *types)
    assert [row[5] for row in found] == ["Infinity", "-0", "5e-324"]


def test_more_rows_than_are_encoded_at_once(client, monkeypatch):
    frame = pl.DataFrame({"v": pl.concat([pl.arange(0, 40_000, eager=True), pl.arange(0, 5, eager=True)])})
    found = written(client, monkeypatch, PGPQ, frame, "bigint")
    assert [int(one) for (one,) in found] == frame["v"].to_list()


FAILURES = {
    "a value that does not fit": (errors.SinkValueError, "22003", "INSERT INTO taken VALUES (100000)"),
    "a row twice": (errors.SinkValueError, "23505", "INSERT INTO taken VALUES (1), (1)"),
    "no such table": (errors.SinkSchemaConflictError, "42P01", "INSERT INTO nowhere VALUES (1)"),
    "no privilege": (errors.SinkPrivilegeError, "42501", "SET ROLE nobody_much; SELECT * FROM pg_authid"),
    "the server ends the session": (
        errors.SinkUnreachableError, "57P01", "CREATE TEMPORARY TABLE ended AS SELECT pg_terminate_backend(pg_backend_pid())",
    ),
    "a statement that takes too long": (
        errors.SinkWriteFailedError, "57014", "SET LOCAL statement_timeout = 50; CREATE TEMPORARY TABLE slept AS SELECT pg_sleep(9)::text AS t",
    ),
}  # fmt: skip


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("what", FAILURES)
def test_failures_are_the_same(client, place, monkeypatch, what, encoder):
    kind, state, sql = FAILURES[what]
    monkeypatch.setenv(ENCODER, encoder)
    if "nobody_much" in sql:
        make_role(place.database, "nobody_much")

    def fails() -> None:
        with client.writing(1) as session, session.transaction():
            session.execute("CREATE TEMPORARY TABLE taken (v smallint PRIMARY KEY) ON COMMIT DROP")
            for statement in sql.split("; "):
                session.execute(statement, "trying")

    with pytest.raises(kind) as caught:
        fails()
    assert caught.value.facts["sqlstate"] == state or (encoder == DRIVER and kind is errors.SinkUnreachableError)
    assert "trying: " in caught.value.what


def test_a_copy_that_fails_leaves_the_way_back_to_a_savepoint(client, monkeypatch):
    monkeypatch.setenv(ENCODER, PGPQ)
    twice = pl.DataFrame({"v": [1, 2, 1]})
    with client.writing(3) as session, session.transaction():
        session.execute("CREATE TEMPORARY TABLE taken (v bigint PRIMARY KEY) ON COMMIT DROP")
        session.execute("SAVEPOINT here")
        with pytest.raises(errors.SinkValueError) as caught:
            session.copy_in("taken", twice, schema=None, doing="copying into taken")
        assert caught.value.facts["sqlstate"] == "23505"
        session.execute("ROLLBACK TO SAVEPOINT here")
        session.copy_in("taken", twice[:2], schema=None, doing="copying into taken")
        assert session.value("SELECT count(*) FROM taken") == 2


def test_a_server_that_lets_nobody_in(place, monkeypatch):
    monkeypatch.setenv(ENCODER, PGPQ)
    wrong = PostgresConfig(url=place.url).model_copy(update={"password": PostgresConfig(password="wrong").password})
    with pytest.raises(errors.SinkAuthError) as caught, PostgresClient(wrong, "sink").writing(1):
        pass
    assert "wrong" not in str(caught.value)
    away = PostgresConfig(url=place.url).model_copy(update={"port": 1})
    with pytest.raises(errors.SinkUnreachableError), PostgresClient(away, "sink").writing(1):
        pass


def test_when_it_is_taken(monkeypatch):
    monkeypatch.delenv(ENCODER, raising=False)
    monkeypatch.delenv(LIBRARY, raising=False)
    assert copy_encoder.is_used(WORTH_ROWS)
    assert not copy_encoder.is_used(WORTH_ROWS - 1)
    monkeypatch.setenv(LIBRARY, "/opt/optimised.so")
    assert not copy_encoder.is_used(WORTH_ROWS)
    monkeypatch.setenv(ENCODER, PGPQ)
    assert copy_encoder.is_used(0)
    monkeypatch.setenv(ENCODER, "rust")
    with pytest.raises(errors.ConfigInvalidError, match=ENCODER):
        copy_encoder.is_used(0)


def test_without_the_extra(monkeypatch):
    monkeypatch.delenv(ENCODER, raising=False)
    monkeypatch.delenv(LIBRARY, raising=False)
    monkeypatch.setattr(
        copy_encoder, "find_spec", lambda name: None if name == "pgpq" else importlib.util.find_spec(name)
    )
    assert not copy_encoder.is_used(10**9)
    monkeypatch.setenv(ENCODER, PGPQ)
    with pytest.raises(errors.DependencyMissingError, match="not installed"):
        copy_encoder.is_used(0)
