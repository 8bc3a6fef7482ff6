from __future__ import annotations

import pytest

from connector_kit.promote import scope


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("x = y", {"y": 1}),
        ("def f(a):\n    b = a\n    return b + c", {"c": 3}),
        ("def f(source):\n    return source", {}),
        ("def f():\n    def g():\n        return deep\n    return g", {"deep": 3}),
        ("class A:\n    x = 1\n    def f(self):\n        return x", {"x": 4}),
        ("[i for i in rows]", {"rows": 1}),
        ("lambda a: a(b)", {"b": 1}),
        ("def f(a: Kind) -> list[Other]: ...", {"Kind": 1, "Other": 1}),
        ("def f():\n    a: Kind = 1\n    return a", {"Kind": 2}),
        ("def f(a: 'Kind | None') -> \"dict[str, Other]\": ...", {"Kind": 1, "Other": 1}),
        ("a: Literal['Kind'] = 'Kind'", {"Literal": 1}),
        ("a = cast('Kind', 1)", {"cast": 1, "Kind": 1}),
        ("a = 'Kind'", {}),
        ("try:\n    pass\nexcept Oops as error:\n    print(error)", {"Oops": 3}),
        ("match a:\n    case Point(x=0):\n        pass", {"a": 1, "Point": 2}),
        ("@wrap\nclass A(Parent, metaclass=Meta): ...", {"wrap": 1, "Parent": 2, "Meta": 2}),
        ("import a.b\na.b.c()", {}),
        ("def f():\n    return g()\ndef g(): ...", {}),
        ("print(len(__file__), ValueError)", {}),
        ("x += 1", {}),
        ("def f():\n    global counter\n    return counter", {"counter": 3}),
        ("f'{name!r:>{width}}'", {"name": 1, "width": 1}),
        ("a.b.c", {"a": 1}),
    ],
)
def test_free_names_and_their_lines(code, names):
    assert scope.free(code) == names


def test_bound_names():
    code = "import a.b as c\nfrom d import e\nx, (y, *z) = 1, (2, 3)\nfor i in x: ...\ndef f(): q = 1\nclass K: r = 1\nu: int\nv: int = 1"
    assert scope.bound(code) == ("K", "c", "e", "f", "i", "v", "x", "y", "z") or scope.bound(code) == (
        "K", "c", "e", "f", "i", "u", "v", "x", "y", "z",
    )  # fmt: skip
