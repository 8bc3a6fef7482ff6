"""No arguments of any operation make a fault: drawn from the schema itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metadata_api.schema.build import SCHEMA

if TYPE_CHECKING:
    from tests.metadata_api.conftest import Caller

FIELDS = [
    (kind, name, field)
    for kind, root in (("query", "Query"), ("mutation", "Mutation"))
    for name, field in SCHEMA._schema.get_type(root).fields.items()
]
LEAVES = {"String", "ID", "Boolean", "Int", "Float", "JSON", "DateTime", "IngestionState"}
VALUES = {
    "ID": st.text(max_size=12) | st.sampled_from(["site/x", "/", "a/b"]),
    "String": st.text(max_size=12),
    "Int": st.integers(-(2**31), 2**31 - 1),
    "Boolean": st.booleans(),
    "JSON": st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3),
}


def bare(kind: Any) -> Any:
    while hasattr(kind, "of_type"):
        kind = kind.of_type
    return kind


def value_of(kind: Any) -> Any:
    if str(kind).endswith("!"):
        return value_of(kind.of_type)
    if str(kind).startswith("["):
        return st.lists(value_of(kind.of_type), max_size=2)
    if str(kind) in VALUES:
        return VALUES[str(kind)]
    required = {name: value_of(each.type) for name, each in kind.fields.items() if str(each.type).endswith("!")}
    optional = {name: value_of(each.type) for name, each in kind.fields.items() if name not in required}
    return st.fixed_dictionaries(required, optional=optional)


def selection(kind: Any) -> str:
    fields = getattr(bare(kind), "fields", {})
    plain = [name for name, each in fields.items() if str(bare(each.type)) in LEAVES]
    return f"{{ {' '.join(plain or ['__typename'])} }}" if fields else ""


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), which=st.sampled_from(FIELDS))
def test_no_arguments_make_a_fault(caller: Caller, data: st.DataObject, which: Any) -> None:
    kind, name, field = which
    drawn = {each: data.draw(value_of(about.type), each) for each, about in field.args.items()}
    declared = ", ".join(f"${each}: {about.type}" for each, about in field.args.items())
    passed = ", ".join(f"{each}: ${each}" for each in field.args)
    call = f"{name}({passed})" if passed else name
    got = caller.ask(f"{kind}{f'({declared})' if declared else ''} {{ {call} {selection(field.type)} }}", **drawn)
    assert "E_FAULT" not in {each["extensions"]["code"] for each in got.get("errors", ())}, (name, drawn, got)
