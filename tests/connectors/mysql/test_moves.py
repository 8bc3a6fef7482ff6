"""Tables of MariaDB in PostgreSQL: every type, odd names, keys, collations, filters; equal by content."""

from __future__ import annotations

import pytest

from contracts.catalog import ColumnDescriptor
from contracts.errors import CompletenessGapError, CursorUnsupportedError, KeyNotUniqueError, SourceValueError
from contracts.unit import Predicate
from flows.stages.plan import make_plan
from tests.connectors.mysql.moving import DATABASE

pytestmark = [pytest.mark.postgres, pytest.mark.mariadb]

TYPES = {
    "tinyint": ["-128", "127", "0"],
    "tinyint(1)": ["0", "1", "5"],
    "tinyint unsigned": ["0", "255", "7"],
    "smallint": ["-32768", "32767", "0"],
    "smallint unsigned": ["65535", "0", "1"],
    "mediumint": ["-8388608", "8388607", "0"],
    "mediumint unsigned": ["16777215", "0", "1"],
    "int": ["-2147483648", "2147483647", "0"],
    "int(8) unsigned zerofill": ["4294967295", "0", "42"],
    "bigint": ["-9223372036854775808", "9223372036854775807", "0"],
    "bigint unsigned": ["18446744073709551615", "9223372036854775808", "0"],
    "decimal(10,2)": ["12345678.90", "-0.01", "0"],
    "decimal(18,18)": ["0.123456789012345678", "-0.000000000000000001", "0"],
    "decimal(30,0)": ["123456789012345678901234567890", "-1", "0"],
    "decimal(65,30)": [f"{'9' * 35}.{'8' * 30}", "-0.000000000000000000000000000001", "1.5"],
    "float": ["16777217", "-1.2422778927590344e-26", "0.1"],
    "float(7,3)": ["1234.567", "-0.001", "0"],
    "double": ["1.7976931348623157e308", "-2.2250738585072014e-308", "0.1"],
    "double(8,2)": ["123456.78", "-0.01", "0"],
    "bit(1)": ["b'0'", "b'1'", "b'1'"],
    "bit(13)": ["b'1010101010101'", "0", "1"],
    "bit(64)": ["18446744073709551615", "0", "1"],
    "date": ["'1000-01-01'", "'9999-12-31'", "'2024-02-29'"],
    "datetime": ["'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'2024-02-29 12:34:56'"],
    "datetime(6)": ["'1000-01-01 00:00:00.000001'", "'9999-12-31 23:59:59.999999'", "'2024-02-29 12:34:56.5'"],
    "timestamp null": ["'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'2024-03-31 02:30:00'"],
    "timestamp(3) null": ["'1970-01-01 00:00:01.001'", "'2038-01-19 03:14:07.999'", "'2024-10-27 02:30:00.5'"],
    "time": ["'-838:59:59'", "'838:59:59'", "'00:00:00'"],
    "time(6)": ["'-00:00:00.000001'", "'837:59:59.999990'", "'12:30:00.5'"],
    "year": ["1901", "2155", "0"],
    "char(5)": ["'ab  '", "''", "'漢字🧊'"],
    "varchar(40) character set latin1": ["'naïve €'", "'trailing  '", "''"],
    "varchar(40) collate utf8mb4_bin": ["'naïve 漢字 🧊'", "'tab\\there'", "'back\\\\slash, (\"quoted\")'"],
    "text character set koi8r": ["'привет'", "' '", "'x'"],
    "longtext": ["REPEAT('long ', 20000)", "'line\\nbreak'", "''"],
    "enum('b','a','','ü,\\'x')": ["'b'", "'ü,\\'x'", "''"],
    "set('x','y','z')": ["'x,z'", "''", "'y'"],
    "json": ['\'{"a": [1, 2.50, null, "ü"]}\'', "'[]'", "'\"text\"'"],
    "binary(4)": ["x'00ff'", "x'27270a5c'", "'a'"],
    "varbinary(9)": ["x''", "x'00ff2720'", "'a '"],
    "blob": ["x'00'", "REPEAT(x'ff', 1000)", "''"],
    "uuid": ["'123e4567-e89b-12d3-a456-426614174000'", "'00000000-0000-0000-0000-000000000000'", "UUID()"],
    "inet6": ["'2001:db8::ff00:42:8329'", "'::'", "'::ffff:1.2.3.4'"],
    "point": [
        "ST_GeomFromText('POINT(1 2)', 4326)",
        "ST_GeomFromText('POINT(0 0)')",
        "ST_GeomFromText('POINT(-1 .5)')",
    ],
}


