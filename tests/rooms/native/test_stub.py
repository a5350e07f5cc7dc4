"""The committed stub, by which the type checker knows the kernel, names what the compiled module has, and no more."""

import ast
from pathlib import Path

import pytest

kernel = pytest.importorskip("seawall_native", reason="the compiled kernel is not built")

STUB = Path(__file__).parents[3] / "native" / "seawall_native.pyi"


def names_in_stub() -> set[str]:
    names = set()
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
            names |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return names - {"HammingIndex.__init__"}  # In the compiled module it is made by __new__.


def names_in_module() -> set[str]:
    names = {name for name in vars(kernel) if not name.startswith("_")}
    names |= {f"HammingIndex.{name}" for name in vars(kernel.HammingIndex) if not name.startswith("_")}
    return names | {"HammingIndex.__len__"}


def test_stub_and_module_have_the_same_names() -> None:
    assert names_in_stub() == names_in_module()


@pytest.mark.parametrize("name", sorted(names_in_stub() - {"HammingIndex.__len__"}))
def test_everything_in_the_module_is_described(name: str) -> None:
    described = kernel
    for part in name.split("."):
        described = getattr(described, part)
    assert described.__doc__
