"""What people write on the command line."""

from __future__ import annotations

import pytest
import typer

from cli.arguments.urls import endpoint_of
from cli.arguments.values import pair, predicate, size_bytes, table_name
from cli.terminal.redaction import redactor


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("status=open", ("status", "eq", "open")),
        ("status = 'it''s open '", ("status", "eq", "it's open ")),
        ("a=b=c", ("a", "eq", "b=c")),
        ("n>=5", ("n", "ge", "5")),
        ("n <= 5", ("n", "le", "5")),
        ("n<>5", ("n", "ne", "5")),
        ("n!=5", ("n", "ne", "5")),
        ("n<-5", ("n", "lt", "-5")),
        ("n > 5", ("n", "gt", "5")),
        ("n=", ("n", "eq", "")),
        ("x is null", ("x", "is_null", None)),
        ("x IS  NOT  NULL", ("x", "is_not_null", None)),
        ("k in a, b", ("k", "in", ["a", "b"])),
        ('k not in ["a, b", 7]', ("k", "not_in", ["a, b", 7])),
        ('"odd "" =name">1', ('odd " =name', "gt", "1")),
        ("at>=2026-11-21 10:00:00+00", ("at", "ge", "2026-11-21 10:00:00+00")),
        ("naïve=ü", ("naïve", "eq", "ü")),
    ],
)
def test_conditions(text, read):
    found = predicate(text)
    assert (found.column, found.op, found.value) == read


@pytest.mark.parametrize("text", ["", "=5", "n", "n ~ 5", "n in", "n is nil", '"open=5', "a b = 5"])
def test_what_is_no_condition(text):
    with pytest.raises(typer.BadParameter, match="is not a condition"):
        predicate(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("32MiB", 32 << 20),
        ("32mb", 32 << 20),
        ("1.5 GiB", 3 << 29),
        ("512k", 512 << 10),
        ("7B", 7),
        ("1G", 1 << 30),
    ],
)
def test_sizes(text, size):
    assert size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1TiB", "1 2", "nan"])
def test_what_is_no_size(text):
    with pytest.raises(typer.BadParameter):
        size_bytes(text)


def test_table_names():
    assert table_name("orders", "public") == ("public", "orders")
    assert table_name("sales.orders", "public") == ("sales", "orders")
    assert table_name('"a.b"."c""d"', "public") == ("a.b", 'c"d')
    for wrong in ("", ".", "a.", ".b", "a.b.c", '"open'):
        with pytest.raises(typer.BadParameter):
            table_name(wrong, "public")


def test_a_pair_is_not_repeated():
    assert pair("a=b=c", "--set") == ("a", "b=c")
    with pytest.raises(typer.BadParameter) as refused:
        pair("hidden-secret", "--secret")
    assert "hidden-secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret-pw@host/db",
        "postgresql://me:s3cret-pw%21@host/db",
        "postgresql://me:s3cret-pw@with@at@host/db?application_name=a@b",
        "postgresql://me:s3cret-pw#hash@host/db",
        "postgresql://me:s3cret-pw/slash@host/db",
        "postgresql://host/db?user=me&password=s3cret-pw",
        "postgresql://[::1:s3cret-pw@host/db",
    ],
)
def test_passwords_are_removed(url):
    redact = redactor(["copy", url])
    for text in (f"about {url}, and what follows", url, repr(url)):
        assert "s3cret-pw" not in redact(text)
    assert redact("host and db stay") == "host and db stay"


def test_a_password_alone_is_removed_too():
    redact = redactor(["copy", "postgresql://me:s3cret%21@host/db"])
    assert redact("s3cret%21, s3cret!") == "***, ***"


def test_ids_of_urls():
    def id_of(url, *more):
        return endpoint_of(url, "source").endpoint_id(*more)

    same = id_of("postgresql://me:one@Host:5432/db?sslmode=require")
    assert same == id_of("postgres://me:two@host:5432/db?sslmode=require")
    assert same == id_of("postgresql://me@host:5432/db?sslmode=require&password=three")
    assert same.startswith("host-db-")
    others = {
        id_of("postgresql://you@host:5432/db?sslmode=require"),
        id_of("postgresql://me@host:5433/db?sslmode=require"),
        id_of("postgresql://me@host:5432/other?sslmode=require"),
        id_of("postgresql://me@host:5432/db?sslmode=require", "public", "t"),
        id_of("postgresql://me@host:5432/db?sslmode=require", "publict"),
    }
    assert len(others) == 5
    assert same not in others