def test_every_type_is_equal_by_content(moving):
    columns = ", ".join(f"`c {index}` {declared} DEFAULT NULL" for index, declared in enumerate(TYPES))
    moving.write(f'CREATE TABLE `odd "n``ame"` (id int PRIMARY KEY, {columns}) CHARSET utf8mb4')
    for row in range(3):
        values = ", ".join(each[row] for each in TYPES.values())
        moving.write(f'INSERT INTO `odd "n``ame"` VALUES ({row}, {values})')
    moving.write(f'INSERT INTO `odd "n``ame"` VALUES (9, {", ".join(["NULL"] * len(TYPES))})')
    assert moving.execute(moving.request('odd "n`ame"')).rows_inserted == 4
    table = f'"{DATABASE}"."odd ""n`ame"""'
    for index, declared in enumerate(TYPES):
        theirs = moving.write(f'SELECT {_as_postgres(declared, index)} FROM `odd "n``ame"` WHERE id < 9 ORDER BY id')
        ours = moving.query(f'SELECT "c {index}"::text FROM {table} WHERE id < 9 ORDER BY id')
        assert [text for (text,) in ours] == [text for (text,) in theirs], declared
    assert moving.equal('odd "n`ame"')
    with moving.sink_reader.session() as session:
        session.execute(f'UPDATE {table} SET "c 0" = 2 WHERE id = 0')
    assert not moving.equal('odd "n`ame"')


def _as_postgres(declared: str, index: int) -> str:
    """The text of the value that PostgreSQL should have, by the server's own functions."""
    base = declared if declared in _WRITTEN else declared.partition("(")[0].split()[0]
    return _WRITTEN.get(base, "CAST({} AS CHAR)").replace("{}", f"`c {index}`")


_BYTES = "CONCAT('\\\\x', LOWER(HEX({})))"
_SHORTEST = "TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM CONCAT({}, IF({} LIKE '%.%', '', '.'))))"
_NUMBER = "CAST({} + 0 AS CHAR)"
_WRITTEN = {
    **dict.fromkeys(("binary", "varbinary", "blob", "point"), _BYTES),
    **dict.fromkeys(("datetime", "time"), _SHORTEST),
    **dict.fromkeys(("year", "bit", "int(8) unsigned zerofill"), _NUMBER),
    "timestamp": f"CONCAT({_SHORTEST}, '+00')",
    "bit(1)": "IF({}, 'true', 'false')",
    "float": "ELT(id + 1, '1.6777216e+07', '-1.2422779e-26', '0.1')",
    "float(7,3)": "ELT(id + 1, '1234.567', '-0.001', '0')",
    "double": "ELT(id + 1, '1.7976931348623157e+308', '-2.2250738585072014e-308', '0.1')",
    "double(8,2)": "ELT(id + 1, '123456.78', '-0.01', '0')",
}


def test_moments_do_not_depend_on_the_servers_time_zone(moving):
    moving.write("CREATE TABLE t (id int PRIMARY KEY, at timestamp NULL, d datetime)")
    moving.write("SET GLOBAL time_zone = '+05:30'")
    try:
        moving.write("INSERT INTO t VALUES (1, '2024-01-01 05:30:00', '2024-01-01 05:30:00')")
        moving.execute(moving.request("t"))
    finally:
        moving.write("SET GLOBAL time_zone = 'SYSTEM'")
    assert moving.query(f'SELECT at::text, d::text FROM "{DATABASE}".t') == [
        ("2024-01-01 00:00:00+00", "2024-01-01 05:30:00")
    ]


