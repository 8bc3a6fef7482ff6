import enum
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretBytes,
    SecretStr,
    field_validator,
    model_validator,
)

from connectors.describe import fields_of
from connectors.load_config import load_config
from contracts.errors import ConfigInvalidError

SECRET = "hunter2-and-more"


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Proxy(BaseModel):
    model_config = ConfigDict(extra="forbid")

    host: str
    token: SecretStr | None = None


class FakeConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    host: str = Field(description="Where it is.")
    port: int = Field(5432, ge=1, title="Port number", description="TCP port.")
    password: SecretStr | None = Field(SecretStr(SECRET), description="Secret.")
    key: SecretBytes = SecretBytes(SECRET.encode())
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    proxy: Proxy | None = None
    mode: Literal["fast", "safe"] | None = "fast"
    level: Level = Level.HIGH
    include: tuple[str, ...] = ("*",)
    sizes: Annotated[list[int] | None, Field(description="Sizes.")] = None
    labels: dict[str, str] = Field(default_factory=dict)
    connect_timeout_s: float = 1.5
    verify: bool = True
    folder: Path | None = Path("data")
    patience: timedelta = timedelta(seconds=90)
    stamp: str = Field(default_factory=lambda: "each time another")
    base_url: str = "https://example.org"

    @field_validator("host")
    @classmethod
    def _echoes(cls, value):
        if " " in value:
            raise ValueError(f"host {value} has a space")
        return value

    @model_validator(mode="before")
    @classmethod
    def _tells_all(cls, data):
        if data.get("base_url", "").startswith("ftp"):
            raise ValueError(f"cannot use {data}")
        return data


def field(name):
    return next(each for each in fields_of(FakeConfig) if each.name == name)


def refused(**data):
    with pytest.raises(ConfigInvalidError) as caught:
        load_config(FakeConfig, data, "fake.one")
    return caught.value


def test_every_field_in_order():
    assert [each.name for each in fields_of(FakeConfig)] == list(FakeConfig.model_fields)


@pytest.mark.parametrize(
    ("name", "words", "default"),
    [
        ("host", "text", None),
        ("port", "whole number", 5432),
        ("password", "secret text", None),
        ("key", "secret bytes", None),
        ("headers", "map of secret text", None),
        ("proxy", "object (host, token)", None),
        ("mode", "choice", "fast"),
        ("level", "choice", "high"),
        ("include", "list of text", ["*"]),
        ("sizes", "list of whole number", None),
        ("labels", "map of text", {}),
        ("connect_timeout_s", "number", 1.5),
        ("verify", "true or false", True),
        ("folder", "path", "data"),
        ("patience", "duration", "PT1M30S"),
        ("stamp", "text", None),
    ],
)
def test_types_in_words_and_defaults(name, words, default):
    assert (field(name).type, field(name).default) == (words, default)


def test_what_is_required_and_what_is_secret():
    assert [each.name for each in fields_of(FakeConfig) if each.required] == ["host"]
    assert [each.name for each in fields_of(FakeConfig) if each.secret] == [
        "password",
        "key",
        "headers",
        "proxy",
    ]
    assert SECRET not in str(fields_of(FakeConfig))


def test_titles_descriptions_choices():
    assert (field("port").title, field("port").description) == ("Port number", "TCP port.")
    assert field("connect_timeout_s").title == "Connect timeout (seconds)"
    assert field("base_url").title == "Base URL"
    assert field("sizes").description == "Sizes."
    assert (field("mode").choices, field("level").choices) == (("fast", "safe"), ("low", "high"))
    assert field("port").choices == ()


def test_an_alias_is_what_the_operator_writes():
    class Aliased(BaseModel):
        space_key: str = Field(alias="spaceKey")

    assert [each.name for each in fields_of(Aliased)] == ["spaceKey"]
    assert load_config(Aliased, {"spaceKey": "A"}, "fake.two").space_key == "A"
    with pytest.raises(ConfigInvalidError, match="space_key: is not a field; did you mean 'spaceKey'"):
        load_config(Aliased, {"space_key": "A"}, "fake.two")


def test_several_aliases_and_a_type_without_json_schema():
    class Unusual(BaseModel):
        path: str = Field("/", validation_alias=AliasChoices("folderPath", "folder"))
        check: Callable[[str], bool] | None = None

    assert [(each.name, each.type) for each in fields_of(Unusual)] == [("path", "text"), ("check", "any value")]


def test_a_good_config_is_loaded():
    config = load_config(
        FakeConfig, {"host": "h", "port": "5433", "password": SECRET, "proxy": {"host": "p"}}, "fake.one"
    )
    assert (config.host, config.port, config.password.get_secret_value()) == ("h", 5433, SECRET)


def test_every_problem_is_named_at_once():
    error = refused(port="x", mode="slow", pasword="y", proxy={"hots": "p"}, include=[1, "a"])
    assert error.facts["template_id"] == "fake.one"
    assert error.facts["fields"] == {
        "host": "is required",
        "port": "should be a valid integer, unable to parse string as an integer",
        "mode": "should be 'fast' or 'safe'",
        "pasword": "is not a field; did you mean 'password'?",
        "proxy.host": "is required",
        "proxy.hots": "is not a field",
        "include.0": "should be a valid string",
    }
    assert all(f"{name}: {what}" in str(error) for name, what in error.facts["fields"].items())
    assert str(error).endswith("`nucleus template show fake.one` lists the fields.")


@pytest.mark.parametrize(
    ("name", "meant"), [("HOST", "host"), ("base-url", "base_url"), ("connect_timeout", "connect_timeout_s")]
)
def test_did_you_mean(name, meant):
    assert refused(**{"host": "h", name: 1}).facts["fields"] == {name: f"is not a field; did you mean {meant!r}?"}


def test_unknown_fields_are_refused_also_where_the_class_would_ignore_them():
    class Lenient(BaseModel):
        host: str = "h"

    with pytest.raises(ConfigInvalidError, match="zzz: is not a field"):
        load_config(Lenient, {"zzz": 1}, "fake.two")


@pytest.mark.parametrize(
    "data",
    [
        {"host": "h", "password": [SECRET]},
        {"host": "h", "password": {"value": SECRET}, "port": "x"},
        {"host": "h", "pasword": SECRET},
        {"host": f"a {SECRET}", "password": SECRET},
        {"host": "h", "headers": {"auth": [SECRET]}, "base_url": "ftp"},
        {"host": "h", "password": SecretStr(SECRET), "base_url": f"ftp://me:{SECRET}@there"},
        {"host": "h", "key": SECRET.encode(), "base_url": f"ftp://{SECRET}"},
        {"host": "h", "proxy": {"host": "p", "token": SECRET}, "base_url": "ftp"},
        {"host": "h", "base_url": f"ftp://me:{SECRET}@there"},
    ],
)
def test_no_secret_is_repeated(data):
    error = refused(**data)
    assert SECRET not in "".join(traceback.format_exception(error))
    assert SECRET not in str(error.to_json())
    assert (error.__cause__, error.__context__) == (None, None)


def test_a_withheld_reason_still_names_the_field():
    assert "is not acceptable" in refused(host=f"a {SECRET}", password=SECRET).facts["fields"]["host"]
    assert refused(host="a b", password=SECRET).facts["fields"] == {"host": "host a b has a space"}