@pytest.mark.parametrize(
    ("declared", "value"),
    [("date", "0000-00-00"), ("date", "2024-00-10"), ("datetime(3)", "2024-02-00 00:00:00"), ("timestamp", "0")],
)
def test_zero_dates_are_refused_or_named(moving, declared, value):
    moving.write(f"CREATE TABLE t (id int PRIMARY KEY, v {declared} NOT NULL, ok date)")
    with moving.server.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        cursor.execute(f"INSERT INTO t VALUES (1, '{value}', NULL), (2, '2024-01-10', NULL), (3, '{value}', NULL)")
    with pytest.raises(SourceValueError, match=r"'v'.*zero_dates"):
        moving.execute(moving.request("t"))
    moving.source = type(moving.source)(moving.source._config.model_copy(update={"zero_dates": "null"}))
    with pytest.raises(CompletenessGapError, match=r"2 zero date\(s\) in v were read as NULL"):
        moving.execute(moving.request("t"))
    summary = moving.execute(moving.request("t", allow_partial=True))
    assert summary.gaps == ("slice 00000: 2 zero date(s) in v were read as NULL",)
    assert moving.query(f'SELECT count(v)::bigint AS a, count(*)::bigint AS b FROM "{DATABASE}".t') == [(1, 3)]


def test_dates_that_are_none_are_errors(moving):
    moving.write("CREATE TABLE t (id int PRIMARY KEY, v date)")
    with moving.server.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = 'ALLOW_INVALID_DATES'")
        cursor.execute("INSERT INTO t VALUES (1, '2024-02-31')")
    with pytest.raises(SourceValueError, match="'v'"):
        moving.execute(moving.request("t"))


@pytest.mark.parametrize("collation", ["utf8mb4_general_ci", "utf8mb4_bin", "latin1_swedish_ci"])
def test_text_and_composite_keys_are_split_and_compared(moving, collation):
    """Upper and lower case, padding and accents are other orders for a collation than for bytes."""
    charset = collation.partition("_")[0]
    moving.write(
        f"CREATE TABLE t (a varchar(40), b int, pad text, PRIMARY KEY (a, b)) CHARSET {charset} COLLATE {collation}",
        "INSERT INTO t SELECT CONCAT(CHAR(65 + seq % 26 + 32 * (seq % 2)), IF(seq % 7, 'é', ' '), seq DIV 9), seq, "
        "REPEAT('x', 600) FROM seq_1_to_900",
        "ANALYZE TABLE t",
    )
    how = {"target_slice_bytes": 64 * 1024}
    request = moving.request("t", **how)
    assert moving.execute(request).rows_inserted == 900
    assert len(make_plan(moving.source, request, None).slices) > 3
    assert moving.equal("t", **how)
    moving.write("DELETE FROM t WHERE b % 10 = 3", "UPDATE t SET a = UPPER(a) WHERE b % 10 = 4")
    summary = moving.execute(moving.request("t", **how))
    assert summary.rows_deleted >= 90
    assert moving.equal("t", **how)


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("binary(16)", "UNHEX(MD5(seq))"),
        ("decimal(30,3)", "seq * 1000000000000000000.001"),
        ("bigint unsigned", "9223372036854775000 + seq"),
        ("datetime(6)", "'2024-01-01' + INTERVAL seq MICROSECOND"),
        ("uuid", "CONCAT(LPAD(seq * 7 % 1000, 8, '0'), '-0000-4000-8000-', LPAD(seq, 12, '0'))"),
        ("enum('c','b','a')", "ELT(1 + seq % 3, 'a', 'b', 'c')"),
    ],
)
def test_keys_of_other_types_are_split_and_repaired(moving, declared, value):
    moving.write(
        f"CREATE TABLE t (k {declared}, n int, pad text, PRIMARY KEY (k, n))",
        f"INSERT INTO t SELECT {value}, seq, REPEAT('x', 900) FROM seq_1_to_400",
        "ANALYZE TABLE t",
    )
    how = {"target_slice_bytes": 64 * 1024}
    request = moving.request("t", **how)
    assert moving.execute(request).rows_inserted == 400
    plan = make_plan(moving.source, request, None)
    assert len(plan.slices) > 2
    assert moving.equal("t", **how)
    keys = moving.query(f'SELECT k::text, n::text FROM "{DATABASE}".t WHERE n IN (7, 300)')
    (repair,) = moving.source.repair_slices(plan, [dict(zip(("k", "n"), key, strict=True)) for key in keys], 1)
    assert sorted(n for frame in moving.source.export(plan, repair) for n in frame["n"]) == [7, 300]


def test_a_key_that_only_differs_by_case_is_found(moving):
    moving.write(
        "CREATE TABLE t (k varchar(9) COLLATE utf8mb4_bin PRIMARY KEY, loose varchar(9) COLLATE utf8mb4_general_ci)",
        "INSERT INTO t VALUES ('a', 'X'), ('A', 'x'), ('b', 'y')",
    )
    moving.execute(moving.request("t"))
    assert moving.equal("t")
    plan = make_plan(moving.source, moving.request("t", key_columns=("loose",)), None)
    (repair,) = moving.source.repair_slices(plan, [{"loose": "x"}], 1)
    assert [k for frame in moving.source.export(plan, repair) for k in frame["k"]] == ["A"]
    unit = moving.unit("t")
    for op, value, found in (("eq", "x", ["A"]), ("in", ["X", "Y"], ["a"]), ("ne", "x", ["a", "b"])):
        frame = moving.source.preview(unit, 9, [Predicate(column="loose", op=op, value=value)])
        assert sorted(frame["k"]) == sorted(found)
    moving.write("INSERT INTO t VALUES ('c', 'x')")
    with pytest.raises(KeyNotUniqueError, match="2 row"):
        make_plan(moving.source, moving.request("t", key_columns=("loose",)), None)


def test_what_changed_is_read_and_nulls_always(moving):
    moving.write(
        "CREATE TABLE t (id int PRIMARY KEY, at datetime(3) NULL)",
        "INSERT INTO t VALUES (1, '2024-01-01'), (2, '2024-01-02 00:00:00.5'), (3, NULL), (4, '9999-12-31')",
    )
    how = {"mode": "incremental", "cursor_columns": ("at",)}
    first = moving.execute(moving.request("t", **how))
    assert "1 row(s) of" in first.notes[-1]
    assert "9999-12-31" in first.notes[-1]
    moving.write("INSERT INTO t VALUES (5, '2024-01-03'), (6, NULL)")
    second = moving.execute(moving.request("t", **how))
    assert (second.rows_inserted, second.rows_unchanged) == (2, 3)
    assert moving.equal("t")
    with pytest.raises(CursorUnsupportedError):
        moving.source.checkpoint_at(moving.unit("t"), moving.request("t", **how).policy, "yesterday")


def test_a_catalog_has_keys_comments_and_estimates(moving):
    moving.write(
        "CREATE TABLE t (id int AUTO_INCREMENT, code char(3) NOT NULL UNIQUE, note varchar(9) UNIQUE, "
        "doc json, total decimal(12,4) DEFAULT 1.5 COMMENT 'in euros', twice int AS (id * 2) VIRTUAL, "
        "PRIMARY KEY (id)) COMMENT 'what was sold'",
        "INSERT INTO t (code) SELECT seq FROM seq_1_to_100",
        "ANALYZE TABLE t",
        "CREATE VIEW v AS SELECT id, code FROM t",
        "CREATE SEQUENCE s",
    )
    catalog = moving.source.collect_catalog("m")
    assert [dataset.dataset_id for dataset in catalog.datasets] == [f"{DATABASE}.t", f"{DATABASE}.v"]
    table, view = catalog.datasets
    assert (table.primary_key, table.unique_keys) == (("id",), (("code",),))
    assert (table.comment, table.rows_estimate, view.kind) == ("what was sold", 100, "view")
    total = table.column("total")
    assert total == ColumnDescriptor(
        name="total",
        logical_type="decimal",
        declared_type="decimal(12,4)",
        comment="in euros",
        default="1.5000",
        precision=12,
        scale=4,
    )
    assert [table.column(name).logical_type for name in ("doc", "note", "twice")] == ["json", "string", "int32"]
    moving.execute(moving.request("t"))
    assert moving.equal("t")
    moving.execute(moving.request("v"))
    assert moving.equal("v")
